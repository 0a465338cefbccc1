"""The house keeps its own rules: imports run down, one place knows Hydra, files stay short, the map is whole."""

import ast
import graphlib
import re
from pathlib import Path

import quickdraw
from tests.support.program import ROOT

# Who may import whom: only downwards. Whatever of `quickdraw` is not named here is a leaf, below all of them.
COMMANDS = ["predict", "evaluate"]
ROOMS = [
    "run.py",
    "hydra_plugins",
    *COMMANDS,
    "race",
    "search",
    "sweep",
    "analysis",
    "run",
    "explore",
    "lanes",
    "engine",
    "model",
    "data",
]
JUNK_DRAWERS = {"utils", "util", "helpers", "manager", "common", "misc"}
HOME = ROOT / "quickdraw"
FILES = [ROOT / "run.py", *HOME.rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]


def name_of(path: Path) -> str:
    """The dotted name of a file of ours; a package is its `__init__.py`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """All that a file imports, at its top and inside its functions."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & MODULES.keys() or {str(node.module)}
    return names


def floor(name: str) -> int:
    """The place of a module's room in the list; leaves are below all rooms."""
    room = "run.py" if name == "run" else name.removeprefix("quickdraw.").split(".")[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


MODULES = {name_of(path): path for path in FILES}
IMPORTS = {name: imported(path) for name, path in MODULES.items()}
ARROWS = [(name, other) for name, others in IMPORTS.items() for other in others & MODULES.keys()]


def test_imports_run_down_the_list() -> None:
    assert len(ARROWS) > len(MODULES)
    assert [f"{name} -> {other}" for name, other in ARROWS if floor(other) < floor(name)] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: others & MODULES.keys() for name, others in IMPORTS.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_only_run_py_and_the_plugins_know_hydra() -> None:
    heirs = {
        name for name, others in IMPORTS.items() if {"hydra", "omegaconf"} & {each.split(".")[0] for each in others}
    }
    assert "run" in heirs
    assert [name for name in heirs if name.startswith("quickdraw")] == []


def test_files_are_short_and_named_by_what_they_hold() -> None:
    files = [*FILES, *ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/**/*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > (400 if name.startswith("tests/") else 300)} == {}
    assert [name for name in lines if JUNK_DRAWERS & set(re.split(r"[/.]", name))] == []


def test_every_module_says_what_it_holds() -> None:
    documented = {name for name, path in MODULES.items() if ast.get_docstring(ast.parse(path.read_text()))}
    assert MODULES.keys() - documented == set()


def test_the_map_names_every_module_and_package_once_and_no_other() -> None:
    listing = str(quickdraw.__doc__).partition("Where everything is")[2]
    named = re.findall(r"^ +([\w/]+(?:\.py|/)) {2,}\S", listing, re.MULTILINE)
    files = {str(path.relative_to(HOME)) for path in HOME.rglob("*.py") if path.name != "__init__.py"}
    folders = {f"{path.parent.relative_to(HOME)}/" for path in HOME.glob("*/**/__init__.py")}
    assert set(named) ^ (files | folders) == set()
    assert len(named) == len(set(named))
