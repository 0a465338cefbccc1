"""From the command line to Hydra and back: a resumed run's own overrides, errors in one line, exit codes."""

import contextlib
import hashlib
import logging
import math
import os
import re
import shlex
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hydra_plugins.quickdraw_cli import resolvers
from hydra_plugins.quickdraw_cli.choices import check_choices, leads_out
from hydra_plugins.quickdraw_cli.explain import explained, unreadable
from quickdraw import console
from quickdraw.errors import Interrupted, PrunedError, QuickdrawError, RunError, as_user_error
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import update_summary
from quickdraw.signals import hand_on, undisturbed

os.environ.setdefault(
    "HYDRA_FULL_ERROR", "1"
)  # otherwise Hydra prints a block of its own and exits before we can answer
resolvers.register()
logging.raiseExceptions = False  # a full disk must not fill the terminal with the log's own tracebacks


def call(main: Callable[[], Any]) -> int:
    """Call Hydra's main on the command line; print an error in one line. Return the exit code."""
    if sys.getfilesystemencoding() != "utf-8":  # another locale, where TensorBoard and Hydra cannot write every path
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])

    def run() -> None:
        arguments = with_resume(with_rerun(with_sweep_name(sys.argv[1:])))
        if arguments is not None:
            check_choices(arguments)
            sys.argv[1:] = arguments
            main()

    return console.call(run, explain, when_stopped="")  # a run and a sweep have said how to go on


def explain(error: Exception) -> QuickdrawError | None:
    """Return what the user can do about an error; None for a bug."""
    return as_user_error(error) or unreadable(sys.argv[1:]) or explained(error)


@contextlib.contextmanager
def job_errors(run: RunFolder, sweep: Path | None) -> Iterator[None]:
    """End the process when a job fails or is stopped, after one line that says what happened and how to go on.

    SystemExit passes through Hydra, which would print a block of its own for an exception. However a job of a sweep
    ends, the sweep's `summary.csv` is brought up to date.
    """
    threading.excepthook = note_in_log
    try:
        with summed_up(sweep) if sweep else contextlib.nullcontext():
            yield
    except Interrupted as stop:
        command = f"python run.py resume={shlex.quote(str(run.path))}"
        print(f"stopped; continue with: {command}" if run.begun else "stopped before it began", file=sys.stderr)
        hand_on(stop.signal_number)
        sys.exit(128 + stop.signal_number)
    except PrunedError as error:
        print(f"pruned: {error}")
        sys.exit(0)
    except QuickdrawError as error:
        sys.exit(console.complain(error))


def note_in_log(died: threading.ExceptHookArgs) -> None:
    """Keep the traceback of a thread for `run.log`. TensorBoard's writer raises the same once more where it is used."""
    assert died.exc_value
    logging.getLogger("quickdraw.traceback").info("%s", "".join(traceback.format_exception(died.exc_value)))


@contextlib.contextmanager
def summed_up(sweep: Path) -> Iterator[None]:
    """Bring the sweep's `summary.csv` up to date at the end of this block."""
    try:
        yield
    finally:
        with undisturbed(), contextlib.suppress(OSError):  # it can be made again from the job folders
            update_summary(sweep)


def with_sweep_name(arguments: list[str]) -> list[str]:
    """Give a sweep without a name one of its own, and tell Hydra which keys do not vary, for the names of its jobs.

    The flag comes first, because argparse takes overrides from one place only.
    """
    flags = {"-m", "--multirun"}
    if not {*flags, "hydra.mode=MULTIRUN"} & set(arguments):
        return arguments
    arguments = [argument for argument in arguments if argument not in flags]
    typed = [argument for argument in arguments if "=" in argument and argument[0] not in "-~"]
    try:
        overrides = OverridesParser.create().parse_overrides(typed)
    except HydraException:
        return ["-m", *arguments]  # Hydra will say what is wrong

    # What is typed last for a key counts.
    typed_last = {str(override.key_or_group): override for override in overrides}
    fixed: dict[str, str] = {}
    varied: dict[str, str] = {}
    for key, override in typed_last.items():
        if not key.startswith("hydra"):
            group = varied if override.is_sweep_override() else fixed
            group[key] = str(override.input_line)

    # Both come before what was typed.
    added = [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(map(quoted, fixed))}]"]
    if not ("exp_name" in fixed or names_itself(fixed.get("experiment", ""))):
        identity = list(fixed.values())
        if "hydra/sweeper=optuna" in arguments:
            own = [
                argument for argument in typed if argument.startswith("hydra.sweeper.") and "n_trials" not in argument
            ]
            identity += [*varied.values(), *own]
        added.append(f"exp_name={sweep_name(varied, identity)}")
    place = arguments.index(typed[0]) if typed else len(arguments)
    return ["-m", *arguments[:place], *added, *arguments[place:]]


