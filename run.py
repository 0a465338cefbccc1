"""Train a drawing recogniser: compose the configuration, build what it names, train, test, leave the results behind.

python run.py optimizer.lr=1e-3
python run.py -m dropout_rate=0.3,0.5
python run.py resume=outputs/runs/<exp_name>/<folder>
python run.py rerun=outputs/runs/<exp_name>/<folder>
"""

import contextlib
import logging
import math
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # runpy, a profiler or PYTHONSAFEPATH=1 may not have done it
from quickdraw.signals import StopSignal, quiet_interrupts, stop_on_signals

with quiet_interrupts() if __name__ == "__main__" else contextlib.nullcontext():  # these take half a second
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    from hydra_plugins.quickdraw_cli import command_line, resolvers
    from hydra_plugins.quickdraw_cli.resolvers import plain
    from hydra_plugins.quickdraw_cli.saved import config_from
    from quickdraw import settings
    from quickdraw.building import build, check_network, check_optimizer, construct
    from quickdraw.run.folder import RunFolder
    from quickdraw.run.listing import update_summary
    from quickdraw.sweep import pruning_hook

log = logging.getLogger("quickdraw")


@hydra.main(version_base="1.3", config_path=str(resolvers.CONF), config_name="config")
def main(cfg: DictConfig) -> float:
    """Run one job in the folder that Hydra made for it. Return its best validation score, by `trainer.monitor`."""
    job = HydraConfig.get()
    if job.job.chdir:
        os.chdir(job.runtime.cwd)  # from where the user typed the paths
    config = plain(cfg)
    run = RunFolder(job.runtime.output_dir)
    sweep = Path(job.runtime.cwd, job.sweep.dir) if job.mode == RunMode.MULTIRUN else None
    with (
        command_line.job_errors(run, sweep),
        stop_on_signals() as stop,
        run.claimed(),
        run.outcome(),
    ):
        result = run.result()
        if result:
            log.info("%s", run.nothing_to_do(result))
        else:
            settings.check(config)
            result = train_and_test(run, config, stop, list(job.overrides.task), sweep)
        return float(result.get(config["trainer"]["monitor"], math.nan))


def train_and_test(
    run: RunFolder, config: dict[str, Any], stop: StopSignal, overrides: list[str], sweep: Path | None
) -> dict[str, Any]:
    """Train and test what the configuration describes; return the content of `result.json`."""
    # torch takes 1.2 s, so it is imported only when the settings are good.
    from quickdraw import engine, hardware, seeding
    from quickdraw.data.dataset import check_dataset
    from quickdraw.data.resident import resident
    from quickdraw.run import provenance, results
    from quickdraw.run.checkpoint import Checkpoints
    from quickdraw.run.tracking import Tracker
    from quickdraw.run.weights import describe_weights
    from quickdraw.weights_file import write_weights

    # From here on status.json says that the run is running, and with which settings.
    settings.check_arguments(config)
    why = hardware.resolve_auto(config, one_of_many=sweep is not None)
    elsewhere = run.status.get("config_from") or config_from(HydraConfig.get())
    typed = [*overrides, f"threads={config['threads']}"]
    run.begin(config, typed, machine=hardware.describe(), config_from=elsewhere)
    if sweep:
        update_summary(sweep)

    # What the configuration names: drawings, network, optimizer.
    seeding.seed_everything(config["seed"])
    data = check_dataset(build(config, "data"))
    threads = f"threads={config['threads']}{f' ({why})' if why else ''}"
    log.info("%s; on %s, %s, %s", data, config["device"], threads, config["trainer"]["precision"])
    net = build(config, "model", num_classes=len(data.classes)).to(config["device"])
    check_network(net, next(iter(data.val))[0].to(config["device"]), len(data.classes))
    optimizer = build(config, "optimizer", net.parameters())
    check_optimizer(optimizer)

    # Where the run stood, if it is continued.
    environment = hardware.environment(config)
    drawings = {"fingerprints": data.fingerprints, "split": data.split_digest}
    checkpoints = Checkpoints(run, {**drawings, "environment": environment})
    snapshot = checkpoints.load()
    run.note_root(overrides)
    provenance.record(run, environment, drawings)
    tracker = Tracker(run, snapshot)

    def on_epoch(record: dict[str, Any]) -> None:
        tracker.epoch(record)
        pruning_hook.raise_if_pruned()

    # Training, which a signal may end after any step.
    with stop.politely():
        history = construct("trainer", config["trainer"])(
            net,
            optimizer,
            resident(data.train, config["device"]),
            resident(data.val, config["device"]),
            seed=config["seed"],
            on_epoch=on_epoch,
            save=checkpoints.save,
            resume_from=snapshot,
            stop_signal=stop,
        )

    # The test split, with the best weights: looked at once. result.json is the last file.
    tested = engine.predict(net, data.test)
    tested.write(run.path / "predictions.npz")
    result = results.summarise(config, data, net, history, tested)
    tracker.finish(net, data, settings.flatten(config), result, tested)
    weights = run.path / "weights" / f"{config['exp_name']}_net.pth"
    write_weights(weights, net, describe_weights(config, data, result, environment))
    comparison = provenance.compare(run, config["rerun"]) if config["rerun"] else ""
    run.complete(result)
    log.info("test accuracy %.4f, with the weights of epoch %d", result["test_accuracy"], result["best_epoch"])
    log.info("weights: %s\nlook at it: tensorboard --logdir outputs", weights)
    if comparison:
        log.info("%s", comparison)
    return result


if __name__ == "__main__":
    sys.exit(command_line.call(main))
