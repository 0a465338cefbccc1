"""Pickled arrays are read without unpickling, and whatever else a pickle may hold is refused unrun."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickdraw.data.rendering.pickled import read_arrays
from quickdraw.errors import DataError
from tests.support.sketchrnn import PICKLERS, by_protocol, object_array, python2

RANDOM = np.random.default_rng(0)
ARRAYS = [RANDOM.integers(-(2**15), 2**15, (length, 3)).astype(np.int16) for length in (5, 1, 2, 90, 300)]
GOOD = {name: pickler(object_array(ARRAYS)) for name, pickler in PICKLERS.items()}
ONE = python2(object_array(ARRAYS[:1]))


class CreatesFolder:
    """A pickle that creates a folder where it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("was-run",)


class SetsState:
    """A pickle that runs `__setstate__`."""

    def __setstate__(self, state: Any) -> None:
        Path("was-run").mkdir()

    def __reduce__(self) -> tuple[Any, ...]:
        return SetsState, (), {"a": 1}


HOSTILE = {
    "creates a folder, protocol 2": pickle.dumps(CreatesFolder(), 2),
    "creates a folder, protocol 4": pickle.dumps(CreatesFolder(), 4),
    "creates a folder, in the array": by_protocol(4)(object_array([CreatesFolder()])),
    "creates a folder, Python 2": python2(object_array([CreatesFolder()])),
    "GLOBAL os.system": b"\x80\x02cos\nsystem\nX\x05\x00\x00\x00mkdir\x85R.",
    "GLOBAL of a part of numpy": b"\x80\x02cnumpy.f2py\ncompile\nU\x01x\x85R.",
    "GLOBAL of a lasting name": b"\x80\x02cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0dmkdir was-run\x85R.",
    "STACK_GLOBAL of lists": b"\x80\x04]]\x93.",
    "INST": b"\x80\x02(U\x0dmkdir was-runios\nsystem\n.",
    "OBJ": b"\x80\x02(cos\nsystem\nU\x01ao.",
    "NEWOBJ": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "EXT1": b"\x80\x02\x82\x01.",
    "PERSID": b"\x80\x02Pwas-run\n.",
    "BUILD": pickle.dumps(SetsState(), 2),
    "BUILD of what is no array": b"\x80\x02K\x01K\x01b.",
    "BUILD of a name": b"\x80\x02cnumpy\nndarray\n}U\x01aK\x01sb.",
    "a dtype of Python objects": b"\x80\x02cnumpy\ndtype\nU\x03V8OK\x00K\x01\x87R.",
    "an array of 2 GB": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ"
    b"\xff\xff\xff\x7f\x85U\x01b\x87R.",
    "an encoding with a side effect": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",
    "protocol 0": pickle.dumps(object_array(ARRAYS[:1]), 0),
    "protocol 5": pickle.dumps(object_array(ARRAYS[:1]), 5),
    "memo bomb": b"\x80\x02]q\x00" + b"".join(b"(" + 9 * (b"h%c" % i) + b"tq%c" % (i + 1) for i in range(99)) + b".",
    "list of itself": b"\x80\x02]q\x00(h\x00h\x00e.",
    "memo of nothing": b"\x80\x02h\x07.",
    "flood of marks": b"\x80\x02" + b"(" * 100_000 + b".",
    "flood of values": b"\x80\x02" + b"N" * 200_000 + b".",
    "flood of memos": b"\x80\x02N" + b"\x94" * 200_000 + b".",
    "promise of 4 GB": b"\x80\x03B\xff\xff\xff\xff.",
    "a number of 255 bytes": b"\x80\x02\x8a\xff" + b"\x01" * 255 + b".",
    "marks that are not there": b"\x80\x02t.",
    "more taken than there is": b"\x80\x02K\x01\x87.",
    "two values": b"\x80\x02NN.",
    "empty": b"",
    "zeros": bytes(100),
    "a name of a megabyte": b"\x80\x04X\x00\x00\x10\x00" + b"a" * 2**20 + b"\x8c\x01b\x93.",
    "no utf-8": b"\x80\x02X\x02\x00\x00\x00\xff\xff.",
    "an endless name": b"\x80\x02c" + b"a" * 10_000 + b"\nb\n.",
    "int32 beyond int16": by_protocol(4)(object_array([ARRAYS[0].astype(np.int32) + 2**17])),
    "uint16": by_protocol(4)(object_array([ARRAYS[0].astype(np.uint16)])),
    "fractions": by_protocol(2)(object_array([ARRAYS[0] + 0.5])),
    "not a number": by_protocol(2)(object_array([ARRAYS[0] * np.nan])),
    "infinity": by_protocol(2)(object_array([ARRAYS[0] + np.inf])),
    "complex": by_protocol(2)(object_array([ARRAYS[0].astype(complex)])),
    "texts": by_protocol(2)(object_array([ARRAYS[0].astype("U9")])),
    "objects in it": by_protocol(4)(object_array([object_array(ARRAYS[:1])])),
    "two columns": by_protocol(4)(object_array([ARRAYS[0][:, :2].copy()])),
    "one dimension": by_protocol(4)(object_array([ARRAYS[0][0].copy()])),
    "numbers, no arrays": by_protocol(4)(object_array([1])),
    "no object array": by_protocol(4)(ARRAYS[0]),
    "a list": pickle.dumps(ARRAYS[:1], 4),
    "a shape too large": ONE.replace(b"K\x05K\x03\x86", b"\x8a\x09" + bytes(8) + b"\x01K\x03\x86"),
    "a shape of another size": ONE.replace(b"K\x05K\x03\x86", b"K\x06K\x03\x86"),
}


