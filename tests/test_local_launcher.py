"""What the launcher of this machine says to Hydra, and what it refuses."""

import math
from pathlib import Path
from typing import Any

import pytest

from hydra_plugins.quickdraw_launcher.local_launcher import LocalLauncher
from quickdraw.errors import ConfigError
from quickdraw.run.listing import Run
from quickdraw.sweep.job import Job


@pytest.mark.parametrize(
    ("monitor", "result", "value"),
    [
        ("val_loss", {"val_loss": 0.25, "val_accuracy": 0.9}, 0.25),
        ("val_accuracy", {"val_loss": 0.25, "val_accuracy": 0.9}, 0.9),
        ("val_loss", {}, math.inf),
        ("val_accuracy", {}, -math.inf),
    ],
)
def test_a_sweeper_hears_the_monitored_score_and_the_worst_of_all_for_a_run_that_diverged(
    monitor: str, result: dict[str, float], value: float
) -> None:
    state = "completed" if result else "diverged"
    run = Run(Path("a"), {"trainer.monitor": monitor}, state, "", result)
    job = Job(["seed=1"], Path("a"), {"seed": 1}, dict)
    returned = LocalLauncher.returned(job, run)
    assert (returned.return_value, returned.overrides) == (value, ["seed=1"])


@pytest.mark.parametrize("n_jobs", [0, -1, True, 1.5, "all", None])
def test_a_number_of_jobs_that_is_none_is_refused(n_jobs: Any) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.n_jobs: expected auto or a whole number from 1 up"):
        LocalLauncher(n_jobs, fail_fast=False, dry_run=False)
    assert LocalLauncher(2, fail_fast=False, dry_run=False).n_jobs == 2
