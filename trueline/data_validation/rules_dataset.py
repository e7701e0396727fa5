"""Rules about a dataset as a whole: how many examples it has, alone and against other datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueline.data_validation.rules import Reason, many
from trueline.data_validation.views import DatasetView

__all__ = ["judge_dataset"]

_CONTROLS = (
    ("num_examples_drift_comparator", "previous", "the previous data"),
    ("num_examples_version_comparator", "version", "the previous version of the data"),
)


def judge_dataset(schema: Any, dataset: DatasetView, controls: dict[str, DatasetView]) -> list[Reason]:
    """The reasons against a dataset.

    Args:
        schema: what is expected.
        dataset: the data.
        controls: ``previous`` and ``version``, where given.
    """
    if not schema.HasField("dataset_constraints"):
        return []
    constraints = schema.dataset_constraints
    reasons = list(_judge_count(constraints, dataset.num_examples))
    for field, name, words in _CONTROLS:
        if constraints.HasField(field) and name in controls:
            reasons += _judge_ratio(getattr(constraints, field), dataset.num_examples, controls[name], words)
    return reasons


def _judge_count(constraints: Any, count: float) -> Iterator[Reason]:
    """Both limits hold on their own; upstream looks at the upper one only where there is a lower one."""
    if constraints.HasField("min_examples_count") and count < constraints.min_examples_count:
        text = f"The dataset has {many(count, 'example')}, at least {constraints.min_examples_count} are expected."
        yield Reason("DATASET_LOW_NUM_EXAMPLES", "Too few examples", text)
    if constraints.HasField("max_examples_count") and count > constraints.max_examples_count:
        text = f"The dataset has {many(count, 'example')}, at most {constraints.max_examples_count} are expected."
        yield Reason("DATASET_HIGH_NUM_EXAMPLES", "Too many examples", text)


def _judge_ratio(comparator: Any, count: float, control: DatasetView, words: str) -> Iterator[Reason]:
    base = control.num_examples
    ratio = count / base if base else None
    found = f"{count:g} examples against {base:g} in {words}"
    low, high = comparator.min_fraction_threshold, comparator.max_fraction_threshold
    if comparator.HasField("min_fraction_threshold") and ratio is not None and ratio < low:
        text = f"There are {found}, a ratio of {ratio:.6g}; at least {low:g} is expected."
        yield Reason("COMPARATOR_LOW_NUM_EXAMPLES", "Far fewer examples", text)
    if comparator.HasField("max_fraction_threshold") and (ratio is None or ratio > high):
        text = f"There are {found}; at most {high:g} times as many are expected."
        yield Reason("COMPARATOR_HIGH_NUM_EXAMPLES", "Far more examples", text)
