"""What the files of a run must hold, so that a folder from anywhere is read, or called damaged with the reason.

Keys that are unknown here pass: another version may have written them.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from quickdraw.errors import WeightsError
from quickdraw.files import LONGEST_NUMBER, finite_float, parse_json, read_bounded
from quickdraw.rules import CLASSES, NOT_NEGATIVE, PORTION, RULES, TEXT, Rule, either, number, text, whole
from quickdraw.settings import decoded, flatten

Complain = Callable[[Mapping[str, Any]], str]  # why an object makes no sense; an empty text if it does

EPOCH = ("epoch", "step", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "train_s")  # of each at least


def is_epoch(value: Mapping[str, Any]) -> bool:
    """Whether an object is the record of an epoch in a checkpoint: finite numbers, of which some are always there."""
    return value.keys() >= {*EPOCH} and all(map(NUMBER.holds, value.values()))


def is_optimizer_value(value: Any) -> bool:
    """Whether a value is a plain one of an optimizer's state: parameter, name, value."""
    return isinstance(value, list) and len(value) == 3 and whole(0).holds(value[0]) and isinstance(value[1], str)


# Settings that readers calculate with, or look files up by. What else a configuration holds is only shown.
READ_SETTINGS = ("seed", "data.classes", "data.limit_per_class", "data.cache", "trainer.epochs", "threads", "lanes")
ANY_TEXT = Rule(lambda v: isinstance(v, str), "a text")
STATE = text("a state of a run", "new|running|completed|interrupted|failed|diverged|pruned")
MONITOR = text("a validation score", r"val_\w+")
TEXTS = Rule(lambda v: isinstance(v, list) and all(isinstance(each, str) for each in v), "a list of texts")
OBJECT = Rule(lambda v: isinstance(v, dict), "an object")
OBJECTS = Rule(lambda v: isinstance(v, list) and all(isinstance(each, dict) for each in v), "a list of objects")
NUMBER = number("a number", lambda v: True)
ENVIRONMENT = Rule(lambda v: isinstance(v, dict) and OBJECT.holds(v.get("versions", {})), "an object with versions")
SHARES = Rule(lambda v: isinstance(v, list) and all(map(either(PORTION, None).holds, v)), "a list of shares")
DIGEST = text("a sha256 in hex", "[0-9a-f]{64}")
TEXT_BY_NAME = Rule(lambda v: isinstance(v, dict) and TEXTS.holds(list(v.values())), "a text for each name")
COUNTS = Rule(lambda v: isinstance(v, dict) and all(map(whole(0).holds, v.values())), "a whole number for each name")

STATUS = {
    "state": STATE,
    "reason": ANY_TEXT,
    "pid": whole(0),
    "epoch": whole(0),
    "step": whole(0),
    "warnings": TEXTS,
    "started": ANY_TEXT,
    "overrides": TEXTS,
    "config_from": TEXTS,
    "config": OBJECT,
}
RESULT = {
    "best_epoch": whole(1),
    "epochs": whole(1),
    "parameters": whole(0),
    "train_s": NOT_NEGATIVE,
    "total_s": NOT_NEGATIVE,
    "samples_per_s": NOT_NEGATIVE,
    "peak_rss_mb": either(NOT_NEGATIVE, None),
    "classes": CLASSES,
    "test_class_accuracy": SHARES,
    "seed": whole(0),
}
WEIGHTS = {
    "classes": CLASSES,
    "model": TEXT,
    "sha256": DIGEST,
    "drawings": COUNTS,
    "config": OBJECT,
    "fingerprints": TEXT_BY_NAME,
}
RECORDS = Rule(lambda v: OBJECTS.holds(v) and all(map(is_epoch, v)), "a list of epochs, each with finite numbers")
POSITION = {
    "epoch": whole(0),
    "step": whole(0),
    "epoch_s": NOT_NEGATIVE,
    "best_epoch": whole(-1),
    "history": RECORDS,
}
OPTIMIZER = Rule(lambda v: isinstance(v, list) and all(map(is_optimizer_value, v)), "a list of parameter, name, value")
FACTS = {"fingerprints": TEXT_BY_NAME, "environment": ENVIRONMENT}
START = {"program": OBJECT, "environment": ENVIRONMENT, "machine": OBJECT, "fingerprints": TEXT_BY_NAME}


