"""From Hydra's override grammar to the space of a search: interval, range, choice, tag(log, ...), int(...)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer

from quickdraw.errors import ConfigError
from quickdraw.search.space import Axis
from quickdraw.settings import OUTPUT_KEYS, shown

SEED_KEYS = {"seed", "data.split_seed", "data.seed"}
NOT_SEARCHABLE = {"exp_name", "trainer.monitor", *OUTPUT_KEYS}


def split(overrides: Sequence[Override]) -> tuple[list[str], list[Axis]]:
    """The fixed overrides as they were typed, and an axis for each searched one.

    Raises ConfigError, one line for all that is wrong.
    """
    fixed: list[str] = []
    axes: list[Axis] = []
    complaints: list[str] = []
    for override in overrides:
        if not override.is_sweep_override():
            fixed.append(str(override.input_line))
            continue
        axis = as_axis(override)
        complaint = refusal(override) or axis.complaint()
        if complaint:
            complaints.append(f"{override.key_or_group}: {complaint}")
        axes.append(axis)
    if not axes:
        complaints.append(
            "nothing to search: give at least one setting several values, 'optimizer.lr=tag(log,interval(1e-4,1e-1))'"
        )
    counts = Counter(axis.key for axis in axes)
    complaints += [f"{key}: given twice" for key in sorted(counts) if counts[key] > 1]
    if complaints:
        raise ConfigError(f"{'; '.join(complaints)}\nno job was started")
    return fixed, axes


def as_axis(override: Override) -> Axis:
    """The axis of a searched override. Its key keeps the sign that adds a key: `+model.width`."""
    key, value = override.get_key_element(), override.value()
    log = "log" in getattr(value, "tags", ())
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        return Axis(key, value.start, value.end, log=log)
    if isinstance(value, RangeSweep):
        values = []
        if value.step:
            values = list(value.range())
        if len(values) > 1:
            return Axis(key, values[0], values[-1], step=value.step)
        return Axis(key, choices=tuple(values) or (shown(value.start),))
    choices = {}
    for each in override.sweep_iterator():
        choice = plain(each)
        choices[repr(choice)] = choice
    return Axis(key, choices=tuple(choices.values()))


def refusal(override: Override) -> str:
    """Why this setting cannot be searched in this way; an empty text if it can."""
    key, value = override.key_or_group, override.value()
    tags = set(getattr(value, "tags", ()))
    if key in SEED_KEYS:
        return "a search over it would choose luck; hydra.sweeper.seeds=3 gives each trial three seeds"
    if key in NOT_SEARCHABLE:
        return "it cannot be searched"
    if tags - {"log"}:
        return f"expected no tag but log, got {', '.join(sorted(tags - {'log'}))}"
    if tags and not isinstance(value, IntervalSweep):
        return "only an interval can be logarithmic"
    if isinstance(value, RangeSweep) and not value.step:
        return "expected a step other than 0"
    return ""


def plain(value: Any) -> Any:
    """A choice as Optuna takes it: a number, a truth value, otherwise the text of the override."""
    return value if isinstance(value, bool | int | float) else Transformer.str(value)
