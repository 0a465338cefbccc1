"""Arrays out of a pickle that is never unpickled: the sketchrnn files are pickled lists of int16 arrays.

A pickle is a program for a stack machine, and `pickle.load` runs it: it imports what it names and calls what it
imports. Here the standard library's `pickletools.genops` decodes it, which executes nothing, and the machine below
knows the opcodes that numpy's arrays are written with, by Python 2 and 3 in protocols 2 to 4, and four names, which it
takes for marks. Everything else is refused.
"""

import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np

from quickdraw.errors import DataError, first_line

MOST_DRAWINGS = 1_000_000  # in one list; an official one holds 70,000
OPCODES_PER_DRAWING = 64  # no drawing takes more than 35; this bounds time and memory, whatever a file says
WANTED = "expected pickled int16 arrays"
NUMBERS = ("i1", "i2", "i4", "i8", "u1", "u2", "f2", "f4", "f8")  # officially i2; converted files have others
DEEPEST_STACK = 100_000  # a list is appended to by 1,000 values at a time


class Name(Enum):
    """What a pickle of arrays may name."""

    RECONSTRUCT = auto()
    NDARRAY = auto()
    DTYPE = auto()
    ENCODE = auto()


NAMES = {
    "numpy.core.multiarray _reconstruct": Name.RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": Name.RECONSTRUCT,  # since numpy 2
    "numpy ndarray": Name.NDARRAY,
    "numpy dtype": Name.DTYPE,
    "_codecs encode": Name.ENCODE,  # how Python 3 writes bytes in protocol 2
}


@dataclass
class Type:
    """A dtype: `i2` or `O8`, and its byte order."""

    code: str
    order: str = "="


@dataclass
class Array:
    """An array: int16 [n, 3], or a list of such arrays. None until its content was met."""

    content: np.ndarray | list[Any] | None = None


def read_arrays(pickled: bytes, count: int) -> list[np.ndarray]:
    """The arrays of a pickled object array [count]: int16 [n, 3] each, whatever type their whole numbers have there.

    Raises DataError for whatever is something else, at the first opcode that shows it.
    """
    if count > MOST_DRAWINGS:
        raise DataError(f"expected at most {MOST_DRAWINGS:,} drawings in one list, got {count:,}")
    machine, place, left = Machine(), 0, 1000 + OPCODES_PER_DRAWING * count
    try:
        with warnings.catch_warnings(action="ignore"):  # the decoder comments on odd escapes
            for opcode, argument, at in pickletools.genops(pickled):
                place, left = at or 0, left - 1
                if opcode.name == "STOP":
                    break
                machine.opcodes[opcode.name](argument)
                if left < 0 or len(machine.stack) > DEEPEST_STACK:
                    raise ValueError("too many opcodes or values")
        (top,) = machine.stack
    except KeyError as error:
        raise DataError(f"{WANTED}, got {str(error)[:80]} at byte {place}; it was not run") from error
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        reason = first_line(error)[:80]
        raise DataError(f"{WANTED}, got something else at byte {place} ({reason}); it was not run") from error
    arrays = top.content if isinstance(top, Array) and isinstance(top.content, list) else []
    if len(arrays) != count:
        raise DataError(f"expected a list of {count:,} pickled int16 arrays [n, 3], got something else")
    return [array.content for array in arrays]


