"""Functions on lists: padding, slices, elements, what a list holds in one value, lists put together.

A missing list gives a missing result, except where a function says otherwise. An empty list is no missing list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.transform.column import Column
from trueline.transform.functions import as_float, tracer_of

__all__ = [
    "as_list",
    "contains_value",
    "dedupe",
    "deduplicate_tensor_per_row",
    "item",
    "list_all",
    "list_any",
    "list_concat",
    "list_get",
    "list_length",
    "list_max",
    "list_mean",
    "list_min",
    "list_slice",
    "list_sort",
    "list_sum",
    "pad",
    "segment_indices",
    "sparse_tensor_left_align",
    "sparse_tensor_to_dense_with_shape",
    "truncate",
]

_BLANK: dict[str, Any] = {"float64": 0.0, "int64": 0, "timestamp": 0, "bool": False, "utf8": ""}


def pad(x: Column, size: int, value: bool | int | float | str | None = None, *, side: str = "right") -> Column:
    """Lists as vectors of `size`: shorter ones are filled up, of longer ones the rest is cut off.

    Args:
        x: lists of float64, int64, bool, utf8 or timestamp.
        size: elements of the vector, at least 1.
        value: the filling, of the lists' type; by default 0, "" or False.
        side: ``right``: filled up and cut off at the end; ``left``: at the beginning, so that the last stay.
    """
    filling = _BLANK.get(x.dtype) if value is None else value
    if x.dtype == "float64" and type(filling) is int:
        filling = float(filling)
    return x.tracer.op("pad", x, size=int(size), value=filling, side=side)


def truncate(x: Column, size: int, *, side: str = "right") -> Column:
    """Lists of at most `size` elements: the first ones, or the last ones with ``side="left"`` (what is cut off)."""
    if size < 0 or side not in ("left", "right"):
        raise x.tracer.error(
            f"truncate needs a size of at least 0 and the side 'left' or 'right', not {size} and {side!r}"
        )
    with x.tracer.scope("truncate"):
        return list_slice(x, -size, None) if side == "left" and size else list_slice(x, 0, size)


def list_length(x: Column) -> Column:
    """How many elements each list has, int64."""
    return x.tracer.op("list_length", x)


def list_get(x: Column, i: int | Column) -> Column:
    """The element at place i (from the end if negative); missing where the list has none there. ``x[i]`` is the same.

    Args:
        x: lists.
        i: an integer, or an int64 column.
    """
    return x.tracer.op("list_get", x, i)


def list_slice(x: Column, start: int | None, stop: int | None) -> Column:
    """The elements from `start` to before `stop`, counted as Python counts them. ``x[start:stop]`` is the same."""
    return x.tracer.op("list_slice", x, start=start or 0, stop=stop)


def list_concat(columns: Sequence[Column]) -> Column:
    """Lists put together in each row, in this order; vectors and scalars count as lists of their elements.

    Missing where any of them is; `fill_missing` with ``[]`` before it leaves missing ones out.
    """
    tracer = tracer_of(*columns)
    with tracer.scope("list_concat"):
        parts = list(columns)
        if {c.dtype for c in parts} == {"int64", "float64"}:
            parts = [as_float(c) for c in parts]
        return tracer.op("list_concat", *parts)


def as_list(x: Column) -> Column:
    """Lists as they are; vectors and scalars as lists of their elements."""
    return x if x.type.kind == "ragged" else x.tracer.op("list_concat", x)


def _number(x: Column) -> Column:
    return x.cast("int64", implied=True) if x.dtype == "bool" else x


def list_sum(x: Column) -> Column:
    """The sum of each list's elements, from the first to the last; of an empty list 0. Booleans count as 0 and 1."""
    with x.tracer.scope("list_sum"):
        return x.tracer.op("row_sum", _number(x))


def list_mean(x: Column) -> Column:
    """The mean of each list's elements, float64; of an empty list missing."""
    with x.tracer.scope("list_mean"):
        return x.tracer.op("row_mean", as_float(x))


def list_min(x: Column) -> Column:
    """The least element of each list, NaN if there is one; of an empty list missing."""
    with x.tracer.scope("list_min"):
        return x.tracer.op("row_min", _number(x))


def list_max(x: Column) -> Column:
    """The greatest element of each list, NaN if there is one; of an empty list missing."""
    with x.tracer.scope("list_max"):
        return x.tracer.op("row_max", _number(x))


