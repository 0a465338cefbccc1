"""JSON as we write and read it: whole, plain, and of a depth that no reader falls into."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quickdraw.files import DEEPEST, read_bounded, read_json, remove_leftovers, write_json


def test_a_file_is_on_the_disk_before_its_rename_and_the_rename_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def note(name: str, real: Callable[..., Any]) -> None:
        monkeypatch.setattr(os, name, lambda *arguments: (done.append(name), real(*arguments))[1])

    note("fsync", os.fsync)
    note("replace", os.replace)
    write_json(tmp_path / "a.json", {})
    assert done == ["fsync", "replace", "fsync"]


def test_a_file_that_is_being_written_is_spared_and_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.json.01.tmp", tmp_path / "b" / ".c.json.02.tmp"
    new.parent.mkdir()
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path, older_than_s=3600)
    assert (old.exists(), new.exists()) == (False, True)
    remove_leftovers(tmp_path)
    assert not new.exists()


def test_a_file_may_have_just_as_many_bytes_as_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bounded(tmp_path / "a", most=3) == b"abc"
    with pytest.raises(ValueError, match="expected at most 2 bytes, got 3"):
        read_bounded(tmp_path / "a", most=2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_holds_no_number_that_is_none(value: float, tmp_path: Path) -> None:
    for content in ({"a": value}, {"a": [1, {"b": value}]}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("depth", [DEEPEST, 900, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"b":', "}]")])
def test_json_that_is_nested_too_deep_is_none_of_ours(depth: int, opening: str, closing: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": ' + opening * depth + "1" + closing * depth + "}")
    assert read_json(path) is None


def test_json_of_a_usual_depth_is_read(tmp_path: Path) -> None:
    value = {"a": [1, {"b": [[["c"]]]}], "d": {"e": {}}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    deep: object = "end"
    for _ in range(DEEPEST - 1):
        deep = [deep]
    write_json(tmp_path / "a.json", {"a": deep})
    assert read_json(tmp_path / "a.json") == {"a": deep}


@pytest.mark.parametrize("content", [b"", b"[1]", b"5", b"{", b"\xff\xfe", b'{"a": 1' + b"0" * 5000 + b"}"])
def test_what_is_no_object_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert read_json(tmp_path / "a.json") is None
    assert read_json(tmp_path / "b.json") is None
