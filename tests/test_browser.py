"""A finished sweep in the real TensorBoard, as a person sees it in a browser.

Needs Chromium; without one the tests are skipped, and with REQUIRE_BROWSER=1 they fail. SCREENSHOTS=FOLDER keeps what
was seen.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickdraw.data.doodles import draw_class
from quickdraw.files import read_json
from tests.conftest import SMALL
from tests.support.browser import Board, board, find_chromium, seen
from tests.support.program import call
from tests.support.sweeps import job_folders

GRIDS = (
    "Test/confusion_matrix",
    "Test/accuracy_by_class",
    "Test/calibration",
    "Test/mistakes",
    "Weights/first_layer",
    "quickdraw_images",
)


@pytest.fixture(scope="module")
def chromium() -> str:
    found = find_chromium()
    if not found:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1, and there is no Chromium: apt-get install chromium, or CHROMIUM=PATH")
        pytest.skip("needs Chromium")
    return found


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of the two jobs of a finished sweep over the dropout rate."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "data").mkdir()
    for name in ("cat", "moon", "door"):
        np.save(folder / "data" / f"{name}.npy", draw_class(name, 130, seed=1))
    # Its jobs are not forked from the tests' server: they draw their pictures.
    typed = ("-m", "dropout_rate=0.3,0.5", "exp_name=dropout", "hydra.launcher.report=false")
    outcome = call(folder, *SMALL, *typed)
    assert outcome.code == 0, outcome
    return job_folders(folder)


@pytest.fixture(scope="module")
def shown(jobs: list[Path], chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """TensorBoard on that sweep; at the end nothing may have been asked of others, and every request answered."""
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    pictures.mkdir(parents=True, exist_ok=True)
    with board(jobs[0].parent, chromium, pictures) as opened:
        yield opened
        assert opened.strangers == []
        assert [url for url, answer in opened.answers.items() if answer.status >= 400] == []


def result(job: Path) -> dict[str, Any]:
    return read_json(job / "result.json") or {}


def run_name(job: Path) -> str:
    return f"{job.name}/tensorboard"


def test_time_series_shows_both_runs_curves(shown: Board, jobs: list[Path]) -> None:
    page = shown.open("timeseries")
    page.locator('input[placeholder="Filter tags (regex)"]').fill("Loss/(train|val)")
    for tag in ("train", "val"):
        card = page.locator("card-view", has_text=f"Loss /{tag}").or_(page.locator("card-view", has_text=f"Loss/{tag}"))
        card.locator("line-chart").first.wait_for()
        text = seen(card.filter(has_text="Smoothed"))[0]
        for job in jobs:
            with (job / "metrics.csv").open() as file:
                *_, last = csv.DictReader(file)
            assert run_name(job) in text
            assert f"{float(last[f'{tag}_loss']):.4g}" in text
    assert shown.answered("timeseries/timeSeries")
    shown.keep("time_series")


def test_hparams_shows_one_row_a_run_with_what_varied_and_the_test_accuracy(shown: Board, jobs: list[Path]) -> None:
    page = shown.open("hparams")
    cells = page.locator("vaadin-grid-cell-content")
    for job in jobs:
        cells.get_by_text(run_name(job)).wait_for()
    texts = [text for text in seen(cells) if text]
    header = texts[: texts.index(run_name(jobs[0]))]
    assert [text for text in texts if text.endswith("/tensorboard")] == list(map(run_name, jobs))
    assert header[2] == "dropout_rate"
    assert "Accuracy/test" in header
    for job, rate in zip(jobs, ("0.30000", "0.50000"), strict=True):
        start = texts.index(run_name(job))
        row = texts[start : start + len(header)]
        assert rate in row
        assert f"{result(job)['test_accuracy']:.5f}" in row
    shown.keep("hparams")


def test_the_projector_shows_256_points_with_sprites_and_class_names(shown: Board) -> None:
    page = shown.open("projector").frame_locator("iframe").frame_locator("iframe")
    page.get_by_text("Points: 256").wait_for()
    page.get_by_text("Dimension: 256").wait_for()  # the directions that 256 points of 800 numbers span
    names = shown.text("projector/metadata").split()
    assert len(names) == 256
    assert set(names) == {"cat", "moon", "door"}
    assert shown.answered("projector/sprite_image") == [200]
    shown.keep("projector")


def test_the_graph_shows_the_network_with_its_layers(shown: Board) -> None:
    page = shown.open("graphs")
    page.locator("text", has_text="ConvNet").first.wait_for()
    graph = shown.text("graphs/graph?")  # the layers are seen when a person opens the network's box
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        assert f"ConvNet/{layer}" in graph or f"[{layer}]" in graph
    shown.keep("graph")


def test_images_shows_every_grid_of_both_runs(shown: Board, jobs: list[Path]) -> None:
    page = shown.open("images")
    images = page.locator("tf-image-loader img")
    images.first.wait_for()
    shown.keep("images")
    page.locator(".heading", has_text="quickdraw_images").click()
    images.nth(11).wait_for()
    tags = page.locator("tf-card-heading .name").all_text_contents()
    runs = page.locator("tf-card-heading .run").all_text_contents()
    assert set(zip(tags, runs, strict=True)) == {(tag, run_name(job)) for tag in GRIDS for job in jobs}
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert min(images.evaluate_all("all => all.map(image => image.naturalWidth)")) >= 240
    assert shown.answered("images/individualImage") == [200] * len(tags) == [200] * images.count()


def test_custom_scalars_shows_train_and_validation_in_one_chart(shown: Board) -> None:
    page = shown.open("custom_scalars")
    page.get_by_text("Accuracy: train and val").wait_for()
    matches = page.get_by_text("Matches (4)")  # two tags of two runs
    matches.nth(1).wait_for()
    assert matches.count() == 2
    shown.keep("custom_scalars")
