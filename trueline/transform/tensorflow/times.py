"""TensorFlow lowerings of `trueline.transform.operations.times`: parts of timestamps, truncation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from trueline.transform.operations import times
from trueline.transform.operations.base import Attrs
from trueline.transform.operations.integers import Ints
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue
from trueline.transform.tensorflow.integers import TfInts

__all__ = ["LOWERINGS", "PRESENCE"]


def _ints(data: Any) -> Ints:
    """A tensor that the calendar's formulas compute with."""
    return cast(Ints, TfInts(data))


def _part(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return cast(TfInts, times.PART_FORMULAS[attrs["part"]](_ints(values[0].data))).data


def _truncate(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    us = tf.maximum(values[0].data, tf.constant(times.FIRST, tf.int64))
    return cast(TfInts, times.UNIT_FORMULAS[attrs["unit"]](_ints(us))).data


LOWERINGS: dict[str, Lowering] = {"time_part": _part, "truncate_time": _truncate}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
