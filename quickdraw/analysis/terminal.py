"""How an answer is printed: coloured tables on a terminal, plain aligned text into a pipe, JSON for programs."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quickdraw import console
from quickdraw.analysis.tables import Table
from quickdraw.errors import printable

STATES = {"completed": "green", "running": "cyan", "interrupted": "yellow", "diverged": "red", "failed": "red"}


@dataclass(frozen=True)
class Answer:
    """What a command says to a person, part by part, and to a program."""

    parts: Sequence[Table | str]
    data: Any


def say(answer: Answer, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        console.say(json.dumps(plain(answer.data), indent=2, ensure_ascii=False, allow_nan=False))
    elif sys.stdout.isatty():
        say_in_colours(answer.parts)
    else:
        console.say("\n\n".join(map(str, answer.parts)))


def say_in_colours(parts: Sequence[Table | str]) -> None:
    """Print tables and text by rich, which knows the terminal's width and colours. No text is taken for its markup."""
    from rich.console import Console
    from rich.text import Text

    terminal = Console(highlight=False)
    for part in parts:
        if isinstance(part, Table):
            shown = coloured(part)
            wanted = terminal.measure(shown, options=terminal.options.update(width=10_000)).maximum
            if wanted > terminal.width:
                shown.width = wanted  # the terminal breaks the line, but half a folder's name would be of no use
            terminal.print(shown, crop=False)
        else:
            style = "bold" if part is parts[-1] else ""
            terminal.print(Text(printable(part), style), soft_wrap=True)


def coloured(table: Table) -> Any:
    """A table as rich draws it, each state in its colour."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, numeric in zip(table.header, table.numeric, strict=True):
        shown.add_column(Text(printable(name)), justify="right" if numeric else "left")
    for row in table.cells:
        shown.add_row(*(Text(cell, style=STATES.get(cell, "")) for cell in row))
    return shown


def plain(value: Any) -> Any:
    """A value as JSON can hold it: nan becomes null, infinity the text that the configuration writes."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "dtype"):  # numpy's
        return plain(value.tolist())
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return value
