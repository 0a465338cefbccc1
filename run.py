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
    from quickdraw import hardware, settings
    from quickdraw.run.folder import RunFolder
    from quickdraw.run.listing import update_summary
    from quickdraw.sweep import pruning_hook
    from quickdraw.waiting import asleep_beside_others

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
    if not run.tested:
        hardware.start_cuda(config["device"])
    from quickdraw.run import stages  # torch takes 1.2 s, so it is imported only when the settings are good

    if sweep and run.begun:
        config["lanes"] = run.lanes  # a job that began in a pack ends with its bits
    prepared = stages.prepare(
        run,
        config,
        overrides,
        config_from(HydraConfig.get()),
        one_of_many=sweep is not None,
        on_begin=lambda: update_summary(sweep) if sweep else None,
        is_tested=run.tested,
    )
    with asleep_beside_others():
        with stop.politely():  # a signal may end the training after any step
            history = prepared.train(stop, pruning_hook.raise_if_pruned)
        return stages.finish(prepared, history)


if __name__ == "__main__":
    sys.exit(command_line.call(main))
