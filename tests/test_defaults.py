"""The defaults of `conf/` are those that the pages promise, and those of a class that a notebook makes itself."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import get_object

from quickdraw.settings import flatten
from tests.support.program import ROOT

CONF = ROOT / "conf"
ROW = re.compile(r"^\| (`[\w./]+`(?:, `[\w./]+`)*) \| (`[^`]+`(?:, `[^`]+`)*) \|", re.MULTILINE)


def documented(page: str, heading: str) -> dict[str, Any]:
    """The keys and their defaults in the table of a page below its heading; of several keys one value may be of all."""
    table = (ROOT / "docs" / page).read_text().partition(heading)[2].partition("\n\n")[0]
    found = {}
    for keys, values in ROW.findall(table):
        names, defaults = keys.replace("`", "").split(", "), values.strip("`").split("`, `")
        for place, name in enumerate(names):
            found[name] = yaml.safe_load(defaults[min(place, len(defaults) - 1)])
    return found


def test_the_documented_default_of_each_key_is_its_default(composed: Callable[..., dict[str, Any]]) -> None:
    known = flatten(composed())
    launcher = yaml.safe_load((CONF / "hydra/launcher/local.yaml").read_text())
    known |= {f"hydra.launcher.{key}": value for key, value in launcher.items()}
    table = documented("configuration.md", "| key | default | what it is |\n")
    values = {key: value for key, value in table.items() if key in known and value != "the ten"}
    assert len(values) > 25
    assert values == {key: known[key] for key in values}


@pytest.mark.parametrize(
    ("page", "heading", "sweeper"),
    [
        ("search.md", "| key | default | what it is |\n", "optuna"),
        ("statistics.md", "| `hydra.sweeper.` | default | what it is |\n", "race"),
    ],
)
def test_the_documented_defaults_of_a_sweeper_are_its_own(page: str, heading: str, sweeper: str) -> None:
    known = yaml.safe_load((CONF / f"hydra/sweeper/{sweeper}.yaml").read_text())
    table = documented(page, heading)
    assert len(table) >= 8
    assert table == {key: known[key] for key in table}


@pytest.mark.parametrize(
    "path", sorted([*CONF.glob("data/*.yaml"), *CONF.glob("schedule/*.yaml")]), ids=lambda p: p.stem
)
def test_what_is_made_by_hand_has_the_same_defaults(path: Path) -> None:
    own = yaml.safe_load(path.read_text())
    parameters = inspect.signature(get_object(own["_target_"])).parameters
    for key in own.keys() - {"_target_", "_partial_"}:
        default = parameters[key].default
        assert (list(default) if isinstance(default, tuple) else default) == own[key], key


def test_the_presets_are_what_their_rows_say(composed: Callable[..., dict[str, Any]]) -> None:
    course = composed("experiment=course")
    assert course["schedule"]["_target_"] == "quickdraw.schedule.constant"
    assert course["optimizer"]["lr"] == 0.001
    assert (course["data"]["batch_size"], course["trainer"]["epochs"]) == (64, 10)
    assert composed("experiment=fast")["trainer"]["epochs"] == 2
    large = composed("experiment=all_classes")
    assert (large["data"]["classes"], large["model"]["_target_"].rpartition(".")[2]) == ("all", "SmallResNet")
    assert composed("trainer=smoke")["trainer"]["epochs"] == 1


def test_the_preset_of_all_classes_is_the_one_whose_accuracy_it_tells(composed: Callable[..., dict[str, Any]]) -> None:
    """0.5449 with 120 drawings of each class: with other values than these it would be another number."""
    large = composed("experiment=all_classes")
    assert (large["optimizer"]["lr"], large["optimizer"]["weight_decay"], large["dropout_rate"]) == (0.008, 0.01, 0.1)
    assert (large["trainer"]["epochs"], large["data"]["augment"]) == (5, 0.25)
    assert large["schedule"]["_target_"] == "quickdraw.schedule.one_cycle"
