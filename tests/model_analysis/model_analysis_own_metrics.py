"""Metrics of one's own, as somebody would write them in a module of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trueline.model_analysis import Metric, Rows
from trueline.model_analysis.metrics.record import LOWER, over

NOT_A_METRIC = 3


def weighted_gap(y_true: Any, y_pred: Any, sample_weight: Any, power: float = 1.0) -> float:
    """A function: it gets a slice's rows."""
    return float(np.average(np.abs(y_true - y_pred) ** power, weights=sample_weight))


def always_fails(y_true: Any, y_pred: Any, sample_weight: Any) -> float:
    raise ValueError("no luck")


def never_a_number(y_true: Any, y_pred: Any, sample_weight: Any) -> float:
    return float("nan")


class GreatestGap:
    """A class: it keeps what it needs."""

    name = "greatest_gap"
    tasks = ("binary", "regression")
    better = LOWER

    def __init__(self, floor: float = 0.0) -> None:
        self._most = floor

    def update(self, rows: Rows) -> None:
        gaps = np.abs(rows.label - rows.prediction)[rows.weight > 0]
        self._most = max(self._most, float(gaps.max(initial=0.0)))

    def merge(self, other: GreatestGap) -> None:
        self._most = max(self._most, other._most)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"most": self._most}, {}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self._most = header["most"]

    def finish(self) -> float:
        return self._most


class Forgetful(GreatestGap):
    """It breaks the laws: what it merges is lost."""

    name = "forgetful"

    def merge(self, other: GreatestGap) -> None:
        return


ExpectedCost = Metric(
    "ExpectedCost", "expected_cost", ("binary",), "the weights add up to 0", ("cost@{price}", "weight"),
    lambda s, o: over(s(f"cost@{o['price']}"), s("weight")), better=LOWER, options={"price": 5.0},
    functions={"cost": lambda r, price: r.label * (r.prediction <= 0.5) * float(price)
                                        + (1 - r.label) * (r.prediction > 0.5)},
)  # fmt: skip
"""A record of moments: it has intervals."""
