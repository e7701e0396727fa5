"""TensorFlow lowerings of `trueline.transform.operations.documents`: distinct ids in ascending order, their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, column, sealed
from trueline.transform.tensorflow.distinct import kept_cells
from trueline.transform.tensorflow.lists import limited, positions, width

__all__ = ["LOWERINGS", "PRESENCE"]

_LAST = 2**63 - 1


@dataclass(frozen=True)
class _Runs:
    """Distinct ids ``[N, K]`` from the left, how often each occurs, how many there are, and how many ids in all."""

    ids: Any
    counts: Any
    distinct: Any
    lengths: Any


def _runs(x: TfValue) -> _Runs:
    import tensorflow as tf

    places, whole = positions(x.data), width(x.data)
    lengths = tf.fill(tf.shape(x.data)[:1], whole) if x.lengths is None else limited(x)
    there = places < column(lengths)
    cells = tf.sort(tf.where(there, x.data, tf.constant(_LAST, tf.int64)), axis=1)
    before = tf.concat([cells[:, :1], cells[:, :-1]], axis=1)
    first = tf.logical_and(there, tf.logical_or(tf.equal(places, 0), tf.not_equal(cells, before)))
    ids, distinct = kept_cells(cells, first)
    starts, _ = kept_cells(tf.broadcast_to(places, tf.shape(cells)), first)
    starts = tf.where(places < column(distinct), starts, whole)
    behind = tf.concat([starts[:, 1:], column(tf.fill(tf.shape(starts)[:1], whole))], axis=1)[:, : tf.shape(starts)[1]]
    return _Runs(ids, tf.minimum(behind, column(lengths)) - starts, distinct, lengths)


def _wrap(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.math.floormod(values[0].data, tf.constant(max(1, int(values[1].type.literal)), tf.int64))


def _ids(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    runs = _runs(values[0])
    return runs.ids, runs.distinct


def _weights(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    import tensorflow as tf

    runs, count = _runs(values[0]), len(values[1].data.values)
    last = tf.constant(count, tf.int64)
    known = tf.logical_and(runs.ids >= 0, runs.ids < last)
    table = tf.constant([*values[1].data.values, 0.0], tf.float64)
    factors = tf.gather(table, tf.where(known, runs.ids, last))
    share = sealed(tf.cast(runs.counts, tf.float64) / tf.cast(column(runs.lengths), tf.float64))
    return share * factors, runs.distinct


LOWERINGS: dict[str, Lowering] = {"wrap_ids": _wrap, "term_ids": _ids, "term_weights": _weights}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
