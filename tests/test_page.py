"""The report on one page: complete, self-contained, harmless, and never the end of a sweep."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from quickdraw.analysis import figures
from quickdraw.analysis.figures.curves import pareto
from quickdraw.analysis.figures.parts import escape_math
from quickdraw.analysis.page import leave_report, write_report
from quickdraw.analysis.sweep import read_sweep
from tests.support.made_up import make_run, make_sweep

HEADINGS = [
    "Ranking", "What mattered", "Learning curves", "Accuracy against time", "Parallel coordinates",
    "Where the best two disagree", "Not completed", "All runs",
]  # fmt: skip
DRAWN = (
    figures.ranking_figure,
    figures.curves_figure,
    figures.time_figure,
    figures.effects_figure,
    figures.interaction_figure,
    figures.parallel_figure,
)


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep(tmp_path_factory.mktemp("page") / "made_up")


def test_the_page_tells_all_and_needs_nothing_else(sweep: Path) -> None:
    path = write_report(sweep)
    page = Page(path)
    places = [page.text.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    assert "lr=0.01" in page.text
    assert "killed by SIGKILL (out of memory?)" in page.text
    assert "McNemar's test: p = " in page.text
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == len(DRAWN) + 2
    assert all((image["src"] or "").startswith("data:image/png;base64,iVBOR") and image["alt"] for image in images)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"} == set()
    assert "://" not in re.sub(r'src="data:[^"]*"', "", path.read_text()).replace("https://creativecommons.org", "")
    assert any("default-src 'none'" in (attributes.get("content") or "") for _, attributes in page.tags)
    assert path.stat().st_size < 2_000_000
    assert str(sweep.parent) not in page.text.replace(str(sweep / "failed"), "").replace(str(sweep / "diverged"), "")


def test_text_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script> & $\\frac{$ [bold]"
    classes = ("cat", nasty, "door")
    for seed in (0, 1):
        for model in (nasty, "other"):
            make_run(
                tmp_path / f"{model[1:3]}{seed}", 0.8, wrong=range(seed, 30), classes=classes, seed=seed, text=model
            )
    make_run(tmp_path / "failed", None, "failed", nasty, seed=2, text=nasty)
    page = Page(write_report(tmp_path))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count("<script>alert(1)</script>") > 3


@pytest.mark.parametrize("state", ["failed", "interrupted", "diverged", "running"])
def test_sweep_without_a_result_has_a_page_too(tmp_path: Path, state: str) -> None:
    for seed in (0, 1):
        make_run(tmp_path / str(seed), None, state, "no memory", seed=seed)
    page = Page(write_report(tmp_path))
    assert "img" not in {tag for tag, _ in page.tags}
    assert "2 runs: 2 " in page.text
    assert "All runs" in page.text


def test_one_run_alone_is_a_page(tmp_path: Path) -> None:
    make_run(tmp_path / "a", 0.8)
    assert "1 runs: 1 completed" in Page(write_report(tmp_path)).text


def test_failure_of_a_picture_is_one_line(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write_report(sweep).read_bytes()

    def broken(runs: object) -> None:
        raise RuntimeError("no\nfont")

    monkeypatch.setattr(figures, "curves_figure", broken)
    assert leave_report(sweep) is None
    assert capsys.readouterr().err == "warning: no report.html (RuntimeError: no font)\n"
    assert (sweep / "report.html").read_bytes() == before, "an older one is left whole"


def test_every_figure_of_a_sweep_is_drawn(sweep: Path) -> None:
    read = read_sweep(sweep)
    for draw in DRAWN:
        made = draw(read)
        assert isinstance(made, Figure), draw
        assert all(axes.has_data() for axes in made.axes if axes.axison), draw
    ranking = figures.ranking_figure(read)
    assert ranking
    names = [label.get_text() for label in ranking.axes[0].get_yticklabels()]
    assert names == [setting.name for setting in read.settings]
    low, high = ranking.axes[0].get_xlim()
    assert all(low < run.score < high for run in read.runs if run.score is not None)


def test_figures_of_nothing_are_none(tmp_path: Path) -> None:
    make_run(tmp_path / "a", None, "failed", "no memory")
    assert [draw(read_sweep(tmp_path)) for draw in DRAWN] == [None] * len(DRAWN)


def test_fastest_and_best_runs_are_the_front() -> None:
    points = [(3.0, 0.9), (1.0, 0.7), (2.0, 0.6), (2.0, 0.8), (4.0, 0.85)]
    assert pareto(points) == [(1.0, 0.7), (2.0, 0.8), (3.0, 0.9)]


def test_a_slower_run_with_the_same_score_is_not_among_them() -> None:
    assert pareto([(2.0, 0.5), (1.0, 0.5), (3.0, 0.6), (1.0, 0.4)]) == [(1.0, 0.5), (3.0, 0.6)]


def test_a_dollar_in_a_name_begins_no_formula() -> None:
    assert escape_math("$x$ of $y") == r"\$x\$ of \$y"
