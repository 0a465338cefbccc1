"""Two runs on the same test drawings: who is right more often, whether that is chance, and when it cannot be said."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from quickdraw.analysis.comparison import compare
from quickdraw.analysis.drawings import drawings
from quickdraw.analysis.figures import drawings_figure, drawings_figures
from quickdraw.analysis.frames import class_frame, confusion_frame
from quickdraw.analysis.sweep import Sweep, read_sweep
from quickdraw.data.fingerprint import fingerprint
from quickdraw.errors import DataError, RunError
from quickdraw.run.listing import Run, read_run
from quickdraw.statistics.paired import mcnemar
from tests.support.made_up import CLASSES, PER_CLASS, make_run, make_sweep, predicted


def pair(folder: Path, wrong_a: range, wrong_b: range) -> tuple[Run, Run]:
    a = make_run(folder / "a", wrong=wrong_a, dropout_rate=0.3)
    b = make_run(folder / "b", wrong=wrong_b, dropout_rate=0.5)
    return read_run(a), read_run(b)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (3, 9), (10, 10), (30, 52), (400, 300), (0, 40)])
def test_mcnemar_is_the_sign_test_of_the_drawings_that_one_gets_right(only_a: int, only_b: int) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)


def test_many_drawings_are_enough_to_tell_two_networks_apart(tmp_path: Path) -> None:
    compared = compare(*pair(tmp_path, range(10), range(8, 9)))
    assert (compared.only_a.sum(), compared.only_b.sum()) == (0, 9)
    assert compared.difference == pytest.approx(9 / 60)
    assert compared.p == pytest.approx(2 / 2**9)
    assert compared.verdict().startswith(
        "B is better than A by 0.1500 of the 60 test drawings (95 %: +0.0232 to +0.2657;"
    )
    assert compared.settings == {"dropout_rate": ("0.3", "0.5")}
    assert compared.names == ("dropout_rate=0.3", "dropout_rate=0.5")
    assert compared.metrics["test_accuracy"] == pytest.approx((50 / 60, 59 / 60))


def test_few_drawings_are_not_enough(tmp_path: Path) -> None:
    text = compare(*pair(tmp_path, range(3), range(2, 7))).verdict()
    assert text.startswith("A leads B by 0.0333")
    assert "McNemar's test: p = 0.69" in text
    assert text.endswith("the two cannot be distinguished on these 60 test drawings.")


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (5, 0), (0, 6), (6, 0), (1, 7), (1, 8), (9, 2), (4, 4)])
def test_the_interval_and_the_verdict_say_the_same(tmp_path: Path, only_a: int, only_b: int) -> None:
    compared = compare(*pair(tmp_path, range(only_b), range(20, 20 + only_a)))
    low, high = compared.interval
    sure = "is better than" in compared.verdict()
    assert (compared.only_a.sum(), compared.only_b.sum()) == (only_a, only_b)
    assert sure == (compared.p < 0.05) == (low > 0 or high < 0)
    assert low <= compared.difference <= high
    smaller, larger = (low, high) if only_b > only_a else (-high, -low)
    assert f"(95 %: {smaller:+.4f} to {larger:+.4f};" in compared.verdict()


def test_equal_predictions_are_called_equal(tmp_path: Path) -> None:
    compared = compare(*pair(tmp_path, range(3), range(3)))
    assert compared.p == 1
    assert compared.verdict() == "A and B are right on the same ones of the 60 test drawings."
    assert drawings_figures(compared) == ([], "")


def test_classes_and_confusions_that_differ_most_come_first(tmp_path: Path) -> None:
    compared = compare(*pair(tmp_path, range(20, 26), range(19, 21)))
    frame = class_frame(compared)
    assert frame["class"].tolist() == ["moon", "cat", "door"]
    assert frame.loc[0].tolist() == ["moon", PER_CLASS, 0.7, 0.95, pytest.approx(0.25), 0, 5]
    change = confusion_frame(compared)
    assert change.loc["moon"].tolist() == [0, 5, -5]
    assert change.loc["cat"].tolist() == [-1, 1, 0]


@pytest.mark.parametrize("what", ["index", "label", "classes", "fingerprint"])
def test_other_test_splits_are_refused(tmp_path: Path, what: str) -> None:
    a, b = pair(tmp_path, range(3), range(5))
    known = json.loads((b.folder / "weights" / "made_up_net.json").read_bytes())
    if what == "classes":
        known["classes"].reverse()
    elif what == "fingerprint":
        known["fingerprints"]["moon"] = "of another"
    else:
        other = predicted(len(CLASSES))
        getattr(other, what)[3:5] = 2
        other.write(b.folder / "predictions.npz")
    (b.folder / "weights" / "made_up_net.json").write_text(json.dumps(known))
    with pytest.raises(RunError, match="their test splits differ: ") as refused:
        compare(a, b)
    assert "\n" not in str(refused.value)
    assert ("moon" in str(refused.value)) == (what == "fingerprint")


def test_run_that_was_not_completed_or_has_lost_a_file_is_refused(tmp_path: Path) -> None:
    a, b = pair(tmp_path, range(3), range(5))
    failed = read_run(make_run(tmp_path / "c", None, "failed", "out of memory"))
    with pytest.raises(RunError, match="expected a completed run, got one that is failed: out of memory"):
        compare(a, failed)
    (b.folder / "weights" / "made_up_net.json").write_text("[]")
    with pytest.raises(RunError, match="expected the description"):
        compare(a, b)
    (b.folder / "weights" / "made_up_net.json").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        compare(a, b)


def test_best_two_settings_are_compared_with_the_same_seed(tmp_path: Path) -> None:
    sweep = read_sweep(make_sweep(tmp_path / "sweep"))
    assert sweep.best_two
    best, second = sweep.best_two
    assert best.settings["seed"] == second.settings["seed"]
    assert best.settings["optimizer.lr"] == 0.01
    compared = sweep.comparison()
    assert compared
    assert compared.runs == (best, second)
    assert Sweep(tmp_path, sweep.runs[:1]).best_two is None
    assert Sweep(tmp_path, []).comparison() is None


@pytest.fixture
def with_drawings(tmp_path: Path) -> tuple[Run, Run, np.ndarray]:
    """Two runs whose drawings lie in `data/`, as their cache knows, and those drawings, uint8 [3, 60, 784]."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(CLASSES), 60, 784), dtype=np.uint8)
    cache = tmp_path / "cache"
    (tmp_path / "data").mkdir()
    digests = {}
    for name, rows in zip(CLASSES, pixels, strict=True):
        np.save(tmp_path / "data" / f"{name}.npy", rows)
        digests[name] = fingerprint(tmp_path / "data" / f"{name}.npy", cache)
    runs = []
    for name, wrong in (("a", range(0)), ("b", (1, 5, 25))):
        known = {"data__cache": str(cache), "data__limit_per_class": 40}
        folder = make_run(tmp_path / name, wrong=tuple(wrong), seed=len(runs), **known)
        description = {"classes": CLASSES, "fingerprints": digests, "drawings": {"total": 120}}
        (folder / "weights" / "made_up_net.json").write_text(json.dumps(description))
        runs.append(read_run(folder))
    return runs[0], runs[1], pixels


