"""`python -m quickdraw.predict`: pictures as people have them, and what a run's network says of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from quickdraw import predict
from quickdraw.data.doodles import draw_class
from quickdraw.data.image_file import read_picture
from quickdraw.data.rendering.rasterise import rasterise
from quickdraw.errors import WeightsError
from quickdraw.model.mlp import MLP
from quickdraw.run.weights import load_network
from quickdraw.weights_file import write_weights
from tests.support.program import Outcome

# As the official drawings: from 0, 0, the longer side 255.
HOUSE = [[[0, 0, 120, 240, 240, 0], [255, 100, 0, 100, 255, 255]], [[90, 90, 150, 150], [255, 160, 160, 255]]]
SKY = [[[0, 255], [0, 24]]]


def save(path: Path, ink: np.ndarray, ground: str = "white") -> Path:
    """Write ink, uint8 [H, W], as a picture on some ground."""
    if ground == "none":
        picture = Image.merge("LA", (Image.new("L", ink.shape[::-1], 0), Image.fromarray(ink)))
    elif ground == "white ink on none":
        picture = Image.merge("LA", (Image.new("L", ink.shape[::-1], 255), Image.fromarray(ink)))
    else:
        picture = Image.fromarray(ink if ground == "black" else 255 - ink)
    picture.save(path)
    return path


@pytest.mark.parametrize("ground", ["white", "black", "none", "white ink on none"])
@pytest.mark.parametrize("drawing", [HOUSE, SKY], ids=["house", "line"])
@pytest.mark.parametrize("size", [28, 100, 700])
def test_a_drawing_of_any_size_on_any_ground_becomes_its_official_bitmap(
    drawing: list[list[list[float]]], size: int, ground: str, tmp_path: Path
) -> None:
    official = rasterise(drawing).astype(int)
    read = read_picture(save(tmp_path / "a.png", rasterise(drawing, size), ground)).astype(int)
    assert read.shape == (28, 28)
    assert np.abs(read - official).mean() < 7
    assert np.corrcoef(read.ravel(), official.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(("width", "side"), [(1, 300), (4, 3000)])
def test_thin_lines_in_a_corner_of_a_large_picture_become_lines_of_the_official_width(
    width: int, side: int, tmp_path: Path
) -> None:
    picture = Image.new("RGB", (side * 2, side * 2), "#fffbe8")
    for xs, ys in HOUSE:
        points = [(20 + x * side / 256, 20 + y * side / 256) for x, y in zip(xs, ys, strict=True)]
        ImageDraw.Draw(picture).line(points, fill="#203080", width=width)
    picture.save(tmp_path / "a.png")
    read, official = read_picture(tmp_path / "a.png").astype(int), rasterise(HOUSE).astype(int)
    assert read.sum() == pytest.approx(official.sum(), rel=0.25)
    assert np.corrcoef(read.ravel(), official.ravel())[0, 1] > 0.9


@pytest.fixture
def doodles(tmp_path: Path) -> list[Path]:
    """Pictures of a cat, a moon and a door."""
    drawn = {name: draw_class(name, 8, seed=5)[1].reshape(28, 28) for name in ("cat", "moon", "door")}
    return [save(tmp_path / f"{name}.png", ink) for name, ink in drawn.items()]


def test_predict_names_the_likeliest_three_with_bars(
    finished: Outcome, doodles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict.main([str(finished.run), *map(str, doodles)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3 * 4
    net, description = load_network(finished.run)
    for picture, (path, *guesses) in zip(doodles, (printed[:4], printed[4:8], printed[8:]), strict=True):
        assert path.startswith(str(picture))
        logits = net(torch.from_numpy(read_picture(picture))[None, None].float() / 255)[0]
        likeliest = [description["classes"][label] for label in logits.argsort(descending=True)]
        assert [guess.split()[0] for guess in guesses] == likeliest
        assert "█" in guesses[0]
        assert sum(float(guess.split()[1]) for guess in guesses) == pytest.approx(100, abs=0.2)


def test_predict_tells_programs_in_json_and_takes_the_weights_alone(
    finished: Outcome, doodles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    weights = finished.run / "weights/quickdraw_net.pth"
    assert predict.main([str(weights), str(doodles[1]), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["picture"] == str(doodles[1])
    assert answer["top"][0]["class"] == "moon"
    assert sum(guess["probability"] for guess in answer["top"]) == pytest.approx(1)


@pytest.mark.parametrize(("content", "words"), [("blank", "empty"), ("text", "not a picture"), (None, "no such file")])
def test_what_shows_nothing_is_refused_in_one_line(
    content: str | None, words: str, finished: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    if content == "blank":
        Image.new("L", (50, 80), 200).save(path)
    elif content:
        path.write_text(content)
    assert predict.main([str(finished.run), str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_a_folder_without_weights_is_refused(doodles: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main([str(doodles[0].parent), str(doodles[0])]) == 1
    assert "expected the folder of a completed run" in capsys.readouterr().err


def test_any_model_of_the_project_is_loaded_with_its_arguments(tmp_path: Path) -> None:
    net = MLP(hidden=7, num_classes=2)
    model = {"_target_": "quickdraw.model.mlp.MLP", "_partial_": True, "hidden": 7, "dropout_rate": 0.1}
    facts = {"classes": ["cat", "moon"], "model": model["_target_"], "config": {"model": model}}
    write_weights(tmp_path / "weights" / "a_net.pth", net, facts)
    loaded, description = load_network(tmp_path)
    picture = torch.rand(2, 1, 28, 28)
    assert torch.equal(loaded(picture), net.eval()(picture))
    assert description["classes"] == ["cat", "moon"]


@pytest.mark.parametrize(
    ("made_by", "arguments"),
    [
        ("os.mkdir", {"path": "made"}),
        ("quickdraw.model.convnet.os.mkdir", {"path": "made"}),
        ("quickdraw.model.convnet.load_weights", {"path": "made"}),
        ("quickdraw.model.mlp.Dropout", {}),
        ("quickdraw.model.mlp.MLP", {"hidden": {"_target_": "os.mkdir", "path": "made"}}),
        ("quickdraw.model.mlp.MLP", {"size": 3}),
        (5, {}),
    ],
)
def test_weights_that_name_foreign_code_run_none(
    made_by: object, arguments: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = {"classes": ["cat", "moon"], "model": made_by, "config": {"model": {"_target_": made_by, **arguments}}}
    write_weights(tmp_path / "weights" / "a_net.pth", MLP(num_classes=2), facts)
    with pytest.raises(WeightsError):
        load_network(tmp_path)
    assert not (tmp_path / "made").exists()
