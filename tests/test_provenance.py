"""Where a run comes from, and whether it can be repeated."""

import json
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from quickdraw.run import provenance
from quickdraw.run.folder import RunFolder
from tests.support.program import Outcome, call
from tests.support.resuming import refused

TINY = ("data.classes=[cat,moon]", "model=mlp", "model.hidden=8", "trainer.epochs=1", "threads=1", "exp_name=tiny")


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Outcome:
    outcome = call(tmp_path_factory.mktemp("original"), f"data.root={drawings}", *TINY)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.fixture
def copy(original: Outcome, tmp_path: Path) -> Path:
    """A folder of its own with the original run, `run`."""
    shutil.copytree(original.run, tmp_path / "run")
    return tmp_path / "run"


def repeated(run: Path, *arguments: str, **options: Any) -> tuple[Outcome, Path | None]:
    """Repeat a run; return the outcome, and the new folder if there is one."""
    outcome = call(run.parent, f"rerun={run.name}", *arguments, **options)
    folders = list(run.parent.glob("outputs/runs/*/*/status.json"))
    return outcome, folders[0].parent if folders else None


def test_a_run_records_program_command_packages_machine_and_drawings(original: Outcome) -> None:
    (start,) = read(original.run / "provenance.json")["starts"]
    assert start["command"] == ["run.py", *start["command"][1:]]
    assert set(TINY) <= set(start["command"])
    assert start["environment"]["versions"]["torch"] == version("torch")
    assert start["machine"]["cores"] >= 1
    description = read(original.run / "weights/tiny_net.json")
    assert start["fingerprints"] == description["fingerprints"]
    assert set(start["program"]) >= {"commit", "dirty"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A repository with one commit, taken for the program's; returns what calls git in it."""

    def git(*words: str) -> str:
        fixed = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
        return subprocess.run([*fixed, *words], capture_output=True, check=True, text=True).stdout.strip()

    (tmp_path / "program.py").write_text("print(1)\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    monkeypatch.setattr(provenance, "PROGRAM", tmp_path)
    return git


def test_the_commit_is_told_and_what_was_changed_since(repository: Callable[..., str], tmp_path: Path) -> None:
    commit = repository("rev-parse", "HEAD")
    assert provenance.describe_program() == ({"commit": commit, "dirty": False}, None)
    (tmp_path / "program.py").write_text("print(2)\n")
    (tmp_path / "new.py").write_text("")
    told, diff = provenance.describe_program()
    assert (told["commit"], told["dirty"]) == (commit, True)
    assert diff
    assert b"+print(2)" in diff
    assert b"new.py" in diff


def test_each_process_adds_its_entry_and_keeps_what_was_staged(repository: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("print(3)\n")
    repository("add", ".")
    run = RunFolder(tmp_path.with_name(f"{tmp_path.name}-run"))
    run.path.mkdir()
    for _ in range(2):
        provenance.record(run, {}, {"fingerprints": {"cat": "c"}, "split": "s"})
    starts = read(run.path / "provenance.json")["starts"]
    assert [start["program"]["diff"] for start in starts] == ["uncommitted-1.diff", "uncommitted-2.diff"]
    assert b"+print(3)" in (run.path / "uncommitted-2.diff").read_bytes()


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"])
def test_the_commit_is_the_programs_own_whatever_the_environment_names(
    name: str, repository: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository("rev-parse", "HEAD")
    other = tmp_path.with_name(f"{tmp_path.name}-other")
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    places = {"GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / "index"}
    monkeypatch.setenv(name, str(places.get(name, other / ".git")))
    assert provenance.describe_program() == ({"commit": commit, "dirty": False}, None)


def test_a_program_outside_any_repository_and_a_machine_without_git_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "PROGRAM", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.describe_program() == ({"commit": None, "dirty": False}, None)
    monkeypatch.setenv("PATH", "")
    assert provenance.describe_program() == ({"commit": None, "dirty": False}, None)


def test_a_repository_of_somebody_else_gives_the_reason_and_what_to_type(
    repository: Callable[..., str], copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    run = RunFolder(copy)
    with run.claimed():
        provenance.record(run, {}, {"fingerprints": {}, "split": ""})
    program = read(copy / "provenance.json")["starts"][-1]["program"]
    assert program["commit"] is None
    assert program["reason"].startswith("detected dubious ownership in repository at ")
    assert f"; type: git config --global --add safe.directory {tmp_path}" in program["reason"]
    assert read(copy / "status.json")["warnings"] == [f"no commit is recorded: {program['reason']}"]


def test_a_repeated_run_ends_with_the_same_weights_in_a_new_folder(copy: Path) -> None:
    outcome, new = repeated(copy)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "the same weights as run, bit for bit"
    assert new
    assert (new / "weights/tiny_net.pth").read_bytes() == (copy / "weights/tiny_net.pth").read_bytes()
    assert read(new / "status.json")["rerun"]["same_weights"] is True


def test_a_run_that_ends_otherwise_says_what_differs(copy: Path) -> None:
    told = read(copy / "provenance.json")
    told["starts"][0]["program"] = {"commit": "0" * 40, "dirty": False}
    told["starts"][0]["environment"]["versions"]["torch"] = "1.0"
    (copy / "provenance.json").write_text(json.dumps(told))
    outcome, new = repeated(copy, "seed=7")
    assert outcome.code == 0, outcome.err
    last = outcome.out.splitlines()[-1]
    assert last.startswith("other weights than run; what differs: seed was 0 and is 7; ")
    assert f"program.commit was '{'0' * 40}'" in last
    assert "environment.versions.torch was '1.0'" in last
    assert new
    assert read(new / "status.json")["rerun"]["differing"][0] == "seed was 0 and is 7"


def test_a_run_whose_recorded_facts_are_gone_is_repeated_all_the_same(copy: Path) -> None:
    (copy / "provenance.json").unlink()
    assert repeated(copy)[0].out.splitlines()[-1] == "the same weights as run, bit for bit"


@pytest.mark.parametrize(
    ("before", "today", "expected"),
    [
        ({"commit": "a" * 40}, {"commit": "b" * 40}, "commit aaaaaaaaaa, and this is bbbbbbbbbb"),
        (
            {"commit": "a" * 40, "dirty": False},
            {"commit": "a" * 40, "dirty": True, "diff_sha256": "c"},
            "commit aaaaaaaaaa with other uncommitted changes than today's",
        ),
        ({"commit": "a" * 40, "diff": "one.diff"}, {"commit": "a" * 40, "diff": "two.diff"}, ""),
        ({"commit": None}, {"commit": "b" * 40}, ""),
        ({}, {"commit": "b" * 40}, ""),
        ({"commit": "a" * 40}, {"commit": None}, ""),
    ],
)
def test_what_changed_of_the_program(before: dict[str, Any], today: dict[str, Any], expected: str) -> None:
    assert provenance.program_change(before, today) == expected


def test_a_run_that_another_commit_began_is_resumed_with_a_warning(repository: Callable[..., str], copy: Path) -> None:
    commit = repository("rev-parse", "HEAD")
    told = read(copy / "provenance.json")
    told["starts"][-1]["program"] = {"commit": "0" * 40, "dirty": False}
    (copy / "provenance.json").write_text(json.dumps(told))
    run = RunFolder(copy)
    with run.claimed():
        provenance.record(run, {}, {"fingerprints": {}, "split": ""})
        provenance.record(run, {}, {"fingerprints": {}, "split": ""})
    warning = f"this run was trained by commit 0000000000, and this is {commit[:10]}: "
    warnings = read(copy / "status.json")["warnings"]
    assert [text.startswith(warning) for text in warnings] == [True]


@pytest.mark.parametrize("kind", ["missing", "not completed", "foreign overrides", "sweep", "resume too"])
def test_what_cannot_be_repeated_is_refused(kind: str, copy: Path) -> None:
    arguments: list[str] = []
    if kind == "missing":
        shutil.rmtree(copy)
    elif kind == "not completed":
        (copy / "result.json").unlink()
    elif kind == "foreign overrides":
        content = read(copy / "status.json")
        content["overrides"].append("+hydra.callbacks.evil={_target_:os.mkdir,path:made}")
        (copy / "status.json").write_text(json.dumps(content))
    else:
        arguments = ["-m"] if kind == "sweep" else ["resume=run"]
    outcome, new = repeated(copy, *arguments)
    assert refused(outcome)
    assert new is None
    assert not (copy.parent / "made").exists()
