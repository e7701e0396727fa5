"""From a sample of rows to axes: which columns can be searched, where they are cut, and what is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.model_analysis.slice_finder.axes import Axis

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Axes", "make_axes"]


@dataclass(frozen=True)
class Axes:
    """The axes of a search.

    Attributes:
        axes: the axes, in the order of columns.
        left_out: column -> what of it is not searched, and why.
    """

    axes: tuple[Axis, ...]
    left_out: dict[str, str]


def make_axes(table: pa.Table, columns: Sequence[str], buckets: int, max_values: int, min_share: float) -> Axes:
    """Axes of the columns of a sample.

    Args:
        table: sampled rows.
        columns: which of its columns.
        buckets: buckets of numbers and times.
        max_values: most values of one column that have a cell.
        min_share: values that have less than half of this share of the sample have none.
    """
    axes: list[Axis] = []
    left_out: dict[str, str] = {}
    least = min_share * table.num_rows / 2
    for name in columns:
        found, note = _axes_of(name, table.column(name).combine_chunks(), buckets, max_values, least)
        axes += found
        if note:
            left_out[name] = note
    return Axes(tuple(axes), left_out)


def _axes_of(name: str, column: Any, buckets: int, max_values: int, least: float) -> tuple[list[Axis], str]:
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(column, pa.ChunkedArray):  # of no chunks
        column = pa.array([], column.type)
    kind = column.type
    if t.is_timestamp(kind) or t.is_date(kind):
        return _times(name, column, buckets)
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return _numbers(name, column, buckets)
    if t.is_boolean(kind) or t.is_string(kind) or t.is_large_string(kind):
        return _values(name, column, max_values, least)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return _members(name, column, max_values, least)
    return [], f"columns of type {kind} are not searched"


def _times(name: str, column: Any, buckets: int) -> tuple[list[Axis], str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64()).drop_null()
    edges = _edges(np.sort(micros.to_numpy(zero_copy_only=False).astype(np.float64)), buckets)
    return [Axis(name, "time", edges, empty=True)], ""


def _numbers(name: str, column: Any, buckets: int) -> tuple[list[Axis], str]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    numbers = pc.cast(column, pa.float64(), safe=False).drop_null().to_numpy(zero_copy_only=False)
    floats = t.is_floating(column.type)
    ordered = np.sort(numbers[~np.isnan(numbers)] + 0.0)
    distinct = np.unique(ordered)
    exact = bool((np.abs(distinct) < 2.0**53).all()) and not t.is_decimal(column.type)
    if len(distinct) <= buckets and exact:
        whole: Callable[[float], int | float] = float if floats else int
        return [Axis(name, "value", (), tuple(whole(v) for v in distinct.tolist()), floats)], ""
    return [Axis(name, "number", _edges(ordered, buckets), (), floats)], ""


def _edges(ordered: np.ndarray[Any, Any], buckets: int) -> tuple[float, ...]:
    """Boundaries at even quantiles, each a value of the sample, so that a value on a boundary begins a bucket."""
    if not len(ordered):
        return ()
    places = [min(math.ceil(len(ordered) * i / buckets), len(ordered) - 1) for i in range(1, buckets)]
    return tuple(e for e in dict.fromkeys(float(ordered[p]) for p in places) if ordered[0] < e < math.inf)


def _most_frequent(values: Any, max_values: int, least: float, rows: int) -> tuple[list[Any], str]:
    """The most frequent values, and a word on the others."""
    counted = values.drop_null().value_counts()
    pairs = sorted(zip(counted.field(1).to_pylist(), counted.field(0).to_pylist(), strict=True), key=_order)
    frequent = [value for count, value in pairs if count >= least]
    kept = frequent[:max_values]
    if len(kept) == len(pairs):
        return kept, ""
    share = 1 - sum(count for count, _ in pairs[: len(kept)]) / max(sum(count for count, _ in pairs), 1)
    seen = f"{len(pairs)} values were seen in a sample of {rows:,} rows"
    return kept, f"{seen}; only the {len(kept)} most frequent ones are searched, {share:.1%} of its values are others"


def _order(pair: tuple[int, Any]) -> tuple[int, str]:
    return (-pair[0], str(pair[1]))


def _values(name: str, column: Any, max_values: int, least: float) -> tuple[list[Axis], str]:
    kept, note = _most_frequent(column, max_values, least, len(column))
    return [Axis(name, "value", (), tuple(kept))], note


def _members(name: str, column: Any, max_values: int, least: float) -> tuple[list[Axis], str]:
    import pyarrow.compute as pc
    import pyarrow.types as t

    inner = column.type.value_type
    if not (t.is_string(inner) or t.is_large_string(inner) or t.is_integer(inner) or t.is_boolean(inner)):
        return [], f"lists of {inner} are not searched"
    kept, note = _most_frequent(pc.list_flatten(column), max_values, least, len(column))
    return [Axis(name, "member", (), (value,), empty=i == 0) for i, value in enumerate(kept)], note
