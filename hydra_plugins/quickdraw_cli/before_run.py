"""What is asked before Hydra writes: whether a folder holds this very run, and whether anything leads out of it."""

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from hydra_plugins.quickdraw_cli.home import expand_home
from hydra_plugins.quickdraw_cli.resolvers import plain
from quickdraw import console, settings
from quickdraw.errors import QuickdrawError
from quickdraw.links import check_run_folder, check_sweep_folder
from quickdraw.run.folder import RunFolder


class BeforeRun(Callback):
    """Hydra's callback. It ends the process itself, because Hydra makes a warning of an error."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """End the process with an error if the folder holds a run with other settings; with 0 if that is completed."""
        expand_home(config.hydra.run)
        try:
            check_run_folder(Path(config.hydra.run.dir))
            run, asked = RunFolder(config.hydra.run.dir), plain(config)
            if run.begun:
                settings.check(asked)
            run.check_settings(asked)
        except QuickdrawError as error:
            sys.exit(console.complain(error))
        result = run.result()
        if result:
            console.say(run.nothing_to_do(result))
            sys.exit(0)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """End the process with an error if one of the sweep's own files would be written somewhere else."""
        expand_home(config.hydra.sweep)
        try:
            check_sweep_folder(Path(config.hydra.sweep.dir))
        except QuickdrawError as error:
            sys.exit(console.complain(error))
