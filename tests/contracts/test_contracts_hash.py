"""The hash of canonical values: equal to a plain Python implementation, to the published vectors, and to itself."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import DataError
from trueline._core.hash import P1, P2, P3, TAGS, hash_array, hash_rows, hash_strings

VECTORS = Path(__file__).with_name("hash_vectors.json")
M = (1 << 64) - 1


def fmix(h: int) -> int:
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & M
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & M
    return h ^ h >> 33


def rotl31(h: int) -> int:
    return (h << 31 | h >> 33) & M


def plain_hash(value: Any, seed: int = 0) -> int:
    """The module's docstring, written once more without numpy."""

    def start(tag: str) -> int:
        return fmix((seed & M) ^ TAGS[tag])

    if value is None:
        return start("null")
    if isinstance(value, bool):
        return fmix((start("bool") + int(value) * P1) & M)
    if isinstance(value, float) and not (math.isfinite(value) and value == math.floor(value) and abs(value) < 2**63):
        bits = 0x7FF8000000000000 if math.isnan(value) else struct.unpack("<Q", struct.pack("<d", value))[0]
        return fmix((start("number_float") + bits * P1) & M)
    if isinstance(value, int | float):
        return fmix((start("number_int") + (int(value) & M) * P1) & M)
    if isinstance(value, list):
        h = (start("list") + len(value) * P2) & M
        for element in value:
            h = rotl31(h ^ plain_hash(element, seed)) * P3 & M
        return fmix(h)
    data = value.encode() if isinstance(value, str) else value
    h = (start("text") + len(data) * P2) & M
    for i in range(0, len(data), 8):
        h = rotl31(h ^ int.from_bytes(data[i : i + 8], "little") * P1 & M) * P3 & M
    return fmix(h)


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=30),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("arrow_type", "strategy"),
    [
        (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.float64(), st.floats()),
        (pa.string(), st.text(max_size=30)),
        (pa.large_string(), st.text(max_size=30)),
        (pa.binary(), st.binary(max_size=30)),
        (pa.bool_(), st.booleans()),
        (pa.list_(pa.string()), st.lists(st.text(max_size=9), max_size=4)),
        (pa.list_(pa.float64()), st.lists(st.floats(), max_size=4)),
    ],
    ids=str,
)
@given(data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_equals_the_plain_implementation(arrow_type: pa.DataType, strategy: Any, data: Any, seed: int) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), strategy), max_size=8))
    got = hash_array(pa.array(values, arrow_type), seed).tolist()
    assert got == [plain_hash(v, seed) for v in values]


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=10), st.data())
def test_slices_and_dictionaries_hash_as_their_values(values: list[str | None], data: Any) -> None:
    array = pa.array(values, pa.string())
    start = data.draw(st.integers(0, len(values)))
    whole = hash_array(array)
    assert hash_array(array[start:]).tolist() == whole[start:].tolist()
    assert hash_array(array.dictionary_encode()).tolist() == whole.tolist()
    assert hash_array(pa.chunked_array([array[:start], array[start:]])).tolist() == whole.tolist()


@given(st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), max_size=10))
def test_a_number_hashes_alike_in_every_width(values: list[int | None]) -> None:
    assert hash_array(pa.array(values, pa.int64())).tolist() == hash_array(pa.array(values, pa.float64())).tolist()


def test_published_vectors() -> None:
    for vector in json.loads(VECTORS.read_text()):
        value = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["value"]
        assert format(plain_hash(value, vector["seed"]), "016x") == vector["hash"]
        array = pa.array([value], pa.null() if value is None else None)
        assert format(int(hash_array(array, vector["seed"])[0]), "016x") == vector["hash"], vector


def test_row_hash_ignores_column_order_and_columns_without_value() -> None:
    batch = pa.record_batch({"a": [1, 2, None], "b": ["x", None, "z"], "__row__": [7, 8, 9]})
    other = pa.record_batch(
        {"b": ["x", None, "z"], "new": pa.array([None] * 3, pa.float64()), "a": [1.0, 2.0, None], "__row__": [1, 2, 3]}
    )
    assert hash_rows(batch).tolist() == hash_rows(other).tolist()
    assert len(set(hash_rows(batch).tolist())) == 3
    assert hash_rows(batch, seed=1).tolist() != hash_rows(batch).tolist()


def test_row_hash_tells_columns_apart() -> None:
    rows = pa.record_batch({"a": ["x", "y"], "b": ["y", "x"]})
    first, second = hash_rows(rows).tolist()
    assert first != second


def test_bits_are_spread_evenly() -> None:
    hashes = hash_array(pa.array(np.arange(40_000)))
    ones = ((hashes[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 0.02
    assert len(np.unique(hashes)) == len(hashes)
    thirds = np.bincount((hashes % np.uint64(3)).astype(int))
    assert np.abs(thirds / len(hashes) - 1 / 3).max() < 0.01
    assert len(np.unique(hash_strings([f"v{i}" for i in range(20_000)]))) == 20_000


def test_unknown_column_and_type_are_named() -> None:
    with pytest.raises(DataError, match="nope"):
        hash_rows(pa.record_batch({"a": [1]}), ["nope"])
    with pytest.raises(DataError, match="duration"):
        hash_array(pa.array([1], pa.duration("s")))
