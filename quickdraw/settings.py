"""The settings of a run: whether they are good, what makes two runs the same, how a setting is written.

Everything here works on a plain resolved configuration (nested dicts) and imports nothing heavy: the settings of a
whole sweep are checked before its first job starts.
"""

import difflib
import hashlib
import inspect
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from quickdraw.building import GIVEN, KEYWORDS, TARGETS, find, is_unset
from quickdraw.errors import ConfigError
from quickdraw.files import user_path
from quickdraw.rules import RULES

NEEDED = {"trainer.monitor", "trainer.precision"}  # what run.py itself reads of a group

PLAIN_TYPES: dict[type, type | tuple[type, ...]] = {bool: bool, int: int, float: (int, float), str: str}

# What is no setting of a run, and may differ when it is resumed: it cannot change the result. Only `lanes` can, in the
# last bits; the machine chooses it, so the environment that is recorded says how many there were.
OUTPUT_KEYS = {"resume", "rerun", "data.cache", "data.download", "trainer.checkpoint_every_s", "trainer.progress"}
OUTPUT_KEYS |= {"lanes"}

LATER = {"lanes"}  # keys without which runs were saved that are still read

# What can change a result's last bits; on resume it is no difference of settings but a warning.
ENVIRONMENT_KEYS = {"device", "threads"}

# Where the drawings lie. One place may be typed in many ways; which drawings they are, their fingerprints tell.
PATH_KEYS = {"data.root"}

ABSENT = type("Absent", (), {"__repr__": lambda self: "absent"})()


def check(config: Mapping[str, Any]) -> None:
    """Raise ConfigError, one line for all of them, if a key is unknown or absent, or a value is not what it must be."""
    flat = flatten(config)
    complaints = [*unknown_keys(config), *absent_keys(config, flat)]
    for key, value in flat.items():
        complaint = refusal(key, value)
        if complaint and not is_copy(key, flat):
            complaints.append(complaint)
    if complaints:
        raise ConfigError("; ".join(complaints))


def unknown_keys(config: Mapping[str, Any]) -> Iterator[str]:
    """Complain of each key that is none of the project's."""
    known = top_level_keys()
    for key in sorted(config.keys() - known):
        yield f"there is no key '{key}'{nearest(key, [*known, *RULES])}"


def absent_keys(config: Mapping[str, Any], flat: Mapping[str, Any]) -> Iterator[str]:
    """Complain of each key without which there is no run, and of each group of which nothing was chosen."""
    absent = sorted(top_level_keys() - config.keys() - LATER)
    if "trainer" in config:
        absent += sorted(NEEDED - flat.keys())
    for key in absent:
        yield f"{key}: expected a value, and it is absent"
    for group in TARGETS:
        is_there = group in config or group in flat
        if is_there and f"{group}._target_" not in flat:
            got = config.get(group, flat.get(group))
            yield f"{group}: expected a choice of conf/{group.split('.')[-1]}, got {shown(got)}"


def top_level_keys() -> set[str]:
    """The keys and groups that stand at the top of a configuration."""
    return {key.split(".")[0] for key in (*RULES, *TARGETS)}


def refusal(key: str, value: Any) -> str:
    """Why a key cannot have this value; an empty text if it can.

    A text that could be resolved once more is refused, and a name of something to build where nothing is built.
    """
    if "${" in f"{key} {value}":
        return f"{key}: ${{ is not allowed here, got {shown(value)}"
    group = key.removesuffix("._target_")
    if group in TARGETS and group != key:
        is_name = isinstance(value, str) and re.fullmatch(TARGETS[group], value)
        return "" if is_name else f"{key}: expected a name of the form {TARGETS[group]}, got {shown(value)}"
    if "_target_" in f"{key} {value}":
        return f"{key}: _target_ is not allowed here, got {shown(value)}"
    if key in RULES and not RULES[key].holds(value):
        return f"{key}: expected {RULES[key].words}, got {shown(value)}"
    return ""


def is_copy(key: str, flat: Mapping[str, Any]) -> bool:
    """Whether a setting of the model only repeats one of the top level: one complaint is enough."""
    group, _, name = key.rpartition(".")
    return group == "model" and repr(flat.get(name, ABSENT)) == repr(flat[key])


