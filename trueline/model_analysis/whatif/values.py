"""Raw values as JSON that loses nothing: numbers not finite and integers beyond 2^53 as texts, bytes as base64.

`encode` writes what the page reads, `decode` reads what a page sends. What does not fit is left as it is, so that the
feeds say what is wrong with it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from trueline._core.values import RawFeature

__all__ = ["decode", "encode"]

_SAFE = 2**53 - 1
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WHOLE = re.compile(r"-?[0-9]{16,19}")


def encode(value: Any) -> Any:
    """A raw value as the page's JSON: times as ISO text, lists element by element."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    if isinstance(value, int):
        return value if abs(value) <= _SAFE else str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def decode(feature: RawFeature, value: Any) -> Any:
    """The raw value that `encode` wrote; anything else unchanged."""
    if isinstance(value, list):
        return [decode(feature, v) for v in value]
    if isinstance(value, str):
        if feature.dtype in ("float64", "float32"):
            return _NOT_FINITE.get(value, value)
        if feature.dtype in ("int64", "timestamp") and _WHOLE.fullmatch(value):
            return int(value)
    if feature.dtype == "bytes" and isinstance(value, Mapping) and value.keys() == {"b64"}:
        try:
            return base64.b64decode(str(value["b64"]).encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            return value
    return value
