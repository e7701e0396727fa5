"""Grouping the rows of one batch by slicers: vectorised, each row at most once in a slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, DataError, EngineError, did_you_mean
from trueline._core.values import HIDDEN_PREFIX, widened_type
from trueline.data_validation.slicing import DEFAULT_SLICE_KEY, ExpressionSlicer, FeatureSlicer, FunctionSlicer, Slicer

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_slicers", "function_slices", "group_rows", "too_many"]

Ints: TypeAlias = npt.NDArray[np.int64]
_TRUE, _FALSE = "true", "false"
_SLICEABLE = {"bool", "int64", "string", "binary"}


def check_slicers(arrow_schema: pa.Schema, slicers: Sequence[Slicer]) -> None:
    """Checks that slicers fit the columns.

    Raises:
        ConfigError: naming every column that is not there, whose type has no values to slice by, or whose wanted
            values are none of its type.
    """
    problems: list[str] = []
    names = [name for name in arrow_schema.names if not name.startswith(HIDDEN_PREFIX)]
    for slicer in slicers:
        unknown = [column for column in slicer.columns or () if column not in arrow_schema.names]
        problems += [f"{slicer.describe()}: there is no column {c!r}; {did_you_mean(c, names)}" for c in unknown]
        if isinstance(slicer, FeatureSlicer):
            for column, values in slicer.features:
                if column in arrow_schema.names:
                    problems += _type_problems(slicer, column, values, arrow_schema.field(column).type)
        elif isinstance(slicer, FunctionSlicer):
            _function(slicer.function)
    if problems:
        raise ConfigError(
            "the data cannot be sliced so",
            problems=list(dict.fromkeys(problems)),
            hint="numbers and times are sliced by an expression: StatsOptions(slices=['fare > 20']).",
        )


def _type_problems(
    slicer: FeatureSlicer, column: str, values: Sequence[str | int] | None, arrow_type: pa.DataType
) -> Iterator[str]:
    leaf = _leaf(widened_type(arrow_type))
    if str(leaf) not in _SLICEABLE:
        yield f"{slicer.describe()}: column {column!r} is {leaf}; text, integers and booleans can be sliced by"
        return
    for value in values or ():
        if str(leaf) == "int64" and _integer(value) is None:
            yield f"{slicer.describe()}: {value!r} is no integer, column {column!r} holds integers"
        if str(leaf) == "bool" and _text_of_bool(value) is None:
            yield f"{slicer.describe()}: {value!r} is neither true nor false, column {column!r} holds booleans"


def _leaf(arrow_type: pa.DataType) -> Any:
    """The type inside all lists."""
    leaf: Any = arrow_type
    while hasattr(leaf, "value_type"):
        leaf = leaf.value_type
    return leaf


def _integer(value: str | int) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None


def _text_of_bool(value: str | int) -> str | None:
    return {"true": _TRUE, "1": _TRUE, "false": _FALSE, "0": _FALSE}.get(str(value).lower())


def group_rows(batch: pa.RecordBatch, slicer: FeatureSlicer | ExpressionSlicer, limit: int) -> dict[str, Ints]:
    """The rows of each slice, ascending.

    Raises:
        ConfigError: for more than `limit` slices, see `too_many`.
        DataError: a value to slice by that is no UTF-8 text.
    """
    if isinstance(slicer, ExpressionSlicer):
        mask = _expr(slicer.expression).mask(batch)
        rows = np.flatnonzero(np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool))
        return {slicer.name: rows} if len(rows) else {}
    rows, codes, keys = np.arange(batch.num_rows, dtype=np.int64), np.zeros(batch.num_rows, np.int64), [""]
    for name, values in slicer.features:
        own_rows, own_codes, texts = _encode(batch.column(name), name)
        if values is not None:
            wanted = _wanted_texts(batch.schema.field(name).type, values)
            keep = np.array([text in wanted for text in texts], dtype=bool)[own_codes]
            own_rows, own_codes = own_rows[keep], own_codes[keep]
        width = max(len(texts), 1)
        rows, codes = _cross(batch.num_rows, rows, codes, own_rows, own_codes, width)
        found, codes = np.unique(codes, return_inverse=True)
        if len(found) > limit:
            raise too_many(slicer, len(found), limit)
        keys = [f"{keys[c // width]}_{name}_{texts[c % width]}" for c in found.tolist()]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(keys)))[: len(keys)]
    parts = np.split(rows[order], ends[:-1]) if len(rows) else []
    grouped: dict[str, Ints] = {}
    for key, part in zip(keys, parts, strict=False):
        known = grouped.get(key[1:])  # other values may spell the same key: their rows are one slice
        grouped[key[1:]] = part if known is None else np.union1d(known, part)
    return grouped


def too_many(slicer: Slicer, count: int, limit: int) -> ConfigError:
    """The error for more slices than allowed."""
    return ConfigError(
        f"{slicer.describe()} give {count} slices or more, at most {limit} are allowed (max_slices)",
        hint="name the values that matter, slice by an expression, or raise max_slices: each slice costs memory.",
    )


def _wanted_texts(arrow_type: pa.DataType, values: Sequence[str | int]) -> set[str]:
    """The wanted values as `_encode` writes values of this type."""
    kind = str(_leaf(arrow_type))
    if kind == "bool":
        return {text for value in values if (text := _text_of_bool(value)) is not None}
    if kind == "int64":
        return {str(_integer(value)) for value in values}
    return {str(value) for value in values}


def _cross(total: int, rows: Ints, codes: Ints, other_rows: Ints, other: Ints, width: int) -> tuple[Ints, Ints]:
    """Joins two lists of (row, code) by row, both sorted by row: the second code is the last digit to base `width`."""
    counts = np.bincount(other_rows, minlength=total)
    starts = np.cumsum(counts) - counts
    times = counts[rows]
    place = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(rows, times), np.repeat(codes, times) * width + other[np.repeat(starts[rows], times) + place]


def _encode(column: pa.Array, name: str) -> tuple[Ints, Ints, list[str]]:
    """(row, code) pairs sorted by row, each once, without missing values; and the text that each code stands for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = np.arange(len(column), dtype=np.int64)
    many = False
    while pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        if pa.types.is_fixed_size_list(column.type):
            column = column.cast(pa.list_(column.type.value_type))
        rows = rows[pc.list_parent_indices(column).to_numpy(zero_copy_only=False)]
        column, many = pc.list_flatten(column), True
    present = column.is_valid().to_numpy(zero_copy_only=False)
    rows = rows[present]
    encoded = column.drop_null().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    if many and len(rows):
        pairs = np.unique(np.stack([rows, codes], axis=1), axis=0)
        rows, codes = pairs[:, 0], pairs[:, 1]
    return rows, codes, [_text(value, name) for value in encoded.dictionary.to_pylist()]


