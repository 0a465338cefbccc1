"""What never losing a run costs: the share of training time that goes into saving and checking.

python -m benchmarks.checkpoint_cost --root data

First each part is timed alone: a checkpoint (collected and checked, encoded, written and flushed to the disk) and what
an epoch writes. Then trainings that save every half a second take turns with trainings that never do, since at the
default of 30 s the difference would be lost in the noise, and the difference is scaled back. It depends on the disk.
"""

import argparse
import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from quickdraw import engine, hardware
from quickdraw.data.bitmaps import Bitmaps
from quickdraw.files import atomic_write
from quickdraw.learning_rate import LearningRate
from quickdraw.model.convnet import ConvNet
from quickdraw.run.checkpoint import Checkpoints, encode
from quickdraw.run.folder import RunFolder
from quickdraw.run.tracking import Tracker
from quickdraw.schedule import constant
from quickdraw.seeding import seed_everything
from quickdraw.state import State

DEFAULT_S = 30.0
OFTEN_S = 0.5

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--root", type=Path, default=Path("data"), help="the folder with the classes' .npy files")
parser.add_argument("--limit", type=int, default=10_000, help="drawings of each class")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=8, help="trainings of each kind, taking turns")
parser.add_argument("--folder", type=Path, default=Path(), help="where to write: on the disk that is to be measured")
arguments = parser.parse_args()


def median_ms(action: Callable[[], Any], times: int = 30) -> float:
    """Return the median duration of an action."""
    durations = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        durations.append(time.perf_counter() - begin)
    return 1000 * statistics.median(durations)


def training_s(**options: Any) -> float:
    """Return the seconds of two epochs from the same start."""
    net, optimizer = new_network()
    begin = time.perf_counter()
    engine.train(net, optimizer, data.train, data.val, epochs=2, on_epoch=lambda record: None, **options)
    return time.perf_counter() - begin


def new_network() -> tuple[ConvNet, torch.optim.Optimizer]:
    seed_everything(0)
    net = ConvNet()
    return net, torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)


logging.disable()
torch.set_num_threads(arguments.threads)
folder = Path(tempfile.mkdtemp(prefix="checkpoint_cost-", dir=arguments.folder))
try:
    data = Bitmaps(arguments.root, limit_per_class=arguments.limit, cache=folder / "cache")
    run = RunFolder(folder)
    run.begin({}, [])
    checkpoints = Checkpoints(run, {"fingerprints": data.fingerprints, "environment": hardware.versions()})
    net, optimizer = new_network()
    tracker = Tracker(run, None)
    history = engine.train(
        net, optimizer, data.train, data.val, epochs=1, on_epoch=tracker.epoch, save=checkpoints.save
    )
    epoch_s, record = history[0]["train_s"], history[0]

    state = State(net, optimizer, len(data.train), len(data.train.indices))
    state.position.history, state.position.step = history * 20, state.steps
    rate = LearningRate(optimizer, constant, len(data.train))
    snapshot = state.snapshot()
    encoded = encode(snapshot.tensors, snapshot.values)
    parts_ms = {
        "collect the state, check that the losses are finite": median_ms(
            lambda: (state.check_finite(rate), state.snapshot())
        ),
        f"encode and digest {len(encoded) / 1e6:.2f} MB": median_ms(lambda: encode(snapshot.tensors, snapshot.values)),
        "write, flush, rename, flush the folder": median_ms(lambda: atomic_write(folder / "file", encoded)),
        "status.json": median_ms(lambda: run.update(step=0)),
    }
    tracker.history = history * 20
    epoch_ms = median_ms(lambda: (tracker.epoch(record), tracker.history.pop()))

    kinds: dict[str, Callable[[], float]] = {
        "never": partial(training_s, checkpoint_every_s=1e9),
        "often": partial(training_s, checkpoint_every_s=OFTEN_S, save=checkpoints.save),
    }
    durations: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(arguments.rounds):
        for kind in sorted(kinds, reverse=bool(turn % 2)):
            durations[kind].append(kinds[kind]())
finally:
    shutil.rmtree(folder)

save_ms = sum(parts_ms.values())
extra = [often / never - 1 for often, never in zip(durations["often"], durations["never"], strict=True)]
error = statistics.stdev(extra) / len(extra) ** 0.5 if len(extra) > 1 else float("nan")
scale = OFTEN_S / DEFAULT_S
versions = hardware.versions()
print(f"{hardware.processor()}, {arguments.threads} thread(s), Python {versions['python']}, torch {versions['torch']}")
print(f"{data}; an epoch takes {epoch_s:.1f} s\n")
print("| | ms | share of training time |\n|---|---|---|")
for part, duration_ms in parts_ms.items():
    print(f"| {part} | {duration_ms:.2f} | {duration_ms / 1000 / DEFAULT_S:.4%} |")
print(f"| **a checkpoint, every {DEFAULT_S:g} s** | **{save_ms:.2f}** | **{save_ms / 1000 / DEFAULT_S:.4%}** |")
print(f"| metrics.csv, TensorBoard and status.json, every epoch | {epoch_ms:.2f} | {epoch_ms / 1000 / epoch_s:.4%} |")
print(f"| **together** | | **{save_ms / 1000 / DEFAULT_S + epoch_ms / 1000 / epoch_s:.3%}** |")
print(
    f"\nTaking turns, {len(extra)} trainings each ({statistics.median(durations['never']):.1f} s): "
    f"saving every {OFTEN_S} s costs {statistics.mean(extra):.2%} (standard error {error:.2%}),\n"
    f"which is {statistics.mean(extra) * scale:.3%} (standard error {error * scale:.3%}) every {DEFAULT_S:g} s."
)
