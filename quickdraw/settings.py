"""Types and ranges of every key, what makes two runs the same, and the nearest real key of a mistyped one.

Everything here works on a plain resolved configuration (nested dicts) and imports nothing heavy: the settings of a
whole sweep are checked before its first job starts.
"""

import difflib
import hashlib
import importlib
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from quickdraw import metrics
from quickdraw.errors import ConfigError

# What may be built, and where it may be named: a saved configuration is data, and calls no other code.
TARGETS = {
    "model": r"quickdraw\.model\.\w+\.\w+",
    "optimizer": r"(torch\.optim|quickdraw\.optimizer\.\w+)\.\w+",
    "data": r"quickdraw\.data\.\w+\.\w+",
    "trainer": r"quickdraw\.engine\.\w+",
    "schedule": r"quickdraw\.schedule\.\w+",
    "trainer.schedule": r"quickdraw\.schedule\.\w+",
}

# What run.py gives to the objects it builds: no user's to set.
GIVEN = {
    "model": {"num_classes"},
    "optimizer": {"params"},
    "trainer": {
        "net",
        "optimizer",
        "train_batches",
        "val_batches",
        "seed",
        "on_epoch",
        "save",
        "resume_from",
        "stop_signal",
    },
}

NEEDED = {"trainer.monitor", "trainer.precision"}  # what run.py itself reads of a group

PLAIN_TYPES: dict[type, type | tuple[type, ...]] = {bool: bool, int: int, float: (int, float), str: str}

# What cannot change a run's result, and may differ when it is resumed.
OUTPUT_KEYS = {"resume", "rerun", "data.cache", "data.download", "trainer.checkpoint_every_s", "trainer.progress"}

# What can change a result's last bits; on resume it is no difference of settings but a warning.
ENVIRONMENT_KEYS = {"device", "threads"}


@dataclass(frozen=True)
class Rule:
    """What a value must be, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str


def number(words: str, holds: Callable[[float], bool]) -> Rule:
    return Rule(lambda v: isinstance(v, int | float) and not isinstance(v, bool) and holds(v), words)


def whole(least: int, most: int = 2**63 - 1) -> Rule:
    return Rule(
        lambda v: isinstance(v, int) and not isinstance(v, bool) and least <= v <= most,
        f"a whole number from {least} {'up' if most == 2**63 - 1 else f'to {most}'}",
    )


def choice(*options: str) -> Rule:
    return Rule(lambda v: v in options, "one of " + ", ".join(options))


def either(rule: Rule, *options: Any) -> Rule:
    words = ["null" if option is None else str(option) for option in options]
    return Rule(
        lambda v: any(v is o or (v == o and type(v) is type(o)) for o in options) or rule.holds(v),
        " or ".join([rule.words, *words]),
    )


def is_class_list(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 2
        and all(isinstance(name, str) and name.strip() and not set("/\\\0\n") & set(name) for name in value)
        and len(set(value)) == len(value)
    )


POSITIVE = number("a number above 0", lambda v: 0 < v < math.inf)
POSITIVE_OR_INF = number("a number above 0, or .inf", lambda v: v > 0)
NOT_NEGATIVE = number("a number from 0 up", lambda v: 0 <= v < math.inf)
FRACTION = number("a number in [0, 1)", lambda v: 0 <= v < 1)
PORTION = number("a number in [0, 1]", lambda v: 0 <= v <= 1)
SWITCH = Rule(lambda v: isinstance(v, bool), "true or false")
TEXT = Rule(lambda v: isinstance(v, str) and bool(v) and "\0" not in v, "a text that is not empty")

RULES: dict[str, Rule] = {
    "exp_name": Rule(
        lambda v: isinstance(v, str) and bool(re.fullmatch(r"\w[\w.+-]{0,99}", v)),
        "a name of up to 100 letters, digits and . _ + - that begins with a letter or digit",
    ),
    "seed": whole(0),
    "dropout_rate": FRACTION,
    "device": Rule(
        lambda v: isinstance(v, str) and bool(re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", v)),
        "auto, cpu, cuda, cuda:N or mps",
    ),
    "threads": either(whole(1, most=1024), "auto"),
    "resume": either(TEXT, None),
    "rerun": either(TEXT, None),
    "model.dropout_rate": FRACTION,
    "model.hidden": whole(1),
    "model.stem_stride": whole(1, most=2),
    "model.width": whole(1),
    "optimizer.lr": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.betas": Rule(
        lambda v: isinstance(v, list) and len(v) == 2 and all(map(FRACTION.holds, v)), "two numbers in [0, 1)"
    ),
    "optimizer.momentum": FRACTION,
    "optimizer.nesterov": SWITCH,
    "optimizer.fused": SWITCH,
    "data.root": TEXT,
    "data.classes": either(Rule(is_class_list, "a list of at least two different class names"), "all"),
    "data.batch_size": whole(1),
    "data.limit_per_class": either(whole(1), None),
    "data.split_seed": whole(0, most=2**32 - 1),
    "data.seed": whole(0),
    "data.per_class": whole(7),
    "data.download": SWITCH,
    "data.balance": SWITCH,
    "data.augment": PORTION,
    "data.recognized_only": SWITCH,
    "data.own_split": SWITCH,
    "data.cache": TEXT,
    "trainer.epochs": whole(1),
    "trainer.precision": choice("auto", "float32", "bfloat16"),
    "trainer.label_smoothing": FRACTION,
    "trainer.grad_clip": POSITIVE_OR_INF,
    "trainer.monitor": choice(*metrics.monitors()),
    "trainer.patience": number(
        "a whole number from 1 up, or .inf", lambda v: v >= 1 and (v == math.inf or v == int(v))
    ),
    "trainer.checkpoint_every_s": NOT_NEGATIVE,
    "trainer.progress": either(SWITCH, None),
    "schedule.warmup_fraction": FRACTION,
    "schedule.start_fraction": PORTION,
    "schedule.final_fraction": PORTION,
}


def check(config: Mapping[str, Any]) -> None:
    """Raise ConfigError, one line for all of them, if a key is unknown or absent, or a value is not what it must be."""
    known = {key.split(".")[0] for key in (*RULES, *TARGETS)}
    flat = flatten(config)
    complaints = [f"there is no key '{key}'{nearest(key, [*known, *RULES])}" for key in sorted(config.keys() - known)]
    absent = [*sorted(known - config.keys()), *(NEEDED - flat.keys() if "trainer" in config else ())]
    complaints += [f"{key}: expected a value, and it is absent" for key in absent]
    for group in TARGETS.keys() & {*config, *flat}:
        if f"{group}._target_" not in flat:
            got = shown(config.get(group, flat.get(group)))
            complaints.append(f"{group}: expected a choice of conf/{group.split('.')[-1]}, got {got}")
    for key, value in flat.items():
        if key.startswith("model.") and shown(flat.get(key.split(".")[-1], ABSENT)) == shown(value):
            continue  # model.dropout_rate reads dropout_rate: one complaint is enough
        group = key.removesuffix("._target_")
        if group in TARGETS and group != key:
            if not (isinstance(value, str) and re.fullmatch(TARGETS[group], value)):
                complaints.append(f"{key}: expected a name of the form {TARGETS[group]}, got {shown(value)}")
        elif "_target_" in key or "_target_" in str(value):
            complaints.append(f"{key}: nothing may be built here, got {shown(value)}")
        elif key in RULES and not RULES[key].holds(value):
            complaints.append(f"{key}: expected {RULES[key].words}, got {shown(value)}")
    if complaints:
        raise ConfigError("; ".join(complaints))


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"optimizer.lr": 0.001, ...}` of nested dicts; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def identity(config: Mapping[str, Any]) -> str:
    """Return 8 hex digits of what can change a run's result: equal for two runs that end with the same bits."""
    relevant = {key: value for key, value in flatten(config).items() if key not in OUTPUT_KEYS | {"exp_name"}}
    for key, value in relevant.items():
        if isinstance(value, float) and value.is_integer():
            relevant[key] = int(value)  # 1.0 is 1
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:8]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], ignored: Set[str] = frozenset()) -> list[str]:
    """Return what differs between two nested dicts, key by key, except for the `ignored` keys."""
    before, after = flatten(old), flatten(new)
    return [
        f"{key} was {shown(before.get(key, ABSENT))} and is {shown(after.get(key, ABSENT))}"
        for key in sorted(before.keys() | after.keys())
        if key not in ignored and before.get(key, ABSENT) != after.get(key, ABSENT)
    ]


