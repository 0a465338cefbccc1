"""The space of a search, what is proposed in it, and which trainings are ended: without a training."""

import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hydra_plugins.quickdraw_optuna.grammar import split
from quickdraw.analysis.figures import history_figure, parallel_figure, trials_figure
from quickdraw.analysis.frames import trial_frame
from quickdraw.analysis.importance import final_scores, importance, report
from quickdraw.analysis.journal import read_search
from quickdraw.analysis.page import page
from quickdraw.analysis.sweep import read_sweep
from quickdraw.errors import ConfigError, RunError
from quickdraw.search.pruning import make_pruner
from quickdraw.search.sampling import MAKERS, Proposer
from quickdraw.search.space import Axis, corners, overrides_of, params_key, points, size
from quickdraw.search.study import Study, held
from tests.support.made_up import make_sweep

AXES = (
    Axis("lr", 1e-4, 1e-1, log=True),
    Axis("rate", 0.0, 0.6),
    Axis("width", 16, 64),
    Axis("batch", choices=(64, 128)),
)


def axes(*overrides: str) -> list[Axis]:
    return split(OverridesParser.create().parse_overrides(list(overrides)))[1]


def study(
    folder: Path, sampler: str = "tpe", pruner: str = "asha", seed: int = 0, space: tuple[Axis, ...] = AXES
) -> Study:
    return Study(folder, Proposer(space, sampler, seed, 4), make_pruner(pruner, 1, 3, 3), "maximize")


def search(study: Study, trials: int) -> list[dict[str, object]]:
    """Run trials whose score is best near lr=1e-2; return their settings."""
    tried = []
    for _ in range(trials):
        proposal = study.ask()
        tried.append(proposal.params)
        final = 0.9 - 0.1 * (math.log10(float(proposal.params["lr"])) + 2) ** 2
        curve: list[float] = []
        facts = {"state": "completed", "epochs": 9, "seconds": 1.0, "jobs": ["job"]}
        while len(curve) < 9:
            curve.append(final - 0.3 / (len(curve) + 1))
            study.report(proposal.number, curve)
            if len(curve) < 9 and study.should_prune(proposal.number):
                facts |= {"state": "pruned", "epochs": len(curve)}
                break
        study.tell(proposal.number, facts, final)
    return tried


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a=interval(1,5)", Axis("a", 1.0, 5.0)),
        ("a=int(interval(1,5))", Axis("a", 1, 5)),
        ("a=tag(log,interval(1e-4,1e-1))", Axis("a", 1e-4, 1e-1, log=True)),
        ("a=tag(log,int(interval(16,256)))", Axis("a", 16, 256, log=True)),
        ("a=range(1,10,2)", Axis("a", 1, 9, step=2)),
        ("a=range(0.1,0.5,0.1)", Axis("a", 0.1, 0.4, step=0.1)),
        ("a=choice(64,1e-3,true,x,'y z',[1,2])", Axis("a", choices=(64, 1e-3, True, "x", "y\\ z", "[1,2]"))),
        ("a=1,null,1", Axis("a", choices=(1, "null"))),
        ("+a=1,2", Axis("+a", choices=(1, 2))),
    ],
)
def test_space_is_written_in_hydras_own_grammar(typed: str, meant: Axis) -> None:
    (axis,) = axes(typed)
    assert axis == meant
    assert (axis.whole, axis.size) == (meant.whole, meant.size)


