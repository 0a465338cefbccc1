"""Arrays out of a pickle that is never unpickled: the sketchrnn files are pickled lists of int16 arrays.

A pickle is a program for a stack machine, and `pickle.load` runs it: it imports what it names and calls what it
imports. The machine here imports and calls nothing. It knows the opcodes that numpy's arrays are written with, by
Python 2 and 3 in protocols 2 to 4, and four names, which it takes for marks; whatever else comes is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np

from quickdraw.errors import DataError

MOST_DRAWINGS = 1_000_000  # in one list; an official one holds 70,000
OPCODES_PER_DRAWING = 64  # no drawing takes more than 35; this bounds time and memory, whatever a file says
WANTED = "expected pickled int16 arrays"
DEEPEST_STACK = 100_000  # a list is appended to by 1,000 values at a time


class Name(Enum):
    """What a pickle of arrays may name."""

    RECONSTRUCT = auto()
    NDARRAY = auto()
    DTYPE = auto()
    ENCODE = auto()


NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): Name.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): Name.RECONSTRUCT,  # since numpy 2
    ("numpy", "ndarray"): Name.NDARRAY,
    ("numpy", "dtype"): Name.DTYPE,
    ("_codecs", "encode"): Name.ENCODE,  # how Python 3 writes bytes in protocol 2
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
    """Return the arrays of a pickled object array [count]: int16 [n, 3] each.

    Raises DataError for whatever is something else, at the first byte that shows it.
    """
    if count > MOST_DRAWINGS:
        raise DataError(f"expected at most {MOST_DRAWINGS:,} drawings in one list, got {count:,}")
    machine = Machine(pickled)
    try:
        for _ in range(1000 + OPCODES_PER_DRAWING * count):
            code = machine.take(1)
            if code == b".":
                break
            machine.opcodes[code]()
            if len(machine.stack) > DEEPEST_STACK:
                raise ValueError("too many values at once")
        else:
            raise ValueError("too many opcodes")
        (top,) = machine.stack
    except KeyError as error:
        raise DataError(f"{WANTED}, got {str(error)[:80]} at byte {machine.at}; it was not run") from error
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        came = f"something else at byte {machine.at} ({str(error)[:80]})"
        raise DataError(f"{WANTED}, got {came}; it was not run") from error
    arrays = [each.content for each in top.content] if is_list(top) and all(map(is_array, top.content)) else []
    if len(arrays) != count:
        raise DataError(f"expected a list of {count:,} pickled int16 arrays [n, 3], got something else")
    return arrays


def is_list(value: Any) -> bool:
    return isinstance(value, Array) and isinstance(value.content, list)


def is_array(value: Any) -> bool:
    return isinstance(value, Array) and isinstance(value.content, np.ndarray)


@dataclass
class Machine:
    """The stack machine: opcodes of the Python standard library's `pickletools`, by their bytes.

    Raises ValueError, TypeError, LookupError or OverflowError for whatever it does not know or cannot do.
    """

    pickled: bytes
    at: int = 0
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        push = self.stack.append
        self.opcodes: dict[bytes, Callable[[], Any]] = {
            b"\x80": self.protocol,
            b"\x95": lambda: self.take(8),  # FRAME: its length only helps readers of a stream
            b"(": lambda: self.marks.append(len(self.stack)),
            b"N": lambda: push(None),
            b"\x88": lambda: push(True),
            b"\x89": lambda: push(False),
            b"K": lambda: push(self.number(1)),
            b"M": lambda: push(self.number(2)),
            b"J": lambda: push(self.number(4, signed=True)),
            b"\x8a": lambda: push(int.from_bytes(self.take(self.number(1)), "little", signed=True)),
            b"U": lambda: push(self.take(self.number(1))),  # a str of Python 2
            b"T": lambda: push(self.take(self.number(4))),
            b"C": lambda: push(self.take(self.number(1))),  # bytes of Python 3
            b"B": lambda: push(self.take(self.number(4))),
            b"\x8c": lambda: push(self.take(self.number(1)).decode()),
            b"X": lambda: push(self.take(self.number(4)).decode()),
            b"c": lambda: push(NAMES[self.line(), self.line()]),
            b"\x93": lambda: push(NAMES[tuple(self.pop(2))]),
            b")": lambda: push(()),
            b"\x85": lambda: push(tuple(self.pop(1))),
            b"\x86": lambda: push(tuple(self.pop(2))),
            b"\x87": lambda: push(tuple(self.pop(3))),
            b"t": lambda: push(tuple(self.pop_to_mark())),
            b"]": lambda: push([]),
            b"a": lambda: self.extend(self.pop(1)),
            b"e": lambda: self.extend(self.pop_to_mark()),
            b"q": lambda: self.memo.__setitem__(self.number(1), self.stack[-1]),
            b"r": lambda: self.memo.__setitem__(self.number(4), self.stack[-1]),
            b"\x94": lambda: self.memo.__setitem__(len(self.memo), self.stack[-1]),
            b"h": lambda: push(self.memo[self.number(1)]),
            b"j": lambda: push(self.memo[self.number(4)]),
            b"R": lambda: push(reduced(*self.pop(2))),
            b"b": lambda: build(self.stack[-2], self.pop(1)[0]),
        }

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        taken = self.pickled[self.at : self.at + count]
        if len(taken) < count:
            raise ValueError("its end")
        self.at += count
        return taken

    def number(self, size: int, signed: bool = False) -> int:
        """Return the next number, of that many bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> str:
        """Return what stands before the next line feed."""
        end = self.pickled.index(b"\n", self.at, self.at + 100)
        return self.take(end + 1 - self.at)[:-1].decode()

    def protocol(self) -> None:
        number = self.number(1)
        if not 2 <= number <= 4:
            raise ValueError(f"protocol {number}, expected 2 to 4")

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
        self.stack[-1].extend(values)


def reduced(function: Any, arguments: Any) -> Any:
    """Return what the one call means that numpy writes for each of the names; nothing is called."""
    match function, arguments:
        case Name.RECONSTRUCT, (Name.NDARRAY, (0,), "b" | b"b"):
            return Array()
        case Name.DTYPE, ("i2" | b"i2" | "O8" | b"O8" as code, _, _):
            return Type(text(code))
        case Name.ENCODE, (str() as characters, "latin1"):
            return characters.encode("latin-1")
    raise ValueError("a call that makes no array")


def build(value: Any, state: Any) -> None:
    """Complete a dtype or an array by the state that numpy writes for it."""
    match value, state:
        case Type(), (3, "<" | b"<" | ">" | b">" | "|" | b"|" as order, None, None, None, -1, -1, int()):
            value.order = text(order)
        case Array(content=None), (1, (int(), 3) as shape, Type("i2"), bool() as fortran, bytes() as data):
            numbers = np.frombuffer(data, np.dtype(state[2].order + "i2"))
            value.content = numbers.reshape(shape, order="F" if fortran else "C").astype(np.int16, copy=False)
        case Array(content=None), (1, (int(),), Type("O8"), bool(), list() as values):
            value.content = values
        case _:
            raise ValueError("no int16 [n, 3]")


def text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode()