ABSENT = type("Absent", (), {"__repr__": lambda self: "absent"})()


def shown(value: Any) -> str:
    """Return a value as the configuration writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'optimizer.lr'?` for the known name most like `name`, or nothing when none is.

    A key is also compared by its last part alone: `lr` finds `optimizer.lr`.
    """
    known = list(known)
    last = {key.split(".")[-1]: key for key in reversed(known)}
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [
        last[part] for part in difflib.get_close_matches(name.rsplit(".", maxsplit=1)[-1], last, n=1, cutoff=0.6)
    ]
    return f"; did you mean '{close[0]}'?" if close else ""


def encoded(value: Any) -> Any:
    """Return the configuration as JSON can hold it: infinity becomes the text `.inf`."""
    if isinstance(value, Mapping):
        return {key: encoded(item) for key, item in value.items()}
    return ".inf" if value == float("inf") else value


def decoded(value: Any) -> Any:
    """Return what `encoded` was given."""
    if isinstance(value, Mapping):
        return {key: decoded(item) for key, item in value.items()}
    return float("inf") if value == ".inf" else value


def check_arguments(config: Mapping[str, Any]) -> None:
    """Raise ConfigError if a node's key is no argument of the class it names, or a value not of the annotated type.

    Call `check` first, which knows which classes may be named: this imports them.
    """
    for group, node in config.items():
        if isinstance(node, Mapping) and "_target_" in node:
            check_node(group, node)


def check_node(path: str, node: Mapping[str, Any]) -> None:
    """Raise ConfigError as `check_arguments` does, for one node and those inside it."""
    module, _, name = node["_target_"].rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
        arguments = inspect.signature(target).parameters
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path}._target_: there is no {node['_target_']} ({error})") from error
    for key, value in node.items():
        if key.startswith("_") and key.endswith("_"):
            continue
        if key in GIVEN.get(path, ()):
            raise ConfigError(f"{path}.{key}: run.py gives this itself; leave it out")
        if key not in arguments:
            raise ConfigError(f"{path}.{key}: {name} has no such argument{nearest(key, arguments)}")
        wanted = arguments[key].annotation
        if isinstance(value, Mapping) and "_target_" in value:
            check_node(f"{path}.{key}", value)
        elif wanted in PLAIN_TYPES and (
            not isinstance(value, PLAIN_TYPES[wanted]) or isinstance(value, bool) > (wanted is bool)
        ):
            raise ConfigError(f"{path}.{key}: expected {wanted.__name__}, got {shown(value)}")
