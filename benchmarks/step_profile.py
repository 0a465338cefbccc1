"""Where a training step goes, before and after: the textbook step and ours, side by side, operator by operator.

python -m benchmarks.step_profile --batch_size 128 --threads 1

Both train the same network on the same drawings, in one process. Prints the median milliseconds of a step of each,
measured in turn without the profiler, and the share of the operators in what torch's profiler counts of it.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from benchmarks.plain_loop import network
from quickdraw import hardware
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.engine import training_step
from quickdraw.model.convnet import ConvNet
from quickdraw.seeding import seed_step

ROOT = Path(__file__).parents[1]
MULTIPLY_ADDS = 2.18e6  # of a training sample, forward and backward, as the textbook network computes it
SHOWN = 12  # operators; the rest is one row


def textbook(images: torch.Tensor, labels: torch.Tensor) -> Callable[[int], None]:
    """Return a step of the plain loop."""
    net = network(10, 0.5).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step(number: int) -> None:
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ours(images: torch.Tensor, labels: torch.Tensor, precision: str) -> Callable[[int], None]:
    """Return a step of `engine.train`."""
    net = ConvNet(0.5).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

    def step(number: int) -> None:
        seed_step(0, 0, number)
        training_step(net, optimizer, images, labels, precision, 0.0, float("inf"))

    return step


def milliseconds(steps: list[Callable[[int], None]], count: int) -> list[float]:
    """Return the median time of each kind of step, in turn."""
    times: list[list[float]] = [[] for _ in steps]
    for number in range(count):
        for step, own in zip(steps, times, strict=True):
            begin = time.perf_counter()
            step(number)
            own.append(1000 * (time.perf_counter() - begin))
    return [median(own) for own in times]


def shares(step: Callable[[int], None], count: int) -> dict[str, float]:
    """Return the share of each operator in the time that all spend in themselves."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for number in range(count):
            step(number)
    own = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(own.values())
    return {name: value / total for name, value in sorted(own.items(), key=lambda item: -item[1])}


def table(name: str, parts: dict[str, float]) -> str:
    """Return the largest shares as a Markdown table."""
    rows = list(parts.items())[:SHOWN]
    rows.append(("all other", 1 - sum(share for _, share in rows)))
    return "\n".join([f"| {name} | share |", "|---|---|", *(f"| `{key}` | {share:.1%} |" for key, share in rows)])


def main() -> None:
    """Measure, profile, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "quickdraw" / "bitmap")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    if not options.root.is_dir():
        sys.exit(f"{options.root}: no drawings there; name a folder with the ten classes: --root FOLDER")
    torch.set_num_threads(options.threads)
    precision = hardware.resolve_precision("auto", "cpu")
    with_cache = ROOT / "outputs" / ".cache"
    images, labels = next(Bitmaps(options.root, batch_size=options.batch_size, cache=with_cache).train.epoch(0, 0))
    steps = [textbook(images, labels), ours(images, labels, precision), ours(images, labels, "float32")]
    names = ["textbook, float32", f"ours, {precision}", "ours, float32"]
    for step in steps:
        for number in range(3):
            step(number)
    as_users_get_it = milliseconds(steps[:1], options.steps)[0]
    hardware.keep_memory()
    print("| step | ms | drawings/s | GFLOP/s |\n|---|---|---|---|")
    for name, ms in zip(
        ["textbook, glibc as it is", *names], [as_users_get_it, *milliseconds(steps, options.steps)], strict=True
    ):
        per_s = 1000 * options.batch_size / ms
        print(f"| {name} | {ms:.1f} | {per_s:,.0f} | {per_s * 2 * MULTIPLY_ADDS / 1e9:.0f} |")
    for name, step in zip(names[:2], steps[:2], strict=True):
        print(f"\n{table(name, shares(step, options.steps))}")
    machine = hardware.describe()
    print(
        f"\nBatch {options.batch_size}, {options.threads} thread(s), {machine['processor']}, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
