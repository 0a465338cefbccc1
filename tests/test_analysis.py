"""`python -m quickdraw.analysis`: list, show, sweep and compare, for people, for pipes and for programs."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quickdraw.analysis.__main__ import main
from quickdraw.analysis.folders import find_sweep
from quickdraw.errors import RunError
from tests.support.made_up import make_run, make_sweep
from tests.support.program import ROOT

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 14 runs, two single runs, and one that other drawings were used for."""
    folder = tmp_path_factory.mktemp("analysis")
    (folder / "outputs" / "multirun").mkdir(parents=True)
    make_sweep(folder / "outputs" / "multirun" / "rates")
    make_run(folder / "outputs" / "runs" / "alone" / "2026-01-01-a", 0.5, wrong=range(30))
    make_run(folder / "outputs" / "runs" / "alone" / "2026-01-02-b", 0.6, classes=("cat", "moon"), seed=1)
    return folder


@pytest.fixture
def ask(outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Call the command in the folder of the runs and return what it prints; an error is what it prints then."""
    monkeypatch.chdir(outputs)

    def call(*arguments: str, code: int = 0) -> str:
        assert main(arguments) == code
        said = capsys.readouterr()
        assert (said.err == "") == (code == 0), said.err
        return said.err or said.out

    return call


def strict(text: str) -> Any:
    """Return what JSON says; NaN is none."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def test_list_has_every_run_sorted_as_asked(ask: Ask) -> None:
    assert len(ask("list").splitlines()) == 1 + 14 + 2
    lines = ask("list", "--exp", "alone", "--sort", "val_accuracy").splitlines()
    assert [line.split()[-1] for line in lines[1:]] == [
        "outputs/runs/alone/2026-01-02-b",
        "outputs/runs/alone/2026-01-01-a",
    ]
    scores = [run["result"].get("val_accuracy") for run in strict(ask("list", "--sort", "val_accuracy", "--json"))]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True)
    assert scores[len(known) :] == [None, None], "what has no score comes last"
    losses = [run["result"]["val_loss"] for run in strict(ask("list", "--sort", "val_loss", "--json"))[: len(known)]]
    assert losses == sorted(losses)
    rates = [run["settings"].get("optimizer.lr") for run in strict(ask("list", "--sort", "lr", "--json", "--reverse"))]
    assert rates[:8] == [0.01] * 8
    started = [run["started"] for run in strict(ask("list", "--json"))]
    assert started == sorted(started, reverse=True)
    assert len(strict(ask("list", "--exp", "al*", "--json"))) == 2


def test_show_tells_settings_epochs_results_and_errors(ask: Ask) -> None:
    text = ask("show", "lr-0.001_dropout-0.3_seed-0")
    assert "outputs/multirun/rates/lr-0.001_dropout-0.3_seed-0: completed" in text
    assert re.search(r"optimizer.lr +0.001\n", text)
    assert re.search(r"\n +3 +0.4000 +0.3000 +0.7000 +0.00267 +1.5000\n", text)
    assert re.search(r"\ncat +20 +0.5000 +moon +10\n", text)
    shown = strict(ask("show", "outputs/multirun/rates/lr-0.001_dropout-0.3_seed-0", "--json"))
    assert shown["confusions"] == [{"class": "cat", "predicted": "moon", "drawings": 10}]
    assert shown["epochs"][-1]["epoch"] == 3
    assert "failed: killed by SIGKILL (out of memory?)" in ask("show", "failed")


def test_sweep_ranks_and_writes_table_and_page(ask: Ask, outputs: Path) -> None:
    text = ask("sweep", "outputs/multirun/rates")
    assert "\nrank  setting" in text
    assert "killed by SIGKILL (out of memory?)" in text
    assert text.endswith("look at it: outputs/multirun/rates/report.html\n")
    for name in ("summary.csv", "report.html"):
        assert (outputs / "outputs" / "multirun" / "rates" / name).stat().st_size > 1000
    said = strict(ask("sweep", "rates", "--json"))
    assert [row["rank"] for row in said["ranking"]] == [1, 2, 3, 4]
    assert said["verdict"] in text
    assert len(said["runs"]) == 14


def test_compare_says_what_differs_and_whether_it_is_chance(ask: Ask) -> None:
    names = ("lr-0.001_dropout-0.3_seed-0", "lr-0.01_dropout-0.3_seed-0")
    text = ask("compare", *names)
    assert re.search(r"\nsetting +A +B\nlr +0.001 +0.01\n", text) or re.search(r"\noptimizer.lr +0.001 +0.01\n", text)
    assert re.search(r"\ntest_accuracy +0.8333 +0.9333 +0.1000\n", text)
    assert re.search(r"\ncat +20 +0.5000 +0.8000 +0.3000 +0 +6\n", text)
    assert "60 test drawings: 50 right in both, 0 only in A, 6 only in B, 4 in neither" in text
    assert "B is better than A by 0.1000" in text
    said = strict(ask("compare", *names, "--json"))
    assert said["p"] == pytest.approx(2 / 2**6)
    assert said["classes"][0] == {
        "class": "cat", "drawings": 20, "a": 0.5, "b": 0.8, "difference": pytest.approx(0.3),
        "only_a_right": 0, "only_b_right": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compare", "2026-01-01", "2026-01-02"], "their test splits differ: they know different classes"),
        (["compare", "2026-01-01", "failed"], "expected a completed run, got one that is failed"),
        (["compare", "2026-01-01"], "the following arguments are required"),
        (["show", "2026"], "2026: 2 runs begin like this"),
        (["show", "outputs/multirun/rates"], "expected a run's folder, got one with 14 of them"),
        (["show", "nowhere"], "nowhere: expected a run's folder"),
        (["sweep", "nowhere"], "nowhere: expected a sweep's folder"),
        (["list", "--sort", "val_acuracy"], "did you mean 'val_accuracy'?"),
        (["list", "--exp", "rate"], "did you mean 'rates'?"),
        (["list", "--outputs", "nowhere"], "there is no run yet"),
        (["lits"], "invalid choice"),
    ],
)
def test_mistake_is_one_line(ask: Ask, arguments: list[str], told: str) -> None:
    error = ask(*arguments, code=1)
    assert error.startswith("error: ")
    assert told in error
    assert error.count("\n") == 1


def test_terminal_gets_coloured_tables_and_a_pipe_plain_ones(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ask("list", "--exp", "alone")
    assert plain.isascii()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    coloured = ask("list", "--exp", "alone")
    assert "\x1b[" in coloured
    assert "─" in coloured
    assert "outputs/runs/alone/2026-01-02-b" in coloured, "a folder is never cut in two"


def test_newest_sweep_is_the_one_last_active(outputs: Path, tmp_path: Path) -> None:
    assert find_sweep(outputs=outputs / "outputs").folder.name == "rates"
    with pytest.raises(RunError, match="there is no sweep yet"):
        find_sweep(outputs=tmp_path)


def test_help_and_list_import_nothing_heavy(outputs: Path) -> None:
    code = (
        "import sys; from quickdraw.analysis.__main__ import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    )
    code += "print([m for m in ('torch', 'pandas', 'matplotlib', 'rich', 'sklearn', 'scipy') if m in sys.modules])"
    for arguments in (["--help"], ["list"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(
            command, cwd=outputs, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]", arguments
