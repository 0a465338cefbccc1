"""One job of a sweep: what it trains, where, and how its end is recorded."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quickdraw import settings
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run, read_run, write_summary


@dataclass(frozen=True)
class Job:
    """One training as it was asked for.

    `config` is its composed configuration, as plain values. `task` can be pickled; called in any process, it trains the
    job there, in `folder`. A `judged` job asks after each epoch whether to go on.
    """

    overrides: list[str]
    folder: Path
    config: dict[str, Any]
    task: Callable[[], object]
    judged: bool = False

    def on_disk(self) -> Run:
        """The run as it stands on the disk, with the settings of this job."""
        return replace(read_run(self.folder), folder=self.folder, settings=settings.flatten(self.config))

    def record(self, run: Run) -> None:
        """Write into the job's folder what the job could not: how it ended, and its settings if it never began."""
        folder = RunFolder(self.folder)
        asked = {"overrides": self.overrides, "config": settings.encoded(self.config)}
        folder.status = asked | folder.status
        with contextlib.suppress(OSError):  # a full disk ends no sweep
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.update(state=run.state, reason=run.reason)
            write_summary(self.folder.parent)