@pytest.mark.parametrize("pickler", PICKLERS)
def test_arrays_are_read_as_they_were_written(pickler: str) -> None:
    arrays = read_arrays(GOOD[pickler], len(ARRAYS))
    assert len(arrays) == len(ARRAYS)
    for got, expected in zip(arrays, ARRAYS, strict=True):
        assert got.dtype == np.int16
        np.testing.assert_array_equal(got, expected)


def test_the_pickles_of_python_2_are_what_numpy_takes_for_them() -> None:
    for got, expected in zip(pickle.loads(GOOD["python 2"], encoding="latin1"), ARRAYS, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("pickler", PICKLERS.values(), ids=PICKLERS)
@pytest.mark.parametrize(
    "change", [np.asfortranarray, lambda array: array.astype(">i2")], ids=["Fortran", "big endian"]
)
def test_another_order_in_memory_is_read_too(
    pickler: Callable[[np.ndarray], bytes], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    (got,) = read_arrays(pickler(object_array([change(ARRAYS[0])])), 1)
    np.testing.assert_array_equal(got, ARRAYS[0])


@pytest.mark.parametrize("pickler", PICKLERS.values(), ids=PICKLERS)
@pytest.mark.parametrize("kind", ["<i4", ">i4", "<i8", "<f4", ">f8"])
def test_whole_numbers_of_another_type_are_read_as_int16(pickler: Callable[[np.ndarray], bytes], kind: str) -> None:
    arrays = read_arrays(pickler(object_array([array.astype(kind) for array in ARRAYS])), len(ARRAYS))
    for got, expected in zip(arrays, ARRAYS, strict=True):
        assert got.dtype == np.int16
        np.testing.assert_array_equal(got, expected)


def test_thousands_of_arrays_are_read() -> None:
    many = object_array([ARRAYS[number % 5] + np.int16(0) for number in range(2500)])
    arrays = read_arrays(python2(many), 2500)
    assert all((got == expected).all() for got, expected in zip(arrays, many, strict=True))


@pytest.mark.parametrize("pickled", HOSTILE.values(), ids=HOSTILE)
def test_anything_else_is_refused_in_one_line_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="expected") as error:
        read_arrays(pickled, 1)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250
    assert not list(tmp_path.iterdir())


NESTED = {
    "tuples of one": b")" + b"\x85" * 400_000 + b".",
    "tuples of one, named": b")" + b"\x85" * 400_000 + b"\x8c\x01a\x93.",
    "tuples of one, called": b"cnumpy\ndtype\n)" + b"\x85" * 400_000 + b"R.",
    "tuples of one, an array's state": ONE.split(b"K\x05K\x03")[0] + b")" + b"\x85" * 400_000 + b"b.",
    "tuples from marks": b"(" * 90_000 + b"t" * 90_000 + b".",
    "tuples of two, each twice": b")q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"\x8c\x01a\x93.",
    "lists": b"]" * 90_000 + b"a" * 90_000 + b".",
    "lists of tuples": b"]" + b")\x85" * 5 + b"\x87" * 2 + b"a.",
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
def test_nesting_without_bound_is_refused_where_it_is_deeper_than_numpys(nested: bytes) -> None:
    with pytest.raises(DataError, match=r"expected pickled int16 arrays, got .* at byte") as error:
        read_arrays(b"\x80\x04" + nested, 10_000)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("pickled", GOOD.values(), ids=GOOD)
def test_a_truncated_pickle_is_refused_wherever_it_ends(pickled: bytes) -> None:
    for end in range(0, len(pickled) - 1, 7):
        with pytest.raises(DataError):
            read_arrays(pickled[:end], len(ARRAYS))


@pytest.mark.parametrize("count", [0, 4, 6, 10**6, 10**12])
def test_another_number_of_arrays_than_the_header_tells_is_refused(count: int) -> None:
    with pytest.raises(DataError, match="expected"):
        read_arrays(GOOD["python 2"], count)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    name=st.sampled_from(sorted(GOOD)),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=4)), min_size=1, max_size=4),
)
def test_a_damaged_pickle_yields_int16_arrays_or_a_data_error(name: str, changes: list[tuple[int, bytes]]) -> None:
    pickled = bytearray(GOOD[name])
    for place, content in changes:
        place %= 600  # where the opcodes are; behind it lies mostly data
        pickled[place : place + max(1, len(content))] = content
    try:
        arrays = read_arrays(bytes(pickled), len(ARRAYS))
    except DataError:
        return
    assert all(array.dtype == np.int16 and array.ndim == 2 and array.shape[1] == 3 for array in arrays)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(pickled=st.binary(max_size=60))
def test_random_bytes_are_a_data_error(pickled: bytes) -> None:
    with pytest.raises(DataError):
        read_arrays(b"\x80\x02" + pickled, 3)
