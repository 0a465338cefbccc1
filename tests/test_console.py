"""Every command ends in the same ways: one line for an error, the exit code of a signal, nothing for a lost reader."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quickdraw import console, evaluate, predict
from quickdraw.analysis import __main__ as analysis
from quickdraw.data import download
from quickdraw.errors import RunError
from tests.support.program import ROOT

COMMANDS = {
    "quickdraw.evaluate": evaluate.main,
    "quickdraw.predict": predict.main,
    "quickdraw.analysis": analysis.main,
    "quickdraw.data.download": download.main,
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_argument_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert COMMANDS[name](["--colour=blue"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.endswith("; see --help\n")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_errors_that_the_user_can_fix_are_printed_and_bugs_are_raised(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: Exception) -> None:
        raise error

    assert console.call(lambda: fail(RunError("so and so"))) == 1
    assert console.call(lambda: fail(PermissionError(13, "Permission denied", "a.txt"))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: so and so"
    assert lines[1].startswith("error: a.txt: Permission denied; ")
    with pytest.raises(ZeroDivisionError):
        console.call(lambda: fail(ZeroDivisionError()))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_with_its_exit_code(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    handled = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert console.call(lambda: signal.raise_signal(number), when_stopped="stopped; go on so") == code
    finally:
        signal.signal(signal.SIGINT, handled)
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err == "stopped; go on so\n"


def shell(command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $PY is this Python."""
    env = {**os.environ, "PY": sys.executable, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_that_is_cut_by_its_reader_is_no_error(name: str) -> None:
    done = shell(f"($PY -m {name} --help; echo $? >&2) | true")
    assert done.stderr == "0\n"


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129)])
def test_an_interrupt_has_its_exit_code_although_the_reader_is_gone_too(number: int, code: int) -> None:
    """As Ctrl-C ends both sides of `... | tee log`."""
    text = (
        "import os, signal, sys\nfrom quickdraw import console\n\ndef main():\n    print('half a page')\n"
        f"    os.read(0, 1)\n    signal.raise_signal({number})\n\nsys.exit(console.call(main, when_stopped=''))\n"
    )
    command = [sys.executable, "-c", text]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.close()
        process.stdin.write(b"x")
        process.stdin.close()
        assert process.wait(60) == code


PRINTS = """
import sys
from quickdraw import console
from quickdraw.errors import RunError

def main():
    for number in range(3):
        print("x" * 9_000, file=sys.stdout if number else sys.stderr)
    open("ended", "w").close()
    if sys.argv[1:]:
        raise RunError("not done")

sys.exit(console.call(main))
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("argument", "code"), [("", 0), ("fail", 1)])
def test_what_prints_to_nobody_goes_on_and_has_its_own_exit_code(
    unbuffered: str, argument: str, code: int, tmp_path: Path
) -> None:
    """As a print in a model of one's own does, under `| head -1`; PYTHONUNBUFFERED has each print meet the pipe."""
    (tmp_path / "prints.py").write_text(PRINTS)
    started = f"env PYTHONUNBUFFERED={unbuffered} $PY prints.py {argument}"
    done = shell(f"(mkfifo pipe; true < pipe & exec 3> pipe; wait; {started} >&3 2>&3; echo $? >code)", tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "code").read_text() == f"{code}\n"
    assert (tmp_path / "ended").exists()


def test_a_stream_that_cannot_be_written_to_is_still_an_error() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        stream = console.LastingStream(full, write_through=True)
        with pytest.raises(OSError, match="No space left"):
            stream.write("x")
        stream.detach()


ALL = ">&- 2>&- <&-"
ONE = [pytest.param(closed, marks=pytest.mark.stress) for closed in (">&-", "2>&-")]


@pytest.mark.parametrize("closed", [*ONE, ALL])
def test_a_run_with_closed_streams_trains_on(closed: str, tmp_path: Path) -> None:
    typed = "data=synthetic data.per_class=8 data.classes=[cat,moon] model=mlp trainer=smoke threads=1"
    assert shell(f"$PY {ROOT / 'run.py'} {typed} hydra.run.dir=here {closed}", tmp_path).returncode == 0
    assert (tmp_path / "here/result.json").is_file()


@pytest.mark.parametrize("closed", [ONE[1], ALL])
def test_a_sweep_with_closed_streams_trains_its_jobs(closed: str, tmp_path: Path) -> None:
    typed = "-m seed=0 data=synthetic data.per_class=8 data.classes=[cat,moon] model=mlp trainer=smoke threads=1"
    launcher = "hydra.launcher.report=false exp_name=closed"
    assert shell(f"$PY {ROOT / 'run.py'} {typed} {launcher} {closed}", tmp_path).returncode == 0
    assert len([*tmp_path.glob("outputs/multirun/closed/*/result.json")]) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_with_closed_streams(name: str) -> None:
    assert shell(f"$PY -m {name} --colour=blue >&- 2>&- <&-").returncode == 1


def test_a_closed_stream_is_as_dev_null(tmp_path: Path) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&- <&-"):
        text = f"$PY -c 'import sys; from quickdraw import console; sys.exit(console.call(lambda: print(5)))' {closed}"
        assert shell(text, tmp_path).returncode == 0
    (tmp_path / "writes.py").write_text(
        "import os\nfrom quickdraw import console\n\ndef main():\n    with open('a.txt', 'w') as file:\n"
        "        os.write(1, b'a stray print')\n        file.write('mine')\n\nconsole.call(main)\n"
    )
    assert shell("$PY writes.py >&- 2>&-", tmp_path).returncode == 0
    assert (tmp_path / "a.txt").read_text() == "mine"


def test_what_a_script_printed_before_comes_first(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import sys\nfrom quickdraw import console\n\nprint('before')\nprint('wrong', file=sys.stderr, end='')\n"
        "console.call(lambda: print('ours'))\nprint('after')\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},  # so what is printed waits in Python
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\nours\nafter\n", "wrong")


ENDING = """
import atexit
import os
import sys
from types import SimpleNamespace
from hydra_plugins.quickdraw_cli import command_line
from quickdraw.errors import RunError

class Kept:
    def __del__(self, write=os.write):
        write(1, b"taken apart")

kept = Kept()
sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: {used}))

def main():
    atexit.register(os.write, 1, b"cleared away, ")  # as a library does that the run imports
    raise RunError("no more")

code = command_line.call(main)
{more}
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("used", "more", "at_once"),
    [
        (True, "", True),
        (False, "", False),
        (True, "sys.setprofile(lambda *_: None)", False),  # what watches it has something to write
        (True, "sys.modules['__main__'] = SimpleNamespace(kept=kept)", False),  # a notebook had started it
    ],
    ids=["GPU", "CPU", "watched", "in a notebook"],
)
def test_a_program_that_used_a_gpu_ends_without_taking_it_apart(
    used: bool, more: str, at_once: bool, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ENDING.format(used=used, more=more)]
    where = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    ended = subprocess.run(command, **where, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    assert (ended.returncode, ended.stderr) == (1, "error: no more\n")
    assert ended.stdout == "cleared away, " + ("" if at_once else "taken apart")
