"""What a run shows in TensorBoard, read back from its event files."""

import csv
import json
import math
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from quickdraw.run import tracking
from quickdraw.run.folder import RunFolder
from quickdraw.run.tracking import Tracker
from quickdraw.state import Snapshot
from tests.support.program import NET, Outcome

SCALARS = {
    "Loss/train": "train_loss",
    "Loss/val": "val_loss",
    "Accuracy/train": "train_accuracy",
    "Accuracy/val": "val_accuracy",
    "Accuracy/val_balanced": "val_balanced_accuracy",
    "Accuracy/val_top3": "val_top3_accuracy",
    "Accuracy/val_top5": "val_top5_accuracy",
    "Rate/learning_rate": "lr",
    "Gradient/norm": "grad_norm",
    "Speed/samples_per_s": "samples_per_s",
}
FINAL = {
    "Accuracy/best_val": "val_accuracy",
    "Accuracy/test": "test_accuracy",
    "Accuracy/test_balanced": "test_balanced_accuracy",
    "Loss/best_val": "val_loss",
    "Loss/test": "test_loss",
    "Calibration/test_error": "test_calibration_error",
}
PICTURES = (
    "Test/confusion_matrix",
    "Test/accuracy_by_class",
    "Test/calibration",
    "Test/mistakes",
    "Weights/first_layer",
)


@pytest.fixture(scope="module")
def events(finished: Outcome) -> EventAccumulator:
    """Everything in the event files of a finished run."""
    return EventAccumulator(str(finished.run / "tensorboard"), {TENSORS: 0}).Reload()


@pytest.fixture(scope="module")
def result(finished: Outcome) -> dict[str, Any]:
    return json.loads((finished.run / "result.json").read_bytes())


@pytest.mark.parametrize(("tag", "column"), SCALARS.items())
def test_every_epoch_is_one_point_equal_to_metrics_csv(
    finished: Outcome, events: EventAccumulator, tag: str, column: str
) -> None:
    with (finished.run / "metrics.csv").open() as file:
        rows = [(int(row["epoch"]), float(row[column])) for row in csv.DictReader(file)]
    points = [(point.step, point.value) for point in events.Scalars(tag)]
    assert [step for step, _ in points] == [1, 2, 3]
    assert points == [(epoch, pytest.approx(value, rel=1e-6)) for epoch, value in rows]


def test_nothing_else_is_drawn_as_a_curve(events: EventAccumulator) -> None:
    assert set(events.Tags()["scalars"]) == {*SCALARS, *FINAL}


def test_the_final_scores_are_those_of_result_json(events: EventAccumulator, result: dict[str, Any]) -> None:
    for tag, name in FINAL.items():
        (point,) = events.Scalars(tag)
        assert (point.step, point.value) == (result["best_epoch"], pytest.approx(result[name], rel=1e-6))


def test_the_graph_and_a_grid_of_64_drawings_are_there(events: EventAccumulator) -> None:
    assert events.Tags()["graph"]
    assert {"conv1", "conv2", "fc1", "fc2"} <= set(re.findall(r"\w+", " ".join(n.name for n in events.Graph().node)))
    (image,) = events.Images("quickdraw_images")
    assert (image.width, image.height) == (8 * 30, 8 * 30)
    assert png_size(image.encoded_image_string) == (240, 240)


