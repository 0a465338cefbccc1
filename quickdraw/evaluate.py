"""`python -m quickdraw.evaluate RUN data.root=FOLDER`: a run's network on other drawings, all that the folder holds.

RUN is a run's folder or its .pth; KEY=VALUE may be data.root, data.limit_per_class, data.batch_size, data=strokes (for
.ndjson and .npz) and data.classes, which must be the run's own, in its order. There is no split: every drawing counts.
"""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw import console
from quickdraw.errors import ConfigError, DataError
from quickdraw.files import user_path
from quickdraw.waiting import asleep_beside_others

DEFAULTS = {"data": "bitmaps", "data.batch_size": 512, "data.cache": "outputs/.cache"}
KEYS = ("data", "data.root", "data.limit_per_class", "data.batch_size", "data.classes", "data.cache")
SCORES = ("accuracy", "balanced_accuracy", "top3_accuracy", "top5_accuracy", "loss", "calibration_error")


def arguments() -> console.Parser:
    """The parser of the command line."""
    parser = console.Parser(prog="python -m quickdraw.evaluate", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its .pth")
    parser.add_argument("settings", metavar="KEY=VALUE", nargs="+", help="data.root=FOLDER, and the like")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 1 error."""
    return console.call(lambda: command(argv))


def command(argv: Sequence[str] | None) -> None:
    """Evaluate what the command line names, and print the scores."""
    options = arguments().parse_args(argv)
    scores = evaluate(options.run, read_settings(options.settings))
    if options.json:
        console.say(json.dumps(scores, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        show(scores)


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return `data.root=F` and the like by key; raises ConfigError for another key or a bad value."""
    from quickdraw.rules import RULES
    from quickdraw.settings import nearest, shown

    settings: dict[str, Any] = dict(DEFAULTS)
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or key not in KEYS:
            raise ConfigError(f"{text}: expected one of {', '.join(KEYS)}, each with =VALUE{nearest(key, KEYS)}")
        settings[key] = read_value(key, value)
        if key in RULES and not RULES[key].holds(settings[key]):
            raise ConfigError(f"{key}: expected {RULES[key].words}, got {shown(settings[key])}")
    if settings["data"] not in ("bitmaps", "strokes"):
        raise ConfigError(f"data: expected bitmaps or strokes, got {shown(settings['data'])}")
    if "data.root" not in settings:
        raise ConfigError("data.root: expected the folder of the drawings, data.root=FOLDER")
    return settings


def read_value(key: str, text: str) -> Any:
    """Read what was typed for a key: a whole number, null, a list of class names in brackets, or text."""
    text = console.without_quotes(text)
    if key in ("data.root", "data.cache"):
        return str(user_path(text)) if text else text
    if key == "data.classes" and text.startswith("[") and text.endswith("]"):
        return [console.without_quotes(name) for name in text[1:-1].split(",")]
    if text == "null":
        return None
    try:
        return int(text)
    except ValueError:
        return text


def evaluate(place: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of a saved network on all drawings of its classes in a folder, and each class's accuracy.

    `settings` are those of `read_settings`. Raises WeightsError for what is no run, DataError for what are no drawings
    of its classes.
    """
    from quickdraw import engine, hardware, metrics
    from quickdraw.analysis.confusions import commonest_error
    from quickdraw.data.batches import Batches
    from quickdraw.data.fingerprint import fingerprint
    from quickdraw.run.weights import load_network

    # What is evaluated on what
    net, description = load_network(place)
    classes = description["classes"]
    asked = settings.get("data.classes", classes)
    if asked != classes:
        raise DataError(f"data.classes: expected the run's own in its order, {classes!r:.200}, got {asked!r:.200}")
    paths, files = open_drawings(settings, classes)
    batches = Batches(files, np.arange(sum(map(len, files))), settings["data.batch_size"])

    # The network's answers, as a whole and class by class
    with asleep_beside_others():
        predictions = engine.predict(net.to(hardware.resolve_device("auto")), batches)
    counts = predictions.confusion(len(classes))
    class_accuracy: dict[str, float | None] = {}
    mistaken_for: dict[str, str | None] = {}
    for label, accuracy in enumerate(predictions.class_accuracy(len(classes)).tolist()):
        taken = commonest_error(counts[label], label)
        class_accuracy[classes[label]] = None if math.isnan(accuracy) else accuracy
        mistaken_for[classes[label]] = None if taken is None else classes[taken]

    # The files that the run was trained on
    cache, known = Path(settings["data.cache"]), description.get("fingerprints", {})
    trained_on = [name for name, path in paths.items() if fingerprint(path, cache) == known.get(name)]
    return {
        "drawings": len(batches.indices),
        **metrics.final_scores(predictions),
        "class_accuracy": class_accuracy,
        "class_drawings": dict(zip(classes, counts.sum(axis=1).tolist(), strict=True)),
        "mistaken_for": mistaken_for,
        "trained_on": trained_on,
    }


def open_drawings(settings: dict[str, Any], classes: Sequence[str]) -> tuple[dict[str, Path], list[np.ndarray]]:
    """Return each class's file and its drawings, uint8 [n, 784] mapped."""
    from quickdraw.data.class_files import find_class_files, map_class_files, open_class_files
    from quickdraw.data.rendering.render import rendered
    from quickdraw.data.rendering.stroke_files import Simplified, SketchRnn

    root, limit = Path(settings["data.root"]), settings.get("data.limit_per_class")
    if settings["data"] == "strokes":
        strokes: list[Simplified | SketchRnn] = []
        for path in find_class_files(root, classes, (".ndjson", ".npz"), "simplified").values():
            kind = SketchRnn if path.suffix.casefold() == ".npz" else Simplified
            strokes.append(kind(path, limit, False))
        paths = dict(zip(classes, rendered(strokes, limit, Path(settings["data.cache"])), strict=True))
        return paths, map_class_files(paths.values())
    paths = find_class_files(root, classes)
    return paths, [file[:limit] for file in open_class_files(root, paths)]


def show(scores: dict[str, Any]) -> None:
    """Print the scores as every other table: in colour on a terminal, as aligned text into a pipe."""
    from quickdraw.analysis.tables import Table
    from quickdraw.analysis.terminal import Answer, say

    overall = Table(SCORES, [[scores[name] for name in SCORES]])
    rows = []
    for name in sorted(scores["class_accuracy"], key=lambda name: worst_first(scores["class_accuracy"][name])):
        drawings = f"{scores['class_drawings'][name]:{len('drawings')},}"
        rows.append([name, drawings, scores["class_accuracy"][name], scores["mistaken_for"][name]])
    classes = Table(["class", "drawings", "accuracy", "most often taken for"], rows)
    parts: list[Table | str] = [f"all {scores['drawings']:,} drawings, none left out", overall, classes]
    if scores["trained_on"]:
        names = ", ".join(scores["trained_on"])
        parts.append(f"note: the run was trained on drawings of these files: {names}; these scores flatter")
    say(Answer(parts, scores), as_json=False)


def worst_first(accuracy: float | None) -> float:
    """What classes are sorted by; one without drawings comes first."""
    return -1 if accuracy is None else accuracy


if __name__ == "__main__":
    sys.exit(main())