def test_fixed_overrides_pass_through_and_a_choice_comes_back_as_it_was_typed() -> None:
    parsed = OverridesParser.create().parse_overrides(["x='a b'", "a=choice('y z',[1,2],true)", "~b"])
    fixed, (axis,) = split(parsed)
    assert fixed == ["x='a b'", "~b"]
    values = [OverridesParser.create().parse_override(*overrides_of({"a": each})).value() for each in axis.choices]
    assert values == ["y z", [1, 2], True]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("a=tag(log,interval(0,1))", "a: a logarithmic interval begins above 0, got log interval(0.0, 1.0)"),
        ("a=interval(5,1)", "a: expected the lower end first"),
        ("a=interval(1,1)", "a: expected the lower end first"),
        ("a=int(interval(0.2,0.8))", "a: expected the lower end first"),
        ("a=interval(0,inf)", "a: expected two finite ends"),
        ("a=interval(nan,1)", "a: expected two finite ends"),
        ("a=range(5,1)", "a: expected at least two different choices"),
        ("a=range(1,5,0)", "a: expected a step other than 0"),
        ("a=choice(1,1)", "a: expected at least two different choices"),
        ("a=tag(log,choice(1,2))", "a: only an interval can be logarithmic"),
        ("a=tag(log,foo,interval(1,2))", "a: expected no tag but log, got foo"),
        ("seed=0,1,2", "seed: a search over it would choose luck; hydra.sweeper.seeds=3 gives each trial three seeds"),
        ("exp_name=a,b", "exp_name: it cannot be searched"),
        ("a=1", "nothing to search"),
    ],
)
def test_senseless_space_is_refused(typed: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        axes(typed)
    assert told in str(error.value)
    assert str(error.value).endswith("\nno job was started")


@given(
    st.sampled_from(
        [Axis("a", 1e-5, 3.0, log=True), Axis("a", 0.9, 0.95), Axis("a", 3, 19, step=4), Axis("a", 1, 9, log=True)]
    ),
    st.floats(0, 1),
)
def test_value_at_a_position_lies_in_the_axis_and_its_position_is_near(axis: Axis, position: float) -> None:
    value = axis.at(position)
    assert axis.low <= value <= axis.high
    assert axis.rounded(value) == value
    assert abs(axis.position(value) - position) <= (0.001 if not axis.whole else 0.5)


def test_corners_hold_every_choice_and_both_ends() -> None:
    held_values = {key: {params[key] for params in corners(AXES)} for key in ("lr", "width", "batch")}
    assert held_values == {"lr": {1e-4, 1e-1}, "width": {16, 64}, "batch": {64, 128}}
    space = (Axis("a", 1, 7, step=3), Axis("b", choices=("x", "y")))
    assert len({params_key(point) for point in points(space)}) == size(space) == 6


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_search_is_the_same_again_and_after_a_restart_and_repeats_nothing(tmp_path: Path, name: str) -> None:
    folders = [tmp_path / each for each in ("whole", "halves", "other")]
    for folder in folders:
        folder.mkdir()
    count = 6 if name == "gp" else 10  # it takes its time
    whole = search(study(folders[0], name, "none"), count)
    halves = search(study(folders[1], name, "none"), 5) + search(study(folders[1], name, "none"), count - 5)
    assert halves == whole
    assert len({params_key(params) for params in whole}) == count
    assert search(study(folders[2], name, "none", seed=1), 2) != whole[:2]
    for axis in AXES[:3]:
        assert all(axis.low <= params[axis.key] <= axis.high for params in whole)  # type: ignore[operator]


def test_sampler_learns_and_a_small_space_is_tried_once_whole(tmp_path: Path) -> None:
    (tmp_path / "learnt").mkdir()
    tried = search(study(tmp_path / "learnt", "tpe", "none"), 30)
    late = [abs(math.log10(float(params["lr"])) + 2) for params in tried[15:]]  # type: ignore[arg-type]
    assert sum(distance < 0.75 for distance in late) >= 10  # 7.5 of 15 by chance
    small = (Axis("lr", choices=(1e-3, 1e-2)), Axis("width", 1, 3))
    whole = study(tmp_path, "tpe", "none", space=small)
    tried = search(whole, 6)
    assert {params_key(params) for params in tried} == {params_key(point) for point in points(small)}
    assert whole.exhausted()


def test_halving_lets_the_best_third_go_on_and_decides_the_same_again(tmp_path: Path) -> None:
    halving = study(tmp_path)
    for scores, ended_after in [
        ((0.5, 0.5, 0.5), None),  # the first of all has nobody to beat
        ((0.4,), 1),
        ((0.6, 0.9, 0.4), None),  # the best epoch counts
        ((0.55,), 1),  # the second of four
        ((0.7, 0.7, 0.55), 3),
    ]:
        number = halving.ask().number
        for epoch in range(1, len(scores) + 1):
            halving.report(number, scores[:epoch])
            again = study(tmp_path)  # the search was killed before it could act
            assert again.should_prune(number) == again.should_prune(number) == (epoch == ended_after)


def test_journal_is_optunas_own_and_a_line_cut_short_by_a_kill_is_mended(tmp_path: Path) -> None:
    search(study(tmp_path), 6)
    begun = study(tmp_path).ask()
    path = tmp_path / "study.journal"
    path.write_bytes(path.read_bytes() + b'{"op_code":6,"trial')
    again = study(tmp_path)
    assert [each.number for each in again.unfinished()] == [begun.number]
    again.tell(begun.number, {"state": "completed", "scores": {"0": 0.5}}, 0.5)
    opened = optuna.load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(path))))
    assert len(opened.trials) == 7
    assert {trial.state.name for trial in opened.trials} == {"COMPLETE", "PRUNED"}
    assert list(opened.trials[0].intermediate_values) == list(range(1, 10))
    assert (opened.trials[-1].value, opened.trials[-1].user_attrs["scores"]) == (0.5, {"0": 0.5})


