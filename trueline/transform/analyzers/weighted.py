"""Quantiles of weighted values."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from trueline.transform.analyzers.base import Analyzer, Array, Attrs, StateMaker, one_column
from trueline.transform.analyzers.basic import quantiles_rule, read_quantiles
from trueline.transform.analyzers.basic_states import Points
from trueline.transform.analyzers.places import by_place
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES", "WeightedPoints", "usable"]

SLACK = 1e-12
"""A cumulative weight this close to a share of the whole has not passed it: sums of equal weights round."""


def usable(values: Array, weights: Array) -> Array:
    """Which values count: NaN values and weights that are no positive finite number leave a value out."""
    return np.asarray(~np.isnan(values) & (weights > 0.0) & (weights < np.inf))


class WeightedPoints(Points):
    """As `Points`, with a float weight for each value."""

    def __init__(self, dtype: str, params: Attrs) -> None:
        super().__init__(dtype, params)
        self.weights = np.zeros(0)

    def update(self, values: Array, *others: Array) -> None:
        weights = others[0]
        kept = usable(values, weights)
        self._join(values[kept] + 0.0, weights[kept])

    def _prune(self) -> None:
        cumulative = np.cumsum(self.weights)
        share = float(cumulative[-1]) / self.cap
        middles = (np.arange(self.cap) + 0.5) * share
        places = np.minimum(np.searchsorted(cumulative, middles, side="right"), len(self.values) - 1)
        self._collect_sorted(self.values[places], np.full(self.cap, share))

    def _above(self, shares: Sequence[Fraction]) -> Array:
        cumulative = np.cumsum(self.weights)
        ranks = (np.array([float(share) for share in shares]) + SLACK) * cumulative[-1]
        places: Array = np.searchsorted(cumulative, ranks, side="right")
        return places


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if len(types) != 2 or types[1].constant:
        raise RuleError("it takes a column and its weights")
    one_column("float64")(types[1:], {})
    x, weights = types
    if weights.kind != "scalar" and (weights.kind, weights.size) != (x.kind, x.size):
        raise RuleError("weights must be of the same shape as the values, or one a row")
    return quantiles_rule(types[:1], attrs)


ANALYZERS = (Analyzer("weighted_quantiles", _rule, "weighted_points", read_quantiles, ("reduce", "cap")),)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"weighted_points": by_place(WeightedPoints)}
"""The state that they read, by name."""
