"""A choice of a group is one of its own files: nothing that is typed, saved or proposed leads out of its folder."""

from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from quickdraw.errors import ConfigError
from quickdraw.rules import RULES
from quickdraw.settings import nearest

LEADS_OUT = ("/", "\\", "..", "${")


def check_choices(arguments: Iterable[str]) -> None:
    """Raise ConfigError for an override that would take a group's file from somewhere else.

    Hydra builds the logging that such a file describes before any check of ours is called.
    """
    parser = OverridesParser.create()
    for argument in arguments:
        if argument.startswith("-"):
            continue
        try:
            override = parser.parse_override(argument)
        except HydraException:
            continue  # Hydra will say what is wrong
        if leads_out(override):
            hint = nearest(override.key_or_group, RULES)
            raise ConfigError(f"{argument}: expected the name of one of its files, without / and ..{hint}")


def leads_out(override: Override) -> bool:
    """Whether an override chooses a group's file by what is more than a name."""
    key = override.key_or_group
    is_value = "." in key or key in RULES
    _, _, choice = str(override.input_line).partition("=")
    return not is_value and any(part in choice for part in LEADS_OUT)
