"""Every file of `conf/` against what it names, and every value a user may get wrong."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object

from quickdraw import building, settings
from quickdraw.errors import ConfigError
from tests.support.program import ROOT, call

Compose = Callable[..., dict[str, Any]]

CONF = ROOT / "conf"
CHOICES = sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml"))
DEFAULT = ""  # the configuration as it is, without a choice on top

# The live objects that run.py gives, so that no file has to.
GIVEN = {
    "model": {"num_classes"},
    "optimizer": {"params"},
    "schedule": {"done"},
    "trainer": {
        "net",
        "optimizer",
        "train_batches",
        "val_batches",
        "seed",
        "on_epoch",
        "save",
        "saved",
        "stop_signal",
    },
}


def nodes(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each group's name and its part of the configuration."""
    for group, node in config.items():
        if isinstance(node, Mapping):
            yield group, dict(node)


def keys(node: Mapping[str, Any]) -> set[str]:
    return {key for key in node if not (key.startswith("_") and key.endswith("_"))}


@pytest.mark.parametrize("choice", [DEFAULT, *CHOICES])
def test_keys_are_the_arguments_of_what_the_file_names(composed: Compose, choice: str) -> None:
    for group, node in nodes(composed(*filter(None, [choice]))):
        arguments = inspect.signature(get_object(node["_target_"])).parameters
        given = GIVEN.get(group, set())
        required = {name for name, argument in arguments.items() if argument.default is argument.empty}
        assert keys(node) <= set(arguments), group
        assert not keys(node) & given, f"{group}: run.py gives these"
        assert required <= keys(node) | given, f"{group}: nobody gives these"
        assert bool(node.get("_partial_")) == bool(given), f"{group}: _partial_ is for what run.py gives live objects"


@pytest.mark.parametrize("choice", [DEFAULT, *CHOICES])
def test_every_files_values_are_good(composed: Compose, choice: str) -> None:
    check(composed(*filter(None, [choice])))


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if not choice.startswith("experiment=")])
def test_a_file_names_what_stands_in_its_mirror(composed: Compose, choice: str) -> None:
    group, name = choice.split("=")
    target = composed(choice)[group]["_target_"]
    mirrors = {"trainer": "quickdraw.engine.train", "schedule": f"quickdraw.schedule.{name}"}
    if group in mirrors:
        assert target == mirrors[group]
    else:
        assert re.fullmatch(rf"quickdraw\.{group}\.{name}\.\w+|torch\.optim\.\w+", target)


@pytest.mark.parametrize("choice", [DEFAULT, *CHOICES])
def test_every_value_is_checked_by_a_rule_or_by_its_annotation(composed: Compose, choice: str) -> None:
    config = composed(*filter(None, [choice]))
    flat = {key: value for key, value in settings.flatten(config).items() if not key.endswith("_")}
    for key in flat:
        group, _, argument = key.rpartition(".")
        if key not in settings.RULES:
            node: Any = config
            for part in group.split(".") if group else ():
                node = node[part]
            assert group, f"{key}: a top-level key needs a rule"
            annotation = inspect.signature(get_object(node["_target_"])).parameters[argument].annotation
            assert annotation in settings.PLAIN_TYPES, key


def test_every_rule_is_for_a_key_that_exists(composed: Compose) -> None:
    existing = {key for choice in [DEFAULT, *CHOICES] for key in settings.flatten(composed(*filter(None, [choice])))}
    assert set(settings.RULES) <= existing


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("exp_name", "other"),
        ("resume", "a"),
        ("rerun", "a"),
        ("data.cache", "elsewhere"),
        ("data.download", True),
        ("trainer.checkpoint_every_s", 3),
        ("trainer.progress", False),
        ("lanes", 8),
    ],
)
def test_a_key_that_cannot_change_a_result_is_no_part_of_a_runs_identity(
    composed: Compose, key: str, value: Any
) -> None:
    config = composed()
    before = settings.identity(config)
    node = config
    for part in key.split(".")[:-1]:
        node = node[part]
    assert node[key.rsplit(".", maxsplit=1)[-1]] != value
    node[key.rsplit(".", maxsplit=1)[-1]] = value
    assert settings.identity(config) == before


