"""Configuration files of one's own, looked at before Hydra reads them: a mistake is named with its file and line."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from quickdraw.errors import ConfigError, first_line
from quickdraw.user_files import shortest

PACKAGE_LINE = "# @package _global_"


def check_own_files(arguments: Iterable[str], folders: Sequence[Path]) -> None:
    """Raise ConfigError if a file that an override chooses cannot mean what was meant."""
    for path in chosen_files(arguments, folders):
        text = read(path)
        if path.parent.name == "experiment" and not re.search(r"^#\s*@package\s+_global_\s*$", text, re.MULTILINE):
            raise ConfigError(f"{shortest(path)}:1: expected the line {PACKAGE_LINE}, or it sets no key")


def chosen_files(arguments: Iterable[str], folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that overrides choose of their groups, as far as they are there."""
    parser = OverridesParser.create()
    for argument in arguments:
        try:
            override = parser.parse_override(argument)
        except HydraException:
            continue  # Hydra will say what is wrong
        _, _, choices = str(override.input_line).partition("=")
        for name in re.findall(r"[\w.+-]+", choices):
            for folder in folders:
                path = folder / override.key_or_group / f"{name}.yaml"
                if path.is_file():
                    yield path


def read(path: Path) -> str:
    """The text of a YAML file; raises ConfigError if it is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{shortest(path)}:{line}: expected UTF-8, got another encoding; save it as UTF-8") from error
    if text.startswith("\ufeff"):
        raise ConfigError(f"{shortest(path)}:1: begins with a byte-order mark; save it as UTF-8 without one")
    try:
        OmegaConf.create(text)
    except yaml.YAMLError as error:
        raise yaml_error(error, path) from error
    return text


def yaml_error(error: yaml.YAMLError, path: Path | None = None) -> ConfigError:
    """A mistake in a YAML file as one line: its file and line, and what is wrong there."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ConfigError(f"{path or 'a configuration file'}: {first_line(error)}")
    place = shortest(path or Path(mark.name))
    hint = "; YAML is indented by spaces, not by tabs" if "'\\t'" in str(error) else ""
    return ConfigError(f"{place}:{mark.line + 1}: {getattr(error, 'problem', '')}{hint}")
