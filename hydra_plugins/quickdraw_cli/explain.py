"""Hydra's errors in one line: what was mistyped, and the nearest real name."""

import re
import sys
from collections.abc import Sequence

import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.quickdraw_cli.own_files import yaml_error
from hydra_plugins.quickdraw_cli.resolvers import CONF, composed
from quickdraw.errors import ConfigError
from quickdraw.settings import nearest


def explained(error: Exception) -> ConfigError | None:
    """What the user can do about an error of Hydra or OmegaConf over the command line; None for another one."""
    text = str(error)
    if isinstance(error, yaml.YAMLError):
        return yaml_error(error)
    key = re.search(r"Could not (?:override|append|delete).*?'([^']+)'", text)
    if key and (CONF / key[1]).is_dir():
        choices = sorted(path.stem for path in (CONF / key[1]).glob("*.yaml"))
        return ConfigError(f"{key[1]}: expected one of {', '.join(choices)}")
    if key and any(words in text + str(error.__cause__) for words in ("is not in struct", "does not exist")):
        return no_such_key(key[1])
    several = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.+?)'(?:\n| requires)", text)
    if several:
        return ConfigError(
            f"{several[1]}: several values are a sweep, which needs -m; a list is typed in brackets, [a,b]"
        )
    twice = re.search(r"Multiple values for (\S+)\. To override a value use 'override \S+: (\S+)'", text)
    if twice:
        return ConfigError(f"{twice[1]} is chosen already: type {twice[1]}={twice[2]}, without a plus")
    if "INTERVAL_SWEEP" in text:
        return ConfigError("an interval is searched by hydra/sweeper=optuna; the grid takes values, such as seed=0,1,2")
    option = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if option and "Available options" in text:
        options = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
        return ConfigError(
            f"{option[1]}={option[2]}: expected one of {', '.join(options)}{nearest(option[2], options)}"
        )
    group = re.search(r"Could not override '([^']+)'\.\s*No match in the defaults list", text)
    if group:
        return ConfigError(f"there is no key or group '{group[1]}'{nearest(group[1], all_keys())}")
    nothing = [argument for argument in sys.argv[1:] if argument.removesuffix("=null") in groups()]
    if "Config group override must be" in text and nothing:
        return ConfigError(f"{nothing[0]}: expected a choice, such as those of --help")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ConfigError(": ".join(lines[:2])) if isinstance(error, HydraException | OmegaConfBaseException) else None


def no_such_key(key: str) -> ConfigError:
    """A key that the configuration does not have: which choices of its group have it, otherwise the nearest one."""
    group, _, name = key.partition(".")
    files = sorted((CONF / group).glob("*.yaml"))
    owners = [f"{group}={path.stem}" for path in files if OmegaConf.select(OmegaConf.load(path), name) is not None]
    if len(owners) == 1:
        return ConfigError(f"{key}: only {owners[0]} has it")
    if owners:
        return ConfigError(f"{key}: only {' and '.join(owners)} have it")
    return ConfigError(f"there is no key '{key}'{nearest(key, all_keys())}")


def unreadable(arguments: Sequence[str]) -> ConfigError | None:
    """What is wrong with the first of these arguments that is no override in Hydra's grammar, if one is not."""
    for argument in get_args_parser().parse_args(arguments).overrides:
        try:
            if OverridesParser.create().parse_override(argument).key_or_group:
                continue
        except HydraException:
            pass
        return ConfigError(
            f"{argument}: expected KEY=VALUE, such as optimizer.lr=1e-3; "
            "a value with other letters or signs needs quotes of its own: \"data.root='Zoë (1)'\""
        )
    return None


def all_keys() -> list[str]:
    """Every key of the default configuration and every group."""
    from quickdraw.rules import RULES
    from quickdraw.settings import flatten

    return sorted({*flatten(composed()), *RULES, *groups()})


def groups() -> list[str]:
    """The groups of the configuration."""
    return [path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra"]
