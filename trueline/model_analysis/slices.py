"""Which rows belong to which slice: vectorised grouping of an Arrow batch by slicing specs.

A slice key is a tuple of (column, value) pairs sorted by column, ``()`` for the overall slice. An expression stands as
the pair (expression text, None). Semantics are TFMA's: a missing value is in no slice of its column, a list column puts
a row into one slice per distinct value, and a row may be in several slices.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.config import SlicingSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "OVERALL",
    "Grouping",
    "SliceKey",
    "group_rows",
    "key_text",
    "parse_key",
    "slice_name",
    "spec_columns",
    "spec_matches",
]

SliceValue: TypeAlias = str | int | float | bool | None
SliceKey: TypeAlias = tuple[tuple[str, SliceValue], ...]
Ints: TypeAlias = npt.NDArray[np.int64]
OVERALL: SliceKey = ()


@dataclass(frozen=True)
class Grouping:
    """Rows of one batch by slices of one spec; a row stands once for each of its slices.

    Attributes:
        rows: row numbers, int64 ``[L]``.
        codes: index into `keys` for each of `rows`, int64 ``[L]``.
        keys: the slices found, in no particular order.
    """

    rows: Ints
    codes: Ints
    keys: tuple[SliceKey, ...]


def key_text(key: SliceKey) -> str:
    """Canonical text of a slice key: JSON, equal for equal keys alone."""
    return json.dumps([list(pair) for pair in key], ensure_ascii=False, allow_nan=False)


def parse_key(text: str) -> SliceKey:
    """The key that `key_text` wrote."""
    return tuple((str(name), value) for name, value in json.loads(text))


def slice_name(key: SliceKey) -> str:
    """How a slice is called in sentences and tables: ``Overall``, ``company=Flash, fare > 20``."""
    parts = (name if value is None else f"{name}={_text(value)}" for name, value in key)
    return ", ".join(parts) or "Overall"


def spec_columns(specs: Iterable[SlicingSpec]) -> tuple[str, ...]:
    """All columns that the specs read, those of expressions included, sorted."""
    names: set[str] = set()
    for spec in specs:
        names.update(spec.columns)
        if spec.expression:
            names.update(_expr(spec.expression).columns)
    return tuple(sorted(names))


def spec_matches(spec: SlicingSpec, key: SliceKey) -> bool:
    """Whether a slice is one of those that the spec describes."""
    wanted = {*spec.columns, *([spec.expression] if spec.expression else [])}
    if {name for name, _ in key} != wanted:
        return False
    return all(_value_matches(value, spec.feature_values[name]) for name, value in key if name in spec.feature_values)


def group_rows(batch: pa.RecordBatch, specs: Sequence[SlicingSpec]) -> list[Grouping]:
    """Groups the rows of a batch by every spec. A slice that two specs describe is given once.

    Raises:
        ConfigError: a spec names a column that the batch does not have.
    """
    seen: set[SliceKey] = set()
    columns: dict[str, tuple[Ints, Ints, list[SliceValue]]] = {}
    result = []
    for spec in specs:
        for name in spec.columns:
            if name not in columns:
                columns[name] = _encode(_column(batch, name))
        grouping = _group(batch, spec, columns)
        fresh = np.array([key not in seen for key in grouping.keys], dtype=bool)
        seen.update(grouping.keys)
        if not fresh.all():
            keep = fresh[grouping.codes]
            renumber = np.cumsum(fresh) - 1
            keys = tuple(k for k, f in zip(grouping.keys, fresh.tolist(), strict=True) if f)
            grouping = Grouping(grouping.rows[keep], renumber[grouping.codes[keep]], keys)
        result.append(grouping)
    return result


def _group(
    batch: pa.RecordBatch, spec: SlicingSpec, columns: dict[str, tuple[Ints, Ints, list[SliceValue]]]
) -> Grouping:
    rows = np.arange(batch.num_rows, dtype=np.int64)
    pairs: list[tuple[str, SliceValue]] = []
    if spec.expression:
        hit = _expr(spec.expression).evaluate(batch)
        rows = rows[np.asarray(hit.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)]
        pairs.append((spec.expression, None))
    codes = np.zeros(len(rows), dtype=np.int64)
    keys: list[tuple[tuple[str, SliceValue], ...]] = [tuple(pairs)] if len(rows) or not pairs else []
    for name in spec.columns:
        feature_rows, feature_codes, values = columns[name]
        if name in spec.feature_values:
            wanted = spec.feature_values[name]
            accepted = np.array([_value_matches(v, wanted) for v in values], dtype=bool)
            keep = accepted[feature_codes]
            feature_rows, feature_codes = feature_rows[keep], feature_codes[keep]
        rows, codes = _cross(batch.num_rows, rows, codes, feature_rows, feature_codes, max(len(values), 1))
        found, codes = np.unique(codes, return_inverse=True)
        width = max(len(values), 1)
        keys = [(*keys[c // width], (name, values[c % width])) for c in found.tolist()]
    ordered = tuple(tuple(sorted(key, key=lambda pair: pair[0])) for key in keys)
    if not len(rows):
        return Grouping(rows, codes, ())
    return Grouping(rows, codes.astype(np.int64), ordered)


def _cross(
    total: int, rows: Ints, codes: Ints, feature_rows: Ints, feature_codes: Ints, width: int
) -> tuple[Ints, Ints]:
    """Joins (row, code) pairs with a feature's (row, code) pairs, both sorted by row."""
    counts = np.bincount(feature_rows, minlength=total)
    starts = np.cumsum(counts) - counts
    times = counts[rows]
    joined = np.repeat(rows, times)
    offset = np.arange(len(joined)) - np.repeat(np.cumsum(times) - times, times)
    return joined, np.repeat(codes, times) * width + feature_codes[np.repeat(starts[rows], times) + offset]


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise ConfigError(
            f"slicing names column {name!r}, which the data does not have",
            hint=did_you_mean(name, [n for n in batch.schema.names if not n.startswith("__")]),
        )
    return batch.column(index)


def _encode(column: pa.Array) -> tuple[Ints, Ints, list[SliceValue]]:
    """(row, code) pairs sorted by row, without missing values, each pair once; and what the codes mean."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    many = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    if many:
        rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
        column = pc.list_flatten(column)
    else:
        rows = np.arange(len(column), dtype=np.int64)
    if pa.types.is_floating(column.type):
        column = pc.add(column, pa.scalar(0.0, column.type))  # -0.0 and 0.0 are one value
    present = column.is_valid().to_numpy(zero_copy_only=False)
    rows = rows[present]
    encoded = column.drop_null().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    values = [_plain(v) for v in encoded.dictionary.to_pylist()]
    if many and len(rows):
        pairs = np.unique(np.stack([rows, codes], axis=1), axis=0)
        rows, codes = pairs[:, 0], pairs[:, 1]
    return rows, codes, values


def _plain(value: Any) -> SliceValue:
    """A JSON value that stands for a column's value."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (str, int, float, bool)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _text(value: SliceValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value_matches(value: SliceValue, wanted: str) -> bool:
    if isinstance(value, (bool, str)):
        return _text(value) == wanted
    try:
        return value is not None and (str(value) == wanted or value == float(wanted))
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _expr(text: str) -> Any:
    from trueline._core.expr import parse

    return parse(text)
