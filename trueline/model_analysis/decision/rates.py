"""Rates of a two-class decision out of its four sums, over any shape; NaN where a denominator is zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RATES", "Counts"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Weighted rows by outcome; arrays of one shape."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats

    @property
    def total(self) -> Floats:
        """All rows."""
        return self.tp + self.fp + self.fn + self.tn


def _ratio(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(under > 0, over / under, np.nan)


RATES: dict[str, Callable[[Counts], Floats]] = {
    "accuracy": lambda c: _ratio(c.tp + c.tn, c.total),
    "f1": lambda c: _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn),
    "false_negative_rate": lambda c: _ratio(c.fn, c.fn + c.tp),
    "false_positive_rate": lambda c: _ratio(c.fp, c.fp + c.tn),
    "precision": lambda c: _ratio(c.tp, c.tp + c.fp),
    "predicted_positive_rate": lambda c: _ratio(c.tp + c.fp, c.total),
    "recall": lambda c: _ratio(c.tp, c.tp + c.fn),
    "specificity": lambda c: _ratio(c.tn, c.tn + c.fp),
}
"""What a constraint may bound, by name."""
