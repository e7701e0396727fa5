"""The per-row quantities whose weighted sums are all that the mean-like metrics and confusion counts need.

A moment is named by a text: ``"abs_error"``, with a parameter ``"tp@0.5"`` (threshold) or ``"in_top@3"`` (how many).
Sums over rows are made elsewhere; here is only what one row gives, without its weight. Families of metrics bring
moments of their own (`metrics/`); this is the common stock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from trueline.model_analysis.rows import EPSILON, Floats, Rows

__all__ = ["CLASS_MOMENTS", "EPSILON", "SCALAR_MOMENTS", "Floats", "Moment"]

Moment: TypeAlias = Callable[[Rows, str], Floats]
"""Rows and the parameter's text (empty without one) to float64 ``[n]``."""


def _percentage_error(r: Rows, _: str) -> Floats:
    there = r.label != 0
    return np.where(there, np.abs(r.label - r.prediction) / np.where(there, np.abs(r.label), 1.0), 0.0)


def _log_error(r: Rows, _: str) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):  # -1 and below have no logarithm: the sum becomes NaN
        gap: Floats = np.log1p(r.label) - np.log1p(r.prediction)
    return np.where(np.isfinite(gap), gap * gap, np.nan)


def _level(r: Rows, t: str) -> float:
    """A threshold, or the model's own."""
    return r.threshold if t == "own" else float(t)


def _in_top(r: Rows, k: str) -> Floats:
    """1 where fewer than k classes have a greater score than the label's; a row of no class has none."""
    own = np.take_along_axis(r.prediction, np.maximum(r.classes, 0)[:, None], axis=1)
    there: Floats = ((r.prediction > own).sum(axis=1) < int(k)) & (r.classes >= 0)
    return there.astype(np.float64)


def _plain(function: Callable[[Rows], Floats]) -> Moment:
    return lambda rows, _: function(rows)


SCALAR_MOMENTS: Mapping[str, Moment] = {
    "weight": _plain(lambda r: np.ones(len(r))),
    "label": _plain(lambda r: r.label),
    "negative": _plain(lambda r: 1.0 - r.label),
    "prediction": _plain(lambda r: r.prediction),
    "label_square": _plain(lambda r: r.label * r.label),
    "prediction_square": _plain(lambda r: r.prediction * r.prediction),
    "product": _plain(lambda r: r.label * r.prediction),
    "negative_product": _plain(lambda r: (1.0 - r.label) * r.prediction),
    "abs_error": _plain(lambda r: np.abs(r.label - r.prediction)),
    "square_error": _plain(lambda r: np.square(r.label - r.prediction)),
    "percentage_error": _percentage_error,
    "label_not_zero": _plain(lambda r: (r.label != 0).astype(np.float64)),
    "log_error": _log_error,
    "tp": lambda r, t: r.label * (r.prediction > _level(r, t)),
    "fp": lambda r, t: (1.0 - r.label) * (r.prediction > _level(r, t)),
    "fn": lambda r, t: r.label * (r.prediction <= _level(r, t)),
    "tn": lambda r, t: (1.0 - r.label) * (r.prediction <= _level(r, t)),
}
CLASS_MOMENTS: Mapping[str, Moment] = {
    "correct": _plain(lambda r: (r.predicted == r.classes).astype(np.float64)),
    "in_top": _in_top,
}