def test_trial_lost_between_its_settings_gets_those_that_it_would_have_had(tmp_path: Path) -> None:
    whole = study(tmp_path)
    search(whole, 6)
    asked = whole.ask()
    path = tmp_path / "study.journal"
    lines = path.read_bytes().splitlines(keepends=True)
    for count in range(1, len(AXES) + 1):
        path.write_bytes(b"".join(lines[:-count]))
        assert study(tmp_path).unfinished() == [asked]
        assert study(tmp_path).unfinished() == [asked]


def test_failed_settings_are_given_out_again_until_they_end(tmp_path: Path) -> None:
    tries = study(tmp_path)
    first = tries.ask()
    tries.tell(first.number, {"state": "failed", "reason": "x"})
    assert tries.failed() == [first.params]
    second = tries.ask(first.params)
    assert (second.number, second.params) == (1, first.params)
    tries.tell(second.number, {"state": "diverged"})
    assert tries.failed() == []
    assert tries.trials()[1].value == -math.inf


def test_another_search_in_the_folder_is_refused(tmp_path: Path) -> None:
    study(tmp_path).claim({"metric": "val_loss", "space": {"lr": "interval(0, 1)"}})
    study(tmp_path).claim({"metric": "val_loss", "space": {"lr": "interval(0, 1)"}})
    with pytest.raises(RunError, match=r"another search: space.lr was 'interval\(0, 1\)' and is 'interval\(0, 2\)'"):
        study(tmp_path).claim({"metric": "val_loss", "space": {"lr": "interval(0, 2)"}})
    with held(tmp_path), pytest.raises(RunError, match="another process is searching"), held(tmp_path):
        pass


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        # the choices that a stranger wrote, of which the journal's number is one
        ("[64, 128]", '[\\"../../evil\\", \\"../../evil\\"]', r"has batch='../../evil', expected choice\(64, 128\)"),
        (
            '"param_name":"width"',
            '"param_name":"hydra/launcher"',
            "has hydra/launcher=[0-9]+, expected one of lr, rate",
        ),
    ],
)
def test_a_journal_holds_only_values_that_are_searched(tmp_path: Path, old: str, new: str, words: str) -> None:
    study(tmp_path).ask()
    path = tmp_path / "study.journal"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RunError, match=words):
        study(tmp_path).claim({"metric": "val_accuracy"})


def test_an_axis_knows_its_values() -> None:
    lr, rate, width, batch = AXES
    assert lr.holds(1e-4)
    assert lr.holds(1e-1)
    assert width.holds(16)
    assert batch.holds(128)
    wrong = [(lr, 0.11), (rate, -0.1), (rate, True), (rate, "0.1"), (rate, math.nan), (batch, 128.0), (batch, "128")]
    assert [axis.key for axis, value in wrong if axis.holds(value)] == []


