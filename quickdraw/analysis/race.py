"""A race as it stands on the disk: `race.json` says what races and by which rules, the jobs' folders how it went."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import TYPE_CHECKING, Any

from quickdraw.analysis.ranking import Setting
from quickdraw.files import read_json, write_json
from quickdraw.metrics import lower_is_better
from quickdraw.rules import FRACTION, NOT_NEGATIVE, Rule, either, whole
from quickdraw.run.listing import SPLIT_SEED, Run, place_in

if TYPE_CHECKING:
    from quickdraw.statistics.race import Decision

FILE = "race.json"
MOST_SEEDS = 1000
FRESH = MOST_SEEDS  # the fresh seeds lie so far behind the first: no race, however large, chooses by them


def is_looks(value: Any) -> bool:
    """Whether a value is a list of whole numbers from 2 up."""
    return isinstance(value, list) and bool(value) and all(map(whole(2).holds, value))


def is_varied(value: Any) -> bool:
    """Whether a value lists what varies from block to block: the seed, and perhaps the split."""
    return value in (["seed"], ["seed", SPLIT_SEED])


RULES: dict[str, Rule] = {
    "max_seeds": whole(2, most=MOST_SEEDS),
    "max_jobs": either(whole(1), None),
    "tolerance": NOT_NEGATIVE,
    "futility": FRACTION,
    "looks": either(Rule(is_looks, "a list of whole numbers from 2 up"), None),
    "confirm": whole(0, most=MOST_SEEDS),
    "vary": Rule(is_varied, f"[seed], or [seed, {SPLIT_SEED}]"),
}
Folders = dict[str, dict[int, str]]  # of jobs, as paths below the sweep's folder, by setting and seed


@dataclass
class Race:
    """What races. `keys` are those of RULES; `fresh` are the jobs of a leader with seeds that did not choose it."""

    keys: dict[str, Any]
    first_seed: int
    jobs: Folders
    fresh: Folders = field(default_factory=dict)

    @property
    def fresh_seeds(self) -> range:
        """The seeds that choose nothing."""
        first = self.first_seed + FRESH
        return range(first, first + self.keys["confirm"])

    @property
    def most_jobs(self) -> int:
        """The number of jobs that the race may take, the fresh ones among them."""
        most = len(self.jobs) * self.keys["max_seeds"] + self.keys["confirm"]
        return min(most, self.keys["max_jobs"] or most)

    def decision(self, runs: Mapping[str, Run]) -> "Decision":
        """How the race stands by some runs, by their paths below the sweep's folder."""
        from quickdraw.statistics.race import decide

        rules = dict(self.keys)
        confirm = rules.pop("confirm")
        del rules["vary"]
        if rules["max_jobs"] is not None:
            rules["max_jobs"] -= confirm
        seeds = range(self.first_seed, self.first_seed + rules["max_seeds"])
        return decide(scores(self.jobs, runs), seeds=seeds, **rules)

    def settings(self, decision: "Decision", runs: Mapping[str, Run]) -> list[Setting]:
        """The settings as the race ranks them: those that are left, best first, then those that fell, the last first.

        A setting has the runs that the race used, and no other that lies in the folder.
        """
        fallen = [dropped.name for dropped in reversed(decision.dropped)]
        settings = []
        for name in (*decision.kept, *fallen):
            scored = []
            for place in self.jobs[name].values():
                run = runs.get(place)
                if run and (run.score is not None or run.state == "diverged"):
                    scored.append(run)
            if scored:
                settings.append(Setting(name, scored))
        return settings

    def places(self, seeds: int) -> set[str]:
        """The folders of the jobs with the first so many seeds, as paths below the sweep's folder."""
        found = set()
        for places in self.jobs.values():
            for seed, place in places.items():
                if seed < self.first_seed + seeds:
                    found.add(place)
        return found

    def save(self, folder: Path) -> None:
        """Write `race.json` into the sweep's folder."""
        write_json(folder / FILE, asdict(self))


