"""TensorFlow lowerings of `trueline.transform.operations.lists`: structure of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, all_present, column

__all__ = ["LOWERINGS", "PRESENCE", "limited", "picked", "positions", "width"]


def width(data: Any) -> Any:
    """K of cells ``[N, K]``, as int64."""
    import tensorflow as tf

    return tf.shape(data, out_type=tf.int64)[1]


def positions(data: Any) -> Any:
    """0 .. K - 1 of cells ``[N, K]``, as int64 ``[1, K]``."""
    import tensorflow as tf

    return tf.range(width(data))[None, :]


def limited(value: TfValue) -> Any:
    """The lengths, none of them beyond the padding: of a missing row it may be."""
    import tensorflow as tf

    return tf.clip_by_value(value.lengths, tf.constant(0, tf.int64), width(value.data))


def picked(cells: Any, valid: Any, places: Any, filling: Any = None) -> Any:
    """Per row the cells at `places` ``[N, M]``, or `filling` (0, "", False by default) where the place is not valid."""
    import tensorflow as tf

    rows = tf.shape(cells)[:1]
    blank = tf.zeros([], cells.dtype) if filling is None else tf.constant(filling, cells.dtype)
    wider = tf.concat([cells, column(tf.broadcast_to(blank, rows))], axis=1)
    places = tf.where(valid, places, width(cells))
    places = tf.broadcast_to(places, tf.concat([rows, tf.shape(places)[1:]], 0))
    return tf.gather(wider, places, batch_dims=1)


def _length(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return values[0].lengths


def _pad(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    size, length = int(attrs["size"]), column(limited(values[0]))
    places = tf.range(size, dtype=tf.int64)[None, :]
    if attrs["side"] == "left":
        places = places + (length - size)
        valid = places >= 0
    else:
        valid = places < length
    return picked(values[0].data, valid, places, attrs["value"])


def _bound(bound: int, length: Any) -> Any:
    """A bound of a slice, as Python counts it, limited to 0 .. length."""
    import tensorflow as tf

    limit = tf.constant(bound, tf.int64)
    return tf.minimum(length, limit) if bound >= 0 else tf.maximum(length + limit, tf.constant(0, tf.int64))


def _slice(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    import tensorflow as tf

    x, start, stop = values[0], attrs["start"] or 0, attrs["stop"]
    length = limited(x)
    low = _bound(start, length)
    high = length if stop is None else _bound(stop, length)
    lengths = tf.maximum(high - low, tf.constant(0, tf.int64))
    places = positions(x.data)
    return picked(x.data, places < column(lengths), places + column(low)), lengths


def _place(values: Sequence[TfValue]) -> tuple[Any, Any]:
    """The place in each row, and whether there is an element."""
    import tensorflow as tf

    length, index = limited(values[0]), values[1].data
    zero = tf.constant(0, tf.int64)
    place = tf.where(index < zero, index + length, index + tf.zeros_like(length))
    return place, tf.logical_and(place >= zero, place < length)


def _get(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    place, there = _place(values)
    return tf.squeeze(picked(values[0].data, column(there), column(place)), 1)


def _as_lists(value: TfValue) -> tuple[Any, Any]:
    """Cells and lengths of lists, vectors or scalars."""
    import tensorflow as tf

    if value.type.kind == "ragged":
        return value.data, limited(value)
    cells = value.data if value.type.kind == "fixed" else column(value.data)
    return cells, tf.fill(tf.shape(cells)[:1], tf.constant(value.type.size or 1, tf.int64))


def _concat(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    """The cells side by side, and for each place of the result the cell that it comes from."""
    import tensorflow as tf

    parts = [_as_lists(v) for v in values]
    cells = tf.concat([data for data, _ in parts], axis=1)
    own = positions(cells)
    places = own
    begin = tf.zeros_like(parts[0][1])
    shift = tf.constant(0, tf.int64)
    for data, length in parts:
        # from `begin` of the result on stand this part's cells, which lie from `shift` on
        places = tf.where(own >= column(begin), own + (shift - column(begin)), places)
        begin, shift = begin + length, shift + width(data)
    return picked(cells, own < column(begin), places), begin


def _fill(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    import tensorflow as tf

    x = values[0]
    return x.data, x.lengths if x.present is None else tf.where(x.present, x.lengths, tf.zeros_like(x.lengths))


def _get_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return all_present([values[0].present, values[1].present, _place(values)[1]])


LOWERINGS: dict[str, Lowering] = {
    "list_length": _length,
    "pad": _pad,
    "list_slice": _slice,
    "list_get": _get,
    "list_concat": _concat,
    "fill_missing_list": _fill,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {
    "list_get": _get_present,
    "fill_missing_list": lambda values, attrs: None,
}
"""Presence by operation, where it is not that of all inputs."""