def sweep_name(varied: Iterable[str], identity: Sequence[str]) -> str:
    """The name of a sweep: the keys that vary, and a hash of the settings that do not. More values, same sweep.

    An adaptive search has a name for each space, and goes on with more trials.
    """
    keys = "_".join(key.split(".")[-1] for key in varied)[:90] or "sweep"
    digest = hashlib.sha256("\n".join(sorted(identity)).encode()).hexdigest()[:4]
    return f"{keys}-{digest}"


def names_itself(override: str) -> bool:
    """Whether `experiment=NAME` chooses a preset with an `exp_name` of its own."""
    preset = resolvers.CONF / "experiment" / f"{override.partition('=')[2]}.yaml"
    return preset.is_file() and bool(re.search(r"^exp_name:", preset.read_text(encoding="utf-8"), re.MULTILINE))


def with_resume(arguments: list[str]) -> list[str] | None:
    """Turn `resume=FOLDER` into that run's own overrides and folder; what else was typed comes after them.

    Returns None, after saying so, for a run that is completed: nothing may write to its folder. Whether what was typed
    is what the run has, `before_run` finds.
    """
    folder, typed = taken_out("resume", arguments)
    if folder is None:
        return arguments
    if {"-m", "--multirun"} & set(arguments):
        raise RunError("resume=FOLDER continues one run: leave -m out, or start the sweep's own command again")
    run = RunFolder(folder)
    run.check_damage()
    if not run.begun:
        raise RunError(f"resume={run.path}: expected the folder of a run that began; start a new one, without resume=")
    result = run.result()
    if result and not typed:
        print(f"{run.path} is completed: test accuracy {result.get('test_accuracy', math.nan):.4f}; nothing to do")
        return None
    return [*saved_overrides(run), *typed, f"hydra.run.dir={quoted(str(run.path.absolute()))}"]


def with_rerun(arguments: list[str]) -> list[str]:
    """Turn `rerun=FOLDER` into that run's own overrides, for a new folder; what else was typed comes after them."""
    folder, typed = taken_out("rerun", arguments)
    if folder is None:
        return arguments
    if {"-m", "--multirun"} & set(arguments) or any(argument.startswith("resume=") for argument in arguments):
        raise RunError("rerun=FOLDER repeats one run: leave -m and resume= out")
    run = RunFolder(folder)
    run.check_damage()
    if not (run.result() and list(run.path.glob("weights/*.pth"))):
        raise RunError(f"rerun={run.path}: expected the folder of a completed run; to finish one, resume={run.path}")
    _, saved = taken_out("rerun", saved_overrides(run))
    return [*saved, *typed, f"rerun={quoted(str(run.path))}"]


def taken_out(key: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The folder that `KEY=FOLDER` names, None without any, and the arguments without it."""
    values, others = [], []
    for argument in arguments:
        if argument.startswith(f"{key}="):
            values.append(argument.removeprefix(f"{key}="))
        else:
            others.append(argument)
    named_last = values[-1] if values else "null"
    return None if named_last in ("", "null") else named_last, others


def saved_overrides(run: RunFolder) -> list[str]:
    """The overrides of the run's own command line; raises RunError unless it sets only keys of the project.

    Hydra builds what the keys below `hydra` name, and obeys options, before any check of ours is called.
    """
    saved: list[str] = run.status.get("overrides", [])
    try:
        bad = [text for text in saved if not harmless(text)]
    except (HydraException, TypeError):  # an option, or no list of texts
        bad = saved
    if bad:
        raise RunError(f"{run.path / 'status.json'}: expected overrides of this project's keys, got {bad!r:.100}")
    return saved


def harmless(text: str) -> bool:
    """Whether an override sets a key of the project, or chooses one of a group's own files."""
    override = OverridesParser.create().parse_override(text)
    names = re.split(r"[./]", f"{override.key_or_group}.{override.package or ''}")
    return "hydra" not in names and not leads_out(override)


def quoted(text: str) -> str:
    """A text as Hydra's override grammar takes it, where a backslash means itself unless a quote follows."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + found[2].replace("'", r"\'"), text) + "'"
