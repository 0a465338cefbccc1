"""`python -m quickdraw.evaluate RUN data.root=FOLDER`: a run's network on other drawings, all that the folder holds.

RUN is a run's folder or its .pth; KEY=VALUE may be data.root, data.limit_per_class, data.batch_size, data=strokes (for
.ndjson and .npz) and data.classes, which must be the run's own, in its order. There is no split: every drawing counts.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw.errors import ConfigError, DataError, QuickdrawError

PIPE_WIDTH = 500  # nobody reads a pipe through a window, so no name is cut there
KEYS = ("data", "data.root", "data.limit_per_class", "data.batch_size", "data.classes", "data.cache")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m quickdraw.evaluate", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its .pth")
    parser.add_argument("settings", metavar="KEY=VALUE", nargs="+", help="data.root=FOLDER, and the like")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        scores = evaluate(asked.run, read_settings(asked.settings))
    except QuickdrawError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps(scores, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        show(scores)
    return 0


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return `data.root=F` and the like by key; raises ConfigError for another key or a bad value."""
    from omegaconf import OmegaConf

    from quickdraw.settings import RULES, flatten, nearest, shown

    settings: dict[str, Any] = {"data": "bitmaps", "data.batch_size": 512, "data.cache": "outputs/.cache"}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or key not in KEYS:
            raise ConfigError(f"{text}: expected one of {', '.join(KEYS)}, each with =VALUE{nearest(key, KEYS)}")
        typed = flatten(OmegaConf.to_container(OmegaConf.from_dotlist([text])))  # type: ignore[arg-type]
        settings[key] = value if key in ("data.root", "data.cache") else typed.get(key, value)
        if key in RULES and not RULES[key].holds(settings[key]):
            raise ConfigError(f"{key}: expected {RULES[key].words}, got {shown(settings[key])}")
    if settings["data"] not in ("bitmaps", "strokes"):
        raise ConfigError(f"data: expected bitmaps or strokes, got {shown(settings['data'])}")
    if "data.root" not in settings:
        raise ConfigError("data.root: expected the folder of the drawings, data.root=FOLDER")
    return settings


def evaluate(place: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of a saved network on all drawings of its classes in a folder, and each class's accuracy.

    `settings` are those of `read_settings`. Raises WeightsError for what is no run, DataError for what are no drawings
    of its classes.
    """
    from quickdraw import engine, hardware, metrics
    from quickdraw.data.batches import Batches
    from quickdraw.data.fingerprint import fingerprint
    from quickdraw.run.weights import load_network

    net, description = load_network(place)
    classes = description["classes"]
    asked = settings.get("data.classes", classes)
    if asked != classes:
        raise DataError(f"data.classes: expected the run's own in its order, {classes!r:.200}, got {asked!r:.200}")
    paths, files = open_drawings(settings, classes)
    batches = Batches(files, np.arange(sum(map(len, files))), settings["data.batch_size"])
    predictions = engine.predict(net.to(hardware.resolve_device("auto")), batches)
    counts, known = predictions.confusion(len(classes)), description.get("fingerprints", {})
    cache = Path(settings["data.cache"])
    accuracy = predictions.class_accuracy(len(classes)).tolist()
    return {
        "drawings": len(batches.indices),
        **metrics.final_scores(predictions),
        "class_accuracy": dict(zip(classes, (None if math.isnan(each) else each for each in accuracy), strict=True)),
        "class_drawings": dict(zip(classes, counts.sum(axis=1).tolist(), strict=True)),
        "mistaken_for": {
            name: mistaken(row, k, classes) for k, (name, row) in enumerate(zip(classes, counts, strict=True))
        },
        "trained_on": [name for name, path in paths.items() if fingerprint(path, cache) == known.get(name)],
    }


def open_drawings(settings: dict[str, Any], classes: Sequence[str]) -> tuple[dict[str, Path], list[np.ndarray]]:
    """Return each class's file and its drawings, uint8 [n, 784] mapped."""
    from quickdraw.data.class_files import find_class_files, open_class_files
    from quickdraw.data.rendering.render import rendered
    from quickdraw.data.rendering.stroke_files import Simplified, SketchRnn

    root, limit = Path(settings["data.root"]), settings.get("data.limit_per_class")
    if settings["data"] == "strokes":
        sources = find_class_files(root, classes, (".ndjson", ".npz"), "simplified").values()
        strokes = [
            SketchRnn(path, limit, False) if path.suffix.casefold() == ".npz" else Simplified(path, limit, False)
            for path in sources
        ]
        paths = dict(zip(classes, rendered(strokes, limit, Path(settings["data.cache"])), strict=True))
    else:
        paths = find_class_files(root, classes)
    return paths, [file[:limit] for file in open_class_files(root, paths)]


def mistaken(row: np.ndarray, own: int, classes: Sequence[str]) -> str | None:
    """Return the class that drawings of one are most often taken for wrongly; None if they never are."""
    others = row.copy()
    others[own] = 0
    return classes[int(others.argmax())] if others.any() else None


def show(scores: dict[str, Any]) -> None:
    """Print the scores: tables in colour on a terminal, aligned text into a pipe."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(Text(f"all {scores['drawings']:,} drawings, none left out", style="bold"))
    names = ("accuracy", "balanced_accuracy", "top3_accuracy", "top5_accuracy", "loss", "calibration_error")
    overall, classes = (Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False) for _ in range(2))
    for name in names:
        overall.add_column(name, justify="right", no_wrap=True)
    overall.add_row(*(f"{scores[name]:.4f}" for name in names))
    for name, side in (
        ("class", "left"),
        ("drawings", "right"),
        ("accuracy", "right"),
        ("most often taken for", "left"),
    ):
        classes.add_column(name, justify=side, no_wrap=True)  # type: ignore[arg-type]
    worst_first = sorted(scores["class_accuracy"].items(), key=lambda each: -1 if each[1] is None else each[1])
    for name, accuracy in worst_first:
        told = "-" if accuracy is None else f"{accuracy:.4f}"
        taken = scores["mistaken_for"][name] or "-"
        classes.add_row(Text(name), f"{scores['class_drawings'][name]:,}", told, Text(taken))
    for table in (overall, classes):
        console.print(table, soft_wrap=False)
        console.print()
    if scores["trained_on"]:
        names_told = ", ".join(scores["trained_on"])
        console.print(Text(f"note: the run was trained on drawings of these files: {names_told}; these scores flatter"))


if __name__ == "__main__":
    sys.exit(main())