def read_record(path: Path, complain: Complain) -> dict[str, Any] | None:
    """The object in a JSON file, None where there is no file; raises ValueError, which says why, for a damaged one."""
    try:
        value = parse_json(read_bounded(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"expected JSON, got something else ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {value!r:.60}")
    complaint = complain(value)
    if complaint:
        raise ValueError(complaint)
    return value


def unlike(value: Mapping[str, Any], rules: Mapping[str, Rule], needed: Iterable[str] = ()) -> str:
    """The first key that is missing, or whose value is not what it must be, in words; an empty text for none."""
    for key in needed:
        if key not in value:
            return f"{key}: expected a value, and it is absent"
    for key, rule in rules.items():
        if key in value and not rule.holds(value[key]):
            return f"{key}: expected {rule.words}, got {value[key]!r:.60}"
    return ""


def status_complaint(status: Mapping[str, Any]) -> str:
    """Why the content of `status.json` makes no sense."""
    return unlike(status, STATUS) or config_complaint(status.get("config", {}))


def config_complaint(config: Mapping[str, Any]) -> str:
    """Why a saved configuration makes no sense; whether it can be trained again is `settings.check`'s to say."""
    rules = {"exp_name": ANY_TEXT, "trainer.monitor": MONITOR} | {key: RULES[key] for key in READ_SETTINGS}
    return unlike(flatten(decoded(config)), rules)


def result_complaint(result: Mapping[str, Any]) -> str:
    """Why the content of `result.json` makes no sense."""
    rules = dict(RESULT)
    for key in result:
        if key.startswith(("val_", "test_")) and key not in RESULT:
            rules[key] = PORTION if key.endswith("accuracy") else NUMBER
    return unlike(result, rules)


def weights_complaint(description: Mapping[str, Any]) -> str:
    """Why the `.json` beside weights makes no sense."""
    complaint = unlike(description, WEIGHTS, needed=("classes",)) or config_complaint(description.get("config", {}))
    named = description.get("fingerprints")
    if not complaint and named is not None and set(description["classes"]) != named.keys():
        return "fingerprints: expected one for each class"
    return complaint


def provenance_complaint(provenance: Mapping[str, Any]) -> str:
    """Why the content of `provenance.json` makes no sense."""
    complaint = unlike(provenance, {"starts": OBJECTS}, needed=("starts",))
    if complaint:
        return complaint
    for place, start in enumerate(provenance["starts"], 1):
        complaint = unlike(start, START)
        if complaint:
            return f"start {place}: {complaint}"
    return ""


def checkpoint_complaint(value: Any) -> str:
    """Why the plain values in a checkpoint make no sense."""
    if not OBJECT.holds(value):
        return "expected an object"
    complaint = unlike(value, {"training": OBJECT, "facts": OBJECT}, needed=("training", "facts"))
    if complaint:
        return complaint
    training, facts = value["training"], value["facts"]
    complaint = unlike(training, {"position": OBJECT, "optimizer": OPTIMIZER}, needed=("position", "optimizer"))
    complaint = complaint or unlike(facts, FACTS, needed=FACTS)
    if complaint:
        return complaint
    position = training["position"]
    complaint = unlike(position, POSITION, needed=POSITION)
    if not complaint and len(position["history"]) != position["epoch"]:
        return f"position: expected {position['epoch']} epochs, got {len(position['history'])}"
    return complaint


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of `metrics.csv`, one an epoch; an empty cell is left out, for a metric may have been added later.

    Raises OSError as `open` does, ValueError, which says why, for what is no such table of finite numbers.
    """
    rows = []
    table = csv.DictReader(io.StringIO(read_bounded(path).decode(), newline=""), strict=True)
    try:
        for place, cells in enumerate(table, 1):
            if None in cells or None in cells.values():
                raise ValueError(f"row {place}: expected as many cells as the header has")
            row = {key: cell_number(cell) for key, cell in cells.items() if cell}
            if row.get("epoch", place) != place:
                raise ValueError(f"row {place}: expected epoch {place}, got {row['epoch']:.60}")
            rows.append(row)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows


def cell_number(cell: str) -> float:
    """A cell of `metrics.csv` as a number, a whole one as int."""
    if cell.isdecimal() and len(cell) <= LONGEST_NUMBER:
        return int(cell)
    return finite_float(cell)


def read_description(path: Path) -> dict[str, Any]:
    """The content of the `.json` beside weights; raises WeightsError when it is missing or makes no sense."""
    try:
        description = read_record(path, weights_complaint)
    except ValueError as error:
        raise WeightsError(f"{path}: damaged: {error}; expected the description of a network's weights") from error
    if description is None:
        raise WeightsError(f"{path}: cannot be read (No such file or directory); a run leaves it with its weights")
    return description