class Machine:
    """The stack machine: for each opcode, by its name in `pickletools`, what it does with its argument.

    Raises ValueError, TypeError, LookupError or OverflowError for whatever it does not know or cannot do. Nothing that
    it holds is nested deeper than numpy nests it: what is freed, hashed or printed recursively ends.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        push = self.stack.append
        self.opcodes: dict[str, Callable[[Any], Any]] = {
            "PROTO": check_protocol,
            "FRAME": lambda length: None,  # it only helps readers of a stream
            "MARK": lambda _: self.marks.append(len(self.stack)),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "BININT1": push,
            "BININT2": push,
            "BININT": push,
            "LONG1": push,
            "SHORT_BINSTRING": push,  # a str of Python 2, of one byte a character
            "BINSTRING": push,
            "SHORT_BINBYTES": push,  # bytes of Python 3
            "BINBYTES": push,
            "SHORT_BINUNICODE": push,
            "BINUNICODE": push,
            "GLOBAL": lambda name: push(NAMES[name]),
            "STACK_GLOBAL": lambda _: push(NAMES[" ".join(self.pop(2))]),
            "EMPTY_TUPLE": lambda _: push(()),
            "TUPLE1": lambda _: push(flat_tuple(self.pop(1))),
            "TUPLE2": lambda _: push(flat_tuple(self.pop(2))),
            "TUPLE3": lambda _: push(flat_tuple(self.pop(3))),
            "TUPLE": lambda _: push(flat_tuple(self.pop_to_mark())),
            "EMPTY_LIST": lambda _: push([]),
            "APPEND": lambda _: self.extend(self.pop(1)),
            "APPENDS": lambda _: self.extend(self.pop_to_mark()),
            "BINPUT": self.memoize,
            "LONG_BINPUT": self.memoize,
            "MEMOIZE": lambda _: self.memoize(len(self.memo)),
            "BINGET": lambda key: push(self.memo[key]),
            "LONG_BINGET": lambda key: push(self.memo[key]),
            "REDUCE": lambda _: push(reduced(*self.pop(2))),
            "BUILD": lambda _: build(self.stack[-2], self.pop(1)[0]),
        }

    def memoize(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("an empty stack")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def pop_to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("an addition to what is no list")
        for value in values:
            if not isinstance(value, Array) or not isinstance(value.content, np.ndarray):
                raise TypeError("a list of something else than arrays")
        self.stack[-1].extend(values)


def check_protocol(number: int) -> None:
    if not 2 <= number <= 4:
        raise ValueError(f"protocol {number}, expected 2 to 4")


def flat_tuple(values: list[Any]) -> tuple[Any, ...]:
    """The values as a tuple. Those of numpy hold tuples of plain values, and nothing deeper."""
    for value in values:
        if isinstance(value, tuple) and any(isinstance(inner, tuple) for inner in value):
            raise ValueError("tuples nested too deep")
    return tuple(values)


def reduced(function: Any, arguments: Any) -> Any:
    """The result of the one call that numpy writes for each of the names; nothing is called."""
    match function, arguments:
        case Name.RECONSTRUCT, (Name.NDARRAY, (0,), "b" | b"b"):
            return Array()
        case Name.DTYPE, (str() as code, _, _) if code in (*NUMBERS, "O8"):
            return Type(code)
        case Name.ENCODE, (str() as characters, "latin1"):
            return characters.encode("latin-1")
    raise ValueError("a call that makes no array")


def build(value: Any, state: Any) -> None:
    """Complete a dtype or an array by the state that numpy writes for it."""
    match value, state:
        case Type(), (3, "<" | ">" | "|" as order, None, None, None, -1, -1, int()):
            value.order = order
        case Array(content=None), (
            1,
            (int(), 3) as shape,
            Type() as kind,
            bool() as fortran,
            bytes() | str() as data,
        ) if kind.code in NUMBERS:
            numbers = np.frombuffer(octets(data), np.dtype(kind.order + kind.code))
            value.content = as_int16(numbers).reshape(shape, order="F" if fortran else "C")
        case Array(content=None), (1, (int(),), Type("O8"), bool(), list() as values):
            value.content = values
        case _:
            raise ValueError("no int16 [n, 3]")


def as_int16(numbers: np.ndarray) -> np.ndarray:
    """The same numbers as int16; raises ValueError if they are not whole or too large."""
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise ValueError("an offset that is no number")
    if not ((numbers >= -(2**15)) & (numbers < 2**15)).all() or (numbers != np.rint(numbers)).any():
        raise ValueError("an offset that is no whole number of 16 bits")
    return numbers.astype(np.int16, copy=False)


def octets(data: bytes | str) -> bytes:
    """The bytes of an array: Python 2 wrote them as a str."""
    return data if isinstance(data, bytes) else data.encode("latin-1")