def test_a_run_from_before_a_key_is_the_same_as_one_where_it_is_null(composed: Compose) -> None:
    config, before = composed(), composed()
    for key in building.LATER_KEYS:
        group, _, name = key.partition(".")
        assert before[group].pop(name, "absent") is None
    assert settings.identity(before) == settings.identity(config)
    assert settings.differences(before, config) == []
    for override in ("data.train_limit=100", "data.train_fraction=0.5"):
        key, _, value = override.partition("=")
        assert settings.identity(composed(override)) != settings.identity(config)
        assert settings.differences(before, composed(override)) == [f"{key} was null and is {value}"]


def test_a_run_from_before_there_were_lanes_is_good_and_the_same(composed: Compose) -> None:
    before = composed()
    assert before.pop("lanes") == 1
    settings.check(before)
    assert settings.identity(before) == settings.identity(composed("lanes=64"))


@pytest.mark.parametrize("override", ["seed=1", "threads=3", "device=cpu", "optimizer.lr=0.5", "data.split_seed=1"])
def test_a_key_that_can_change_a_result_is_part_of_a_runs_identity(composed: Compose, override: str) -> None:
    assert settings.identity(composed(override)) != settings.identity(composed())


BAD = """
optimizer.lr=abc  optimizer.lr=0  optimizer.lr=-1e-3  optimizer.lr=nan  optimizer.lr=inf  optimizer.lr=null
optimizer.lr=true  optimizer.lr=1e400  optimizer.lr=[1e-3]  optimizer.lr='1e-3'  optimizer.weight_decay=-0.1
optimizer.weight_decay=nan  optimizer.fused=1
dropout_rate=-1  dropout_rate=1  dropout_rate=[1,2]  dropout_rate=nan  dropout_rate=null  dropout_rate=false
dropout_rate={a:1}  model.dropout_rate=1.5
seed=-1  seed=1.0  seed=true  seed=null  seed=9223372036854775808
device=gpu  device=cuda:x  device=0  device=  threads=0  threads=all  threads=1.5  threads=true  threads=100000
exp_name=  exp_name=..  exp_name=a/b  exp_name=-a  exp_name=null  exp_name='a b'  exp_name=1  resume=''
data.root=  data.root=null  data.root=[a]  data.cache=
data.classes=cat  data.classes=[]  data.classes=[cat]  data.classes=[cat,cat]  data.classes=[cat,1]  data.classes=null
data.classes=[cat,a/b]  data.classes=[cat,'']  data.classes=[cat,[moon]]  data.classes=every  data.balance=1
data.augment=1.5  data.augment=-0.1  data.augment=nan  data.augment=true  data.augment=null
data.batch_size=0  data.batch_size=-1  data.batch_size=1.5  data.batch_size=null  data.batch_size=true
data.limit_per_class=0  data.limit_per_class=1e3  data.limit_per_class=all
data.train_limit=0  data.train_limit=1.5  data.train_limit=true  data.train_limit=all
data.train_fraction=0  data.train_fraction=1.5  data.train_fraction=-0.1  data.train_fraction=nan
data.train_fraction=true
data.split_seed=-1  data.split_seed=4294967296  data.split_seed=null
trainer.epochs=0  trainer.epochs=1.5  trainer.epochs=inf  trainer.epochs=null
trainer.precision=float16  trainer.precision=null  trainer.label_smoothing=1  trainer.label_smoothing=-0.1
trainer.grad_clip=0  trainer.grad_clip=-1  trainer.grad_clip=nan  trainer.grad_clip=null
trainer.monitor=val  trainer.monitor=null  trainer.monitor=[val_loss]
trainer.patience=0  trainer.patience=1.5  trainer.patience=nan  trainer.patience=null  trainer.patience=true
trainer.checkpoint_every_s=-1  trainer.checkpoint_every_s=nan  trainer.progress=yes_please  trainer.progress=0
trainer.schedule=abc  schedule.warmup_fraction=1  schedule.warmup_fraction=-0.1  schedule.start_fraction=1.1
"""


def check(config: dict[str, Any]) -> None:
    settings.check(config)
    settings.check_arguments(config)


def refuses(config: dict[str, Any]) -> str:
    """Return how the configuration is refused."""
    with pytest.raises(ConfigError) as error:
        check(config)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("override", re.split(r"\s{2,}|\n", BAD.strip()))
def test_a_bad_value_is_refused_with_its_key(composed: Compose, override: str) -> None:
    assert f"{override.split('=', maxsplit=1)[0]}: expected " in refuses(composed(override))


