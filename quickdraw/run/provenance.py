"""Where a run comes from: the program, the command, the packages, the machine, the drawings; and what that explains.

`provenance.json` in a run's folder has one entry for each process that trained it, so more than one if it was resumed.
What a working tree had beyond its commit is kept beside it as a diff.
"""

import contextlib
import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quickdraw import hardware
from quickdraw.files import atomic_write, read_bounded, write_json
from quickdraw.records import provenance_complaint, read_record
from quickdraw.run.folder import RunFolder, now
from quickdraw.settings import OUTPUT_KEYS, decoded, differences

FILE = "provenance.json"
PROGRAM = Path(__file__).parents[2]
LARGEST_DIFF = 1_000_000  # bytes
OTHER_TREES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}
PATIENCE_S = 5  # for git, which takes 10 ms; without an answer the run goes on


def record(run: RunFolder, environment: Mapping[str, Any], drawings: Mapping[str, Any]) -> None:
    """Add this process to the run's `provenance.json`. `drawings` holds `fingerprints` and `split`, a digest."""
    starts = known_starts(run)
    program, diff = describe_program()
    if "reason" in program:
        run.warn(f"no commit is recorded: {program['reason']}")
    change = program_change(starts[-1].get("program", {}), program) if starts else ""
    if change:
        run.warn(f"this run was trained by {change}: it may end with other bits than it would have")
    if diff is not None:
        program["diff"] = f"uncommitted-{len(starts) + 1}.diff"
        atomic_write(run.path / program["diff"], diff[:LARGEST_DIFF])
    entry = {
        "started": now(),
        "command": [os.fsencode(word).decode(errors="backslashreplace") for word in sys.argv],
        "program": program,
        "environment": environment,
        "machine": hardware.describe(),
        **drawings,
    }
    write_json(run.path / FILE, {"starts": [*starts, entry]})


def known_starts(run: RunFolder) -> list[dict[str, Any]]:
    """The entries of `provenance.json`; a file that makes no sense is put aside, with a warning."""
    path = run.path / FILE
    try:
        known = read_record(path, provenance_complaint) or {}
    except ValueError as error:
        path.rename(path.with_suffix(".damaged"))
        run.warn(f"{FILE}: {error}; kept as {path.stem}.damaged, and begun anew")
        return []
    return known.get("starts", [])


def describe_program() -> tuple[dict[str, Any], bytes | None]:
    """The commit of the program and whether its tree is changed, and those changes as a diff if it is.

    The commit is None where git is missing or the program lies in no repository; where git refuses to answer, `reason`
    says why. Files that git does not know count as
    changes; the diff has only their names.
    """
    try:
        status = git("status", "--porcelain=v2", "--branch", "--untracked-files=normal")
    except (OSError, subprocess.SubprocessError) as error:
        reason = refusal_of_git(error)
        unknown = {"commit": None, "dirty": False}
        return unknown | {"reason": reason} if reason else unknown, None
    lines = status.decode(errors="replace").splitlines()
    commit, changes, new = None, False, ""
    for line in lines:
        if line.startswith("# branch.oid"):
            commit = line.split()[-1]
        elif line.startswith("?"):
            new += f"new file, not in git: {line[2:]}\n"
        changes = changes or not line.startswith("#")
    if not commit or not changes:
        return {"commit": commit, "dirty": changes}, None
    diff = new.encode()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        diff += git("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")
    return {"commit": commit, "dirty": True, "diff_sha256": hashlib.sha256(diff).hexdigest()}, diff


def program_change(before: Mapping[str, Any], today: Mapping[str, Any]) -> str:
    """How the program differs from what it was, in words; an empty text if it does not, or nobody knows."""
    old, new = before.get("commit"), today.get("commit")
    if not old or not new:
        return ""
    if old != new:
        return f"commit {str(old)[:10]}, and this is {str(new)[:10]}"
    if before.get("diff_sha256") != today.get("diff_sha256"):
        return f"commit {str(old)[:10]} with other uncommitted changes than today's"
    return ""


def git(*arguments: str) -> bytes:
    """The output of git about the program's tree; nothing is written and no hook is run.

    A hook, or a rebase, that starts the program sets variables that name another tree. Raises OSError where git is
    missing, SubprocessError if it cannot say.
    """
    variables = {name: value for name, value in os.environ.items() if name not in OTHER_TREES}
    return subprocess.run(
        ["git", "-c", "core.fsmonitor=false", "-C", str(PROGRAM), *arguments],
        env=variables | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    ).stdout


def refusal_of_git(error: OSError | subprocess.SubprocessError) -> str:
    """Why git does not tell the commit, and what to type; an empty text where there is no git, or no repository."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"git gave no answer in {PATIENCE_S} s"
    lines = (getattr(error, "stderr", None) or b"").decode(errors="replace").splitlines()
    if not lines or "not a git repository" in lines[0]:
        return ""
    advice = lines[-1].strip()
    remedy = f"; type: {advice}" if advice.startswith("git config") else ""
    return lines[0].removeprefix("fatal: ") + remedy


def compare(run: RunFolder, original: str) -> str:
    """Say whether a run ended with the weights of the one it repeats, and if not what differs; its status says too."""
    other = RunFolder(original)
    same = weights_digest(run) == weights_digest(other)
    differing = []
    if not same:
        differing = recorded_differences(other, run)
    run.update(rerun={"of": str(other.path.absolute()), "same_weights": same, "differing": differing})
    if same:
        return f"the same weights as {other.path}, bit for bit"
    if not differing:
        return f"other weights than {other.path}, and nothing that is recorded differs"
    return f"other weights than {other.path}; what differs: {'; '.join(differing)}"


def weights_digest(run: RunFolder) -> str | None:
    """The sha256 of a completed run's weights, None where there are none."""
    path = next(run.path.glob("weights/*.pth"), None)
    return hashlib.sha256(read_bounded(path, most=math.inf)).hexdigest() if path else None


def recorded_differences(old: RunFolder, new: RunFolder) -> list[str]:
    """The differences between two runs in all that is recorded and can change weights, each as a text."""
    found = differences(
        decoded(old.status.get("config", {})), decoded(new.status["config"]), ignored=OUTPUT_KEYS | {"exp_name"}
    )
    before, after = last_start(old), last_start(new)
    for part in ("program", "machine", "fingerprints"):
        found += differences({part: before.get(part, {})}, {part: after.get(part, {})}, ignored={"program.diff"})
    changes = hardware.environment_changes(before.get("environment", {}), after.get("environment", {}))
    settings = ("device ", "threads ")  # they are in the configuration too
    return found + [f"environment.{change}" for change in changes if not change.startswith(settings)]


def last_start(run: RunFolder) -> dict[str, Any]:
    """The entry in `provenance.json` of the process that ended the run; empty where there is none."""
    try:
        known = read_record(run.path / FILE, provenance_complaint) or {}
    except ValueError:
        return {}
    return next(reversed(known.get("starts", [])), {})