def scores(folders: Mapping[str, Mapping[int, str]], runs: Mapping[str, Run]) -> dict[str, dict[int, float]]:
    """The scores by setting and seed, higher is better; nan for a run that diverged."""
    table: dict[str, dict[int, float]] = {}
    for name, places in folders.items():
        table[name] = {}
        for seed, place in places.items():
            run = runs.get(place)
            if run is None:
                continue
            if run.state == "diverged":
                table[name][seed] = math.nan
            elif run.score is not None:
                table[name][seed] = run.score
    return table


def by_place(folder: Path, runs: Iterable[Run]) -> dict[str, Run]:
    """Runs by their paths below a sweep's folder."""
    return {place_in(folder, run.folder): run for run in runs}


def read_race(folder: Path) -> Race | None:
    """The race in a sweep's folder; None if there is none, or its file is not what `Race.save` writes."""
    found = read_json(folder / FILE)
    if found is None:
        return None
    keys, first_seed = found.get("keys"), found.get("first_seed")
    jobs, fresh = read_folders(found.get("jobs")), read_folders(found.get("fresh"))
    if not (isinstance(keys, dict) and keys.keys() == RULES.keys() and whole(0).holds(first_seed)):
        return None
    if jobs is None or fresh is None or not all(RULES[key].holds(value) for key, value in keys.items()):
        return None
    return Race(keys, int(first_seed or 0), jobs, {name: fresh[name] for name in fresh if name in jobs})


def read_folders(value: Any) -> Folders | None:
    """The folders of jobs by setting and seed; None if that is not what the value holds."""
    if not isinstance(value, dict):
        return None
    folders: Folders = {}
    for name, places in value.items():
        if not isinstance(places, dict):
            return None
        folders[name] = {}
        for seed, place in places.items():
            if not (seed.isdecimal() and seed.isascii() and len(seed) < 20 and is_inside(place)):
                return None
            folders[name][int(seed)] = place
    return folders


def is_inside(place: Any) -> bool:
    """Whether a value is a path that leads below the folder that it starts in."""
    if not isinstance(place, str):
        return False
    path = PurePosixPath(place)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


@dataclass(frozen=True)
class Confirmation:
    """A setting's mean score over seeds that did not choose it, as it was measured, in [low, high] at 95 %."""

    setting: str
    seeds: int
    mean: float
    low: float
    high: float
    test_accuracy: float


def confirmation(race: Race, decision: "Decision", runs: Mapping[str, Run], metric: str) -> Confirmation | None:
    """How the first setting does with its fresh seeds; None before all of them are there.

    The interval is by the deviation over seeds that all settings of the race show together.
    """
    from quickdraw.analysis.judged import bounds_of
    from quickdraw.statistics.best import mean_half_widths
    from quickdraw.statistics.scores import score_table

    if not (decision.finished and decision.kept):
        return None
    name, lower = decision.kept[0], lower_is_better(metric)
    fresh = scores({"": race.fresh.get(name, {})}, runs)
    if len(fresh[""]) < max(1, len(race.fresh_seeds)) or not all(map(math.isfinite, fresh[""].values())):
        return None
    table = score_table(scores(race.jobs, runs) | fresh)
    half, _ = mean_half_widths(table.values, 0.95)
    mean, width = fmean(fresh[""].values()), float(half[table.names.index("")])
    if lower:
        mean = -mean
    least, most = bounds_of(metric)
    low, high = max(mean - width, least), min(mean + width, most)
    tested = [runs[place].result["test_accuracy"] for place in race.fresh[name].values()]
    return Confirmation(name, len(tested), mean, low, high, fmean(tested))


def confirmed_in_words(found: Confirmation | None, metric: str) -> str:
    """The first setting's score with fresh seeds; empty before it is known."""
    if found is None:
        return ""
    seeds = "1 fresh seed" if found.seeds == 1 else f"{found.seeds} fresh seeds"
    return (
        f"With {seeds}, which did not choose it, {found.setting} has {metric} {found.mean:.4f} "
        f"(95 %: {found.low:.4f} to {found.high:.4f}), test_accuracy {found.test_accuracy:.4f}."
    )
