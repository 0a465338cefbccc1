"""What is asked before Hydra writes into a run's folder: whether a run with these very settings belongs there."""

import math
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from hydra_plugins.quickdraw_cli.resolvers import plain
from quickdraw import console, settings
from quickdraw.errors import QuickdrawError
from quickdraw.run.folder import RunFolder


class BeforeRun(Callback):
    """Hydra's callback for a single run. It ends the process itself, because Hydra makes a warning of an error."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """End the process with an error if the folder holds a run with other settings; with 0 if that is completed."""
        run, asked = RunFolder(config.hydra.run.dir), plain(config)
        try:
            if run.begun:
                settings.check(asked)
            run.check_settings(asked)
        except QuickdrawError as error:
            sys.exit(console.complain(error))
        result = run.result()
        if result:
            print(
                f"{run.path} is completed: test accuracy {result.get('test_accuracy', math.nan):.4f}; nothing to do",
                flush=True,
            )
            sys.exit(0)
