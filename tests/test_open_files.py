"""As many classes as there are may be open at once, whatever the shell's limit."""

import itertools
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quickdraw.data.class_files import map_class_files, open_class_files
from quickdraw.errors import RunError
from quickdraw.files import allow_open_files

FILES = 60


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Many class files of a few drawings."""
    for number in range(FILES):
        np.save(tmp_path / f"class {number}.npy", np.random.default_rng(number).integers(0, 256, (3, 784), np.uint8))
    return {path.stem: path for path in tmp_path.glob("*.npy")}


@pytest.fixture
def few() -> Iterator[int]:
    """A limit of open files that these are too many for; yields it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    limit = next(end for end in itertools.count(1) if len(set(range(end)) - taken) == 10)  # ten more may be opened
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("looked_at", [True, False])
def test_the_limit_is_raised_for_many_classes(looked_at: bool, paths: dict[str, Path], few: int) -> None:
    opened = open_class_files(Path(), paths) if looked_at else map_class_files(paths.values())
    assert len(opened) == FILES
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > few


def test_where_it_cannot_be_raised_the_command_that_does_is_named(
    paths: dict[str, Path], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(kind: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    with monkeypatch.context() as patched:
        patched.setattr(resource, "setrlimit", refused)
        with pytest.raises(RunError, match=r"too many open files; raise the limit in this shell: ulimit -n 1024$"):
            open_class_files(Path(), paths)


def test_a_limit_that_suffices_is_left_alone() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files(1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
