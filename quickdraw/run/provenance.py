"""Where a run comes from: the program, the command, the packages, the machine, the drawings; and what that explains.

`provenance.json` in a run's folder has one entry for each process that trained it, so more than one if it was resumed.
What a working tree had beyond its commit is kept beside it as a diff.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quickdraw import hardware
from quickdraw.files import atomic_write, read_json, write_json
from quickdraw.run.folder import RunFolder, now
from quickdraw.settings import OUTPUT_KEYS, decoded, differences

FILE = "provenance.json"
PROGRAM = Path(__file__).parents[2]
LARGEST_DIFF = 1_000_000  # bytes
PATIENCE_S = 5  # for git, which takes 10 ms; without an answer the run goes on


def record(run: RunFolder, environment: Mapping[str, Any], fingerprints: Mapping[str, str]) -> None:
    """Add this process to the run's `provenance.json`."""
    known = read_json(run.path / FILE) or {}
    starts = known.get("starts", [])
    program, diff = describe_program()
    if diff is not None:
        program["diff"] = f"uncommitted-{len(starts) + 1}.diff"
        atomic_write(run.path / program["diff"], diff[:LARGEST_DIFF])
    entry = {
        "started": now(),
        "command": [os.fsencode(word).decode(errors="backslashreplace") for word in sys.argv],
        "program": program,
        "environment": environment,
        "machine": hardware.describe(),
        "fingerprints": fingerprints,
    }
    write_json(run.path / FILE, {"starts": [*starts, entry]})


def describe_program() -> tuple[dict[str, Any], bytes | None]:
    """Return the commit of the program and whether its tree is changed, and those changes as a diff if it is.

    The commit is None where git is missing or the program lies in no repository. Files that git does not know count as
    changes; the diff has only their names.
    """
    status = git("status", "--porcelain=v2", "--branch", "--untracked-files=normal")
    lines = (status or b"").decode(errors="replace").splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), None)
    changes = [line for line in lines if not line.startswith("#")]
    if not commit or not changes:
        return {"commit": commit, "dirty": bool(changes)}, None
    new = "".join(f"new file, not in git: {line[2:]}\n" for line in changes if line.startswith("?"))
    diff = new.encode() + (git("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv") or b"")
    return {"commit": commit, "dirty": True, "diff_sha256": hashlib.sha256(diff).hexdigest()}, diff


def git(*arguments: str) -> bytes | None:
    """Return what git says of the program's tree, None if it cannot; nothing is written and no hook is run."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(PROGRAM), *arguments],
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        ).stdout
    return None


def compare(run: RunFolder, original: str) -> str:
    """Say whether a run ended with the weights of the one it repeats, and if not what differs; its status says too."""
    other = RunFolder(original)
    same = weights_digest(run) == weights_digest(other)
    differing = [] if same else explain(other, run)
    run.update(rerun={"of": str(other.path.absolute()), "same_weights": same, "differing": differing})
    if same:
        return f"the same weights as {other.path}, bit for bit"
    if not differing:
        return f"other weights than {other.path}, and nothing that is recorded differs"
    return f"other weights than {other.path}; what differs: {'; '.join(differing)}"


def weights_digest(run: RunFolder) -> str | None:
    """Return the sha256 of a completed run's weights, None where there are none."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in run.path.glob("weights/*.pth")]
    return digests[0] if digests else None


def explain(old: RunFolder, new: RunFolder) -> list[str]:
    """Return what differs between two runs of all that can change weights."""
    ignored = OUTPUT_KEYS | {"exp_name"}
    found = differences(decoded(old.status["config"]), decoded(new.status["config"]), ignored=ignored)
    before, after = (((read_json(run.path / FILE) or {}).get("starts") or [{}])[-1] for run in (old, new))
    for part in ("program", "environment", "machine", "fingerprints"):
        found += differences({part: before.get(part, {})}, {part: after.get(part, {})}, ignored={"program.diff"})
    return [line for line in found if not line.startswith(("environment.device", "environment.threads"))]
