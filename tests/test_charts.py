"""What a network learnt, as figures: each shows the numbers that the predictions hold."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from torch import nn

from quickdraw import plotting
from quickdraw.model.convnet import ConvNet
from quickdraw.model.mlp import MLP
from quickdraw.predictions import Predictions
from quickdraw.run import charts

NAMES = ["cat", "moon", "alarm clock"]


def predictions(label: list[int], predicted: list[int], confidence: list[float] | None = None) -> Predictions:
    count = len(label)
    sure = np.array(confidence or [0.9] * count, np.float32)
    rank = (np.array(label) != np.array(predicted)).astype(np.int64)
    return Predictions(np.arange(count), np.array(label), np.array(predicted), rank, sure, np.zeros(count, np.float32))


def texts(figure: Figure) -> list[str]:
    """Return all that is written in a figure, drawn once."""
    assert plotting.pixels(figure).std() > 0
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    ticks = [text.get_text() for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    title = figure.get_suptitle()
    return [title, *inside, *ticks]


@pytest.fixture
def some() -> Predictions:
    """Ten cats, one taken for a moon; four moons, all right; five alarm clocks, three taken for cats."""
    return predictions([0] * 10 + [1] * 4 + [2] * 5, [0] * 9 + [1] + [1] * 4 + [0] * 3 + [2] * 2)


def test_a_confusion_matrix_shows_each_true_class_in_per_cent(some: Predictions) -> None:
    title, *said = texts(charts.confusion_matrix(some, NAMES))
    assert said[:5] == ["90", "10", "100", "60", "40"]
    assert [said.count(name) for name in NAMES] == [2, 2, 2]
    assert "19 drawings" in title


def test_of_345_classes_the_most_confused_are_shown_side_by_side() -> None:
    label = np.arange(345).repeat(10)
    predicted = label.copy()
    predicted[50:55], predicted[3000:3003], predicted[2000] = 300, 5, 7  # 5 and 300 are mistaken for each other
    title, *said = texts(
        charts.confusion_matrix(predictions(label.tolist(), predicted.tolist()), [f"c{k}" for k in range(345)])
    )
    assert "the 12 most confused of 345 classes" in title
    names = [text for text in said if text.startswith("c")]
    assert names[:2] == ["c5", "c300"]
    assert {"c7", "c200"} <= set(names)
    assert "others" in said
    assert said.count("50") == 2  # half of class 5 stays, half goes to 300


def test_accuracy_by_class_is_sorted_and_names_its_mean(some: Predictions) -> None:
    figure = charts.class_accuracy(some, NAMES)
    _, *said = texts(figure)
    assert [text for text in said if text.endswith(")")] == ["alarm clock (5)", "cat (10)", "moon (4)"]
    assert said[:3] == ["0.400", "0.900", "1.000"]
    (legend,) = figure.legends
    assert f"{(0.4 + 0.9 + 1) / 3:.4f}" in legend.get_texts()[0].get_text()


def test_wilsons_interval_is_the_published_one() -> None:
    low, high = charts.wilson(np.array([0.9]), np.array([10]))  # Newcombe (1998): 0.596 to 0.982
    assert (low[0], high[0]) == (pytest.approx(0.596, abs=1e-3), pytest.approx(0.982, abs=1e-3))


def test_the_expected_calibration_error_is_that_of_guo_et_al() -> None:
    random = np.random.default_rng(0)
    sure = random.uniform(0.2, 1, 500).astype(np.float32)
    predicted = (random.uniform(size=500) > sure**2).astype(int)
    made = predictions([0] * 500, predicted.tolist(), sure.tolist())
    expected = 0.0
    for k in range(15):
        inside = (sure > k / 15) & (sure <= (k + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs((predicted[inside] == 0).mean() - sure[inside].mean(dtype=float))
    assert made.calibration_error() == pytest.approx(expected, rel=1e-6)
    assert f"{expected:.4f}" in texts(charts.calibration_curve(made))[0]


def test_mistakes_are_shown_most_confident_first_with_both_names() -> None:
    made = predictions([0, 1, 2, 0], [0, 0, 1, 2], [0.99, 0.6, 0.8, 0.7])
    worst = charts.worst_mistakes(made)
    assert worst.tolist() == [2, 3, 1]
    title, *said = texts(charts.mistakes(np.zeros((3, 28, 28)), made, worst, NAMES))
    assert "3 mistakes" in title
    assert said[:6] == ["alarm clock", "moon 80%", "cat", "alarm clock 70%", "moon", "cat 60%"]


def test_a_network_without_a_mistake_has_its_picture_too() -> None:
    made = predictions([0, 1], [0, 1])
    assert "0 mistakes" in texts(charts.mistakes(np.zeros((0, 28, 28)), made, charts.worst_mistakes(made), NAMES))[0]


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (ConvNet(num_classes=3), "16 filters of 3 x 3"),
        (MLP(hidden=100, num_classes=3), "100 filters of 28 x 28 pixels, the first 64"),
        (nn.Sequential(nn.Conv2d(3, 5, 7), nn.Linear(9, 9)), "5 filters of 7 x 7"),
    ],
)
def test_the_first_layer_of_any_model_is_shown(net: nn.Module, words: str) -> None:
    figure = charts.first_filters(net)
    assert figure
    assert words in texts(figure)[0]


def test_the_colours_of_a_first_layer_reach_its_largest_weight_of_either_sign() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3))
    nn.init.constant_(net[0].weight, -2.0)
    figure = charts.first_filters(net)
    assert figure
    assert figure.axes[0].images[0].get_clim() == (-2.0, 2.0)


def test_a_first_layer_that_sees_no_picture_is_not_shown() -> None:
    assert charts.first_filters(nn.Sequential(nn.Linear(9, 9))) is None


def test_a_class_may_have_any_name(some: Predictions) -> None:
    names = ["$x$ \\frac{", "猫", "a very long name, much longer than there is room for"]
    for figure in (charts.confusion_matrix(some, names), charts.class_accuracy(some, names)):
        assert names[0] in " ".join(texts(figure))
