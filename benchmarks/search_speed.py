"""How soon a good setting is found: grid, random, TPE, and TPE with pruning, at equal training time.

    python -m benchmarks.search_speed                 real drawings in ../shared, about 20 minutes of one core
    python -m benchmarks.search_speed --minutes 2     only so long; the same command goes on where this one stopped
    python -m benchmarks.search_speed --minutes 0     table and figure of what there is

The searches are those of `hydra/sweeper=optuna` with its default keys, on the study, samplers and pruner that it uses.
Every training is real: 9 epochs of the ConvNet on 300 drawings a class, one thread. A training second is a second of
processor time, validation included, so that a busy machine does not change the result. The grid's order means nothing,
so its curve is that of five shuffled orders.
"""

import argparse
import itertools
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from quickdraw.files import atomic_write, write_json
from quickdraw.search.space import Axis, Params

ROOT = Path(__file__).parents[1]
DRAWINGS = ROOT.parent / "shared" / "quickdraw" / "bitmap"
FIGURE = ROOT / "docs" / "images" / "search_speed.png"
EPOCHS = 9
LIMIT = 300
SEEDS = range(5)
AXES = [
    Axis("optimizer.lr", 1e-4, 1e-1, log=True),
    Axis("dropout_rate", 0.0, 0.6),
    Axis("data.batch_size", choices=(64, 128, 256)),
]
GRID = {
    "optimizer.lr": (1e-4, 1e-3, 1e-2, 1e-1),
    "dropout_rate": (0.0, 0.3, 0.6),
    "data.batch_size": (64, 128, 256),
}
METHODS = {"random": ("random", "none"), "TPE": ("tpe", "none"), "TPE with pruning": ("tpe", "asha")}
Curve = list[tuple[float, float]]  # seconds of training, and the best validation accuracy by then


class Trainer:
    """Trains settings, each once: what was trained before is read from `curves.json`."""

    def __init__(self, folder: Path, until: float) -> None:
        self.path = folder / "curves.json"
        self.known: dict[str, Any] = json.loads(self.path.read_bytes()) if self.path.exists() else {}
        self.until = until
        self.data: dict[int, Any] = {}

    def __call__(self, params: Params, seed: int, hopeless: Callable[[list[float]], bool]) -> tuple[list[float], float]:
        """Return the validation accuracy after each epoch, and the seconds; no further than `hopeless` lets it."""
        key = json.dumps([params, seed], sort_keys=True)
        known = self.known.get(key, {"scores": [], "seconds": []})
        scores: list[float] = []
        for score in known["scores"]:
            scores.append(score)
            if len(scores) == EPOCHS or hopeless(scores):
                return scores, sum(known["seconds"][: len(scores)])
        if time.monotonic() > self.until:
            raise TimeoutError
        scores, seconds = self._train(params, seed, hopeless)
        self.known[key] = {"scores": scores, "seconds": seconds}
        write_json(self.path, self.known)
        return scores, sum(seconds)

    def _train(
        self, params: Params, seed: int, hopeless: Callable[[list[float]], bool]
    ) -> tuple[list[float], list[float]]:
        import torch

        from quickdraw import engine, seeding
        from quickdraw.data.bitmaps import Bitmaps
        from quickdraw.data.names import DEFAULT_CLASSES
        from quickdraw.errors import DivergedError, PrunedError
        from quickdraw.model.convnet import ConvNet
        from quickdraw.schedule import one_cycle

        torch.set_num_threads(1)
        batch_size = params["data.batch_size"]
        if batch_size not in self.data:
            cache = str(self.path.parent / "cache")
            self.data[batch_size] = Bitmaps(
                str(DRAWINGS), list(DEFAULT_CLASSES), batch_size=batch_size, limit_per_class=LIMIT, cache=cache
            )
        data = self.data[batch_size]
        seeding.seed_everything(seed)
        net = ConvNet(dropout_rate=params["dropout_rate"])
        optimizer = torch.optim.AdamW(net.parameters(), lr=params["optimizer.lr"], weight_decay=0.01, fused=True)
        scores: list[float] = []
        seconds: list[float] = []
        begin = time.process_time()

        def on_epoch(record: dict[str, Any]) -> None:
            nonlocal begin
            scores.append(record["val_accuracy"])
            seconds.append(time.process_time() - begin)
            if len(scores) < EPOCHS and hopeless(scores):
                raise PrunedError("")
            begin = time.process_time()

        try:
            engine.train(
                net,
                optimizer,
                data.train,
                data.val,
                epochs=EPOCHS,
                schedule=one_cycle,
                seed=seed,
                precision="float32",
                progress=False,
                on_epoch=on_epoch,
            )
        except PrunedError:
            pass
        except DivergedError:  # none did; it would count as chance
            scores += [0.1] * (EPOCHS - len(scores))
            seconds += [0.0] * (EPOCHS - len(seconds))
        return scores, seconds


