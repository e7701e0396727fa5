"""A feature of a tf.Example to a value in a row, wherever the example came from: JSON or a message.

bytes_list is text, bytes, or a time as ISO text; int64_list is whole numbers, numbers, bools as 0 and 1, or times in
microseconds; float_list is numbers. A feature without values is missing, but for a feature of lists, where it is an
empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from trueline._core.feed_columns import timestamp_micros
from trueline._core.values import RawFeature

__all__ = ["KINDS", "Values", "feature_value"]

Values = list[Any]
KINDS = ("bytes_list", "float_list", "int64_list")
_TEXT = 60


def feature_value(feature: RawFeature, kind: str, values: Values) -> Any:
    """The value in a row.

    Args:
        feature: what the model expects.
        kind: one of `KINDS`.
        values: the list's values: bytes, float or int.

    Raises:
        ValueError: what was expected and what came; row and feature are for the caller to name.
    """
    if feature.kind != "ragged" and not values:
        return None
    convert = _CONVERSIONS[feature.dtype].get(kind)
    if convert is None:
        expected = " or ".join(name for name in KINDS if name in _CONVERSIONS[feature.dtype])
        raise ValueError(f"expected {feature.dtype} ({expected}), got {kind} {_shown(values)}")
    made = convert(values)
    if feature.kind == "ragged":
        return made
    size = 1 if feature.kind == "scalar" else feature.size
    if len(made) != size:
        raise ValueError(f"expected {size} value{'' if size == 1 else 's'}, got {len(made)}: {_shown(values)}")
    return made[0] if feature.kind == "scalar" else made


def _same(values: Values) -> Values:
    return values


def _texts(values: Values) -> Values:
    try:
        return [value.decode("utf-8") for value in values]
    except UnicodeDecodeError:
        raise ValueError(f"expected utf8, got bytes that are no UTF-8: {_shown(values)}") from None


def _bools(values: Values) -> Values:
    if not set(values) <= {0, 1}:
        raise ValueError(f"expected bool (int64_list of 0 and 1), got {_shown(values)}")
    return [value == 1 for value in values]


def _times(values: Values) -> Values:
    try:
        return [timestamp_micros(value.decode("utf-8")) for value in values]
    except (ValueError, OverflowError):
        raise ValueError(f"expected timestamp (ISO text), got {_shown(values)}") from None


_NUMBERS = {"float_list": _same, "int64_list": _same}
_CONVERSIONS: Mapping[str, Mapping[str, Callable[[Values], Values]]] = MappingProxyType(
    {
        "float64": _NUMBERS,
        "float32": _NUMBERS,
        "int64": {"int64_list": _same},
        "bool": {"int64_list": _bools},
        "utf8": {"bytes_list": _texts},
        "bytes": {"bytes_list": _same},
        "timestamp": {"int64_list": _same, "bytes_list": _times},
    }
)
"""By type of a feature, how each list of tf.Example that may hold it becomes its values."""


def _shown(values: Values) -> str:
    text = repr(values[:8])
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."