def list_any(x: Column) -> Column:
    """Whether any element of a list of booleans is true; of an empty list false."""
    with x.tracer.scope("list_any"):
        return x.tracer.op("row_any", x)


def list_all(x: Column) -> Column:
    """Whether all elements of a list of booleans are true; of an empty list true."""
    with x.tracer.scope("list_all"):
        return x.tracer.op("row_all", x)


def contains_value(x: Column, v: Any) -> Column:
    """Whether a list or vector has an element equal to v, a literal or a column. NaN equals nothing."""
    with x.tracer.scope("contains_value"):
        return list_any(x == v)


def dedupe(x: Column) -> Column:
    """Each row's distinct elements in the order of their first occurrence.

    Each NaN is an element of its own, as in TensorFlow Transform; of -0.0 and 0.0 the first one stays. Memory grows
    with the cells of the batch, so lists may be of any length.

    Args:
        x: lists; vectors and scalars count as lists of their elements.
    """
    with x.tracer.scope("dedupe"):
        return x.tracer.op("distinct", as_list(x))


deduplicate_tensor_per_row = dedupe
"""TensorFlow Transform's name of `dedupe`."""


def list_sort(x: Column, *, descending: bool = False) -> Column:
    """The elements of each list or vector of numbers or times in order; NaN last in either order, -0.0 as 0.0."""
    with x.tracer.scope("list_sort"):
        return x.tracer.op("sort", _number(x), descending=bool(descending))


def segment_indices(segment_ids: Column) -> Column:
    """Per element of a sorted list of ids, how many elements of the same id stand before it: 0 0 2 2 2 gives 0 1 0 1 2.

    Args:
        segment_ids: lists of int64, each sorted. In lists that are not, an element gives its distance from the first
            one of its id.
    """
    return segment_ids.tracer.op("segment_indices", segment_ids)


def sparse_tensor_to_dense_with_shape(x: Column, shape: Sequence[int | None], default_value: Any = 0) -> Column:
    """TensorFlow Transform's name of `pad`: lists as vectors of ``shape[-1]`` elements, filled up with a default value.

    Args:
        x: lists.
        shape: the shape of the batch; only its last number counts. Longer lists are cut, where TensorFlow fails.
        default_value: the filling; for text write ``default_value=""``.
    """
    if not shape or shape[-1] is None:
        raise x.tracer.error(f"the last number of the shape {list(shape)} must be known", "write [None, 10].")
    with x.tracer.scope("sparse_tensor_to_dense_with_shape"):
        return pad(x, int(shape[-1]), default_value)


def sparse_tensor_left_align(sparse_tensor: Column) -> Column:
    """The lists themselves: a list has no holes that could be closed. For code written for TensorFlow Transform."""
    return sparse_tensor


def item(x: Column, index: int | slice | Column) -> Column:
    """What ``x[index]`` means: an element or a slice of a list or vector, an element of a table."""
    if x.type.kind == "ragged":
        if isinstance(index, Column):
            return list_get(x, index)
        if not isinstance(index, slice):
            return list_get(x, _place(x, index))
        if index.step not in (None, 1):
            raise x.tracer.error(f"a list can be sliced in steps of 1 only, not {index.step}")
        return list_slice(x, index.start, index.stop)
    if isinstance(index, Column):
        raise x.tracer.error(f"only a list can be indexed with a column, not {x.tracer.describe(x)}")
    if isinstance(index, slice):
        return x.tracer.op("vector_slice", x, start=index.start, stop=index.stop, step=index.step)
    index = _place(x, index)
    node = x.tracer.nodes[x.index]
    if x.type.kind == "table" and node.is_analyzer and node.attrs.get("reduce") is False:
        return _of_place(x, index)
    if index < 0 and x.type.kind == "fixed" and x.type.size is not None:
        index += x.type.size
    return x.tracer.op("element", x, index=index)


def _of_place(x: Column, index: int) -> Column:
    """Of a table that has a row for each place of a vector (quantiles of each place) the row of one place: what the
    analyzer finds of that place alone."""
    node = x.tracer.nodes[x.index]
    inputs = [Column(x.tracer, i) for i in node.inputs]
    chosen = [item(i, index) if i.type.kind == "fixed" else i for i in inputs]
    return x.tracer.op(node.op, *chosen, **{k: v for k, v in node.attrs.items() if k != "reduce"})


def _place(x: Column, index: Any) -> int:
    if not isinstance(index, int | np.integer) or isinstance(index, bool):
        raise x.tracer.error(f"an index is an integer or a slice, not {index!r}")
    return int(index)
