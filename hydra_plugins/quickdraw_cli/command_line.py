"""From the command line to Hydra and back: a resumed run's own overrides, errors in one line, exit codes."""

import atexit
import contextlib
import hashlib
import logging
import os
import re
import shlex
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hydra_plugins.quickdraw_cli import resolvers
from hydra_plugins.quickdraw_cli.choices import check_choices
from hydra_plugins.quickdraw_cli.explain import explained, unreadable
from hydra_plugins.quickdraw_cli.home import with_home
from hydra_plugins.quickdraw_cli.options import check_options, config_folders, options_last
from hydra_plugins.quickdraw_cli.own_files import check_own_files
from hydra_plugins.quickdraw_cli.saved import quoted, with_rerun, with_resume
from quickdraw import console
from quickdraw.errors import Interrupted, PrunedError, QuickdrawError, as_user_error
from quickdraw.program import run_command
from quickdraw.run.folder import RunFolder
from quickdraw.run.listing import update_summary
from quickdraw.signals import hand_on, undisturbed

os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra prints a block of its own and exits before we can answer
resolvers.register()
logging.raiseExceptions = False  # a full disk must not fill the terminal with the log's own tracebacks


def call(main: Callable[[], Any]) -> int:
    """Call Hydra's main on the command line; print an error in one line. Return the exit code."""
    if sys.getfilesystemencoding() != "utf-8":  # another locale, where TensorBoard and Hydra cannot write every path
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])

    def run() -> None:
        console.check_ends(sys.argv[1:])
        typed = options_last(with_home(sys.argv[1:]))
        check_options(typed)
        arguments = with_resume(with_rerun(with_sweep_name(typed)))
        if arguments is not None:
            check_choices(arguments)
            check_own_files(arguments, config_folders(typed))
            sys.argv[1:] = options_last(arguments)
            main()

    codes: list[int] = []
    atexit.register(
        end_at_once, sys.modules["__main__"], codes
    )  # before whatever libraries register, so called after it
    codes.append(console.call(run, explain, when_stopped=""))  # a run and a sweep have said how to go on
    return codes[0]


def cuda_was_used() -> bool:
    """Whether this process has computed on a GPU."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()


def end_at_once(program: ModuleType, codes: Sequence[int]) -> None:
    """End this process without taking apart what CUDA holds, which takes Python half a second.

    `codes` holds its exit code, unless it ends with an exception. It ends as usual if it was only a part of another
    program, as of a notebook, or if something watches it, which may have to write what it saw.
    """
    watched = sys.gettrace() or sys.getprofile() or sys.flags.interactive
    if codes and cuda_was_used() and sys.modules["__main__"] is program and not watched:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])


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
        command = f"{run_command()} resume={shlex.quote(str(run.path))}"
        console.note(f"stopped; continue with: {command}" if run.begun else "stopped before it began")
        hand_on(stop.signal_number)
        sys.exit(128 + stop.signal_number)
    except PrunedError as error:
        console.say(f"pruned: {error}")
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
    if not ("exp_name" in fixed or names_itself(fixed.get("experiment", ""), config_folders(arguments))):
        identity = [*fixed.values(), *sweepers_identity(typed, varied.values())]
        added.append(f"exp_name={sweep_name(varied, identity)}")
    place = arguments.index(typed[0]) if typed else len(arguments)
    return ["-m", *arguments[:place], *added, *arguments[place:]]


def sweepers_identity(typed: Sequence[str], varied: Iterable[str]) -> list[str]:
    """What makes a search or a race another one; nothing for a grid, which more values only enlarge."""
    if "hydra/sweeper=optuna" in typed:
        keys = [text for text in typed if text.startswith("hydra.sweeper.") and "n_trials" not in text]
        return [*varied, *keys]
    if "hydra/sweeper=race" in typed:  # of values as a grid's: both have the same jobs
        return [text for text in varied if "interval(" in text]
    return []


def sweep_name(varied: Iterable[str], identity: Sequence[str]) -> str:
    """The name of a sweep: the keys that vary, and a hash of the settings that do not. More values, same sweep.

    An adaptive search has a name for each space, and goes on with more trials.
    """
    keys = "_".join(key.split(".")[-1] for key in varied)[:90] or "sweep"
    digest = hashlib.sha256("\n".join(sorted(identity)).encode()).hexdigest()[:4]
    return f"{keys}-{digest}"


def names_itself(override: str, folders: Iterable[Path]) -> bool:
    """Whether `experiment=NAME` chooses a preset, in one of the folders, with an `exp_name` of its own."""
    name = override.partition("=")[2]
    for folder in folders:
        preset = folder / "experiment" / f"{name}.yaml"
        if preset.is_file() and re.search(r"^exp_name:", preset.read_text(encoding="utf-8"), re.MULTILINE):
            return True
    return False
