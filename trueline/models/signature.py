"""What a client must send and gets back: types, presence, shapes, an example of every input, and what outputs mean."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from trueline._core.values import RawFeature
from trueline.models.contract import PROBABILITIES, Head
from trueline.models.outputs import LABEL

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["example_value", "signature"]

_TEXT = 120
_LIST = 64
_LOOKED_AT = 100


def signature(head: Head, features: Sequence[RawFeature], sample: pa.Table) -> dict[str, Any]:
    """The entry ``signature`` of ``model.json``.

    Each input has ``name``, ``dtype``, ``kind``, ``optional``, ``shape`` (None is any length, first the rows) and
    ``example``: the value of one row of the sample, the same row for all inputs, the one of the first hundred that
    lacks the fewest values.
    """
    row = _example_row(features, sample)
    inputs = [f.to_json() | {"shape": _shape(f), "example": example_value(row.get(f.name))} for f in features]
    return {"inputs": inputs, "outputs": _outputs(head)}


def _shape(feature: RawFeature) -> list[int | None]:
    inner: dict[str, list[int | None]] = {"scalar": [], "fixed": [feature.size], "ragged": [None]}
    return [None, *inner[feature.kind]]


def _example_row(features: Sequence[RawFeature], sample: pa.Table) -> dict[str, Any]:
    names = [f.name for f in features if f.name in sample.schema.names]
    rows: list[dict[str, Any]] = sample.slice(0, _LOOKED_AT).select(names).to_pylist()
    return min(rows, key=lambda row: sum(v is None for v in row.values()), default={})


def example_value(value: Any) -> Any:
    """A value as a client would send it in JSON: long texts and lists cut, bytes as ``{"b64": ...}``, NaN as null."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value[:_TEXT]).decode()}
    if isinstance(value, str):
        return value[:_TEXT]
    if isinstance(value, list):
        return [example_value(v) for v in value[:_LIST]]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)[:_TEXT]


def _outputs(head: Head) -> list[dict[str, Any]]:
    shape = [None, head.columns] if head.columns else [None]
    main = {"name": head.output, "dtype": "float32", "shape": shape, "meaning": head.output}
    if not head.is_classifier:
        return [main]
    return [
        main | {"name": PROBABILITIES, "meaning": "class_probabilities"},
        {"name": LABEL, "dtype": head.label_dtype, "shape": [None], "meaning": "class"},
    ]