def never(scores: list[float]) -> bool:
    """Let every training come to its end."""
    return False


def grid(train: Trainer) -> list[tuple[Params, float, float]]:
    """Return the grid's settings, each with its best validation accuracy and its seconds of training."""
    rows = []
    for values in itertools.product(*GRID.values()):
        params = dict(zip(GRID, values, strict=True))
        scores, seconds = train(params, 0, never)
        rows.append((params, max(scores), seconds))
    return rows


def search(train: Trainer, folder: Path, method: str, seed: int, budget_s: float) -> Curve:
    """Search until the budget is spent, or go on with a search; return its curve."""
    from quickdraw.search.pruning import make_pruner
    from quickdraw.search.sampling import Proposer
    from quickdraw.search.study import Study

    sampler, pruner = METHODS[method]
    folder = folder / f"{method.replace(' ', '_')}_{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(folder, Proposer(AXES, sampler, seed, 10), make_pruner(pruner, 1, 3, 10), "maximize")
    lost = study.unfinished()
    while sum(trial.user_attrs["seconds"] for trial in study.trials() if trial.state.is_finished()) < budget_s:
        proposal = lost.pop() if lost else study.ask()

        def hopeless(scores: list[float], number: int = proposal.number) -> bool:
            study.report(number, scores)
            return len(scores) < EPOCHS and study.should_prune(number)

        scores, seconds = train(proposal.params, 0, hopeless)
        study.report(proposal.number, scores)
        state = "completed" if len(scores) == EPOCHS else "pruned"
        study.tell(proposal.number, {"state": state, "epochs": len(scores), "seconds": seconds}, max(scores))
    spent, best, curve = 0.0, 0.0, []
    for trial in study.trials():
        if trial.state.is_finished():
            spent += trial.user_attrs["seconds"]
            best = max(best, trial.value) if trial.user_attrs["state"] == "completed" else best
            curve.append((spent, best))
    return curve


def shuffled(rows: list[tuple[Params, float, float]], seed: int) -> Curve:
    """Return the curve of the grid in a random order."""
    order = random.Random(seed).sample(rows, len(rows))
    seconds = itertools.accumulate(row[2] for row in order)
    best = itertools.accumulate((row[1] for row in order), max)
    return list(zip(seconds, best, strict=True))


def at(curve: Curve, seconds: float) -> float:
    """Return the best accuracy by a time."""
    return max([best for spent, best in curve if spent <= seconds], default=0.0)


def reached(curve: Curve, score: float) -> float | None:
    """Return the seconds after which a score was reached."""
    return next((spent for spent, best in curve if best >= score), None)