def _text(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"the value {value[:40]!r} is no UTF-8 text, so it names no slice", where=f"column {name!r}"
            ) from error
    return str(value)


@lru_cache(maxsize=256)
def _expr(text: str) -> Any:
    from trueline._core.expr import parse

    return parse(text)


def _function(name: str) -> Any:
    from trueline.engine.base import resolve

    function = resolve(name)
    if not callable(function):
        raise ConfigError(f"{name!r} is a {type(function).__name__}, no slice function")
    return function


def function_slices(batch: pa.RecordBatch, slicer: FunctionSlicer) -> dict[str, list[pa.RecordBatch]]:
    """What the user's function gives, by slice.

    Raises:
        EngineError: what it raises, or when it gives something else than pairs of key and record batch.
    """
    import pyarrow as pa

    found: dict[str, list[pa.RecordBatch]] = {}
    place = slicer.describe()
    try:
        pairs = list(_function(slicer.function)(batch))
    except Exception as error:
        raise EngineError(f"it failed: {type(error).__name__}: {error}", where=place) from error
    for pair in pairs:
        key, part = pair if isinstance(pair, tuple) and len(pair) == 2 else (None, None)
        if isinstance(part, pa.Table):
            part = part.combine_chunks().to_batches()[0] if part.num_rows else batch.slice(0, 0)
        if not isinstance(key, str) or not key or not isinstance(part, pa.RecordBatch):
            raise EngineError(f"it gave {pair!r:.200}", where=place, hint="give pairs (key, pyarrow RecordBatch).")
        if key == DEFAULT_SLICE_KEY:
            raise EngineError(f"{DEFAULT_SLICE_KEY!r} is the slice of all rows", where=place)
        missing = sorted(set(batch.schema.names) - set(part.schema.names))
        if missing:
            raise EngineError(f"slice {key!r} lacks the columns {missing}", where=place)
        found.setdefault(key, []).append(part)
    return found
