"""Hydra's options, wherever they are typed: argparse wants overrides in one place, and prints a block of text."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from hydra_plugins.quickdraw_cli import resolvers
from quickdraw.errors import ConfigError
from quickdraw.rules import RULES
from quickdraw.settings import nearest, top_level_keys

ANSWERED_ALONE = ("run", "multirun", "cfg", "info", "shell_completion")
COMPLETION = r"(install|uninstall|query)=(bash|fish|zsh)"


def options_last(arguments: Sequence[str]) -> list[str]:
    """The overrides, then the options, each with its value."""
    options, overrides = [], []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        options.append(argument)
        if left and takes(argument, left[0]):
            options.append(left.pop(0))
    return [*overrides, *options]


def takes(option: str, following: str) -> bool:
    """Whether an option takes the argument that follows it as its value."""
    action = known_options().get(option)
    if action is None or action.nargs == 0:
        return False
    return action.choices is None or following in action.choices


def known_options() -> dict[str, argparse.Action]:
    """Hydra's options by their names."""
    return dict(get_args_parser()._option_string_actions)


def check_options(arguments: Sequence[str]) -> None:
    """Raise ConfigError, one line, for an option that Hydra does not have, or whose value is not what it takes."""
    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    options, unknown = parser.parse_known_args(arguments)
    check_what_is_asked(options)
    for argument in unknown:
        setting = argument.lstrip("-")
        key, sign, value = setting.partition("=")
        if key.split(".")[0] in top_level_keys():
            raise ConfigError(f"{argument}: a setting has no dashes: {key}={value if sign else 'VALUE'}")
        raise ConfigError(f"{argument}: there is no such option; a setting is typed KEY=VALUE{nearest(key, RULES)}")


def check_what_is_asked(options: argparse.Namespace) -> None:
    """Raise ConfigError if the options ask for two things at once, or for a shell that Hydra does not complete for."""
    asked = [name for name in ANSWERED_ALONE if getattr(options, name)]
    if len(asked) > 1:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise ConfigError(f"{names} were typed, and only one of them can be answered; leave the other out")
    if options.resolve and not (options.cfg or options.help):
        raise ConfigError("--resolve belongs to --cfg job; add that, or leave --resolve out")
    if options.shell_completion and not re.fullmatch(COMPLETION, " ".join(options.overrides)):
        wanted = "install=SHELL or uninstall=SHELL with one of bash, fish, zsh"
        raise ConfigError(f"--shell-completion: expected {wanted}, got {' '.join(options.overrides) or 'nothing'}")


def refuse(message: str) -> NoReturn:
    """Raise what argparse would print."""
    raise ConfigError(f"{message}; see --hydra-help")


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """The folders of configuration files: ours, and that of `--config-dir`."""
    named = get_args_parser().parse_known_args(arguments)[0].config_dir
    return [resolvers.CONF, Path(named)] if named else [resolvers.CONF]
