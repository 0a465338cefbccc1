"""A saved run as overrides again, for `resume=` and `rerun=`."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hydra_plugins.quickdraw_cli.choices import leads_out
from hydra_plugins.quickdraw_cli.resolvers import CONF, composed
from quickdraw import console, settings
from quickdraw.errors import RunError
from quickdraw.run.folder import RunFolder


def with_resume(arguments: list[str]) -> list[str] | None:
    """Turn `resume=FOLDER` into that run's own overrides and folder; what else was typed comes after them.

    Returns None, after saying so, for a run that is completed: nothing may write to its folder. Whether what was typed
    is what the run has, `before_run` finds.
    """
    folder, typed = taken_out("resume", arguments)
    if folder is None:
        return arguments
    if {"-m", "--multirun"} & set(arguments):
        raise RunError("resume=FOLDER continues one run: leave -m out, or start the sweep's own command again")
    run = RunFolder(folder)
    check_name(run)
    run.check_damage()
    if not run.begun:
        raise RunError(f"resume={run.path}: expected the folder of a run that began; start a new one, without resume=")
    result = run.result()
    if result and not typed:
        console.say(run.nothing_to_do(result))
        return None
    return [*own_overrides(run), *typed, f"hydra.run.dir={quoted(str(run.path.absolute()))}"]


def with_rerun(arguments: list[str]) -> list[str]:
    """Turn `rerun=FOLDER` into that run's own overrides, for a new folder; what else was typed comes after them."""
    folder, typed = taken_out("rerun", arguments)
    if folder is None:
        return arguments
    if {"-m", "--multirun"} & set(arguments) or any(argument.startswith("resume=") for argument in arguments):
        raise RunError("rerun=FOLDER repeats one run: leave -m and resume= out")
    run = RunFolder(folder)
    run.check_damage()
    if not (run.result() and list(run.path.glob("weights/*.pth"))):
        raise RunError(f"rerun={run.path}: expected the folder of a completed run; to finish one, resume={run.path}")
    _, saved = taken_out("rerun", own_overrides(run))
    return [*saved, *typed, f"rerun={quoted(str(run.path))}"]


def check_name(run: RunFolder) -> None:
    """Raise RunError for a folder that Hydra would not find again: it resolves each `${` in a name."""
    if "${" in str(run.path.absolute()):
        raise RunError(f"resume={run.path}: expected a folder without ${{ in its path; rename it, and resume that")


def taken_out(key: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The folder that `KEY=FOLDER` names, None without any, and the arguments without it."""
    values, others = [], []
    for argument in arguments:
        if argument.startswith(f"{key}="):
            values.append(console.without_quotes(argument.removeprefix(f"{key}=")))
        else:
            others.append(argument)
    named_last = values[-1] if values else "null"
    return None if named_last in ("", "null") else named_last, others


def own_overrides(run: RunFolder) -> list[str]:
    """The overrides that give a run its settings again; raises RunError or ConfigError for what no run saves.

    They are those that it saved, unless it took files from elsewhere (`--config-dir`): then what these files set is
    written out. So such a run is continued wherever they are now, and no file that a stranger names is read.
    """
    saved = saved_overrides(run)
    wanted = settings.decoded(run.status["config"])
    if not run.status.get("config_from"):
        return resolved(saved, settings.flatten(wanted))
    settings.check(wanted)
    choices = [text for text in saved if is_choice_of_ours(text)]
    return [*choices, *written_out(settings.flatten(composed(choices)), settings.flatten(wanted))]


def resolved(saved: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Overrides with the value that a run had in place of one that is computed, such as `exp_name=x-${now:%H-%M}`."""
    texts = []
    for text in saved:
        key = text.partition("=")[0].lstrip("+")
        if "${" in text and key in values:
            text = f"{key}={literal(values[key])}"
        texts.append(text)
    return texts


def is_choice_of_ours(text: str) -> bool:
    """Whether an override chooses a file of `conf/`."""
    override = OverridesParser.create().parse_override(text)
    return (CONF / override.key_or_group / f"{override.value()}.yaml").is_file()


def written_out(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield the overrides that turn one flat configuration into another."""
    for key in sorted(base.keys() | wanted.keys()):
        if key.startswith("trainer.schedule."):  # it reads the group of that name
            continue
        if key not in wanted:
            yield f"~{key}"
        elif key not in base:
            yield f"+{key}={literal(wanted[key])}"
        elif base[key] != wanted[key]:
            yield f"{key}={literal(wanted[key])}"


def literal(value: Any) -> str:
    """A value as Hydra's override grammar takes it."""
    if isinstance(value, list):
        return f"[{','.join(map(literal, value))}]"
    if isinstance(value, str):
        return quoted(value)
    return "inf" if value == math.inf else settings.shown(value)


def config_from(hydra: HydraConf) -> list[str]:
    """Where a configuration comes from beside `conf/config.yaml` and its groups: folders, the name of another file."""
    folders = [source.path for source in hydra.runtime.config_sources if source.schema == "file"]
    others = [folder for folder in folders if Path(folder).resolve() != CONF]
    name = str(hydra.job.config_name)
    return others if name == "config" else [*others, name]


def saved_overrides(run: RunFolder) -> list[str]:
    """The overrides of the run's own command line; raises RunError unless it sets only keys of the project.

    Hydra builds what the keys below `hydra` name, and obeys options, before any check of ours is called.
    """
    saved: list[str] = run.status.get("overrides", [])
    try:
        bad = [text for text in saved if not harmless(text)]
    except (HydraException, TypeError):  # an option, or no list of texts
        bad = saved
    if bad:
        raise RunError(f"{run.path / 'status.json'}: expected overrides of this project's keys, got {bad!r:.100}")
    return saved


def harmless(text: str) -> bool:
    """Whether an override sets a key of the project, or chooses one of a group's own files."""
    override = OverridesParser.create().parse_override(text)
    names = re.split(r"[./]", f"{override.key_or_group}.{override.package or ''}")
    return "hydra" not in names and not leads_out(override)


def quoted(text: str) -> str:
    """A text as Hydra's override grammar takes it, where a backslash means itself unless a quote follows."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + found[2].replace("'", r"\'"), text) + "'"
