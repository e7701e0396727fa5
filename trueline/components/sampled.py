"""Gates in a sampled run: a few rows are never like the data, so that what they show is told and stops nothing.

What follows from a single row, or from none, stops the line all the same: see `BY_NUMBER`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.pipeline.context import ExecutionContext

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

__all__ = ["BY_NUMBER", "close_or_tell", "hangs_on_number"]

BY_NUMBER = frozenset(
    {
        "COMPARATOR_CONTROL_DATA_MISSING",
        "COMPARATOR_HIGH_NUM_EXAMPLES",
        "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        "COMPARATOR_LOW_NUM_EXAMPLES",
        "COMPARATOR_L_INFTY_HIGH",
        "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
        "COMPARATOR_TREATMENT_DATA_MISSING",
        "CUSTOM_VALIDATION",
        "DATASET_LOW_NUM_EXAMPLES",
        "FEATURE_COVERAGE_TOO_LOW",
        "FEATURE_COVERAGE_TOO_SHORT_AVG_TOKEN_LENGTH",
        "FEATURE_TYPE_LOW_FRACTION_PRESENT",
        "FEATURE_TYPE_LOW_NUMBER_PRESENT",
        "FEATURE_TYPE_LOW_UNIQUE",
        "FEATURE_TYPE_NOT_PRESENT",
        "LOW_SUPPORTED_IMAGE_FRACTION",
        "NO_DATA_IN_SPAN",
        "SCHEMA_TRAINING_SERVING_SKEW",
        "SEMANTIC_DOMAIN_UPDATE",
        "SEQUENCE_VALUE_TOO_LARGE_FRACTION",
        "SEQUENCE_VALUE_TOO_SMALL_FRACTION",
    }
)
"""Types of anomaly that a part of the data may show though the whole of them does not: numbers of rows, shares, how
many distinct values there are, distances between distributions, expressions over the statistics. All others (a column
that is missing, another type, a value out of its domain, too many values) are true of the data when they are true of a
few of its rows."""


def close_or_tell(ctx: ExecutionContext, sentence: str) -> None:
    """Closes the gate; in a sampled run the sentence is a warning of the log and the finding ``would_close``."""
    if ctx.sample is None:
        ctx.close_gate(sentence)
        return
    ctx.log.warning("this would have closed the gate, had the run not been of %d rows: %s", ctx.sample, sentence)
    ctx.report(sample=ctx.sample, would_close=sentence)


def hangs_on_number(info: anomalies_pb2.AnomalyInfo) -> bool:
    """Whether every reason of an anomaly is of `BY_NUMBER`."""
    name = type(info).Type.Name
    return bool(info.reason) and all(name(reason.type) in BY_NUMBER for reason in info.reason)
