"""A tensor's values in the type of a feature: numbers widened, text decoded, times read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_columns import FILL, timestamp_micros
from trueline._core.values import RawFeature
from trueline.serving.oip_tensors import Tensor

__all__ = ["feature_values"]

_LARGEST = 2**63 - 1
_MAX_PROBLEMS = 20


def feature_values(
    feature: RawFeature, tensor: Tensor, present: npt.NDArray[np.bool_], width: int, problems: list[str]
) -> npt.NDArray[Any]:
    """The flat values in the feature's type, filled where they are missing.

    Args:
        feature: whose values they are.
        tensor: of a datatype that is taken for the feature.
        present: by value whether it is there.
        width: values of one row.
        problems: what is wrong, by row, is appended here.
    """
    fill, kind = FILL[feature.dtype]
    values = tensor.array()
    if tensor.datatype == "BYTES":
        return _each(feature, values, present, width, problems)
    if kind is np.int64 and values.dtype == np.uint64:
        wrong = np.flatnonzero((values > _LARGEST) & present)
        problems += [
            _wrong(feature, int(i) // width, int(values[i]), ", beyond 64 bits") for i in wrong[:_MAX_PROBLEMS]
        ]
    with np.errstate(over="ignore"):
        converted = values.astype(kind)
    return converted if present.all() else np.where(present, converted, np.array(fill, kind))


def _each(
    feature: RawFeature,
    values: npt.NDArray[Any],
    present: npt.NDArray[np.bool_],
    width: int,
    problems: list[str],
) -> npt.NDArray[Any]:
    fill, kind = FILL[feature.dtype]
    convert = _FROM_BYTES[feature.dtype]
    out = np.full(len(values), fill, kind)
    if present.all():
        try:
            out[:] = list(map(convert, values.tolist()))
            return out
        except (ValueError, OverflowError):
            pass  # one by one, for row and value
    for i, (value, there) in enumerate(zip(values.tolist(), present.tolist(), strict=True)):
        if there:
            try:
                out[i] = convert(value)
            except (ValueError, OverflowError) as error:
                problems.append(_wrong(feature, i // width, value, f": {error}"))
    return out


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8")


_FROM_BYTES: dict[str, Callable[[bytes | str], Any]] = {
    "utf8": _text,
    "bytes": lambda value: value if isinstance(value, bytes) else value.encode("utf-8"),
    "timestamp": lambda value: timestamp_micros(_text(value)),
}


def _wrong(feature: RawFeature, row: int, value: Any, why: str) -> str:
    return f"row {row}, input {feature.name!r}: expected {feature.dtype}, got {value!r:.60}{why:.120}"
