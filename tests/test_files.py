"""JSON as we write and read it: whole, plain, and of a depth that no reader falls into."""

import math
from pathlib import Path

import pytest

from quickdraw.files import DEEPEST, read_json, write_json


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
