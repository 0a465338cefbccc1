"""What the number of drawings and of classes costs: seconds to the first step, drawings a second, memory.

python -m benchmarks.scaling                                    # 1, 10, 100 and 1,459 thousand drawings of ten classes
python -m benchmarks.scaling --classes 10 50 345 --drawings 100000
python -m benchmarks.scaling threads=1 --drawings 1459179 --plain   # beside the plain loop; overrides come first

Tiles real drawings to as many as asked, the default classes in their official proportions, each drawing made unique by
its number in four pixels of the margin, in a temporary folder (784 bytes a drawing). Then calls `run.py` twice on them
as a user would and measures the second start: its progress bar tells when the first step and when the last were done,
and Linux' /proc how much memory is anonymous (all but the mapped files) and how much with those files.
"""

import argparse
import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from quickdraw.data.fetch.official import read_table
from quickdraw.data.names import DEFAULT_CLASSES

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "quickdraw"
CHUNK = 16_384  # drawings written at once
BATCH = 64
CORNERS = [0, 27, 756, 783]  # paper in every drawing: the margin is 2 pixels wide
TIMEOUT_S = 600


def tile(source: Path, target: Path, names: list[str], drawings: int) -> int:
    """Fill `target` with those classes of `source`, about `drawings` in all, no two alike; return how many there are.

    Each class gets its share of the official counts.
    """
    table = read_table()
    official = {name: ((table["bitmap", name].size or 0) - 80) // 784 for name in names}
    counts = {name: max(20, round(drawings * count / sum(official.values()))) for name, count in official.items()}
    if shutil.disk_usage(target).free < 1.1 * sum(counts.values()) * 784:
        sys.exit(f"error: {target}: too little room for {drawings:,} drawings; set TMPDIR")
    for name, count in counts.items():
        rows = np.load(source / f"{name}.npy")
        out = np.lib.format.open_memmap(target / f"{name}.npy", "w+", np.uint8, (count, 784))
        for start in range(0, count, CHUNK):
            numbers = np.arange(start, min(start + CHUNK, count), dtype="<u4")
            tiles = rows[numbers % len(rows)]
            tiles[:, CORNERS] = numbers.view(np.uint8).reshape(-1, 4)
            out[start : start + CHUNK] = tiles
        del out
    return sum(counts.values())


def watch(folder: Path, command: list[str], steps: int) -> dict[str, float]:
    """Run a program to its end, or until its progress bar tells so many steps of one epoch; then it is killed.

    Returns `first_step_s`, `samples_per_s` and the peaks `anonymous_mb` and `rss_mb`. Raises SystemExit when it ends
    without a step.
    """
    begin = time.perf_counter()
    first_s, shown, peak, resident, said = 0.0, [(0, 0.0)], 0.0, 0.0, ""
    with subprocess.Popen(
        command,
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as run:
        assert run.stderr
        assert run.stdout
        waiting = selectors.DefaultSelector()
        waiting.register(run.stderr, selectors.EVENT_READ)
        while run.poll() is None and time.perf_counter() - begin < TIMEOUT_S:
            peak, resident = max(peak, memory_mb(run.pid, "RssAnon")), max(resident, memory_mb(run.pid, "VmHWM"))
            if waiting.select(timeout=0.01):
                said = (said + os.read(run.stderr.fileno(), 4096).decode(errors="replace"))[-2000:]
            done = re.findall(r"(\d+)/\d+ \[", said)
            if done and int(done[-1]) > shown[-1][0]:
                shown.append((int(done[-1]), time.perf_counter() - begin))
                first_s = first_s or shown[-1][1]
            if shown[-1][0] >= steps:
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        printed = run.stdout.read().decode()
    if not first_s:
        sys.exit(f"error: {command} ended without a step: {said}")
    results = [json.loads(path.read_text()) for path in folder.glob("outputs/runs/*/*/result.json")]
    results += [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if results:
        rate = results[-1]["samples_per_s"]
    else:
        (a, a_s), (b, b_s) = shown[1], shown[-1]
        rate = BATCH * (b - a) / (b_s - a_s) if b > a else float("nan")
    return {"first_step_s": first_s, "samples_per_s": rate, "anonymous_mb": peak, "rss_mb": resident}


def memory_mb(pid: int, what: str) -> float:
    """Return what Linux tells of a process's memory, in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(status.split(f"{what}:")[1].split()[0]) / 1e3
    except (OSError, IndexError):
        return 0.0


def measure(names: list[str], drawings: int, steps: int, plain: bool, arguments: list[str]) -> dict[str, dict]:
    """Return, for that many drawings of those classes, `ours` (the second start), its `first` start, and `plain`."""
    many = len(names) > len(DEFAULT_CLASSES)
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), Path(name) / "data"
        data.mkdir()
        count = tile(SHARED / ("bitmap_345" if many else "bitmap"), data, names, drawings)
        epochs = max(1, round(steps / (0.7 * count / BATCH)))
        classes = "[" + ",".join(f"'{each}'" for each in names) + "]"
        ours = [sys.executable, str(ROOT / "run.py"), f"data.root={data}", f"data.classes={classes}"]
        ours += ["trainer.progress=true", f"data.batch_size={BATCH}", f"trainer.epochs={epochs}", *arguments]
        answers = {"first": watch(folder, ours, 1), "ours": watch(folder, ours, steps)}
        if plain:
            loop = [sys.executable, str(ROOT / "benchmarks" / "plain_loop.py"), str(data), f"--batch_size={BATCH}"]
            limits = [f"--epochs={epochs}", f"--max_steps={steps // epochs}"]
            shutil.rmtree(folder / "outputs")
            answers["plain"] = watch(folder, [*loop, *limits], sys.maxsize)
    for answer in answers.values():
        answer |= {"drawings": count, "classes": len(names)}
    return answers


def table(measured: list[dict[str, dict]]) -> str:
    """Return a Markdown table of some measurements."""
    lines = [
        "| program | drawings | classes | s to the first step | (first start) | drawings/s | anonymous MB | RSS MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for answers in measured:
        for name in ("plain", "ours"):
            if name in answers:
                one = answers[name]
                earlier = f"{answers['first']['first_step_s']:.1f}" if name == "ours" else ""
                lines.append(
                    f"| {name} | {one['drawings']:,} | {one['classes']} | {one['first_step_s']:.1f} | {earlier} "
                    f"| {one['samples_per_s']:,.0f} | {one['anonymous_mb']:,.0f} | {one['rss_mb']:,.0f} |"
                )
    return "\n".join(lines)


def main() -> None:
    """Measure and print; other arguments are passed to `run.py`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawings", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_459_179])
    parser.add_argument("--classes", type=int, nargs="+", default=[10], help="how many; more than ten: of all 345")
    parser.add_argument("--steps", type=int, default=300, help="to run at the second start")
    parser.add_argument("--plain", action="store_true", help="the plain loop too")
    options, arguments = parser.parse_known_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: no drawings there to tile")
    names = sorted(path.stem for path in (SHARED / "bitmap_345").glob("*.npy"))
    measured = [
        measure(
            list(DEFAULT_CLASSES) if count <= 10 else names[:count], drawings, options.steps, options.plain, arguments
        )
        for drawings in options.drawings
        for count in options.classes
    ]
    print(table(measured))


if __name__ == "__main__":
    main()
