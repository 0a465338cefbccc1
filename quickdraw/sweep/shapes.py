"""Which jobs may train side by side in one process, and how many of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from quickdraw.building import build
from quickdraw.files import atomic_write
from quickdraw.hardware import job_threads
from quickdraw.rules import LANES
from quickdraw.settings import OUTPUT_KEYS, flatten
from quickdraw.sweep.process import GPU_JOB_MB, visible_gpus

# What each lane has for itself; whatever else differs makes another shape.
OF_A_LANE = {
    "exp_name",
    "seed",
    "dropout_rate",
    "model.dropout_rate",
    "optimizer.lr",
    "optimizer.weight_decay",
    "optimizer.betas",
    "optimizer.momentum",
    "optimizer.nesterov",
    "trainer.epochs",
    "trainer.label_smoothing",
    "trainer.grad_clip",
    "trainer.monitor",
    "trainer.patience",
    *OUTPUT_KEYS,
}
SCHEDULES = ("schedule.", "trainer.schedule.")
TRAINER = "quickdraw.engine.train"

TINY_RATE = 1 / 512  # of dropout: the masks of lanes round it to none, so whoever has no more may not share

LADDER = (8, 64, 256)  # numbers of lanes that `auto` chooses from: the last bits depend on it, so it is not any number
BUSY = 64  # lanes keep a GPU busy: more are worth it only if none is idle
DRAWING_MB = 0.5  # of a GPU's memory for each drawing of a batch in a lane
SHARE = 0.8  # of the free memory that lanes may take
NOTE = ".lanes"


@dataclass(frozen=True)
class Gpus:
    """The GPUs that the sweep may use: how many, and about how much memory is free on each."""

    count: int
    free_mb: float


def shape_of(config: Mapping[str, Any]) -> str:
    """What jobs must have in common to train side by side, as a text."""
    settings = flatten(config)
    common: dict[str, Any] = {"tiny dropout": 0 < settings.get("model.dropout_rate", 0.0) <= TINY_RATE}
    for key, value in settings.items():
        if key not in OF_A_LANE and not key.startswith(SCHEDULES):
            common[key] = job_threads(value) if key == "threads" else value
    return json.dumps(common, sort_keys=True)


def send_gpus(pipe: "connection.Connection", jobs: int) -> None:
    """Send the GPUs that this process may use, which have memory for so many jobs; CUDA is not started again."""
    count = len(visible_gpus())
    pipe.send(Gpus(count, jobs * GPU_JOB_MB / max(1, count)))


def send_refusals(pipe: "connection.Connection", configs: Sequence[Mapping[str, Any]]) -> None:
    """Send why jobs with these configurations may share no process with others, each in words; "" if they may."""
    from quickdraw.lanes import may_share

    refusals = []
    for config in configs:
        refusal = ""
        if config["trainer"]["_target_"] != TRAINER:
            refusal = f"its trainer is not {TRAINER}"
        else:
            net = build(config, "model", num_classes=2)
            refusal = may_share(net, build(config, "optimizer", net.parameters()))
        refusals.append(refusal)
    pipe.send(refusals)


def fitting_width(jobs: int, batch_size: int, gpus: Gpus) -> int:
    """How many lanes so many jobs take: enough for all, as far as they are worth it and memory allows."""
    lane_mb = batch_size * DRAWING_MB
    width = 1
    for step in LADDER:
        is_worth_it = width < jobs and (step <= BUSY or step <= jobs)
        if not is_worth_it or step * lane_mb > SHARE * gpus.free_mb:
            break
        width = step
    return width


def noted_width(sweep: Path) -> int | None:
    """The number of lanes that an earlier command chose for this sweep, if one did."""
    try:
        width = int((sweep / NOTE).read_bytes()[:9])
    except (OSError, ValueError):
        return None
    return width if LANES.holds(width) else None


def note_width(sweep: Path, width: int) -> None:
    """Keep the number of lanes for the next command: with another one the last bits would be others."""
    sweep.mkdir(parents=True, exist_ok=True)
    atomic_write(sweep / NOTE, f"{width}\n".encode())
