"""One job of a sweep: what it trains, where, and how its end is recorded."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quickdraw import settings
from quickdraw.errors import RunError
from quickdraw.links import check_run_folder
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run, read_run, write_summary


@dataclass(frozen=True)
class Job:
    """One training as it was asked for.

    `config` is its composed configuration, as plain values. `task` can be pickled; called in any process, it trains the
    job there, in `folder`. The sweep's own files lie in `sweep`. A `judged` job asks after each epoch whether to go on.
    `config_from` are the folders that its configuration comes from beside `conf/`.
    """

    overrides: list[str]
    folder: Path
    config: dict[str, Any]
    task: Callable[[], object]
    judged: bool = False
    sweep: Path | None = None
    config_from: Sequence[str] = ()

    def on_disk(self) -> Run:
        """The run as it stands on the disk, with the settings of this job.

        Raises RunError if it has others, or if what is still to be written in its folder would land somewhere else.
        """
        run = read_run(self.folder)
        if not run.ended:
            check_run_folder(self.folder)
        changed = changed_settings(run, self.config)
        if changed:
            raise RunError(
                f"{self.folder}: expected the run of {' '.join(self.overrides)}, got one with other settings: "
                f"{'; '.join(changed)}; choose another exp_name or hydra.sweep.subdir"
            )
        return replace(run, folder=self.folder, settings=settings.flatten(self.config))

    def record(self, run: Run) -> None:
        """Write into the job's folder what the job could not: how it ended, and its settings if it never began.

        Nothing is written where a damaged file would be lost.
        """
        folder = RunFolder(self.folder)
        if run.damaged or folder.damage:
            return
        asked = {"overrides": self.overrides, "config": settings.encoded(self.config)}
        folder.status = asked | folder.status
        with contextlib.suppress(OSError):  # a full disk ends no sweep
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.update(state=run.state, reason=run.reason)
            write_summary(self.sweep or self.folder.parent)


def changed_settings(run: Run, asked: Mapping[str, Any]) -> list[str]:
    """What differs between a run's settings and those asked for; `auto` may mean any value, and a name is none."""
    if not run.settings:
        return []
    left_open = settings.unresolved(run.settings) | settings.unresolved(asked)
    return settings.differences(run.settings, asked, ignored=settings.OUTPUT_KEYS | {"exp_name"} | left_open)
