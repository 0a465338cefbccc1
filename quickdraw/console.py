"""What every command shares: its parser, errors in one line, a signal or a reader that has gone, the exit code."""

import argparse
import contextlib
import errno
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, NoReturn

from quickdraw.errors import ConfigError, Interrupted, QuickdrawError, as_user_error, printable
from quickdraw.signals import SIGHUP, handled_by
from quickdraw.waiting import wait_awake_briefly

REPLACE = "backslashreplace"
HYDRA_ABOUT_ITSELF = "hydra._internal.hydra"  # 90 lines, at the level of information, but only when it is verbose
READER_GONE = (errno.EPIPE, errno.EIO)  # the end of a pipe, a closed terminal
SIGNALS = (signal.SIGINT, signal.SIGTERM, *filter(None, [SIGHUP]))


class Parser(argparse.ArgumentParser):
    """A parser whose errors are like all others: one line, exit code 1."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments as argparse gives them; raises ConfigError for one that is wrong."""
        check_ends(sys.argv[1:] if args is None else args)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see --help")


def call(
    main: Callable[[], Any],
    explain: Callable[[Exception], QuickdrawError | None] = as_user_error,
    when_stopped: str = "stopped",
) -> int:
    """Call a command's function; return its exit code: 0 done, 1 error, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.

    An error that `explain` knows is printed in one line; any other is a bug, and raised. After a signal, `when_stopped`
    is printed.
    """
    prepare_streams()
    wait_awake_briefly()
    try:
        with stopped_by_signals():
            main()
    except KeyboardInterrupt as stop:
        if when_stopped:
            note(when_stopped)
        return 128 + (stop.signal_number if isinstance(stop, Interrupted) else signal.SIGINT)
    except Exception as error:
        known = explain(error)
        if not known:
            raise
        return complain(known)
    return 0


class OwnDebugLines(logging.Filter):
    """Of all lines for debugging the project's own: `hydra.verbose=true` asks for those of every library, too.

    A library that is named has them all: `hydra.verbose=[matplotlib]`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is shown."""
        all_are_asked_for = logging.getLogger().level <= logging.DEBUG
        is_ours = record.name.partition(".")[0] in ("quickdraw", "hydra_plugins")
        for_debugging = logging.INFO if record.name == HYDRA_ABOUT_ITSELF else logging.DEBUG
        return is_ours or not all_are_asked_for or record.levelno > for_debugging


class PrintableFormatter(logging.Formatter):
    """A log's lines without control characters: `conf/hydra/job_logging` and `hydra_logging` name it."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def check_ends(arguments: Iterable[str]) -> None:
    """Raise ConfigError if an argument ends with the carriage return of a script that was written on Windows."""
    for argument in arguments:
        if argument.endswith("\r"):
            raise ConfigError(
                f"{argument}: ends with a carriage return, as in a script with Windows line ends; fix the script: "
                r"sed -i 's/\r$//' SCRIPT"
            )


class LastingStream(io.TextIOWrapper):
    """Standard output, or standard error. Once its reader has gone, it is as /dev/null: whoever prints goes on."""

    def write(self, text: str) -> int:
        with self.outliving_its_reader():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self.outliving_its_reader():
            super().flush()

    @contextlib.contextmanager
    def outliving_its_reader(self) -> Iterator[None]:
        """A block that the end of a pipe, or of a terminal, does not end with an error."""
        try:
            yield
        except OSError as error:
            if error.errno not in READER_GONE:
                raise
            nobody = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nobody, self.fileno())
            os.close(nobody)


def say(text: str) -> None:
    """Print text."""
    print(printable(text), flush=True)


def complain(error: Exception) -> int:
    """Print an error on standard error; return the exit code."""
    note(f"error: {error}")
    return 1


def note(text: str) -> None:
    """Print text on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def can_show(letter: str) -> bool:
    """Whether standard output has a letter: not every locale has."""
    try:
        letter.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def without_quotes(text: str) -> str:
    """The text between a pair of quotes, if it stands between one."""
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if is_quoted else text


def prepare_streams() -> None:
    """Let a stream that is closed be as /dev/null, one whose reader goes become so, and none fail on a letter.

    A descriptor that is closed is taken by the next file that is opened, which would then get what is printed.
    """
    for descriptor in range(3):
        hold_descriptor(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8", errors=REPLACE))  # noqa: SIM115 (it stays open)
        elif type(stream) is io.TextIOWrapper and mode == "w":  # not a notebook's, nor pytest's
            setattr(sys, name, lasting(stream))


def lasting(stream: io.TextIOWrapper) -> LastingStream:
    """A stream in which neither a lost reader nor a letter that its locale does not have is an error.

    What a script has printed before comes first.
    """
    made = LastingStream(
        stream.buffer,
        stream.encoding,
        REPLACE,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    with made.outliving_its_reader():
        stream.flush()
    return made


def hold_descriptor(descriptor: int) -> None:
    """Open /dev/null as a descriptor, if it is not open, for the processes that this one starts too."""
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.set_inheritable(descriptor, True)
        if opened != descriptor:
            os.close(opened)


def stopped_by_signals() -> contextlib.AbstractContextManager[None]:
    """A block in which Ctrl-C, SIGTERM and SIGHUP raise Interrupted."""
    if threading.current_thread() is not threading.main_thread():
        return contextlib.nullcontext()  # only the main thread may handle signals
    return handled_by(raise_interrupted, SIGNALS)


def raise_interrupted(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal by raising it."""
    raise Interrupted(number)
