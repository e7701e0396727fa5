"""One Arrow column to an array: nulls filled and marked before numpy sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_columns import FILL, Column
from trueline._core.values import RawFeature, arrow_type_of, widened_type

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["column_from_arrow"]


def _scalars(array: pa.Array, dtype: str, blank: bool = True) -> npt.NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    fill, numpy_type = FILL[dtype]
    if dtype == "timestamp":
        array = array.cast(pa.int64())
    if array.null_count:
        if _PLAIN.get(dtype) == str(array.type):
            values = _buffer(array, numpy_type)
            return np.where(_valid(array), values, numpy_type(fill)) if blank else values
        array = pc.fill_null(array, fill)
    values = array.to_numpy(zero_copy_only=False)
    return np.asarray(values, numpy_type)


_PLAIN = {"float64": "double", "int64": "int64", "timestamp": "int64"}
"""Types whose Arrow buffer is a numpy array as it is, by their Arrow name."""


def _valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values are there: the bits of Arrow's mask, one byte each."""
    mask = array.buffers()[0]
    if mask is None or not array.null_count:
        return np.ones(len(array), np.bool_)
    first = array.offset
    bits = np.frombuffer(mask, np.uint8)[first // 8 : (first + len(array) + 7) // 8]
    skipped = first % 8
    unpacked = np.unpackbits(bits, count=skipped + len(array), bitorder="little")
    return unpacked[skipped:].view(np.bool_)


def _buffer(array: pa.Array, numpy_type: Any) -> npt.NDArray[Any]:
    """The values with whatever lies under the missing ones."""
    data = array.buffers()[1]
    whole: npt.NDArray[Any] = np.frombuffer(data, numpy_type, count=array.offset + len(array))
    return whole[array.offset :]


def _unchunk(column: Any) -> pa.Array:
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column


def column_from_arrow(
    feature: RawFeature, column: pa.Array | pa.ChunkedArray, *, blank: bool = True
) -> tuple[Column, list[str]]:
    """The column's values, presence and lengths, and what does not fit.

    Args:
        feature: what is expected.
        column: the data.
        blank: put 0 under missing numbers; without, whatever Arrow's buffer holds there stays, which costs nothing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array, target = _unchunk(column), arrow_type_of(feature)
    if array.type != target:
        fits = pa.types.is_null(array.type) or feature.dtype == "float32" or widened_type(array.type) == target
        integral = feature.dtype == "float64" and pa.types.is_integer(array.type)
        try:
            if not fits and not integral:
                raise pa.ArrowInvalid("another type")
            array = array.cast(target, safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            empty = Column(np.zeros(len(array)), np.zeros(len(array), bool))
            return empty, [f"column {feature.name!r}: expected {target}, got {array.type}"]
    present = _valid(array)
    if feature.kind == "scalar":
        return Column(_scalars(array, feature.dtype, blank), present), []
    holes = _holes(feature, array)
    if feature.kind == "fixed":
        filled = array if not array.null_count else pc.fill_null(array, _zero_list(feature, array.type))
        flat = _scalars(filled.flatten(), feature.dtype)
        return Column(flat.reshape(len(array), feature.size or 0), present), holes
    return _ragged(feature, array, present), holes


def _holes(feature: RawFeature, array: pa.Array) -> list[str]:
    """The first row with a missing value inside its list, as the feed of JSON refuses it."""
    import pyarrow.compute as pc

    elements = pc.list_flatten(array)  # nothing of missing rows
    if not elements.null_count:
        return []
    place = int(np.flatnonzero(~_valid(elements))[0])
    row = pc.list_parent_indices(array)[place].as_py()
    return [f"row {row}, column {feature.name!r}: no missing values inside a list; fill or drop them beforehand"]


def _zero_list(feature: RawFeature, arrow_type: pa.DataType) -> pa.Scalar:
    import pyarrow as pa

    fill, _ = FILL[feature.dtype]
    return pa.scalar([fill] * int(feature.size or 0), arrow_type)


def _ragged(feature: RawFeature, array: pa.Array, present: npt.NDArray[np.bool_]) -> Column:
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    fill, numpy_type = FILL[feature.dtype]
    width = int(lengths.max(initial=0))
    out = np.full((len(array), width), fill, numpy_type)
    out[np.arange(width)[None, :] < lengths[:, None]] = _scalars(pc.list_flatten(array), feature.dtype)
    return Column(out, present, lengths)
