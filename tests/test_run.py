"""A run as its user sees it: what it prints and what it leaves behind."""

import csv
import datetime
import hashlib
import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.model.convnet import ConvNet, load_weights
from tests.conftest import SMALL
from tests.support.program import NET, Outcome, call

Run = Callable[..., Outcome]

CLASSES = ["cat", "moon", "door"]


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def rows(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def result(finished: Outcome) -> dict[str, Any]:
    return read(finished.run / "result.json")


@pytest.fixture(scope="module")
def description(finished: Outcome) -> dict[str, Any]:
    return read(finished.run / "weights/quickdraw_net.json")


@pytest.fixture(scope="module")
def data(finished: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Bitmaps:
    """The drawings of the finished run."""
    return Bitmaps(finished.folder / "data", CLASSES, cache=tmp_path_factory.mktemp("cache"))


def test_run_leaves_every_promised_file_and_no_other(finished: Outcome) -> None:
    left = {path.relative_to(finished.run).as_posix() for path in finished.run.rglob("*") if path.is_file()}
    promised = {"run.log", "status.json", "metrics.csv", "result.json"}
    promised |= {"provenance.json", "predictions.npz", "weights/quickdraw_net.pth", "weights/quickdraw_net.json"}
    assert left >= promised
    others = {path for path in left - promised if path.split("/")[0] not in (".hydra", "tensorboard", "checkpoint")}
    assert {path for path in others if not path.endswith(".diff")} <= {".lock"}  # of a tree with changes
    assert not list(finished.folder.rglob("*.tmp"))


def test_result_holds_the_promised_numbers_and_they_are_those_of_metrics_csv(
    finished: Outcome, result: dict[str, Any]
) -> None:
    promised = (
        "test_accuracy test_loss val_accuracy val_loss best_epoch epochs parameters train_s total_s samples_per_s "
        "test_calibration_error test_balanced_accuracy test_top3_accuracy test_top5_accuracy test_class_accuracy "
        "val_balanced_accuracy val_top3_accuracy val_top5_accuracy"
    )
    assert set(result) == {*promised.split(), "peak_rss_mb", "classes", "seed"}
    table = rows(finished.run)
    best = max(table, key=lambda row: row["val_accuracy"])
    assert [row["epoch"] for row in table] == [1, 2, 3]
    assert [row["step"] for row in table] == [9, 18, 27]
    for name, value in {
        "val_accuracy": best["val_accuracy"],
        "val_loss": best["val_loss"],
        "best_epoch": best["epoch"],
        "epochs": 3,
        "parameters": 4_800 + 102_528 + 387,
        "train_s": pytest.approx(sum(row["train_s"] for row in table)),
        "samples_per_s": pytest.approx(3 * 273 / sum(row["train_s"] for row in table)),
        "classes": CLASSES,
        "seed": 0,
    }.items():
        assert result[name] == value, name
    assert result["train_s"] < result["total_s"]
    assert 100 < result["peak_rss_mb"] < 10_000


def test_test_and_validation_scores_are_those_of_the_weights_left(
    finished: Outcome, result: dict[str, Any], data: Bitmaps
) -> None:
    net = ConvNet(num_classes=3)
    net.load_state_dict(torch.load(finished.run / "weights/quickdraw_net.pth", weights_only=True))
    net.eval()
    for name, batches in (("test", data.test), ("val", data.val)):
        images, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        with torch.inference_mode():
            logits = net(images)
        assert result[f"{name}_accuracy"] == (logits.argmax(1) == labels).double().mean().item()
        assert result[f"{name}_loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)


def test_weights_are_described_for_the_next_program(
    finished: Outcome, result: dict[str, Any], description: dict[str, Any], data: Bitmaps
) -> None:
    weights = finished.run / "weights/quickdraw_net.pth"
    assert description["classes"] == CLASSES
    assert description["model"] == "quickdraw.model.convnet.ConvNet"
    assert description["input"] == {
        "shape": ["B", 1, 28, 28],
        "dtype": "float32",
        "range": [0, 1],
        "meaning": "0 paper, 1 ink",
    }
    assert description["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert description["drawings"] == data.counts()
    assert description["drawings"] == {"train": 273, "val": 58, "test": 59, "total": 390, "copies": 0}
    assert description["metrics"] == {name: result[name] for name in description["metrics"]}
    assert {"test_accuracy", "val_accuracy"} <= set(description["metrics"])
    assert description["fingerprints"] == data.fingerprints
    assert description["versions"]["torch"] == version("torch")
    assert description["config"]["trainer"]["epochs"] == 3


def test_status_is_completed_with_the_last_step_and_the_whole_configuration(
    finished: Outcome, description: dict[str, Any]
) -> None:
    status = read(finished.run / "status.json")
    assert (status["state"], status["reason"], status["epoch"], status["step"]) == ("completed", "", 3, 27)
    assert status["warnings"] == []
    assert status["config"] == description["config"]
    assert (status["config"]["threads"], status["config"]["device"]) == (1, "cpu" if not gpu() else "cuda")
    assert status["config"]["data"]["classes"] == CLASSES


def gpu() -> bool:
    return torch.cuda.is_available()


def test_the_terminal_shows_one_line_an_epoch_and_ends_with_what_comes_next(
    finished: Outcome, result: dict[str, Any]
) -> None:
    assert finished.err == ""
    assert "\r" not in finished.out
    first, *epochs, tested, weights, look = finished.out.splitlines()
    assert first.startswith("390 drawings of 3 classes: 273 train, 58 val, 59 test")
    assert len(epochs) == 3
    for number, (line, row) in enumerate(zip(epochs, rows(finished.run), strict=True), 1):
        assert re.match(rf"epoch +{number} .*val accuracy {row['val_accuracy']:.4f}", line)
    assert f"test accuracy {result['test_accuracy']:.4f}" in tested
    assert f"{(finished.run / 'weights/quickdraw_net.pth').relative_to(finished.folder)}" in weights
    assert "tensorboard --logdir outputs" in look


def test_same_command_gives_the_same_weights_and_another_seed_does_not(run: Run) -> None:
    first, again, other = (
        (run(*NET, f"hydra.run.dir={name}", f"seed={seed}").folder / name / "weights/quickdraw_net.pth").read_bytes()
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first == again != other


def test_a_server_needs_nothing_of_ours_but_the_network(finished: Outcome) -> None:
    weights = finished.run / "weights"
    net = ConvNet(num_classes=3)
    net.load_state_dict(torch.load(weights / "quickdraw_net.pth", weights_only=True))
    net.eval()
    classes = json.loads((weights / "quickdraw_net.json").read_text())["classes"]
    picture = torch.rand(1, 1, 28, 28)
    ours, names = load_weights(weights / "quickdraw_net.pth")
    assert classes == names == ["cat", "moon", "door"]
    assert torch.equal(net(picture), ours(picture))


def stop_the_clock() -> None:
    """Let the folder of every run that is started be named by the same second."""
    import hydra.core.utils

    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    hydra.core.utils.datetime = Stopped  # type: ignore[attr-defined]


def test_two_runs_in_the_same_second_get_two_folders(tmp_path: Path) -> None:
    for _ in range(2):
        call(tmp_path, "data.root=nowhere", setup=stop_the_clock)
    folders = sorted(path.name for path in (tmp_path / "outputs/runs/quickdraw").iterdir())
    assert len(folders) == 2
    assert all(re.fullmatch(r"2026-01-02_03-04-05-[0-9a-f]{6}", name) for name in folders)


def test_a_multirun_trains_each_setting_in_a_folder_of_its_own(tmp_path: Path, drawings: Path) -> None:
    sweep = ("-m", "dropout_rate=0.3,0.5", "hydra/launcher=basic", "exp_name=some_sweep", "trainer.epochs=1")
    outcome = call(tmp_path, *sweep, *NET, f"data.root={drawings}", *SMALL[:2], "threads=1")
    assert outcome.code == 0, outcome.err
    jobs = sorted(path.parent for path in (outcome.folder / "outputs/multirun/some_sweep").glob("*/result.json"))
    assert [read(job / "status.json")["config"]["dropout_rate"] for job in jobs] == [0.3, 0.5]
    assert [read(job / "status.json")["config"]["model"]["dropout_rate"] for job in jobs] == [0.3, 0.5]
    assert not list(outcome.folder.glob("outputs/runs/*"))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_the_multirun_flag_may_stand_anywhere(tmp_path: Path, place: int) -> None:
    arguments = ["data.root=nowhere", "dropout_rate=0.3,0.5", "hydra/launcher=basic"]
    arguments.insert(place, "-m")
    outcome = call(tmp_path, *arguments)
    assert len(list((tmp_path / "outputs/multirun").glob("*/*/status.json"))) > 0, outcome.err


@pytest.mark.parametrize(
    "swept",
    [
        "data.classes=[cat,'alarm clock'],[cat,door]",
        "+optimizer.betas=[0.9,0.99],[0.8,0.99]",
        "data.root='a $(touch x); b','ä ü'",
        "model=convnet,mlp",
        "~optimizer.fused",
    ],
)
def test_a_jobs_folder_needs_no_quotes_in_any_shell(tmp_path: Path, swept: str) -> None:
    call(tmp_path, "-m", swept, "hydra/launcher=basic", "exp_name=names")
    names = [path.name for path in (tmp_path / "outputs/multirun/names").iterdir() if path.is_dir()]
    assert names
    assert all(re.fullmatch(r"\w[\w.+-]*", name) and len(name) < 100 for name in names)


@pytest.mark.parametrize("choice", [("model=mlp", "optimizer=sgd", "schedule=warmup_cosine"), ("experiment=course",)])
def test_other_choices_train(run: Run, choice: tuple[str, ...]) -> None:
    outcome = run(*choice, "trainer.epochs=1")
    assert outcome.code == 0, outcome.err
    config = read(outcome.run / "status.json")["config"]
    assert config["model"]["_target_"].endswith("MLP" if "model=mlp" in choice else "ConvNet")
    assert (outcome.run / "result.json").exists()


def test_synthetic_drawings_need_no_data(tmp_path: Path) -> None:
    arguments = ("data=synthetic", "data.per_class=20", *NET, "trainer=smoke", "threads=1", "exp_name=embedded")
    outcome = call(tmp_path, *arguments)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("200 drawings of 10 classes: 140 train, 30 val, 30 test")
    assert len(read(outcome.run / "weights/embedded_net.json")["classes"]) == 10


def test_four_other_classes_train_with_no_code_change(tmp_path: Path, real_drawings: Path) -> None:
    outcome = call(
        tmp_path,
        f"data.root={real_drawings / 'bitmap_other'}",
        "data.classes=[apple,bicycle,bird,book]",
        "data.limit_per_class=400",
        "trainer.epochs=4",
        "threads=1",
    )
    assert outcome.code == 0, outcome.err
    result = read(outcome.run / "result.json")
    assert result["classes"] == ["apple", "bicycle", "bird", "book"]
    assert result["test_accuracy"] > 0.7


def test_345_classes_train_with_no_code_change(tmp_path: Path, real_drawings: Path) -> None:
    root = real_drawings / "bitmap_345"
    classes = sorted(path.stem for path in root.glob("*.npy"))
    outcome = call(
        tmp_path,
        f"data.root={root}",
        f"data.classes={classes}",
        "data.limit_per_class=7",
        "trainer.epochs=1",
        "threads=1",
    )
    assert outcome.code == 0, outcome.err
    net, names = load_weights(outcome.run / "weights/quickdraw_net.pth")
    assert names == classes
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 345)


def test_a_diverged_run_says_so_in_one_line(run: Run) -> None:
    outcome = run("optimizer=sgd", "optimizer.lr=1e9")
    assert outcome.code == 1
    assert re.fullmatch(r"error: the training loss became (nan|inf) at step \d+ with a .*; lower .*\n", outcome.err)
    status = read(outcome.run / "status.json")
    assert status["state"] == "diverged"
    assert f"error: {status['reason']}\n" == outcome.err
    assert "Traceback" in (outcome.run / "run.log").read_text()
    assert not (outcome.run / "result.json").exists()
    assert not (outcome.run / "weights").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("optimizer=sgd", "optimizer.momentum=0"), "optimizer: Nesterov momentum requires"),
        (("optimizer=adamw", "+optimizer.eps=-1"), "optimizer: "),
    ],
)
def test_settings_that_do_not_go_together_are_no_bug(run: Run, arguments: tuple[str, ...], words: str) -> None:
    outcome = run(*arguments)
    assert outcome.code == 1
    assert outcome.err.startswith(f"error: {words}")
    assert "bug" not in outcome.err


def test_infinity_is_typed_as_the_configuration_writes_it(tmp_path: Path, drawings: Path) -> None:
    typed = ("trainer.grad_clip=.inf", "trainer.patience=.inf", "exp_name=infinite")
    outcome = call(tmp_path, *SMALL, *NET, f"data.root={drawings}", "trainer.epochs=1", *typed)
    assert outcome.code == 0, outcome.err
    saved = read(outcome.run / "status.json")["config"]["trainer"]
    assert (saved["grad_clip"], saved["patience"]) == (".inf", ".inf")
