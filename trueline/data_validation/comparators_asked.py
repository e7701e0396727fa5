"""Which comparisons a schema asks for at all: data that are given to be compared, and are not, are told of."""

from __future__ import annotations

from typing import Any

from trueline.data_validation.comparators import CONTROLS, Control, limits
from trueline.schema.features import deprecated, walk_features

__all__ = ["idle_controls"]

_OF_COUNTS = {"drift": "num_examples_drift_comparator"}
_HOW = (
    "give a feature {field} {{ jensen_shannon_divergence {{ threshold: 0.1 }} }} in the schema; "
    "measure_drift and `trueline stats DATA --compare OTHER` measure without thresholds"
)


def idle_controls(schema: Any, given: set[str]) -> tuple[str, ...]:
    """A sentence for each kind of other data that a schema compares nothing with.

    Args:
        schema: the schema; features that are deprecated do not count.
        given: ``drift`` where there are previous data, ``skew`` where there are serving data.
    """
    return tuple(_sentence(c) for c in CONTROLS if c.name in given and not _compares(schema, c))


def _compares(schema: Any, control: Control) -> bool:
    if any(limits(feature, control) for _, feature in walk_features(schema) if not deprecated(feature)):
        return True
    field = _OF_COUNTS.get(control.name)
    return field is not None and bool(schema.dataset_constraints.HasField(field))


def _sentence(control: Control) -> str:
    asked = f"no feature of the schema has a {control.name} threshold"
    return f"{asked}: nothing was compared with {control.other}; {_HOW.format(field=control.field)}."
