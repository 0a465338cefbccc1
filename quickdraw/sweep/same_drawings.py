"""Whether a sweep's finished jobs can be compared with those to come: the same drawings, and the same program."""

import json
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from typing import Any

from quickdraw.building import build
from quickdraw.errors import QuickdrawError, RunError
from quickdraw.records import read_description
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import Run
from quickdraw.run.provenance import describe_program, last_start, program_change
from quickdraw.settings import OUTPUT_KEYS, flatten
from quickdraw.sweep.job import Job
from quickdraw.sweep.pool import Pool

MOST_READ = 200  # finished jobs that are looked at: of 10,000 every fiftieth
NOT_OF_FILES = {"data.batch_size", "data.augment", "data.balance", *OUTPUT_KEYS}

Fingerprints = Mapping[str, str]  # the sha256 of each class's file


def check_drawings(finished: Sequence[Run], wanted: Sequence[Job], pool: Pool) -> None:
    """Raise RunError, naming the classes, if jobs would train on other drawings than finished ones did.

    Only jobs with the same settings of data are compared. The fingerprints of today's files are found in a process.
    """
    seen = fingerprints_seen(finished)
    configs: dict[str, dict[str, Any]] = {}
    for job in wanted:
        key = data_key(flatten(job.config))
        if key in seen:
            configs[key] = job.config
    if not configs:
        return
    for key, today in pool.call_in_process(send_fingerprints, configs).items():
        run, before = seen[key]
        changed = [name for name in today if before.get(name) != today[name]]
        if changed:
            raise RunError(
                f"{run.folder}: the drawings of {', '.join(changed)} changed since this job was finished, so no "
                "later job could be compared with it; bring the old files back, or choose another exp_name"
            )


def fingerprints_seen(finished: Sequence[Run]) -> dict[str, tuple[Run, Fingerprints]]:
    """What finished jobs were trained on, and one that was, for each of their settings of data."""
    seen: dict[str, tuple[Run, Fingerprints]] = {}
    for run in finished[:: len(finished) // MOST_READ + 1]:
        key = data_key(run.settings)
        path = next(run.folder.glob("weights/*_net.json"), None)
        if path is None or key in seen:
            continue
        try:
            seen[key] = run, read_description(path).get("fingerprints", {})
        except QuickdrawError:  # a damaged one tells nothing
            continue
    return seen


def data_key(settings: Mapping[str, Any]) -> str:
    """The settings that choose files of drawings, as a text."""
    chosen = {key: value for key, value in settings.items() if key.startswith("data.") and key not in NOT_OF_FILES}
    return json.dumps(chosen, sort_keys=True)


def send_fingerprints(pipe: "connection.Connection", configs: Mapping[str, dict[str, Any]]) -> None:
    """Send the fingerprints of the data sets that some configurations name; of what cannot be read the job will say."""
    found: dict[str, Fingerprints] = {}
    for key, config in configs.items():
        try:
            found[key] = dict(build(config, "data").fingerprints)
        except Exception:  # a class of the user's own may raise anything
            continue
    pipe.send(found)


def other_program(runs: Sequence[Run]) -> str:
    """That another program trained some of these runs, in a line that names the first; an empty text if none did."""
    today = describe_program()[0]
    for run in runs[:: len(runs) // MOST_READ + 1]:
        change = program_change(last_start(RunFolder(run.folder)).get("program", {}), today)
        if change:
            return f"warning: {run.folder} was trained by {change}: results may differ"
    return ""