def test_drawings_are_found_by_their_content(with_drawings: tuple[Run, Run, np.ndarray], tmp_path: Path) -> None:
    a, b, pixels = with_drawings
    compared = compare(a, b)
    found = drawings(a, np.array([0, 38, 41, 119]), np.array([0, 0, 1, 2]))
    assert found.tolist() == [
        pixels[0, 0].tolist(),
        pixels[0, 38].tolist(),
        pixels[1, 1].tolist(),
        pixels[2, 39].tolist(),
    ]
    only_a = drawings_figure(compared, "A")
    assert only_a
    titles = [axes.get_title() for axes in only_a.axes if axes.get_title()]
    assert titles == ["moon\nnot door", "cat\nnot moon", "cat\nnot moon"], "the surest error first"
    assert np.array_equal(only_a.axes[1].images[0].get_array().ravel(), pixels[0, 10])
    assert drawings_figure(compared, "B") is None
    figures, credit = drawings_figures(compared)
    assert len(figures) == 1
    assert "CC BY 4.0" in credit


def test_drawings_that_changed_are_not_shown(with_drawings: tuple[Run, Run, np.ndarray], tmp_path: Path) -> None:
    a, b, pixels = with_drawings
    np.save(tmp_path / "data" / "moon.npy", pixels[0][:50])
    with pytest.raises(DataError, match=r"the drawings \(moon\) are not where the run found them"):
        drawings(a, np.array([0]), np.array([0]))
    figures, note = drawings_figures(compare(a, b))
    assert figures == []
    assert note.startswith("No drawings here: the drawings (moon) are not where")


def test_a_drawing_out_of_the_files_is_refused(with_drawings: tuple[Run, Run, np.ndarray]) -> None:
    with pytest.raises(DataError, match="the files hold 120 drawings"):
        drawings(with_drawings[0], np.array([119]), np.array([1]))
