"""The sweeper: from its keys and the command line to a RaceRunner."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import ListConfig, OmegaConf

from hydra_plugins.quickdraw_launcher._adaptive import AdaptiveSweeper, as_overrides, check_keys
from hydra_plugins.quickdraw_optuna.grammar import NOT_SEARCHABLE, SEED_KEYS, split
from quickdraw.analysis.race import RULES, Race
from quickdraw.console import say
from quickdraw.errors import ConfigError
from quickdraw.locks import Timeout, take_lock
from quickdraw.rules import either, whole
from quickdraw.run.listing import SPLIT_SEED
from quickdraw.search.space import drawn, overrides_of
from quickdraw.sweep.job import Job
from quickdraw.sweep.places import check_folders
from quickdraw.sweep.runner import display_names

SETTINGS_RULES = {"n_settings": either(whole(2), None), "seed": whole(0)}
FIRST_LOOK = 2  # seeds


class RaceSweeper(AdaptiveSweeper):
    """Races settings: a grid, or `n_settings` drawn at random. The arguments are explained in its yaml file."""

    def __init__(
        self,
        max_seeds: int,
        max_jobs: int | None,
        tolerance: float,
        futility: float,
        looks: Sequence[int] | None,
        confirm: int,
        vary: Sequence[str],
        n_settings: int | None,
        seed: int,
        params: Mapping[str, Any] | None,
    ) -> None:
        given = locals()
        for key in ("looks", "vary"):
            if isinstance(given[key], ListConfig):
                given[key] = OmegaConf.to_container(given[key])
        check_keys(given, RULES | SETTINGS_RULES)
        self.keys = {key: given[key] for key in RULES}
        self.n_settings, self.seed = n_settings, seed
        self.params = as_overrides(params)

    def sweep(self, arguments: list[str]) -> None:
        """Race the settings that the arguments describe; raises what `RaceRunner.run` does."""
        from quickdraw.race.runner import RaceRunner  # numpy, when there is something to race

        entered = self._entered(self.parsed(arguments))
        jobs = self.launcher.jobs()
        jobs.warm_up()  # it imports torch meanwhile
        settings, first = self._named(entered)
        self._check_budget(len(settings))
        race = Race(self.keys, first.get("seed", 0), {name: {} for name in settings})

        def compose(name: str, seed: int) -> Job:
            return self.launcher.job([*settings[name], *self._block(seed, first)], seed)

        if self.launcher.dry_run:
            say(RaceRunner(jobs, race, compose).preview())
            return
        jobs.folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, jobs.folder / "multirun.yaml")
        try:
            with take_lock(jobs.folder / ".race.lock", timeout_s=0):
                RaceRunner(jobs, race, compose, self.launcher.report).run(self.launcher.fail_fast)
        except Timeout:
            raise ConfigError(f"{jobs.folder}: another process runs this race; wait for it or stop it") from None

    def _block(self, seed: int, first: Mapping[str, Any]) -> list[str]:
        """The overrides that all settings of a round share; `first` is the configuration of the first setting."""
        if SPLIT_SEED not in self.keys["vary"]:
            return [f"seed={seed}"]
        data = first["data"]
        test_seed = data["split_seed"] if data["test_seed"] is None else data["test_seed"]
        return [f"seed={seed}", f"{SPLIT_SEED}={seed}", f"data.test_seed={test_seed}"]

    def _entered(self, overrides: Sequence[Override]) -> list[list[str]]:
        """The overrides of each setting; raises ConfigError if they describe no race."""
        complaints, intervals = [], []
        for override in overrides:
            key = override.key_or_group
            if not override.is_sweep_override():
                continue
            if key in SEED_KEYS:
                complaints.append(f"{key}: a race gives its settings their seeds: hydra.sweeper.max_seeds=20")
            elif key in NOT_SEARCHABLE:
                complaints.append(f"{key}: it cannot be raced")
            if isinstance(override.value(), IntervalSweep):
                intervals.append(str(key))
        if intervals and self.n_settings is None:
            complaints.append(f"{', '.join(intervals)}: say how many settings to draw: hydra.sweeper.n_settings=12")
        if complaints:
            raise ConfigError(f"{'; '.join(complaints)}\nno job was started")
        if self.n_settings is None:
            (combinations,) = BasicSweeper.split_arguments(list(overrides), None)
            return [list(combination) for combination in combinations]
        fixed, axes = split(overrides)
        return [[*fixed, *overrides_of(params)] for params in drawn(axes, self.n_settings, self.seed)]

    def _named(self, entered: Sequence[list[str]]) -> tuple[dict[str, list[str]], dict[str, Any]]:
        """The overrides of each setting by its name, and the configuration of the first.

        Raises ConfigError if there are no two, or if their scores would not be measured on the same drawings.
        """
        from quickdraw.analysis.judged import unlike

        # Composed once with the first seed: equal settings share a folder, and so become one.
        probes: dict[Any, tuple[Job, list[str]]] = {}
        for overrides in entered:
            job = self.launcher.job(overrides, len(probes))
            probes.setdefault(job.folder, (job, overrides))
        first, overrides = next(iter(probes.values()))
        first_seed = first.config.get("seed", 0)
        if len(probes) < 2:
            raise ConfigError("nothing to race: give at least one setting several values, optimizer.lr=1e-3,3e-3")
        check_folders([first, self.launcher.job([*overrides, f"seed={first_seed + 1}"], 1)])

        # What decides the drawings or the score is no setting that could be better.
        runs = [job.on_disk() for job, _ in probes.values()]
        keys = unlike(runs)
        if keys:
            raise ConfigError(
                f"{', '.join(keys)}: expected one value, because a race compares scores on the same drawings; "
                "a grid ranks such settings: leave hydra/sweeper=race out"
            )
        names = display_names(runs)
        settings = {}
        for folder, (_, overrides) in probes.items():
            name = names[folder]
            settings[folder.name if name in settings else name] = overrides
        return settings, first.config

    def _check_budget(self, count: int) -> None:
        """Raise ConfigError if the budget does not reach to the first look."""
        most, confirm = self.keys["max_jobs"], self.keys["confirm"]
        seeds = min([*(self.keys["looks"] or [FIRST_LOOK]), self.keys["max_seeds"]])
        if most is not None and most < count * seeds + confirm:
            raise ConfigError(
                f"hydra.sweeper.max_jobs: expected at least {count * seeds + confirm}, got {most}: "
                f"{count} settings take {seeds} seeds each, and the first one {confirm} fresh ones"
            )
