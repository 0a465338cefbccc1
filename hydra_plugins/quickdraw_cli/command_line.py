"""From the command line to Hydra and back: a resumed run's own overrides, errors in one line, exit codes."""

import contextlib
import io
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.quickdraw_cli import resolvers
from hydra_plugins.quickdraw_cli.explain import explained
from quickdraw.errors import Interrupted, QuickdrawError, RunError
from quickdraw.run_folder import RunFolder, explain

os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # else Hydra prints a block of its own and exits before we can answer
resolvers.register()
logging.raiseExceptions = False  # a full disk must not fill the terminal with the log's own tracebacks


def call(main: Callable[[], Any]) -> int:
    """Call Hydra's main on the command line; print an error in one line. Return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale without the letters of a path is no error
    try:
        arguments = resumed(sys.argv[1:])
        if arguments is not None:
            sys.argv[1:] = arguments
            main()
    except Interrupted as stop:
        return 128 + stop.signal_number
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (HydraException, OmegaConfBaseException) as error:
        return complain(explained(error))
    except (QuickdrawError, OSError) as error:
        return complain(explain(error))
    return 0


def complain(error: Exception) -> int:
    """Print the error on standard error; return the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return 1


@contextlib.contextmanager
def job_errors(run: RunFolder) -> Iterator[None]:
    """End the process when a job fails or is stopped, after one line that says what happened and how to go on.

    SystemExit passes through Hydra, which would print a block of its own for an exception.
    """
    try:
        yield
    except Interrupted as stop:
        print(f"stopped; continue with: python run.py resume={shlex.quote(str(run.path))}", file=sys.stderr)
        sys.exit(128 + stop.signal_number)
    except QuickdrawError as error:
        sys.exit(complain(error))


def resumed(arguments: list[str]) -> list[str] | None:
    """Turn `resume=FOLDER` into that run's own overrides and folder; what else was typed comes after them.

    Returns None, after saying so, for a run that is completed: nothing may write to its folder, and Hydra does so before
    any code of ours is called.
    """
    named = [argument.removeprefix("resume=") for argument in arguments if argument.startswith("resume=")]
    if not named or named[-1] in ("", "null"):
        return arguments
    run = RunFolder(named[-1])
    if "overrides" not in run.status:
        raise RunError(f"resume={run.path}: expected the folder of a run, with a status.json; there is none")
    result = run.result()
    if result:
        print(f"{run.path} is completed: test accuracy {result['test_accuracy']:.4f}; nothing to do")
        return None
    folder = str(run.path.resolve())
    return [*run.status["overrides"], *arguments, f"hydra.run.dir={quoted(folder)}"]


def quoted(text: str) -> str:
    """Return text as Hydra's override grammar takes it whatever it holds."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
