"""Configurations, journals and folders that come from elsewhere are data: they run no code and write nowhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from quickdraw import building, settings
from quickdraw.errors import ConfigError
from tests.support.program import Outcome, call
from tests.support.resuming import refused, resume

Compose = Callable[..., dict[str, Any]]
SMALL = ("data=synthetic", "data.per_class=30", "trainer=smoke", "threads=1")

# Texts that OmegaConf would resolve: each names something harmless to resolve, or a function to call.
INTERPOLATIONS = [
    "${oc.env:HOME}",
    "${exp_name}",
    "a${now:%Y}b",
    "${oc.create:{_target_: os.mkdir}}",
    r"\${exp_name}",
    "${",
]


def refusal(config: dict[str, Any]) -> str:
    """Return how a configuration is refused before anything is built."""
    with pytest.raises(ConfigError) as error:
        settings.check(config)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("text", INTERPOLATIONS)
@pytest.mark.parametrize(
    ("group", "key"),
    [("data", "root"), ("data", "cache"), ("optimizer", "foreach"), ("model", "act"), ("trainer", "note")],
)
def test_a_value_that_could_be_resolved_again_is_refused(composed: Compose, group: str, key: str, text: str) -> None:
    config = composed()
    config[group][key] = text
    assert f"{group}.{key}: " in refusal(config)


@pytest.mark.parametrize("text", INTERPOLATIONS)
def test_a_value_inside_a_list_that_could_be_resolved_again_is_refused(composed: Compose, text: str) -> None:
    for key, value in (("classes", ["cat", text]), ("classes", ["cat", [[text]]]), ("extra", [{"a": [text]}])):
        config = composed()
        config["data"][key] = value
        assert f"data.{key}: " in refusal(config)


def test_a_key_that_could_be_resolved_is_refused(composed: Compose) -> None:
    config = composed()
    config["data"]["${exp_name}"] = 1
    assert "${exp_name}" in refusal(config)


def test_what_is_built_gets_its_values_as_they_are(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed("data=synthetic")
    config["optimizer"] = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5, "momentum": 0.25}
    optimizer = building.build(config, "optimizer", [torch.nn.Parameter(torch.zeros(3))])
    assert optimizer.defaults["lr"] == 0.5
    assert optimizer.defaults["momentum"] == 0.25
    monkeypatch.chdir(tmp_path)  # where a folder of that name is made
    config["data"]["cache"] = "${oc.env:HOME}"  # as if no check had been: a text is a text
    config["data"]["classes"] = ["${exp_name}", "b"]
    with pytest.raises(Exception, match=r"\$\{exp_name\}"):
        building.build(config, "data")


FOREIGN = [
    ("data", "quickdraw.data.fingerprint.write_json"),
    ("data", "quickdraw.data.fingerprint.fingerprint"),
    ("data", "quickdraw.data.synthetic.atomic_write"),
    ("data", "quickdraw.data.bitmaps.Path"),
    ("data", "quickdraw.data.synthetic.Bitmaps"),  # a data set, but of another module
    ("data", "quickdraw.data.bitmaps.os"),
    ("data", "quickdraw.data.bitmaps.HEADERS"),
    ("data", "quickdraw.data.bitmaps.__doc__"),
    ("model", "quickdraw.model.convnet.load_weights"),
    ("model", "quickdraw.model.convnet.nn"),
    ("model", "quickdraw.model.mlp.Dropout"),
    ("model", "quickdraw.model.convnet.Tensor"),
    ("optimizer", "torch.optim.lr_scheduler"),
    ("optimizer", "torch.optim.swa_utils"),
    ("optimizer", "torch.optim.__name__"),
    ("trainer", "quickdraw.engine.test"),
    ("trainer", "quickdraw.engine.predict"),
    ("trainer", "quickdraw.engine.Progress"),
    ("trainer", "quickdraw.engine.augment"),
    ("trainer", "quickdraw.engine.torch"),
    ("schedule", "quickdraw.schedule.math"),
    ("schedule", "quickdraw.schedule.__loader__"),
]


@pytest.mark.parametrize(("group", "name"), FOREIGN)
def test_only_what_a_module_defines_for_the_group_can_be_named(composed: Compose, group: str, name: str) -> None:
    config = composed()
    config[group]["_target_"] = name
    with pytest.raises(ConfigError, match=rf"{group}\._target_: "):
        settings.check_arguments(config)
    with pytest.raises(ConfigError, match=rf"{group}\._target_: "):
        building.build(config, group)


def test_a_schedule_inside_the_trainer_is_looked_at_as_closely(composed: Compose) -> None:
    config = composed()
    config["trainer"]["schedule"] = {"_target_": "quickdraw.schedule.math", "_partial_": True}
    with pytest.raises(ConfigError, match=r"trainer\.schedule\._target_: "):
        settings.check_arguments(config)
    with pytest.raises(ConfigError, match=r"trainer\.schedule\._target_: "):
        building.build(config, "trainer")


@pytest.mark.parametrize("key", ["_args_", "_recursive_", "_convert_", "_mode_"])
def test_no_other_word_of_hydras_changes_how_something_is_built(composed: Compose, key: str) -> None:
    config = composed()
    config["data"][key] = ["a"]
    with pytest.raises(ConfigError, match=rf"data\.{key}"):
        settings.check_arguments(config)


def test_a_node_elsewhere_is_never_built(composed: Compose) -> None:
    config = composed()
    config["optimizer"]["foreach"] = {"_target_": "quickdraw.schedule.constant"}
    with pytest.raises(ConfigError, match=r"optimizer\.foreach"):
        building.build(config, "optimizer", [])


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was refused when it had just begun: not to be changed."""
    folder = tmp_path_factory.mktemp("unfinished")
    outcome = call(folder, *SMALL, "hydra.run.dir=run", "optimizer=sgd", "optimizer.momentum=0")
    assert outcome.code == 1
    return folder / "run"


