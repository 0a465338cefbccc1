"""Do the verdicts hold? Races and comparisons simulated on scores whose truth is known; nothing is trained.

    python -m benchmarks.race                 all tables, some minutes on two cores
    python -m benchmarks.race --races 200     fewer races of each kind
    python -m benchmarks.race --table race    one table: race, equal, patient, others or verdict

The unit is one deviation: how much the score of a setting varies from seed to seed, once what a seed does to all
settings alike (here another deviation) is taken out. "Spread by 2 deviations": true means drawn for every race from a
normal distribution with a standard deviation of 2. "Noisier": the deviation grows in equal steps from 1 for the best of
the settings to 3 for the worst. The fixed design trains every setting with 20 seeds. Always the same random numbers.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quickdraw.statistics.best import compare_with_best
from quickdraw.statistics.race import decide

Floats = NDArray[np.float64]
Run = Callable[[Callable[[int], Any]], Floats]
SEEDS = 20


@dataclass(frozen=True)
class Truth:
    """A kind of sweep: how the true means [K], best first, and the deviations [K] of its settings are drawn."""

    name: str
    settings: int
    spread: float = 2.0
    even: bool = False
    noise: tuple[float, float] = (1.0, 1.0)
    one_noisy: bool = False

    def means(self, rng: np.random.Generator) -> Floats:
        """True means, float64 [K], best first."""
        if self.even:
            return np.linspace(self.spread, 0.0, self.settings)
        return -np.sort(-self.spread * rng.standard_normal(self.settings))

    def scores(self, rng: np.random.Generator, seeds: int = SEEDS) -> tuple[Floats, Floats]:
        """True means [K], with what these seeds do to all alike on average, and scores [K, N]."""
        means = self.means(rng)
        deviations = np.linspace(*self.noise, self.settings)
        if self.one_noisy:
            deviations[1:] = self.noise[1]
        own = deviations[:, None] * rng.standard_normal((self.settings, seeds))
        common = rng.standard_normal(seeds)
        return means + common.mean(), means[:, None] + own + common


RACES = [
    *(Truth(f"{settings} settings, true means spread by 2 deviations", settings) for settings in (4, 12, 36)),
    Truth("12 settings, the same, worse ones noisier (1 to 3)", 12, noise=(1.0, 3.0)),
]
OTHERS = [
    Truth("12 settings, the same, better ones noisier (3 to 1)", 12, noise=(3.0, 1.0)),
    Truth("12 settings, means in equal steps over a range of 2", 12, even=True),
    Truth("12 settings, means in equal steps over a range of 6", 12, spread=6.0, even=True),
]
EQUAL = [
    *(Truth(f"{settings} settings, all equal", settings, spread=0.0) for settings in (4, 12, 36)),
    Truth("12 settings, equal means, deviations 1 to 3", 12, spread=0.0, noise=(1.0, 3.0)),
    Truth("12 settings, equal means, deviations 3, 1, 1, ...", 12, spread=0.0, noise=(3.0, 1.0), one_noisy=True),
]


def as_scores(values: Floats) -> dict[str, dict[int, float]]:
    """Scores [K, N] by setting and seed; the best setting is called 000."""
    return {f"{place:03d}": dict(enumerate(row.tolist())) for place, row in enumerate(values)}


def race(truth: Truth, options: dict[str, Any], number: int) -> tuple[float, bool, bool, bool]:
    """One race: its part of the fixed design's trainings; whether it lost its best, names one, and the right one."""
    rng = np.random.default_rng([number, truth.settings])
    _, values = truth.scores(rng)
    decision = decide(as_scores(values), max_seeds=SEEDS, **options)
    return decision.jobs / values.size, "000" not in decision.kept, decision.best is not None, decision.best == "000"


def race_lines(run: Run, truths: list[Truth], options: dict[str, Any]) -> Iterator[str]:
    """A table of races, in Markdown."""
    yield "| settings | trainings | best lost | names one best | of these, wrong |"
    yield "|---|---|---|---|---|"
    for truth in truths:
        used, lost, named, right = run(partial(race, truth, options)).mean(axis=0)
        wrong = 1 - right / named if named else 0.0
        yield f"| {truth.name} | {used:.1%} | {lost:.1%} | {named:.1%} | {wrong:.1%} |"


def verdict(truth: Truth, seeds: int, number: int) -> tuple[float, ...]:
    """One grid: best lost, one named, wrongly, margin wrong; by how much the winner is too high, corrected too."""
    rng = np.random.default_rng([number, truth.settings, seeds])
    means, values = truth.scores(rng, seeds)
    found = compare_with_best(as_scores(values))
    winner = found.standings[0]
    plain, corrected = (score - means[int(winner.name)] for score in (winner.mean, found.corrected))
    missed = False
    if found.margin:
        difference = means[int(found.margin.leader)] - means[int(found.margin.second)]
        missed = not found.margin.low <= difference <= found.margin.high
    lost, named = "000" not in found.may_be_best, found.best is not None
    return lost, named, named and found.best != "000", missed, plain, corrected


def verdict_lines(run: Run) -> Iterator[str]:
    """The table of grids, in Markdown."""
    yield "| settings | best lost | names one best | wrongly | margin misses | winner too high | once corrected |"
    yield "|---|---|---|---|---|---|---|"
    for spread in (0.0, 0.5, 2.0):
        for settings in (4, 12, 36):
            truth = Truth("", settings, spread)
            lost, named, wrong, missed, plain, corrected = run(partial(verdict, truth, 3)).mean(axis=0)
            yield (
                f"| {settings} settings, spread by {spread:g}, 3 seeds | {lost:.1%} | {named:.1%} | {wrong:.1%} "
                f"| {missed:.1%} | {plain:+.2f} | {corrected:+.2f} |"
            )


def tables(run: Run) -> dict[str, Iterator[str]]:
    """The tables by name."""
    return {
        "race": race_lines(run, RACES, {}),
        "equal": race_lines(run, EQUAL, {"futility": 0.0}),
        "patient": race_lines(run, RACES, {"futility": 0.0}),
        "others": race_lines(run, OTHERS, {}),
        "verdict": verdict_lines(run),
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=2000)
    parser.add_argument("--table", help="only this one")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:

        def run(one: Callable[[int], Any]) -> Floats:
            return np.array(list(pool.map(one, range(arguments.races), chunksize=20)), dtype=float)

        for name, lines in tables(run).items():
            if arguments.table in (None, name):
                print(f"\n{name}, {arguments.races} each")
                for line in lines:
                    print(line, flush=True)


if __name__ == "__main__":
    main()
