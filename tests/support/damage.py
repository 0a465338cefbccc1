"""Folders that a disk or a stranger damaged, and every public command that reads them, called in this process."""

import contextlib
import io
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra_plugins.quickdraw_cli import saved
from quickdraw import console, evaluate
from quickdraw.analysis import __main__ as analysis
from quickdraw.analysis import frames, importance, page
from quickdraw.analysis.journal import read_search
from quickdraw.analysis.sweep import read_sweep
from quickdraw.errors import QuickdrawError, as_user_error
from quickdraw.run.checkpoint import Checkpoints
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import read_runs
from quickdraw.run.provenance import last_start
from quickdraw.run.weights import load_network
from quickdraw.search.pruning import make_pruner
from quickdraw.search.runner import SearchRunner
from quickdraw.search.sampling import Proposer
from quickdraw.search.space import Axis, Params
from quickdraw.search.study import Study, held
from quickdraw.settings import decoded
from quickdraw.sweep.job import Job
from quickdraw.sweep.places import Places
from quickdraw.sweep.runner import SweepRunner
from tests.support.jobs_here import JobsHere
from tests.support.made_up import make_run, make_sweep
from tests.support.program import call
from tests.support.resuming import TINY

CPU_S = 10  # of one command, which takes a second or less
PATIENCE_S = 120  # by the clock: whoever takes longer waits for something that never happens
RUN, SWEEP, SEARCH = Path("outputs/runs/x/run"), Path("outputs/multirun/sweep"), Path("outputs/multirun/search")
AXES = [Axis("optimizer.lr", low=0.001, high=0.1, log=True), Axis("model", choices=("convnet", "mlp"))]
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    10**400,
    1e308,
    -0.5,
    float("nan"),
    float("inf"),
    "",
    "\x1b[31m\r\n",
    "../../etc/passwd",
    "\0",
    "\ud800",
    "9" * 5000,
    [],
    [[]],
    {},
    {"": {"": []}},
    ["a"] * 3,
    {"_target_": "os.mkdir"},
]


# Damages


