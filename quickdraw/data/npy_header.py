"""The header of an `.npy` file: text, matched by a pattern. Nothing in it is evaluated.

So whatever it says takes neither memory nor time. Needs no numpy.
"""

import re
from dataclasses import dataclass

from quickdraw.errors import DataError

NPY_MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {b"\1\0": 2, b"\2\0": 4, b"\3\0": 4}  # how long the header's length is, by the format's version
LONGEST_HEADER = 4096  # numpy writes 80 or 128 bytes
NUMBER = r"-?(?:0|[1-9]\d{0,17})L?"  # Python 2 wrote 5L
ENTRY = re.compile(
    rf"""(?x: [ ]{{0,3}} (?:
        (?:'descr'|"descr"):         [ ]{{0,3}} (['"])(?P<descr>[ !#-&(-\[\]-~]{{1,20}})\1 |
        (?:'fortran_order'|"fortran_order"): [ ]{{0,3}} (?P<fortran_order>True|False) |
        (?:'shape'|"shape"):         [ ]{{0,3}} \((?P<shape> (?:{NUMBER},[ ]{{0,3}})* (?:{NUMBER})? )\)
    ) (?:,|(?=[ ]{{0,3}}}})) )""".encode()
)
END = re.compile(rb" {0,3}\}[ \n]*")
DESCRIPTION = re.compile(r"[|<>=]?([biufcO])(\d{0,2})")
NUMBER_KINDS = {"i": "int", "u": "uint", "f": "float", "c": "complex"}  # followed by their bits


@dataclass(frozen=True)
class Header:
    """The header of an `.npy` file."""

    length: int  # bytes before the first value
    dtype: str  # by numpy's name: uint8, object, ...
    shape: tuple[int, ...]
    fortran_order: bool


def read_header(head: bytes) -> Header | None:
    """The header in `head`, the beginning of an `.npy` file; None when `head` ends before it does.

    Raises DataError for anything else.
    """
    # The magic, the format's version, and the length of the text
    if not NPY_MAGIC.startswith(head[:6]):
        raise DataError(f"not an .npy file (it begins with {head[:16]!r})")
    if len(head) < 8:
        return None
    if head[6:8] not in LENGTH_BYTES:
        raise DataError(f"not an .npy file of a known version (it says {head[6]}.{head[7]})")
    start = 8 + LENGTH_BYTES[head[6:8]]
    if len(head) < start:
        return None
    length = start + int.from_bytes(head[8:start], "little")
    if length > LONGEST_HEADER:
        raise DataError(f"not an .npy file (expected a header of at most {LONGEST_HEADER:,} bytes, got {length:,})")
    if len(head) < length:
        return None

    # The text: a literal of a dict with three keys
    text, place = head[start:length], 1
    entries: dict[str, str] = {}
    while entry := ENTRY.match(text, place):
        key = str(entry.lastgroup)
        entries[key] = entry[key].decode("latin-1")
        place = entry.end()
    whole = text.startswith(b"{") and END.fullmatch(text, place)
    if not whole or entries.keys() != {"descr", "fortran_order", "shape"}:
        raise DataError(f"not an .npy file (its header is {text[:60]!r})")
    shape = tuple(int(number) for number in re.findall(r"-?\d+", entries["shape"]))
    return Header(length, dtype_name(entries["descr"]), shape, entries["fortran_order"] == "True")


def dtype_name(description: str) -> str:
    """The name that numpy gives to the dtype of a header: `|u1` is uint8."""
    known = DESCRIPTION.fullmatch(description)
    if not known:
        return description
    kind, size = known.groups()
    if kind in NUMBER_KINDS:
        return f"{NUMBER_KINDS[kind]}{8 * int(size or 0)}"
    return "object" if kind == "O" else "bool"
