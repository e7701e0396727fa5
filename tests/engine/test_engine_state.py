"""The state format gives back what it was given, gives equal bytes for equal content, and refuses damaged bytes."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import EngineError
from trueline.engine.state import pack_state, unpack_state

ARRAYS = {
    "counts": np.arange(12, dtype=np.int64).reshape(3, 4),
    "sums": np.array([math.nan, math.inf, -0.0, 1e-300]),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 5), dtype=np.float32),
    "scalar": np.array(7, dtype=np.uint64),
    "words": pa.array(["a", None, "", "ünï"]),
    "lists": pa.array([[1, 2], None, []]),
    "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
    "chunked": pa.chunked_array([["a"], ["b", None]]),
    "empty": pa.array([], type=pa.string()),
}


def test_everything_comes_back():
    data = pack_state("demo", 3, {"n": 5, "list": [1, None, "ä"]}, ARRAYS)
    version, header, arrays = unpack_state(data, "demo", 3)
    assert (version, header) == (3, {"n": 5, "list": [1, None, "ä"]})
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        got = arrays[name]
        if isinstance(array, np.ndarray):
            assert got.dtype == array.dtype
            assert got.shape == array.shape
            assert got.tobytes() == array.tobytes()
            assert got.flags.writeable
        else:
            assert got.to_pylist() == array.to_pylist()
            assert got.type == array.type


def test_equal_content_gives_equal_bytes_whatever_lies_under_nulls_or_outside_slices():
    one = pa.array(np.array([1, 99, 3]), mask=np.array([False, True, False]))
    two = pa.array(np.array([1, -7, 3]), mask=np.array([False, True, False]))
    long = pa.array([8, 1, None, 3, 9]).slice(1, 3)
    assert {pack_state("k", 1, {}, {"a": a}) for a in (one, two, long)}.__len__() == 1
    words = pa.array(["zz", "a", None, "b", "tail"]).slice(1, 3)
    assert pack_state("k", 1, None, {"a": words}) == pack_state("k", 1, None, {"a": pa.array(["a", None, "b"])})
    assert pack_state("k", 1, {"b": 1, "a": 2}) == pack_state("k", 1, {"a": 2, "b": 1})
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert pack_state("k", 1, {}, {"a": fortran}) == pack_state("k", 1, {}, {"a": np.arange(6.0).reshape(2, 3)})
    big_endian = np.arange(3, dtype=">i8")
    assert pack_state("k", 1, {}, {"a": big_endian}) == pack_state("k", 1, {}, {"a": np.arange(3)})


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), [1, 2], 5])
def test_other_arrays_are_refused_by_name(array):
    with pytest.raises(EngineError, match="'bad'"):
        pack_state("k", 1, {}, {"bad": array})


@pytest.mark.parametrize("header", [{"x": math.nan}, {"x": {1, 2}}, b"bytes"])
def test_a_header_that_is_no_json_is_refused(header):
    with pytest.raises(EngineError, match="JSON"):
        pack_state("k", 1, header)


def test_kind_and_version_are_checked():
    data = pack_state("quantiles", 2, {})
    with pytest.raises(EngineError, match="version 2, this release reads 1 to 1"):
        unpack_state(data, "quantiles", 1)
    with pytest.raises(EngineError, match="kind 'quantiles'"):
        unpack_state(data, "moments", 2)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_bytes_never_pass(data):
    good = pack_state("demo", 1, {"n": 1}, {"a": np.arange(3), "w": pa.array(["x", None])})
    at = data.draw(st.integers(0, len(good) - 1))
    if data.draw(st.booleans()):
        bad = good[:at]
    else:
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    with pytest.raises(EngineError):
        unpack_state(bad, "demo", 1)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_never_pass(noise):
    with pytest.raises(EngineError):
        unpack_state(noise, "demo", 1)
    with pytest.raises(EngineError):
        unpack_state(b"TLST\x01\0\0\0" + noise, "demo", 1)