@pytest.fixture
def handed_on(unfinished: Path, tmp_path: Path) -> Callable[[list[str]], Path]:
    """Return somebody's folder of a run, with these overrides added to those that it saved."""

    def made(overrides: list[str]) -> Path:
        run = tmp_path / "run"
        run.mkdir()
        status = json.loads((unfinished / "status.json").read_text())
        status["overrides"] = [*status["overrides"], *overrides]
        (run / "status.json").write_text(json.dumps(status))
        return run

    return made


MAKE_A_FOLDER = r"\${oc.create:\${oc.decode:'{\${cache}get_: os.mkdir, path: made}'}}"


@pytest.mark.parametrize(
    "overrides",
    [
        [f"data.root={json.dumps(MAKE_A_FOLDER)}", "data.cache=_tar"],
        ["data.root='\\${oc.env:HOME}'"],
        ["data.classes=[cat,'\\${exp_name}']"],
        ["model=../../evil"],
        ["model=sub/evil"],
        ["optimizer='../evil'"],
        ["+experiment=[course,'../../evil']"],
        ["schedule='\\${oc.env:HOME}'"],
    ],
    ids=str,
)
def test_a_saved_override_that_would_be_resolved_again_or_leaves_the_groups_is_refused(
    overrides: list[str], handed_on: Callable[[list[str]], Path]
) -> None:
    run = handed_on(overrides)
    assert refused(resume(run))
    assert not (run.parent / "made").exists()


STRANGERS = """
# @package _global_
hydra:
  job_logging:
    handlers:
      file: {filename: stranger.log}
"""


@pytest.mark.parametrize("choice", ["experiment={0}", "experiment=[course,{0}]", "+experiment={0}", "model={0}"])
@pytest.mark.parametrize("many", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_a_choice_stays_in_its_group_wherever_it_is_typed(choice: str, many: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text(STRANGERS)
    for place in (f"{'../' * 30}{str(tmp_path / 'evil').lstrip('/')}", str(tmp_path / "evil"), "sub/evil"):
        outcome = call(tmp_path, *many, *SMALL, choice.format(place))
        assert refused(outcome, "expected the name of one of its files")
        assert not (tmp_path / "outputs").exists()


def test_a_choice_among_those_of_a_sweep_stays_in_its_group(tmp_path: Path) -> None:
    outcome: Outcome = call(tmp_path, "-m", *SMALL, "model=convnet,../../evil")
    assert refused(outcome, "model", "expected the name of one of its files")
    assert not (tmp_path / "outputs").exists()
