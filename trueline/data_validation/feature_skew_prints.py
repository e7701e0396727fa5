"""The first job of a row-by-row comparison: keys and fingerprints of a block, dealt into buckets on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.data_validation.arrow_numpy import from_numpy
from trueline.engine.base import Block

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ABSENT", "EMPTY", "describe_column", "fingerprint_block", "place_of"]

U64 = npt.NDArray[np.uint64]
ABSENT, EMPTY = 0, 1
"""Fingerprints of a missing value and of an empty list; every other one is 2 or more."""
_TYPES = {"text": 0x11, "int64": 0x22, "float64": 0x33, "bool": 0x44, "timestamp": 0x55, "struct": 0x66, "null": 0x77}
_MAX_WORDS = 10_000
_WHOLE = 2.0**52


def describe_column(arrow_type: pa.DataType) -> dict[str, Any]:
    """The kind of a column's innermost values, and whether they stand in lists."""
    import pyarrow.types as t

    found = False
    while t.is_list(arrow_type) or t.is_large_list(arrow_type) or t.is_fixed_size_list(arrow_type):
        arrow_type, found = arrow_type.value_type, True
    if t.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    tests = {
        "bool": t.is_boolean,
        "int64": t.is_integer,
        "float64": t.is_floating,
        "timestamp": t.is_temporal,
        "struct": t.is_struct,
        "null": t.is_null,
    }
    return {"type": next((name for name, test in tests.items() if test(arrow_type)), "text"), "list": found}


def fingerprint_block(block: Block, *, folder: str, side: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Writes one block's keys and fingerprints, sorted by bucket; tells how many rows lack an identifier.

    The file is a uint64 matrix ``[rows, 2 + features]``: key, row in the block, fingerprints.

    Raises:
        DataError: a confusion feature with several values in a row, or more than 10,000 distinct ones.
    """
    batch = block.read()
    prints = [_fingerprints(batch, f["name"], f["lists"], plan["digits"]) for f in plan["features"]]
    if all(name in batch.schema.names for name in plan["identifiers"]):
        keys = _keys(batch, plan["identifiers"])
        held = np.ones(batch.num_rows, bool)
        for name in plan["identifiers"]:
            held &= _fingerprints(batch, name, False, None) > EMPTY
    else:
        keys, held = np.zeros(batch.num_rows, np.uint64), np.zeros(batch.num_rows, bool)
    matrix = np.stack([keys, np.arange(batch.num_rows, dtype=np.uint64), *prints], axis=1)[held]
    bucket = matrix[:, 0] % np.uint64(plan["buckets"])
    order = np.argsort(bucket, kind="stable")
    ends = np.searchsorted(bucket[order], np.arange(plan["buckets"] + 1, dtype=np.uint64))
    np.save(place_of(folder, side, block.number, "rows"), matrix[order], allow_pickle=False)
    np.save(place_of(folder, side, block.number, "ends"), ends, allow_pickle=False)
    words = {f["name"]: _words(batch, f["name"], prints[i]) for i, f in enumerate(plan["features"]) if f["confusion"]}
    return {"lacking": int((~held).sum()), "words": words}


def place_of(folder: str, side: str, number: int, what: str) -> str:
    """The file of one block of a side: its ``rows``, or where its buckets end (``ends``)."""
    return str(Path(folder) / f"{side}-{number}-{what}.npy")


def _keys(batch: pa.RecordBatch, names: Sequence[str]) -> U64:
    """One key a row from its identifiers, whatever block, valency and integer or float type they came in."""
    import pyarrow as pa

    from trueline._core.hash import hash_rows

    hashes = [pa.array(_alike(batch.column(name)).view(np.int64)) for name in names]
    return hash_rows(pa.RecordBatch.from_arrays(hashes, names=list(names)), list(names))


def _alike(column: pa.Array) -> U64:
    """A hash of each entry; a list of one value has that value's."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    from trueline._core.hash import hash_array

    found = hash_array(column)
    if t.is_list(column.type) or t.is_large_list(column.type) or t.is_fixed_size_list(column.type):
        ones = np.flatnonzero(_lengths(column) == 1)
        if len(ones):
            found = found.copy()
            found[ones] = _alike(pc.list_flatten(column.take(from_numpy(ones))))
    return found


def _fingerprints(batch: pa.RecordBatch, name: str, lists: bool, digits: int | None) -> U64:
    """One fingerprint a row; a scalar counts as a list of one where the other side has lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from trueline._core.hash import hash_array

    if name not in batch.schema.names:
        return np.zeros(batch.num_rows, np.uint64)
    column = batch.column(name)
    kind = describe_column(column.type)
    if digits is not None and kind["type"] == "float64":
        column = _rounded(column, digits)
    present = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), bool)
    empty = np.zeros(batch.num_rows, bool)
    if kind["list"]:
        lengths = pc.fill_null(pc.list_value_length(column), 1).to_numpy(zero_copy_only=False)
        empty = np.asarray(lengths) == 0
    elif lists:
        offsets = pa.array(np.arange(batch.num_rows + 1), pa.int32())
        column = pa.ListArray.from_arrays(offsets, column)
    found = hash_array(column) ^ np.uint64(_TYPES[kind["type"]] * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    found = np.where(found <= EMPTY, found + np.uint64(2), found)
    found[empty] = EMPTY
    found[~present] = ABSENT
    return np.asarray(found, np.uint64)


def _rounded(column: pa.Array, digits: int) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_list(column.type) or t.is_large_list(column.type) or t.is_fixed_size_list(column.type):
        offsets = np.concatenate([[0], np.cumsum(_lengths(column))])
        inner = _rounded(pc.list_flatten(column), digits)
        mask = pc.is_null(column) if column.null_count else None
        return pa.LargeListArray.from_arrays(from_numpy(offsets), inner, mask=mask)
    if digits <= 0:
        return pc.round(column, digits)
    small = pc.less(pc.abs(column), _WHOLE)  # beyond it there is nothing to round, and Arrow's product may overflow
    return pc.if_else(small, pc.round(pc.if_else(small, column, 0.0), digits), column)


def _lengths(column: pa.Array) -> npt.NDArray[np.int64]:
    """Lengths of lists, 0 for those that are null."""
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), np.int64)


def _words(batch: pa.RecordBatch, name: str, prints: U64) -> dict[str, str]:
    """The texts behind the fingerprints of a confusion feature."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    if name not in batch.schema.names:
        return {}
    column = batch.column(name)
    if t.is_list(column.type):
        longest = pc.max(pc.list_value_length(column)).as_py() or 0
        if longest > 1:
            raise DataError(
                f"the confusion feature {name!r} has {longest} values in a row",
                hint="values can be counted against each other only where a row has one.",
            )
    firsts, found = np.unique(prints, return_index=True)
    if len(firsts) > _MAX_WORDS:
        raise DataError(
            f"the confusion feature {name!r} has more than {_MAX_WORDS:,} distinct values",
            hint="count the confusion of features with few values.",
        )
    words = {}
    for fingerprint, row in zip(firsts.tolist(), found.tolist(), strict=True):
        if fingerprint > EMPTY:
            value = column[row].as_py()
            value = value[0] if isinstance(value, list) else value
            words[str(fingerprint)] = (
                value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
            )
    return words
