"""Results in the shape that TFMA gives them: slices with nested dictionaries by output, sub key and metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import Estimate
from trueline.model_analysis.plots.codec import is_plot

__all__ = ["MetricsByOutput", "TfmaValue", "by_output", "sub_key_text", "tfma_value"]

TfmaValue: TypeAlias = dict[str, Any]
MetricsByOutput: TypeAlias = dict[str, dict[str, dict[str, TfmaValue]]]


def tfma_value(estimate: Estimate, methodology: str) -> TfmaValue:
    """``{"doubleValue": v}``, with an interval ``{"boundedValue": {...}}``; ``{"data": ...}`` for structured values.

    An undefined value is ``{"doubleValue": "NaN", "undefined": reason}``: TFMA's NaN, and why.
    """
    if estimate.data is not None:
        return {"data": estimate.data}
    if estimate.value is None:
        return {"doubleValue": "NaN", "undefined": estimate.undefined or "unknown"}
    if estimate.low is None or estimate.high is None:
        return {"doubleValue": estimate.value}
    bounded = {
        "value": estimate.value,
        "lowerBound": estimate.low,
        "upperBound": estimate.high,
        "methodology": estimate.method or methodology,
    }
    return {"boundedValue": bounded}


def sub_key_text(key: MetricKey) -> str:
    """``classId:1``, ``k:2``, ``topK:3``, an aggregation, both, or empty."""
    return " ".join(part for part in (key.sub_key.tfma, key.aggregation) if part)


def by_output(metrics: Iterable[tuple[str, Estimate]] | Mapping[str, Estimate], methodology: str) -> MetricsByOutput:
    """Estimates by canonical text as output -> sub key -> metric name -> value."""
    pairs = metrics.items() if isinstance(metrics, Mapping) else metrics
    made: MetricsByOutput = {}
    for text, estimate in pairs:
        if is_plot(estimate.data):  # TFMA keeps them apart, see `EvalResult.plots`
            continue
        key = MetricKey.parse(text)
        name = f"{key.name}[unweighted]" if key.unweighted else key.name
        place = made.setdefault(key.output_name, {}).setdefault(sub_key_text(key), {})
        place[name] = tfma_value(estimate, methodology)
    return made