@pytest.mark.parametrize("text", [b"\x80\x04N.\n", b'{"op_code": 99}\n', b"[]\n", b'{"op_code":4}\n{"op_code":4}\n'])
def test_file_that_is_no_journal_is_told_in_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "study.journal").write_bytes(text + b"\n")
    with pytest.raises(RunError, match="move it away to begin the search anew"):
        study(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is not of this system")
def test_a_pipe_in_place_of_the_journal_is_told_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.journal")
    with pytest.raises(RunError, match=r"expected a file, got a folder or a device\); move it away"):
        study(tmp_path)


KEYS = ("op_code", "trial_id", "study_id", "step", "values", "user_attr", "distribution")
NONSENSE = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(KEYS), each, max_size=3),
    max_leaves=6,
)
HALF_KNOWN = st.builds(  # operations that Optuna knows, without what they need
    lambda code, fields: fields | {"op_code": code},
    st.sampled_from([0, 4, 5, 6, 7, 99]),
    st.dictionaries(st.sampled_from(KEYS), st.integers(0, 1) | st.text()),
)
JOURNAL = """
{"op_code":0,"study_name":"search","directions":[2]}
{"op_code":2,"study_id":0,"user_attr":{"search":{"metric":"val_accuracy"}}}
{"op_code":4,"study_id":0,"datetime_start":"2026-01-01T00:00:00+00:00"}
{"op_code":5,"trial_id":0,"param_name":"a","param_value_internal":1,\
"distribution":"{\\"name\\": \\"IntDistribution\\", \\"attributes\\": {\\"low\\": 1, \\"high\\": 4}}"}
{"op_code":7,"trial_id":0,"step":1,"intermediate_value":0.25}
{"op_code":7,"trial_id":0,"step":2,"intermediate_value":0.5}
{"op_code":8,"trial_id":0,"user_attr":{"state":"completed"}}
{"op_code":6,"trial_id":0,"state":1,"values":[0.5],"datetime_complete":"2026-01-01T00:00:01+00:00"}
{"op_code":4,"study_id":0,"datetime_start":"2026-01-01T00:00:02+00:00"}
""".strip()


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 9), NONSENSE | HALF_KNOWN), max_size=6))
def test_reader_of_a_journal_passes_over_what_makes_no_sense(
    tmp_path_factory: pytest.TempPathFactory, noise: list[tuple[int, object]]
) -> None:
    """Wherever such lines stand between those of a search, the search is read as if they were not there."""
    whole, noisy = (tmp_path_factory.mktemp(name) for name in ("whole", "noisy"))
    lines = JOURNAL.splitlines()
    (whole / "study.journal").write_text("\n".join(lines))
    for place, line in noise:
        lines.insert(place, json.dumps(line))
    (noisy / "study.journal").write_text("\n".join(lines))
    read, expected = read_search(noisy), read_search(whole)
    assert read
    assert expected
    assert [(trial.params, trial.curve) for trial in expected.trials] == [({"a": 1}, {1: 0.25, 2: 0.5}), ({}, {})]
    assert [asdict(trial) for trial in read.trials] == [asdict(trial) for trial in expected.trials]
    assert (read.facts, read.kinds, read.maximise) == (expected.facts, expected.kinds, expected.maximise)


def test_the_report_of_a_search_makes_one_analysis(tmp_path: Path) -> None:
    whole = JOURNAL.replace("{}", json.dumps(json.dumps({"low": 1, "high": 9, "log": False, "step": 1}))[1:-1])
    (make_sweep(tmp_path / "search") / "study.journal").write_text(whole)
    found = read_sweep(tmp_path / "search")
    text = "".join(page(found))
    assert "<h2>Search</h2>" in text
    assert "importance (fANOVA): not known from 1 trial;" in text
    assert "What mattered" not in text
    assert "Parallel coordinates" not in text
    assert (found.effects, parallel_figure(found), found.interaction_in_words()) == ([], None, "")


def test_search_is_told_without_optuna_reading_its_journal(tmp_path: Path) -> None:
    assert read_search(tmp_path) is None
    searched = study(tmp_path)
    searched.claim({"metric": "val_accuracy"})
    search(searched, 20)
    diverged = searched.ask()
    searched.tell(diverged.number, {"state": "diverged", "epochs": 1})
    found = read_search(tmp_path)
    assert found
    for ours, theirs in zip(found.trials, searched.trials(), strict=True):
        assert (ours.params, ours.curve) == (theirs.params, theirs.intermediate_values)
    best = found.best()
    assert best
    assert best.value == searched.best()
    assert found.ranked()[-1].number == diverged.number
    frame = trial_frame(found)
    assert list(frame.columns) == [
        "trial",
        "lr",
        "rate",
        "width",
        "batch",
        "val_accuracy",
        "state",
        "epochs",
        "seconds",
    ]
    assert len(frame) == 21
    assert len(history_figure(found).axes[0].collections) == 2  # completed and pruned ones
    parallel = trials_figure(found)
    assert parallel
    lines = parallel.axes[0].lines
    assert len(lines) == 20 + 5  # the trials and the axes
    assert all(0 <= height <= 1 for line in lines for height in line.get_ydata())
    short = replace(found.trials[0], params={"lr": 0.01})  # as if lines of it were damaged
    others = trials_figure(replace(found, trials=[short, *found.trials[1:]]))
    assert others
    assert len(others.axes[0].lines) == len(lines) - 1
    estimated = final_scores(found)
    final = {n: 0.9 - 0.1 * (math.log10(found.trials[n].params["lr"]) + 2) ** 2 for n in estimated}
    assert estimated == pytest.approx(final)  # all curves of this search have one form
    explained = importance(found)
    assert next(iter(explained)) == "lr"
    assert sum(explained.values()) == pytest.approx(1)
    assert "importance (fANOVA)" in report(found)

    few = replace(found, trials=found.trials[:9])
    assert importance(few) == {}
    assert report(few).endswith("trials; at least 20 are needed, 5 for each setting")