def main() -> None:
    """Train what is missing, then print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many minutes")
    parser.add_argument("--folder", type=Path, default=Path("outputs/search_speed"))
    arguments = parser.parse_args()
    if not DRAWINGS.is_dir():
        sys.exit("error: this needs the real drawings in ../shared/quickdraw/bitmap")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    train = Trainer(arguments.folder, time.monotonic() + 60 * arguments.minutes)
    curves: dict[str, list[Curve]] = {}
    try:
        rows = grid(train)
        budget_s = sum(row[2] for row in rows)
        best_params, best, _ = max(rows, key=lambda row: row[1])
        own = [max(train(best_params, seed, never)[0]) for seed in range(5)]
        for seed in SEEDS:
            for method in METHODS:
                curves.setdefault(method, []).append(search(train, arguments.folder, method, seed, budget_s))
    except TimeoutError:
        print("time is up; the same command goes on")
    else:
        curves = {"grid": [shuffled(rows, seed) for seed in SEEDS]} | curves
        print(f"grid: {len(rows)} settings, {budget_s:.1f} s of training; the best, {best_params}: {best:.4f}")
        print(f"with other seeds, this setting has {fmean(own):.4f} ± {stdev(own):.4f}\n")
        print("\n".join(lines(curves, budget_s, [fmean(own) - stdev(own), best - stdev(own)])))
        draw(curves, budget_s, fmean(own), stdev(own))


def lines(curves: dict[str, list[Curve]], budget_s: float, targets: list[float]) -> Iterator[str]:
    """Yield the table, in Markdown: for each target, the median seconds to it and their part of the grid's."""
    heads = [f"seconds to {target:.4f} | of the grid's | reached by" for target in targets]
    yield f"| search | trials | best at a third of the time | at the end | {' | '.join(heads)} |"
    yield "|" + "---|" * (4 + 3 * len(targets))
    for method, several in curves.items():
        third, end = ([at(curve, seconds) for curve in several] for seconds in (budget_s / 3, math.inf))
        cells = [
            f"{fmean(map(len, several)):.0f}",
            *(f"{fmean(each):.4f} ± {stdev(each):.4f}" for each in (third, end)),
        ]
        for target in targets:
            times = [reached(curve, target) for curve in several]
            middle = median(math.inf if seconds is None else seconds for seconds in times)
            count = sum(seconds is not None for seconds in times)
            known = math.isfinite(middle)
            cells += [f"{middle:.1f}" if known else "-", f"{middle / budget_s:.2f}" if known else "-"]
            cells.append(f"{count} of {len(several)}")
        yield f"| {' | '.join([method, *cells])} |"


def draw(curves: dict[str, list[Curve]], budget_s: float, best: float, deviation: float) -> None:
    """Draw the best accuracy over time: the mean of the seeds, and from the worst to the best of them."""
    import io

    import numpy as np

    from quickdraw import plotting

    times = np.linspace(0, budget_s, 400)
    with plotting.figure(7.5, 4.2) as (made, axes):
        for color, (method, several) in enumerate(curves.items()):
            values = np.array([[at(curve, seconds) or np.nan for seconds in times] for curve in several])
            known = ~np.isnan(values).any(axis=0)
            axes.plot(times[known], values[:, known].mean(axis=0), color=f"C{color}", label=method)
            axes.fill_between(
                times[known], values[:, known].min(axis=0), values[:, known].max(axis=0), color=f"C{color}", alpha=0.12
            )
        axes.axhspan(
            best - deviation,
            best + deviation,
            color="black",
            alpha=0.12,
            label="the grid's best setting, ± its deviation over seeds",
        )
        axes.axvline(budget_s / 3, color="black", linewidth=0.8, linestyle=":")
        axes.annotate(
            "a third of the grid's time", (budget_s / 3 + 0.5, 0.96), xycoords=("data", "axes fraction"), fontsize=8
        )
        axes.set(
            title="Best setting so far, five searches each", xlabel="seconds of training", ylabel="validation accuracy"
        )
        axes.set_ylim(best - 0.09, best + 0.025)
        axes.legend(loc="lower right")
        file = io.BytesIO()
        made.savefig(file, format="png")
        FIGURE.parent.mkdir(exist_ok=True)
        atomic_write(FIGURE, file.getvalue())


if __name__ == "__main__":
    main()
