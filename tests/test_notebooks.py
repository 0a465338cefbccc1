"""The notebooks run from top to bottom on small data, and are stored as a reader wants to find them."""

import ast
import base64
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from quickdraw.data.doodles import draw_class
from tests.support.program import ROOT

NOTEBOOKS = sorted(path.name for path in ROOT.glob("*.ipynb"))
STRICT = "import warnings\n\nwarnings.simplefilter('error')"
LARGEST = 1_000_000  # bytes
SOMEONES_PLACE = re.compile(r"(?<![\w.])/(?:home|root|Users|tmp|work|mnt|opt|usr|var)/|[A-Z]:\\\\|0x[0-9a-f]{8}")


@dataclass
class Executed:
    """A notebook after it ran, by the ids of its cells: what each printed and showed."""

    notebook: nbformat.NotebookNode

    @property
    def cells(self) -> dict[str, nbformat.NotebookNode]:
        return {cell.id: cell for cell in self.notebook.cells if cell.cell_type == "code"}

    def text(self, name: str) -> str:
        """What a cell printed, and the value it ended with."""
        outputs = self.cells[name].outputs
        return "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)

    def pictures(self) -> dict[str, tuple[int, int]]:
        """The width and height of the picture that a cell showed."""
        found = {}
        for name, cell in self.cells.items():
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    found[name] = struct.unpack(">II", base64.b64decode(output.data["image/png"])[16:24])
        return found


def execute(name: str, folder: Path) -> Executed:
    """Run a notebook in a folder, by this Python, with warnings as errors; raises CellExecutionError."""
    notebook = nbformat.read(ROOT / name, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT, id="strict"))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(notebook, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(folder)})
    return Executed(notebook)


def drawings(folder: Path) -> None:
    """Put 60 drawings of each of three classes into data/, one of them twice, and 20 of a fourth."""
    (folder / "data").mkdir()
    for name, count in (("cat", 60), ("moon", 60), ("door", 60), ("eye", 20)):
        rows = draw_class(name, count, seed=0)
        rows[-1] = rows[0]
        np.save(folder / "data" / f"{name}.npy", rows)


SETTINGS: dict[str, Callable[[Path], None]] = {"EDA.ipynb": drawings}  # what each finds in its folder


@pytest.fixture(scope="module", params=SETTINGS)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Executed]:
    folder = tmp_path_factory.mktemp("notebook")
    SETTINGS[request.param](folder)
    return request.param, execute(request.param, folder)


def test_a_notebook_runs_from_top_to_bottom_without_a_word_of_complaint(executed: tuple[str, Executed]) -> None:
    _, ran = executed
    assert [cell.execution_count for cell in ran.cells.values()] == list(range(1, len(ran.cells) + 1))
    complaints = [
        output
        for cell in ran.cells.values()
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert complaints == []


def test_a_notebook_shows_the_same_pictures_as_the_stored_one(executed: tuple[str, Executed]) -> None:
    name, ran = executed
    stored = Executed(nbformat.read(ROOT / name, as_version=4))
    assert list(ran.pictures()) == list(stored.pictures())
    assert all(100 < width < 1200 and 80 < height < 1500 for width, height in stored.pictures().values())


def test_the_look_at_the_data_tells_what_is_there(executed: tuple[str, Executed]) -> None:
    name, ran = executed
    if name != "EDA.ipynb":
        pytest.skip("of the other notebook")
    assert ran.text("setup").startswith("drawings in data\n200 drawings of 4 classes")
    assert re.search(r"cat +60 .*\[60, 784\] +uint8", ran.text("holds"))
    assert "cat has 3.0 times the drawings of eye" in ran.text("counts")
    assert "4 of 200 drawings are identical to an earlier one" in ran.text("twins")
    assert re.match(r"\d+ nearly identical pairs within a class", ran.text("pairs"))
    assert ran.text("judge").count("val accuracy") == ran.text("hand").count("val accuracy") == 3
    assert "drawings (" in ran.text("wrong")
    assert re.match(r"It did (not )?overfit", ran.text("overfit"))
    assert {"imshow", "sheets", "means", "ink", "extremes", "counts", "pairs", "hardest", "wrong", "curves"} == set(
        ran.pictures()
    )


@pytest.mark.stress
def test_the_look_at_the_data_works_without_any(tmp_path: Path) -> None:
    ran = execute("EDA.ipynb", tmp_path)
    assert ran.text("setup").startswith("no files found: drawings made by a small program\n5,000 drawings")
    assert "identical" in ran.text("twins")
    assert "overfit" in ran.text("overfit")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_stored_notebook_is_small_executed_in_order_and_tells_nothing_of_a_machine(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert not any(cell.metadata for cell in notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not re.findall(SOMEONES_PLACE, re.sub(r'"image/png": "[^"]*"', "", text))
    assert "creativecommons.org/licenses/by/4.0/" in text


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_thin(name: str) -> None:
    notebook = nbformat.read(ROOT / name, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kinds = {type(node) for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.M)))}
            assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.While, ast.Try}, cell.id
            assert len(cell.source.splitlines()) <= 25, cell.id
