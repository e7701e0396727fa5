"""TensorFlow lowerings of `trueline.transform.operations.parsing`: numbers out of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.parsing import INTEGER, NUMBER
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, all_present, constant, select, tf_dtype

__all__ = ["LOWERINGS", "PRESENCE"]


def _parse(pattern: str, dtype: str) -> Lowering:
    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        x, default = values[0].data, attrs.get("default")
        valid = tf.strings.regex_full_match(x, pattern)
        digits = tf.strings.regex_replace(tf.where(valid, x, "0"), r"\A[+]", "")
        parsed = tf.strings.to_number(digits, tf_dtype(dtype))
        return select(valid, parsed, constant(default, parsed)) if default else parsed

    return lowering


def _present(pattern: str) -> PresenceRule:
    """Missing where the text is no number, unless there is a default."""

    def rule(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        if attrs.get("default") is not None:
            return values[0].present
        return all_present([values[0].present, tf.strings.regex_full_match(values[0].data, pattern)])

    return rule


LOWERINGS: dict[str, Lowering] = {
    "parse_number": _parse(NUMBER, "float64"),
    "parse_int": _parse(INTEGER, "int64"),
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {"parse_number": _present(NUMBER), "parse_int": _present(INTEGER)}
"""Presence by operation, where it is not that of all inputs."""
