"""A sweep as it stands on the disk: read once, and what is asked of it worked out once.

Every table, figure and sentence takes a `Sweep`. Nothing heavy is imported before it is needed: the report at the end
of a sweep needs neither pandas nor matplotlib, and `--help` not even numpy.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from quickdraw.analysis import sentences
from quickdraw.analysis.journal import SearchRecord, read_search
from quickdraw.analysis.race import Confirmation, Race, by_place, confirmation, confirmed_in_words, read_race
from quickdraw.analysis.ranking import SAME, Setting, best_first, rank
from quickdraw.metrics import lower_is_better
from quickdraw.run.listing import Run, place_in, read_epochs, read_runs, setting_text, short_names, varied

if TYPE_CHECKING:
    import numpy as np

    from quickdraw.analysis.columns import Column
    from quickdraw.analysis.comparison import Comparison
    from quickdraw.analysis.effects import Effect, Interaction, Value
    from quickdraw.statistics.best import Verdict
    from quickdraw.statistics.race import Decision


class Sweep:
    """The runs of one folder."""

    def __init__(self, folder: Path, runs: Sequence[Run]) -> None:
        self.folder = folder
        self.runs = list(runs)
        self._epochs: dict[Path, list[dict[str, float]]] = {}

    def __str__(self) -> str:
        return f"{len(self.runs)} runs in {self.folder}"

    @cached_property
    def completed(self) -> list[Run]:
        """The runs that have a result with the score that ranks."""
        return [run for run in self.runs if self.metric in run.result]

    # What ranks.

    @cached_property
    def metric(self) -> str:
        """The validation score that ranks these runs: the monitor of the first that was completed."""
        completed = [run for run in self.runs if run.result]
        first = next(iter([*completed, *self.runs]), None)
        return first.monitor if first else "val_accuracy"

    @property
    def lower_is_better(self) -> bool:
        """Whether the score is a loss."""
        return lower_is_better(self.metric)

    def score(self, run: Run) -> float:
        """A completed run's score, as it was measured."""
        return float(run.result[self.metric])

    def measured(self, score: float) -> float:
        """A score of which higher is better, as it was measured."""
        return -score if self.lower_is_better else score

    # What varies.

    @cached_property
    def _varied(self) -> dict[str, str]:
        return varied(self.runs)

    @cached_property
    def keys(self) -> dict[str, str]:
        """The settings that vary, the seed last: each key, and the short name of its column."""
        return short_names(self._varied)

    @cached_property
    def setting_keys(self) -> dict[str, str]:
        """The same without the seed."""
        return short_names({key: column for key, column in self._varied.items() if key != "seed"})

    @cached_property
    def names(self) -> dict[Path, str]:
        """What differs between the runs, by folder: `lr=0.001 seed=0`."""
        return {run.folder: setting_text(run, self.keys) for run in self.runs}

    @cached_property
    def setting_names(self) -> dict[Path, str]:
        """The setting of each run, whatever its seed, by folder: `lr=0.001`."""
        names = {run.folder: setting_text(run, self.setting_keys) or SAME for run in self.runs}
        if self.race:
            for setting in self.settings:
                names |= dict.fromkeys((run.folder for run in setting.runs), setting.name)
        return names

    @cached_property
    def columns(self) -> "dict[str, Column]":
        """The value of each run, for each setting that varies; the seed is none."""
        from quickdraw.analysis.columns import column

        return {name: column(self.runs, key) for key, name in self.setting_keys.items()}

    # What is better, and what mattered.

    @cached_property
    def settings(self) -> list[Setting]:
        """The settings by rank, the best first; the runs of one differ only in their seed."""
        if self.race and self.decision:
            return self.race.settings(self.decision, by_place(self.folder, self.runs))
        return rank(self.runs, self.setting_keys)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95 % interval of each setting's mean, as it was measured, by name; nan where it is not known."""
        from quickdraw.analysis.judged import intervals

        return intervals(self.settings, self.metric)

    @cached_property
    def race(self) -> Race | None:
        """What raced here; None of another sweep."""
        return read_race(self.folder)

    @cached_property
    def decision(self) -> "Decision | None":
        """How the race stands by these runs; None of another sweep."""
        return self.race.decision(by_place(self.folder, self.runs)) if self.race else None

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """How the race's first setting does with fresh seeds; None before that is known."""
        if self.race is None or self.decision is None:
            return None
        return confirmation(self.race, self.decision, by_place(self.folder, self.runs), self.metric)

    @cached_property
    def unlike(self) -> list[str]:
        """What makes the settings incomparable: keys by which their validation drawings or their score differ."""
        from quickdraw.analysis.judged import unlike

        return unlike([run for setting in self.settings for run in setting.runs])

    @cached_property
    def standing(self) -> "Verdict | None":
        """Which settings may be the best, all compared at once; None where there are no two that can be compared."""
        from quickdraw.analysis.judged import judge

        if self.race or len(self.settings) < 2 or not self.settings[0].scores or self.unlike:
            return None
        return judge(self.settings, self.metric)

    @property
    def may_be_best(self) -> tuple[str, ...]:
        """The names of the settings that may be the best at 95 %; empty where nothing is known."""
        if self.decision and not self.unlike:
            return self.decision.kept if self.decision.rounds else ()
        if self.standing is None or self.standing.outcome not in ("one best", "several", "diverged"):
            return ()
        return self.standing.may_be_best

    def verdict(self) -> str:
        """Which settings may be the best, in words, or why that cannot be said; empty without two to compare."""
        from quickdraw.analysis.judged import unlike_in_words
        from quickdraw.statistics.sentences import race_in_words, verdict_in_words

        if self.decision and not self.unlike:
            return f"{race_in_words(self.decision)} {confirmed_in_words(self.confirmation, self.metric)}".strip()
        if self.standing is not None:
            return verdict_in_words(self.standing, self.lower_is_better)
        if len(self.settings) > 1 and self.settings[0].scores:
            return unlike_in_words(self.unlike)
        return ""

    @cached_property
    def scores(self) -> "np.ndarray":
        """The score of each run as it was measured, float64 [runs]; nan for one without a result."""
        import numpy as np

        scores = np.full(len(self.runs), np.nan)
        scores[self._has_result] = [self.score(run) for run in self.completed]
        return scores

    @cached_property
    def values(self) -> "list[Value]":
        """The mean score of the runs with each value of each setting."""
        import numpy as np

        from quickdraw.analysis.effects import value_means
        from quickdraw.analysis.judged import bounds_of

        diverged = np.array([run.state == "diverged" for run in self.runs], dtype=bool)
        return value_means(
            self.columns, np.where(self._balanced, self.scores, np.nan), diverged, bounds_of(self.metric)
        )

    @cached_property
    def _has_result(self) -> "np.ndarray":
        import numpy as np

        return np.array([self.metric in run.result for run in self.runs], dtype=bool)

    @cached_property
    def _balanced(self) -> "np.ndarray":
        """Which runs have a result, bool [runs]; of a race only those that came before the first look.

        Later ones are of the better settings only, so they would show effects that are none.
        """
        import numpy as np

        if not (self.race and self.decision and self.decision.rounds):
            return self._has_result
        entered = self.race.places(self.decision.rounds[0].seeds)
        in_time = [place_in(self.folder, run.folder) in entered for run in self.runs]
        return self._has_result & np.array(in_time, dtype=bool)

    @cached_property
    def _completed_columns(self) -> "dict[str, Column]":
        return {name: column.of(self._balanced) for name, column in self.columns.items()}

    @cached_property
    def effects(self) -> "list[Effect]":
        """What each setting did, what explains most of the scores' spread first, each p corrected for all of them.

        Empty where the settings are incomparable, and of a search: its pruned trials say much too (`importance`).
        """
        from quickdraw.analysis.effects import effects

        if self.unlike or self.search:
            return []
        return effects(self._completed_columns, self.scores[self._balanced], self.values, self.lower_is_better)

    @property
    def top_two(self) -> list[str]:
        """The two settings that mattered most; fewer if fewer vary."""
        return [effect.setting for effect in self.effects][:2]

    def interaction(self, first: str, second: str) -> "Interaction":
        """What two settings did together, by the names of their columns."""
        from quickdraw.analysis.effects import interaction

        return interaction(self._completed_columns, self.scores[self._balanced], first, second)

    @cached_property
    def top_interaction(self) -> "Interaction | None":
        """What the two settings that mattered most did together; None if there are no two."""
        return self.interaction(*self.top_two) if len(self.top_two) > 1 else None

    def effects_in_words(self) -> str:
        """How much of the spread each setting explains, and for which of them that may be chance."""
        return sentences.effects_in_words(self.effects)

    def seeds_in_words(self) -> str:
        """What seeds alone do to the score, in a sentence; empty where no setting has two."""
        return sentences.seeds_in_words([list(each.scores.values()) for each in self.settings], self.setting_keys)

    def interaction_in_words(self) -> str:
        """Whether the best value of one of the two settings that mattered most depends on the other's."""
        return sentences.interaction_in_words(self.top_interaction, self.lower_is_better)

    # What lies beside the results.

    def epochs(self, run: Run) -> list[dict[str, float]]:
        """The rows of a run's `metrics.csv`, read once."""
        if run.folder not in self._epochs:
            self._epochs[run.folder] = read_epochs(run.folder)
        return self._epochs[run.folder]

    @cached_property
    def best_two(self) -> tuple[Run, Run] | None:
        """The two runs whose comparison says most: of the two best settings, by validation, with the same seed.

        None if there are no two settings: runs that differ only in their seed differ by luck.
        """
        ranked = [best_first(setting.runs) for setting in self.settings if setting.scores]
        if len(ranked) < 2:
            return None
        best, others = ranked[0], ranked[1]
        for run in best:
            for other in others:
                if run.settings.get("seed", 0) == other.settings.get("seed", 0):
                    return run, other
        return best[0], others[0]

    def comparison(self) -> "Comparison | None":
        """The best two on the same test drawings, None if there are no two; RunError when they cannot be compared."""
        from quickdraw.analysis.comparison import compare

        return compare(*self.best_two) if self.best_two else None

    @cached_property
    def search(self) -> SearchRecord | None:
        """What an adaptive search left beside its jobs; None of another sweep."""
        return read_search(self.folder)


def read_sweep(folder: Path) -> Sweep:
    """The sweep in a folder with one folder a job."""
    return Sweep(folder, read_runs(folder))
