"""`~` where a path is typed: Hydra's grammar takes it for a deletion, and Hydra makes a folder of that name."""

import re
from collections.abc import Sequence

from omegaconf import DictConfig

from hydra_plugins.quickdraw_cli.saved import quoted
from quickdraw.files import user_path

OPTION = re.compile(r"(-[\w-]+=)?(~/.*)")  # --config-dir=~/conf, or its value alone
QUOTED_TEXT = r"'(?:\\.|[^'\\])*'" r'|"(?:\\.|[^"\\])*"'
VALUE = re.compile(rf"({QUOTED_TEXT})|(?<=[=,(\[])~(?:[^,()\[\]]|\([^()]*\))*")


def with_home(arguments: Sequence[str]) -> list[str]:
    """The arguments with each value that begins with `~` in quotes: what opens such a path knows the home folder.

    Hydra's own options get the home folder's path.
    """
    understood = []
    for argument in arguments:
        option = OPTION.fullmatch(argument)
        if option:
            understood.append(f"{option[1] or ''}{user_path(option[2])}")
        else:
            understood.append(VALUE.sub(lambda found: found[1] or quoted(found[0]), argument))
    return understood


def expand_home(place: DictConfig) -> None:
    """Let a folder of Hydra's, `hydra.run` or `hydra.sweep`, lie in the home folder if its name begins with `~`."""
    if place.dir.startswith("~"):
        place.dir = str(user_path(place.dir))
