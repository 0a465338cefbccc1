"""What can go wrong around a run, set up in its process before it starts: death, full disks, wrong clocks.

Each function here is a `setup` for `tests.support.program`; those with arguments are given through `functools.partial`.
"""

import builtins
import ctypes
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from multiprocessing import process
from pathlib import Path
from typing import Any

OPERATIONS = "operations"  # the file in which `photograph` lists what it saw
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1


def before_every_operation(act: Callable[[str], None]) -> None:
    """Call `act(what)` before each file operation of this process below the current folder, and amid each write.

    Opens for writing, renames, removals and new folders are seen by an audit hook, whoever does them; writes and
    fsyncs, which have no audit event, where `quickdraw.files` does them.
    """
    here = str(Path.cwd())
    busy = threading.local()

    def seen(event: str, place: str | bytes | Path) -> None:
        path = os.path.abspath(os.fsdecode(place))  # noqa: PTH100 - resolving would ask the disk
        if path.startswith(here) and not getattr(busy, "now", False):
            busy.now = True
            act(f"{event} {path[len(here) + 1 :]}".strip())
            busy.now = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            changes = arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
        if changes and isinstance(arguments[0], str | bytes | Path):
            seen(event, arguments[0])

    class Halved:
        """A file whose writes are done in two halves."""

        def __init__(self, *arguments: Any) -> None:
            self.file = builtins.open(*arguments)  # noqa: SIM115 - closed by whoever opened this

        def write(self, data: bytes) -> None:
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            seen("write", self.file.name)
            self.file.write(data[len(data) // 2 :])

        def writelines(self, pieces: Iterable[bytes]) -> None:
            self.write(b"".join(pieces))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> "Halved":
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

    def fsync(descriptor: int, real: Callable[[int], None] = os.fsync) -> None:
        seen("fsync", Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    from quickdraw import files

    files.open = Halved  # type: ignore[attr-defined]
    os.fsync = fsync
    sys.addaudithook(hook)


def photograph(album: Path) -> None:
    """Copy the current folder into `album/<number>` before each operation: what `kill -9` would leave there."""
    log = os.open(album / OPERATIONS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    here, numbers = Path.cwd(), count(1)

    def copy(what: str) -> None:
        shutil.copytree(here, album / str(next(numbers)))
        os.write(log, f"{what}\n".encode())

    before_every_operation(copy)


def signal_at(number: int, which: int) -> None:
    """Send this process a signal at operation `number`, counted from 1."""
    numbers = count(1)

    def send(what: str) -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), which)

    before_every_operation(send)


def killed_after(seconds: float) -> None:
    """Let another process `kill -9` this one after some time."""
    victim = os.getpid()
    if os.fork() == 0:
        os.chdir("/")
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        time.sleep(seconds)
        os.kill(victim, signal.SIGKILL)
        os._exit(0)


def no_file_larger_than(size: int) -> None:
    """Let the disk be full for every file that would grow beyond `size` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def little_memory() -> None:
    """Give this process 1 GB more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 10**9
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def clock_set_back(seconds: float) -> None:
    """Set the wall clock of this process back."""
    real = time.time
    time.time = lambda: real() - seconds


def other_torch() -> None:
    """Let this process believe that torch has another version."""
    from quickdraw import hardware

    real = hardware.version
    hardware.version = lambda package: "1.0.0" if package == "torch" else real(package)


def signals_in_training(*numbers: int) -> None:
    """Send this process signals, one right after another, at the end of its third training step."""
    from quickdraw import engine

    real, steps = engine.training_step, count(1)

    def step(*arguments: Any) -> Any:
        result = real(*arguments)
        if next(steps) == 3:
            for number in numbers:
                os.kill(os.getpid(), number)
        return result

    engine.training_step = step


def queued_again_by_sigusr2() -> None:
    """Answer SIGUSR2 as a job of submitit does, and send it at the end of the third training step."""

    def answer(number: int, frame: Any) -> None:
        print("queued again", flush=True)
        sys.exit(7)

    signal.signal(signal.SIGUSR2, answer)
    signals_in_training(signal.SIGUSR2)


def held_until(there: Path) -> None:
    """Let each training step wait for a file to be there, no longer than the tests' server lives."""
    from quickdraw import engine

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    real = engine.training_step

    def step(*arguments: Any) -> Any:
        while not there.exists():
            time.sleep(0.01)
        return real(*arguments)

    engine.training_step = step


def read_only(folder: Path) -> None:
    """Let nobody write below a folder: mounted read-only if this process is root's, else by its mode."""
    if os.geteuid():
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
        return
    mount(str(folder), str(folder), None, MS_BIND | MS_REC, None)
    mount(None, str(folder), None, MS_BIND | MS_REMOUNT | MS_RDONLY, None)


def full_shared_memory() -> None:
    """Let there be no room in /dev/shm."""
    mount("none", "/dev/shm", "tmpfs", 0, "size=4k")
    Path("/dev/shm/full").write_bytes(bytes(4096))


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    """Mount something that only this process sees, and that is gone with it. Needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    source_, target_, kind_, options_ = (
        None if word is None else os.fsencode(word) for word in (source, target, kind, options)
    )
    if (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        or libc.mount(source_, target_, kind_, flags, options_)
    ):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def temporary_folder(folder: Path) -> None:
    """Let this process keep its temporary files in a folder, as TMPDIR does from the start of a process."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    process.current_process()._config.pop("tempdir", None)  # type: ignore[attr-defined]