def flipped(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(dice.choice([1, 1, 4, 40])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def cut(path: Path, dice: random.Random) -> None:
    os.truncate(path, dice.randrange(path.stat().st_size))


def emptied(path: Path, dice: random.Random) -> None:
    path.write_bytes(b"")


def replaced(path: Path, dice: random.Random) -> None:
    path.write_text(json.dumps(dice.choice(ODD)))


def deep(path: Path, dice: random.Random) -> None:
    depth = dice.choice([51, 900, 100_000])
    path.write_text(dice.choice(["[" * depth + "]" * depth, '{"config":' * depth + "1" + "}" * depth]))


def binary(path: Path, dice: random.Random) -> None:
    path.write_bytes(dice.randbytes(dice.choice([1, 100, 5000])))


def text(path: Path, dice: random.Random) -> None:
    path.write_text(dice.choice(["<!DOCTYPE html>", "a,b\n1,2,3\n", '"' + "x" * 200_000, "1" * 6000, "epoch\nnan\n"]))


def a_folder(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.mkdir()


def a_link(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to(dice.choice(["nowhere", "/dev/zero", str(path.name), "/etc/hostname", "."]))


def a_pipe(path: Path, dice: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def missing(path: Path, dice: random.Random) -> None:
    path.unlink()


def one_value(path: Path, dice: random.Random) -> None:
    """Replace a value anywhere in a JSON file, or a cell of a table, or leave a key out."""
    if path.suffix == ".csv":
        cells = path.read_text().split(",")
        cells[dice.randrange(len(cells))] = str(dice.choice(ODD)).replace("\ud800", "?")
        path.write_text(",".join(cells))
        return
    lines = path.read_bytes().splitlines() if path.name == "study.journal" else [path.read_bytes()]
    place = dice.randrange(len(lines))
    value = json.loads(lines[place])
    change_one(value, dice)
    lines[place] = json.dumps(value).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


def change_one(value: Any, dice: random.Random) -> None:
    """Change one of the values inside a list or an object."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = dice.choice(keys)
    if isinstance(value[key], dict | list) and value[key] and dice.random() < 0.6:
        change_one(value[key], dice)
    elif dice.random() < 0.2:
        del value[key]
    else:
        value[key] = dice.choice(ODD)


DAMAGES = [flipped, cut, emptied, replaced, deep, binary, text, a_folder, a_link, a_pipe, missing]
JSON = (".json", ".journal", ".csv")


# Folders


def make_home(home: Path) -> Path:
    """Make a folder with a finished run, a sweep and a search in `outputs/`, and a run that was stopped."""
    command = [argument for argument in TINY if not argument.startswith("hydra.run.dir")]
    outcome = call(home, *command, "data=synthetic", "data.per_class=30", f"hydra.run.dir={RUN}")
    assert outcome.code == 0, outcome.err
    make_sweep(home / SWEEP, seeds=2)
    for place, job in enumerate(sorted((home / SWEEP).iterdir())):
        with (home / SWEEP / ".places").open("a") as file:
            file.write(f"\n{place:016x} {job.name}-{place:016x}\n")
    (home / SEARCH).mkdir()
    with contextlib.chdir(home), contextlib.redirect_stdout(io.StringIO()):
        search(6)
    return home


def search(n_trials: int) -> None:
    """Search on from what was tried, as the sweeper of a search does."""
    with held(SEARCH):
        study = Study(SEARCH, Proposer(AXES, "tpe", 0, 1), make_pruner("asha", 1, 2, 1), "maximize")
        study.claim({"metric": "val_accuracy"})
        runner = SearchRunner(JobsHere(SEARCH, 1), study, "val_accuracy", n_trials, trial_jobs, draw=False)
        runner.preview()
        runner.run(fail_fast=False)


def trial_jobs(number: int, params: Params) -> list[Job]:
    name = f"{params['optimizer.lr']:.6f}-{params['model']}"
    config = {"exp_name": "search", "seed": 0, "optimizer": {"lr": params["optimizer.lr"]}, "model": params["model"]}
    config |= {"trainer": {"monitor": "val_accuracy", "epochs": 3}}
    return [job_of(SEARCH / name, config, score=round(0.9 - params["optimizer.lr"], 4))]


def job_of(folder: Path, config: Mapping[str, Any], score: float = 0.8) -> Job:
    return Job(
        [f"name={folder.name}"], folder, dict(config), partial(pretend, folder, config, score), sweep=folder.parent
    )


def pretend(folder: Path, config: Mapping[str, Any], score: float, judge: Callable[[], str]) -> None:
    """Do to a job's folder what training does."""
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    with contextlib.suppress(QuickdrawError, OSError), run.claimed(), run.outcome():
        if run.result():
            return
        run.begin(config, [])
        made = make_run(folder / "made", score)
        for name in ("metrics.csv", "predictions.npz"):
            os.replace(made / name, folder / name)
        result = json.loads((made / "result.json").read_bytes())
        shutil.rmtree(made)
        run.complete(result)


# Commands


@dataclass
class Known:
    """What a continued sweep asks for: the configuration of each job, by its folder."""

    configs: dict[Path, dict[str, Any]]


def known(home: Path) -> Known:
    with contextlib.chdir(home):
        return Known({run.folder: decoded(RunFolder(run.folder).status["config"]) for run in read_runs(SWEEP)})


def continued(asked: Known) -> None:
    places = Places(SWEEP, keep=True)
    for place, folder in enumerate(sorted(asked.configs)):
        places.folder(Path(f"{folder}-{place:016x}"), asked.configs[folder])
    jobs = JobsHere(SWEEP, 1)
    runner = SweepRunner(jobs, [job_of(folder, config) for folder, config in asked.configs.items()], draw=False)
    runner.preview()
    runner.run(fail_fast=False)


def all_frames(place: Path) -> None:
    sweep = read_sweep(place)
    for function in (frames.run_frame, frames.ranking_frame, frames.value_frame, frames.effect_frame):
        function(sweep)
    frames.curve_frame(sweep)
    frames.failure_frame(sweep)
    sweep.effects_in_words()
    sweep.interaction_in_words()
    with contextlib.suppress(QuickdrawError):
        compared = sweep.comparison()
        if compared:
            frames.class_frame(compared)
            frames.confusion_frame(compared)


def searched() -> None:
    found = read_search(SEARCH)
    if found:
        importance.report(found)
        frames.trial_frame(found)


def resumed() -> None:
    saved.with_resume([f"resume={RUN}"])
    saved.with_rerun([f"rerun={RUN}"])
    run = RunFolder(RUN)
    last_start(run)
    with run.claimed():
        environment: dict[str, Any] = {"versions": {}}
        Checkpoints(run, {"fingerprints": {}, "environment": environment}).load()


def drawn(place: Path) -> None:
    """Draw the whole page: none of its figures may fail."""
    page.write_report(place)


def commands(asked: Known) -> dict[str, list[Callable[[], object]]]:
    """Every command that reads a run, a sweep or a search, by what it reads."""
    jobs = sorted(asked.configs)
    say = analysis.command
    return {
        "run": [
            partial(say, ["show", str(RUN)]),
            partial(say, ["show", str(RUN), "--json"]),
            partial(say, ["list", "--sort", "val_loss"]),
            partial(say, ["compare", str(RUN), str(jobs[-1])]),
            partial(load_network, RUN),
            partial(evaluate.command, [str(RUN), "data.root=outputs/.cache"]),
            resumed,
        ],
        "sweep": [
            partial(say, ["sweep", str(SWEEP)]),
            partial(say, ["sweep", str(SWEEP), "--json"]),
            partial(say, ["list"]),
            partial(say, ["compare", str(jobs[2]), str(jobs[-1])]),
            partial(say, ["show", str(jobs[2])]),
            partial(all_frames, SWEEP),
            partial(continued, asked),
        ],
        "search": [
            partial(say, ["sweep", str(SEARCH)]),
            partial(say, ["list", "--json"]),
            searched,
            partial(all_frames, SEARCH),
            partial(search, 8),
        ],
    }


def files_of(home: Path) -> dict[str, list[Path]]:
    """The files that can be damaged, by what they belong to, seen from `home`."""
    places = {"run": [RUN, Path("outputs/.cache")], "sweep": [SWEEP], "search": [SEARCH]}
    found: dict[str, list[Path]] = {}
    for kind, folders in places.items():
        paths = [path for folder in folders for path in sorted((home / folder).rglob("*"))]
        found[kind] = [path.relative_to(home) for path in paths if is_read(path)]
    return found


def is_read(path: Path) -> bool:
    """Whether a file is one that is read again: no log, and no lock."""
    return path.is_file() and path.stat().st_size > 0 and not {"tensorboard", "run.log", ".hydra"} & {*path.parts}


def complaint(command: Callable[[], object]) -> str:
    """Why a command did not end as it should, an empty text if it did: with an answer, or an error of one line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), watched():
        try:
            code = console.call(command, as_user_error)
        except BaseException as error:
            return f"{type(error).__name__}: {error}"
    said = err.getvalue()
    error_lines = said.partition("error: ")[2].count("\n")
    if code not in (0, 1) or (error_lines not in (1, 2) if code else "Traceback" in said):
        return f"exit code {code}, {said!r:.300}"
    return said if "no report.html" in said else ""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """End the block with TimeoutError if it computes for too long, or hangs."""

    def too_late(number: int, frame: Any) -> None:
        limit = f"{CPU_S} s of processor time" if number == signal.SIGPROF else f"{PATIENCE_S} s"
        raise TimeoutError(f"still running after {limit}")

    before = {number: signal.signal(number, too_late) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def try_case(home: Path, scratch: Path, asked: Known, seed: int) -> list[str]:
    """Damage one file of a copy of `home`, call what reads it, and return the complaints."""
    dice = random.Random(seed)
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(home, scratch, symlinks=True)
    kind, files = dice.choice(sorted(files_of(home).items()))
    path = dice.choice(files)
    damage = one_value if path.suffix in JSON and dice.random() < 0.6 else dice.choice(DAMAGES)
    able = commands(asked)[kind]
    with contextlib.chdir(scratch):
        damage(path, dice)
        found = []
        for place in sorted(dice.sample(range(len(able)), k=min(4, len(able)))):
            problem = complaint(able[place])
            if problem:
                found.append(f"case {seed}: {damage.__name__} {path}: command {place} of {kind}: {problem}")
    return found