@pytest.mark.parametrize(
    ("choice", "override"),
    [
        ("model=mlp", "model.hidden=0"),
        ("model=mlp", "model.hidden=1.5"),
        ("optimizer=sgd", "optimizer.momentum=1"),
        ("optimizer=sgd", "optimizer.nesterov=maybe"),
        ("model=resnet18", "model.stem_stride=3"),
        ("model=small_resnet", "model.width=0"),
        ("data=synthetic", "data.per_class=6"),
        ("data=synthetic", "data.seed=-1"),
        ("data=strokes", "data.own_split=1"),
        ("data=strokes", "data.recognized_only=all"),
        ("schedule=warmup_cosine", "schedule.final_fraction=-0.1"),
        ("optimizer=adamw", "+optimizer.eps=abc"),
        ("optimizer=adamw", "+optimizer.amsgrad=3"),
        ("optimizer=adamw", "~optimizer"),
        ("model=mlp", "~seed"),
        ("model=mlp", "~trainer.monitor"),
    ],
)
def test_a_bad_value_of_another_choice_is_refused_with_its_key(composed: Compose, choice: str, override: str) -> None:
    assert override.split("=", maxsplit=1)[0].lstrip("+~") in refuses(composed(choice, override))


def test_all_bad_values_are_told_in_one_line(composed: Compose) -> None:
    line = refuses(composed("dropout_rate=-1", "optimizer.lr=abc", "trainer.epochs=0"))
    assert line == (
        "dropout_rate: expected a number in [0, 1), got -1; optimizer.lr: expected a number above 0, got 'abc'; "
        "trainer.epochs: expected a whole number from 1 up, got 0"
    )


GOOD = """
optimizer.lr=1e-30  optimizer.lr=1  optimizer.weight_decay=0  dropout_rate=0  dropout_rate=0.999  seed=0
seed=9223372036854775807  device=cuda:1  device=mps  device=cpu  threads=1  threads=auto  exp_name=a
exp_name='été_1.0+b-c'
data.root=/  data.classes=[cat,moon]  data.classes=all  data.balance=true  data.augment=1  data.batch_size=1
data.limit_per_class=1  data.limit_per_class=null
data.split_seed=0  data.split_seed=4294967295  trainer.epochs=1  trainer.precision=bfloat16  trainer.label_smoothing=0
trainer.grad_clip=inf  trainer.grad_clip=1e-3  trainer.monitor=val_loss  trainer.patience=1  trainer.patience=inf
trainer.patience=3.0  trainer.checkpoint_every_s=0  trainer.progress=true  trainer.progress=null
schedule.warmup_fraction=0  schedule.start_fraction=0  schedule.start_fraction=1  +optimizer.eps=1e-8
+optimizer.amsgrad=true  +optimizer.betas=[0.9,0.99]  ~optimizer.fused
"""


@pytest.mark.parametrize("override", re.split(r"\s{2,}|\n", GOOD.strip()))
def test_a_good_value_is_accepted(composed: Compose, override: str) -> None:
    check(composed(override))


@pytest.mark.parametrize(
    ("override", "key", "wanted"),
    [
        ("+optimizer.lrr=1", "optimizer.lrr", "did you mean 'lr'?"),
        ("+data.batchsize=1", "data.batchsize", "did you mean 'batch_size'?"),
        ("+dropout_rat=0.1", "dropout_rat", "did you mean 'dropout_rate'?"),
        ("+optimiser.lr=1", "optimiser", "did you mean 'optimizer"),
        ("+lr=1", "lr", "did you mean 'optimizer.lr'?"),
        ("+model.num_classes=4", "model.num_classes", ""),
        ("+trainer.save=x", "trainer.save", ""),
        ("+trainer.seed=3", "trainer.seed", ""),
    ],
)
def test_a_key_that_is_no_argument_or_not_the_users_is_refused(
    composed: Compose, override: str, key: str, wanted: str
) -> None:
    line = refuses(composed(override))
    assert key in line
    assert wanted in line


