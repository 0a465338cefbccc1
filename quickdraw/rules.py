"""What the value of each key must be, as a test and in words."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quickdraw import metrics

LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Rule:
    """What a value must be, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str


def number(words: str, holds: Callable[[float], bool]) -> Rule:
    """A number, and no truth value, for which `holds` is true."""
    return Rule(lambda v: isinstance(v, int | float) and not isinstance(v, bool) and holds(v), words)


def whole(least: int, most: int = LARGEST) -> Rule:
    """A whole number in a range."""
    upper_end = "up" if most == LARGEST else f"to {most}"
    return Rule(
        lambda v: isinstance(v, int) and not isinstance(v, bool) and least <= v <= most,
        f"a whole number from {least} {upper_end}",
    )


def choice(*options: str) -> Rule:
    """One of some texts."""
    return Rule(lambda v: v in options, "one of " + ", ".join(options))


def either(rule: Rule, option: str | None) -> Rule:
    """What another rule wants, or one value besides."""
    words = "null" if option is None else option
    return Rule(lambda v: rule.holds(v) or (v == option and type(v) is type(option)), f"{rule.words} or {words}")


def text(words: str, pattern: str) -> Rule:
    """A text of some form."""
    return Rule(lambda v: isinstance(v, str) and re.fullmatch(pattern, v) is not None, words)


def is_class_list(value: Any) -> bool:
    """Whether a value is a list of at least two different class names, none of which could be a path."""
    if not isinstance(value, list) or len(value) < 2:
        return False
    for name in value:
        if not isinstance(name, str) or not name.strip() or set("/\\\0\n") & set(name):
            return False
    return len(set(value)) == len(value)


POSITIVE = number("a number above 0", lambda v: 0 < v < math.inf)
POSITIVE_OR_INF = number("a number above 0, or .inf", lambda v: v > 0)
NOT_NEGATIVE = number("a number from 0 up", lambda v: 0 <= v < math.inf)
FRACTION = number("a number in [0, 1)", lambda v: 0 <= v < 1)
SHARE = number("a number in (0, 1]", lambda v: 0 < v <= 1)
PORTION = number("a number in [0, 1]", lambda v: 0 <= v <= 1)
EPOCHS_OR_INF = number("a whole number from 1 up, or .inf", lambda v: v >= 1 and (v == math.inf or v == int(v)))
SWITCH = Rule(lambda v: isinstance(v, bool), "true or false")
TEXT = text("a text that is not empty", r"[^\0]+")
NAME = text("a name of up to 100 letters, digits and . _ + - that begins with a letter or digit", r"\w[\w.+-]{0,99}")
LANES = whole(1, most=4096)
DEVICE = text("auto, cpu, cuda, cuda:N or mps", r"auto|cpu|mps|cuda(:\d+)?")
CLASSES = Rule(is_class_list, "a list of at least two different class names")
TWO_FRACTIONS = Rule(
    lambda v: isinstance(v, list) and len(v) == 2 and all(map(FRACTION.holds, v)), "two numbers in [0, 1)"
)

RULES: dict[str, Rule] = {
    "exp_name": NAME,
    "seed": whole(0),
    "dropout_rate": FRACTION,
    "device": DEVICE,
    "threads": either(whole(1, most=1024), "auto"),
    "lanes": LANES,
    "resume": either(TEXT, None),
    "rerun": either(TEXT, None),
    "model.dropout_rate": FRACTION,
    "model.hidden": whole(1),
    "model.stem_stride": whole(1, most=2),
    "model.width": whole(1),
    "optimizer.lr": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.betas": TWO_FRACTIONS,
    "optimizer.momentum": FRACTION,
    "optimizer.nesterov": SWITCH,
    "optimizer.fused": SWITCH,
    "data.root": TEXT,
    "data.classes": either(CLASSES, "all"),
    "data.batch_size": whole(1),
    "data.limit_per_class": either(whole(1), None),
    "data.train_limit": either(whole(1), None),
    "data.train_fraction": either(SHARE, None),
    "data.split_seed": whole(0, most=2**32 - 1),
    "data.test_seed": either(whole(0, most=2**32 - 1), None),
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
    "trainer.patience": EPOCHS_OR_INF,
    "trainer.checkpoint_every_s": NOT_NEGATIVE,
    "trainer.progress": either(SWITCH, None),
    "schedule.warmup_fraction": FRACTION,
    "schedule.start_fraction": PORTION,
    "schedule.final_fraction": PORTION,
}
