"""Small trainings in the lanes of a pack, in this process."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from quickdraw.data.batches import Batches
from quickdraw.lanes import Pack, Training
from quickdraw.run.checkpoint import encode
from quickdraw.schedule import one_cycle, warmup_cosine
from quickdraw.state import EpochRecord, Snapshot
from tests.support.training import OPTIMIZERS, Optimizer, Weights, network, weights

WIDTH = 3
Split = tuple[Batches, Batches]

# Each setting that may differ by lane, different in each of four lanes.
SETTINGS: list[dict[str, Any]] = [
    {"schedule": one_cycle, "label_smoothing": 0.1, "epochs": 3},
    {"schedule": warmup_cosine, "grad_clip": 0.5, "patience": 1},
    {"label_smoothing": 0.3, "grad_clip": 2.0, "monitor": "val_loss", "epochs": 1},
    {},
]
RATES = [0.5, 0.0, 0.25, 0.9]
BY_LANE: dict[str, list[Optimizer]] = {
    "adamw": [
        lambda p: torch.optim.AdamW(p, lr=3e-3, fused=True),
        lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.5, betas=(0.8, 0.9)),
        lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0, eps=1e-3),
        lambda p: torch.optim.AdamW(p, lr=5e-4, betas=(0.95, 0.99)),
    ],
    "adam": [
        lambda p: torch.optim.Adam(p, lr=3e-3, fused=True),
        lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=0.1, betas=(0.8, 0.9)),
        lambda p: torch.optim.Adam(p, lr=1e-2, eps=1e-3),
        lambda p: torch.optim.Adam(p, lr=5e-4, weight_decay=0.01),
    ],
    "sgd": [
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, fused=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.2),
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.95, weight_decay=0.1),
    ],
}


class Job:
    """A training that remembers what was there at the end of each epoch and what was saved."""

    def __init__(
        self,
        seed: int = 0,
        make_optimizer: Optimizer = OPTIMIZERS["adamw"],
        net: nn.Module | None = None,
        resume_from: Snapshot | None = None,
        at_epoch: Callable[[EpochRecord], None] = lambda record: None,
        **trainer: Any,
    ) -> None:
        self.epochs: list[Weights] = []
        self.saves: dict[int, bytes] = {}
        self.at_epoch = at_epoch
        self.net = net or network(seed)
        settings = {"epochs": 2} | trainer
        optimizer = make_optimizer(self.net.parameters())
        self.training = Training(
            f"job {seed}", self.net, optimizer, seed, settings, self.on_epoch, self.save, resume_from
        )

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(weights(self.net))
        self.at_epoch(record)

    def save(self, step: int, snapshot: Snapshot) -> None:
        self.saves[step] = encode(snapshot.tensors, snapshot.values)


def job(lane: int, optimizer: str, **settings: Any) -> Job:
    """The training whose settings are those of a lane in the tables above."""
    return Job(lane, BY_LANE[optimizer][lane], network(lane, RATES[lane]), **(SETTINGS[lane] | settings))


def trained(width: int, batches: tuple[Batches, Batches], jobs: Iterable[Job], **settings: Any) -> list[Job]:
    """Train all jobs in a pack, each as soon as a lane is free; returns them as they came."""
    jobs = list(jobs)
    pack, waiting = Pack(width, *batches, **settings), list(jobs)
    while waiting or pack.free < width:
        while waiting and pack.free:
            pack.admit(waiting.pop(0).training)
        pack.epoch()
    return jobs