def check_arguments(config: Mapping[str, Any]) -> None:
    """Raise ConfigError if a node's key is no argument of the class it names, or a value not of the annotated type.

    This imports the classes, and finds whether they may be named.
    """
    for group, node in config.items():
        if isinstance(node, Mapping) and "_target_" in node:
            check_node(group, node)


def check_node(path: str, node: Mapping[str, Any]) -> None:
    """Raise ConfigError as `check_arguments` does, for one node and those inside it."""
    target = find(path, node["_target_"])
    arguments = inspect.signature(target).parameters
    for key, value in node.items():
        if key in KEYWORDS or is_unset(f"{path}.{key}", value):
            continue
        if key in GIVEN.get(path, ()):
            raise ConfigError(f"{path}.{key}: run.py gives this itself; leave it out")
        if key not in arguments:
            raise ConfigError(f"{path}.{key}: {target.__name__} has no such argument{nearest(key, arguments)}")
        if isinstance(value, Mapping) and "_target_" in value:
            check_node(f"{path}.{key}", value)
        elif not fits_annotation(value, arguments[key].annotation):
            wanted = arguments[key].annotation.__name__
            raise ConfigError(f"{path}.{key}: expected {wanted}, got {shown(value)}")


def fits_annotation(value: Any, annotation: Any) -> bool:
    """Whether a value is of the plain type that an argument is annotated with. Any other annotation takes all."""
    if annotation not in PLAIN_TYPES:
        return True
    if isinstance(value, bool):
        return annotation is bool
    return isinstance(value, PLAIN_TYPES[annotation])


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings by full key, `{"optimizer.lr": 0.001, ...}`; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def identity(config: Mapping[str, Any]) -> str:
    """16 hex digits of what can change a run's result: equal for two runs that end with the same bits."""
    relevant: dict[str, Any] = {}
    for key, value in flatten(config).items():
        if key not in OUTPUT_KEYS and key != "exp_name" and not is_unset(key, value):
            is_integer = isinstance(value, float) and value.is_integer()
            relevant[key] = int(value) if is_integer else value  # 1.0 is 1
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], ignored: Set[str] = frozenset()) -> list[str]:
    """What differs between two nested dicts, key by key, except for the `ignored` keys."""
    before, after = flatten(old), flatten(new)
    found = []
    for key in sorted((before.keys() | after.keys()) - ignored):
        unset = None if is_unset(key, None) else ABSENT
        was, now = before.get(key, unset), after.get(key, unset)
        if was != now and not (key in PATH_KEYS and is_one_place(was, now)):
            found.append(f"{key} was {shown(was)} and is {shown(now)}")
    return found


def is_one_place(one: Any, other: Any) -> bool:
    """Whether two paths, from here, are those of one folder."""
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    return os.path.realpath(user_path(one)) == os.path.realpath(user_path(other))


def unresolved(config: Mapping[str, Any]) -> set[str]:
    """The keys that are still `auto`, which may mean what another configuration says."""
    return {key for key, value in flatten(config).items() if value == "auto"}


def shown(value: Any) -> str:
    """A value as the configuration writes it, text in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def typed(value: Any) -> str:
    """A value as it is typed on the command line: text without quotes, a list in full."""
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    return value if isinstance(value, str) else shown(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'optimizer.lr'?` with the known name most like `name`, or nothing when none is.

    A key is also compared by its last part: `lr` finds `optimizer.lr`. What was typed is never the hint.
    """
    known = [each for each in known if each != name]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:
        by_last_part = {key.split(".")[-1]: key for key in reversed(known)}
        last_part = name.rsplit(".", maxsplit=1)[-1]
        parts = difflib.get_close_matches(last_part, by_last_part, n=1, cutoff=0.6)
        close = [by_last_part[part] for part in parts]
    return f"; did you mean '{close[0]}'?" if close else ""


def encoded(value: Any) -> Any:
    """The configuration as JSON can hold it: infinity becomes the text `.inf`."""
    if isinstance(value, Mapping):
        return {key: encoded(item) for key, item in value.items()}
    return ".inf" if value == math.inf else value


def decoded(value: Any) -> Any:
    """What `encoded` was given."""
    if isinstance(value, Mapping):
        return {key: decoded(item) for key, item in value.items()}
    return math.inf if value == ".inf" else value
