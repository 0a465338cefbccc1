"""A run in three stages: prepared, trained, finished. `run.py` goes through them with one run, a pack with many."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from quickdraw import engine, hardware, lanes, seeding, settings
from quickdraw.building import build, check_network, check_optimizer, construct
from quickdraw.data.dataset import Dataset, check_dataset
from quickdraw.data.resident import resident
from quickdraw.predictions import Predictions, read_predictions
from quickdraw.run import provenance, results, warm_up
from quickdraw.run.checkpoint import Checkpoints
from quickdraw.run.folder import RunFolder
from quickdraw.run.tracking import Tracker
from quickdraw.run.weights import describe_weights
from quickdraw.state import EpochRecord, Snapshot
from quickdraw.weights_file import write_weights

PREDICTIONS = "predictions.npz"

log = logging.getLogger("quickdraw")


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train: from step 0, or from where its snapshot stands; its network lies on `device`."""

    run: RunFolder
    config: dict[str, Any]
    data: Dataset
    net: nn.Module
    optimizer: torch.optim.Optimizer
    environment: Mapping[str, Any]
    checkpoints: Checkpoints
    snapshot: Snapshot | None
    tracker: Tracker
    device: str
    is_tested: bool
    first_steps: threading.Thread | None

    def train(self, stop: Callable[[], int | None], raise_if_pruned: Callable[[], None]) -> list[EpochRecord]:
        """Train as the configuration says. Return one record an epoch; raises what `engine.train` does."""

        def on_epoch(record: EpochRecord) -> None:
            self.tracker.epoch(record)
            raise_if_pruned()

        train = construct("trainer", self.config["trainer"])
        if self.config["lanes"] > 1:
            train = partial(lanes.train, lanes=self.config["lanes"], **train.keywords)
        train_batches, val_batches = resident(self.data.train, self.device), resident(self.data.val, self.device)
        if self.first_steps:
            from quickdraw.run import charts  # noqa: F401 - 0.3 s for matplotlib, in which Python would only wait

            self.first_steps.join()
        history: list[EpochRecord] = train(
            self.net,
            self.optimizer,
            train_batches,
            val_batches,
            seed=self.config["seed"],
            on_epoch=on_epoch,
            save=self.checkpoints.save,
            resume_from=self.snapshot,
            stop_signal=stop,
        )
        return history

    def test(self) -> Predictions:
        """The predictions for the test split with the best weights, looked at once; they stay in the folder."""
        path = self.run.path / PREDICTIONS
        if self.is_tested:
            return read_predictions(path)
        tested = engine.predict(self.net, self.data.test)
        tested.write(path)
        return tested


def prepare(
    run: RunFolder,
    config: dict[str, Any],
    overrides: Sequence[str],
    config_from: Sequence[str],
    *,
    one_of_many: bool,
    on_begin: Callable[[], object] = lambda: None,
    data: Dataset | None = None,
    is_tested: bool = False,
) -> Prepared:
    """Build what the configuration describes, in a folder that is claimed.

    `overrides` are those that were typed, `config_from` where else the configuration comes from. `on_begin` is called
    when `status.json` says that the run is running. `data` may have been loaded for another run. The network of a run
    that is tested stays in the host's memory: starting CUDA takes a process seconds.
    """
    # From here on status.json says that the run is running, and with which settings.
    settings.check_arguments(config)
    why = hardware.resolve_auto(config, one_of_many)
    elsewhere = run.status.get("config_from") or config_from
    width = config.setdefault("lanes", 1)
    typed = [*overrides, f"threads={config['threads']}"]
    if width != run.lanes:
        typed.append(f"lanes={width}")
    run.begin(config, typed, machine=hardware.describe(), config_from=elsewhere)
    on_begin()

    # What the configuration names: drawings, network, optimizer.
    seeding.seed_everything(config["seed"])
    data = data or check_dataset(build(config, "data"))
    if width > 1:
        seeding.seed_everything(config["seed"])  # whichever run it was that loaded the drawings
    threads = f"threads={config['threads']}{f' ({why})' if why else ''}"
    log.info("%s; on %s, %s, %s", data, config["device"], threads, config["trainer"]["precision"])
    device = "cpu" if is_tested else config["device"]
    net = build(config, "model", num_classes=len(data.classes)).to(device)
    first_steps = warm_up.begin(net, device, data.train, config["trainer"]["precision"]) if width == 1 else None
    check_network(net, next(iter(data.val))[0].to(device), len(data.classes))
    optimizer = build(config, "optimizer", net.parameters())
    check_optimizer(optimizer)

    # Where the run stood, if it is continued.
    environment = hardware.environment(config)
    drawings = {"fingerprints": data.fingerprints, "split": data.split_digest}
    checkpoints = Checkpoints(run, {**drawings, "environment": environment})
    snapshot = checkpoints.load()
    if is_tested and (snapshot is None or len(snapshot.history) < run.status["epoch"]):  # its last one is damaged
        device, is_tested = config["device"], False
        net.to(device)
    run.note_changes(typed)
    provenance.record(run, environment, drawings)
    tracker = Tracker(run, snapshot)
    return Prepared(
        *(run, config, data, net, optimizer, environment, checkpoints, snapshot, tracker),
        *(device, is_tested, first_steps),
    )


def finish(prepared: Prepared, history: Sequence[EpochRecord]) -> dict[str, Any]:
    """Test a trained run and leave its results behind; return the content of `result.json`, the last file."""
    run, config, data, net = prepared.run, prepared.config, prepared.data, prepared.net
    tested = prepared.test()
    result = results.summarise(config, data, net, history, tested)
    before = prepared.snapshot.history if prepared.snapshot else []
    if config["lanes"] > 1 and len(before) == len(history):
        result["total_s"] += result["train_s"]  # a lane of another process has trained it
    prepared.tracker.finish(net, data, settings.flatten(config), result, tested)
    weights = run.path / "weights" / f"{config['exp_name']}_net.pth"
    write_weights(weights, net, describe_weights(config, data, result, prepared.environment))
    comparison = provenance.compare(run, config["rerun"]) if config["rerun"] else ""
    run.complete(result)
    log.info("test accuracy %.4f, with the weights of epoch %d", result["test_accuracy"], result["best_epoch"])
    log.info("weights: %s\nlook at it: tensorboard --logdir outputs", weights)
    if comparison:
        log.info("%s", comparison)
    return result