@pytest.mark.parametrize(
    "override",
    [
        "model._target_=os.mkdir",
        "model._target_=quickdraw",
        "model._target_=quickdraw.model.convnet.nothing",
        "model._target_=quickdraw.nothing.ConvNet",
        "model._target_=quickdraw.files.os.mkdir",
        "model._target_=quickdraw_evil.ConvNet",
        "model._target_=[os.mkdir]",
        "optimizer._target_=torch.hub.load",
        "+evil={_target_:os.mkdir,path:was-run}",
        "+optimizer.foreach={_target_:os.mkdir,path:was-run}",
        "+optimizer.betas=[{_target_:os.mkdir,path:was-run}]",
        "+optimizer.betas=[[{_target_:os.mkdir,path:was-run}]]",
        "+optimizer.foreach={x:{_target_:quickdraw.files.os.mkdir,path:was-run}}",
        "+optimizer.maximize={_target_:quickdraw.files.atomic_write,path:was-run,data:x}",
        "data.classes=[cat,{_target_:os.mkdir,path:was-run}]",
    ],
)
def test_nothing_but_ours_and_torchs_optimizers_can_be_named(composed: Compose, override: str) -> None:
    assert "_target_" in refuses(composed(override)) or "data.classes" in refuses(composed(override))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("optimizer.lrr=1", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("+optimizer.lrr=1", "optimizer.lrr: AdamW has no such argument; did you mean 'lr'?"),
        ("lr=1e-3", "did you mean 'optimizer.lr'?"),
        ("modle=mlp", "there is no key 'modle'; did you mean 'model'?"),
        ("model=mpl", "model=mpl: expected one of "),
        ("model=mpl", "did you mean 'mlp'?"),
        ("experiment=cours", "did you mean 'course'?"),
        ("optimizer.momentum=0.5", "optimizer.momentum: only optimizer=sgd has it"),
        ("model.hidden=3", "model.hidden: only model=mlp has it"),
        ("~data.per_class", "data.per_class: only data=synthetic has it"),
        ("schedule.final_fraction=0.1", "schedule.final_fraction: only schedule=warmup_cosine has it"),
        ("~optimizer.lrr", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("seed=0,1", "seed=0,1: several values are a sweep, which needs -m; a list is typed in brackets, [a,b]"),
        ("model=mlp,convnet", "model=mlp,convnet: several values are a sweep, which needs -m"),
        ("seed=range(3)", "seed=range(3): several values are a sweep, which needs -m"),
        ("+experiment=course", "experiment is chosen already: type experiment=course, without a plus"),
        ("+model=mlp", "model is chosen already: type model=mlp, without a plus"),
        ("optimizer.lr=abc", "optimizer.lr: expected a number above 0, got 'abc'"),
        ("dropout_rate=[1,2]", "dropout_rate: expected a number in [0, 1), got [1, 2]"),
        ("optimizer", "expected KEY=VALUE"),
        ("exp_name=a=b", "exp_name=a=b"),
        ("model=null", "model"),
        ("model={a:1}", "model: expected one of "),
        ("~trainer", "trainer"),
    ],
)
def test_a_mistake_on_the_command_line_is_answered_in_one_line(tmp_path: Path, argument: str, words: str) -> None:
    outcome = call(tmp_path, argument, "device=cpu", "data.root=nowhere")
    assert outcome.code == 1
    assert outcome.err.startswith("error: ")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert "bug" not in outcome.err


def test_an_interval_under_the_grid_names_the_sweeper(tmp_path: Path) -> None:
    outcome = call(tmp_path, "-m", "optimizer.lr=interval(1e-4,1e-1)")
    assert outcome.err == (
        "error: an interval is searched by hydra/sweeper=optuna; the grid takes values, such as seed=0,1,2\n"
    )


def test_a_hint_is_never_what_was_typed() -> None:
    assert settings.nearest("optimizer.lr", ["optimizer.lr", "data.root"]) == ""
    assert settings.nearest("optimizer.lr", ["optimizer.lr", "optimizer.lrs"]) == "; did you mean 'optimizer.lrs'?"


@pytest.mark.parametrize("argument", ["--help", "--cfg=job"])
def test_asking_about_the_configuration_imports_nothing_heavy(tmp_path: Path, argument: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run.py", argument],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "optimizer" in done.stdout
    assert "dropout_rate: 0.5" in done.stdout
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "hydra" in imported
    assert not imported & {"torch", "torchvision", "sklearn", "tensorboard", "optuna", "pandas", "matplotlib", "ray"}
    assert list(tmp_path.iterdir()) == []


def test_help_that_is_cut_by_head_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} run.py --help | head -1", shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("Train a drawing recogniser")