def png_size(data: bytes) -> tuple[int, int]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def projector(run: Path) -> tuple[np.ndarray, list[str], tuple[int, int]]:
    """Return what the projector shows of a run: vectors, metadata, and the size of the sprite image."""
    config = text_format.Parse((run / "tensorboard/projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    assert list(embedding.sprite.single_image_dim) == [28, 28]
    folder = run / "tensorboard"
    vectors = np.loadtxt(folder / embedding.tensor_path, delimiter="\t", ndmin=2)
    metadata = (folder / embedding.metadata_path).read_text().splitlines()
    return vectors, metadata, png_size((folder / embedding.sprite.image_path).read_bytes())


def test_the_projector_shows_256_drawings_with_class_names_and_sprites(finished: Outcome) -> None:
    vectors, metadata, sprite = projector(finished.run)
    assert vectors.shape == (256, 256)  # of 800 features
    assert {name: metadata.count(name) > 64 for name in set(metadata)} == {"cat": True, "moon": True, "door": True}
    assert len(metadata) == 256
    assert sprite == (16 * 28, 16 * 28)


@pytest.mark.parametrize(("features", "directions"), [(200, 40), (40, 40), (3, 3)])
def test_points_lie_alike_in_their_principal_directions(features: int, directions: int) -> None:
    points = torch.rand(40, features, generator=torch.Generator().manual_seed(0))
    points[7] = points[3]  # two drawings may be the same
    shown = tracking.turned(points)
    assert shown.shape == (40, directions)
    torch.testing.assert_close(shown @ shown.T, points @ points.T)


def test_points_without_a_place_stay_as_they_are() -> None:
    points = torch.rand(3, 5)
    points[1, 2] = torch.inf
    assert tracking.turned(points) is points


def test_the_projector_shows_all_drawings_where_there_are_fewer(run: Callable[..., Outcome]) -> None:
    outcome = run(*NET, "trainer.epochs=1", "data.limit_per_class=20")
    vectors, metadata, sprite = projector(outcome.run)
    assert len(vectors) == len(metadata) == 42
    assert sprite == (math.ceil(math.sqrt(42)) * 28,) * 2


def test_hparams_are_one_row_in_the_runs_own_folder(
    finished: Outcome, events: EventAccumulator, result: dict[str, Any]
) -> None:
    folders = {path.parent for path in finished.folder.rglob("events.out.tfevents.*")}
    assert folders == {finished.run / "tensorboard"}
    content = events.summary_metadata
    (start,) = (
        HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info
        for tag, metadata in content.items()
        if tag == "_hparams_/session_start_info"
    )
    assert start.hparams["dropout_rate"].number_value == 0.5
    assert start.hparams["optimizer.lr"].number_value > 0
    assert start.hparams["model._target_"].string_value == "quickdraw.model.convnet.ConvNet"
    assert start.hparams["data.classes"].string_value == "['cat', 'moon', 'door']"
    assert "_hparams_/experiment" not in content  # one run's own columns would hide those that only others have
    assert set(FINAL) <= set(events.Tags()["scalars"])
    assert not {"data.cache", "resume"} & set(start.hparams), "what changes no result is no hyperparameter"


def test_what_the_network_learnt_is_there_as_pictures(events: EventAccumulator, result: dict[str, Any]) -> None:
    assert {*PICTURES, "quickdraw_images"} <= set(events.Tags()["images"])
    for tag in PICTURES:
        (image,) = events.Images(tag)
        assert image.step == result["best_epoch"]
        assert png_size(image.encoded_image_string) == (image.width, image.height)
        assert image.width == 704


def test_train_and_validation_share_a_chart(events: EventAccumulator) -> None:
    layout = Layout.FromString(events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    (category,) = layout.category
    tags = events.Tags()["scalars"]
    together = [
        {tag for tag in tags if any(map(partial(re.search, string=tag), c.multiline.tag))} for c in category.chart
    ]
    assert together == [{"Loss/train", "Loss/val"}, {"Accuracy/train", "Accuracy/val"}]


def test_a_new_run_leaves_older_ones_as_they_are(run: Callable[..., Outcome]) -> None:
    def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}

    first = run(*NET, "trainer.epochs=1").run
    before = files(first)
    second = run(*NET, "trainer.epochs=1", "seed=1").folder
    assert files(first) == before
    assert len(list(second.glob("outputs/runs/*/*"))) == 2


def test_a_run_that_goes_on_shows_each_epoch_once_and_at_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.begin({}, [])
    first, second = ({"epoch": epoch, "step": 9 * epoch} | dict.fromkeys(SCALARS.values(), 0.5) for epoch in (1, 2))
    Tracker(run, None).epoch(first)  # and was killed
    alive = Tracker(run, Snapshot({}, {"position": {"history": [first]}}))
    alive.epoch(second)
    points = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("Loss/train")
    assert [point.step for point in points] == [1, 2]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3
    assert (run.status["epoch"], run.status["step"]) == (2, 18)
