"""TensorFlow lowerings of `take`, `map_values` and `by_fold`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.transform.emitter import numpy_constant
from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, Table, TfValue, all_present, tf_dtype

__all__ = ["LOWERINGS", "PRESENCE"]

_BLANK: dict[str, Any] = {"float64": 0.0, "int64": 0, "timestamp": 0, "bool": False, "utf8": ""}


def _inside(index: Any, rows: int) -> Any:
    import tensorflow as tf

    return tf.logical_and(index >= tf.constant(0, tf.int64), index < tf.constant(rows, tf.int64))


def _rows(values: Sequence[TfValue], attrs: Attrs) -> int:
    size = int(np.size(numpy_constant(values[1].data.values, values[1].type.dtype)))
    return size // int(attrs.get("width") or 1)


def _take(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """The table with one more row behind it, which every position outside reads."""
    import tensorflow as tf

    index, dtype = values[0].data, values[1].type.dtype
    default, rows = attrs.get("default"), _rows(values, attrs)
    table = numpy_constant(values[1].data.values, dtype)
    if attrs.get("width") is not None:
        table = table.reshape(rows, int(attrs["width"]))
    last = np.empty((1, *table.shape[1:]), table.dtype)
    last[...] = numpy_constant(_BLANK[dtype] if default is None else default, dtype)
    place = tf.where(_inside(index, rows), index, tf.constant(rows, tf.int64))
    return tf.gather(tf.constant(np.concatenate([table, last]).tolist(), tf_dtype(dtype)), place)


def _take_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    if attrs.get("default") is not None:
        return values[0].present
    return all_present([values[0].present, _inside(values[0].data, _rows(values, attrs))])


def _map(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, dtype, default = values[0].data, attrs["dtype"], attrs["default"]
    place = Table(attrs["keys"], "utf8").positions(x)
    cells = [*attrs["values"], _BLANK[dtype] if default is None else default]
    table = tf.constant(numpy_constant(cells, dtype).tolist(), tf_dtype(dtype))
    found = tf.gather(table, tf.where(place < 0, tf.constant(len(cells) - 1, tf.int64), place))
    return tf.where(place < 0, x, found) if dtype == "utf8" and default is None else found


def _map_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    if attrs["dtype"] == "utf8" or attrs["default"] is not None:
        return values[0].present
    return all_present([values[0].present, Table(attrs["keys"], "utf8").positions(values[0].data) >= 0])


LOWERINGS: dict[str, Lowering] = {"take": _take, "map_values": _map, "by_fold": lambda values, attrs: values[0].data}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {
    "take": _take_present,
    "map_values": _map_present,
    "by_fold": lambda values, attrs: values[0].present,
}
"""Presence by operation, where it is not that of all inputs."""
