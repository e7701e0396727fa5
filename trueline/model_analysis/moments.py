"""The per-row quantities whose weighted sums are all that the mean-like metrics and confusion counts need.

A moment is named by a text: ``"abs_error"``, with a parameter ``"tp@0.5"`` (threshold) or ``"class_tp#3"`` (class).
Rows of scalar tasks (binary, regression) have label and prediction ``[N]``; multi-class rows a class number ``[N]``
and probabilities ``[N, C]``. Sums over rows are made elsewhere; here is only what one row gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["EPSILON", "ClassRows", "Floats", "ScalarRows", "moment_rows"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] in logarithms, as scikit-learn does for float64."""


@dataclass(frozen=True)
class ScalarRows:
    """Labels and predictions of a binary or regression task, both finite float64 ``[N]``."""

    label: Floats
    prediction: Floats

    @cached_property
    def score(self) -> Floats:
        """The prediction kept within 0..1."""
        return np.clip(self.prediction, 0.0, 1.0)


@dataclass(frozen=True)
class ClassRows:
    """Class numbers int64 ``[N]`` and probabilities float64 ``[N, C]`` of a multi-class task."""

    label: Ints
    prediction: Floats

    @cached_property
    def predicted(self) -> Ints:
        """The class with the highest probability, the first of equal ones."""
        best: Ints = np.argmax(self.prediction, axis=1).astype(np.int64)
        return best

    @cached_property
    def label_probability(self) -> Floats:
        """The label's probability after division by the row's sum, kept within EPSILON..1 - EPSILON."""
        total = np.maximum(self.prediction.sum(axis=1), EPSILON)
        own = np.take_along_axis(self.prediction, self.label[:, None], axis=1)[:, 0]
        clipped: Floats = np.clip(own / total, EPSILON, 1 - EPSILON)
        return clipped


def _log_loss(r: ScalarRows) -> Floats:
    p = np.clip(r.score, EPSILON, 1 - EPSILON)
    return -(r.label * np.log(p) + (1.0 - r.label) * np.log1p(-p))


def _percentage_error(r: ScalarRows) -> Floats:
    there = r.label != 0
    return np.where(there, np.abs(r.label - r.prediction) / np.where(there, np.abs(r.label), 1.0), 0.0)


def _log_error(r: ScalarRows) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):  # -1 and below have no logarithm: the sum becomes NaN
        gap: Floats = np.log1p(r.label) - np.log1p(r.prediction)
    return np.where(np.isfinite(gap), gap * gap, np.nan)


_SCALAR: dict[str, Callable[[ScalarRows], Floats]] = {
    "weight": lambda r: np.ones(len(r.label)),
    "label": lambda r: r.label,
    "negative": lambda r: 1.0 - r.label,
    "prediction": lambda r: r.prediction,
    "label_square": lambda r: r.label * r.label,
    "prediction_square": lambda r: r.prediction * r.prediction,
    "product": lambda r: r.label * r.prediction,
    "negative_product": lambda r: (1.0 - r.label) * r.prediction,
    "abs_error": lambda r: np.abs(r.label - r.prediction),
    "square_error": lambda r: np.square(r.label - r.prediction),
    "percentage_error": _percentage_error,
    "label_not_zero": lambda r: (r.label != 0).astype(np.float64),
    "log_error": _log_error,
    "log_loss": _log_loss,
}
_AT_THRESHOLD: dict[str, Callable[[ScalarRows, float], Floats]] = {
    "tp": lambda r, t: r.label * (r.prediction > t),
    "fp": lambda r, t: (1.0 - r.label) * (r.prediction > t),
    "fn": lambda r, t: r.label * (r.prediction <= t),
    "tn": lambda r, t: (1.0 - r.label) * (r.prediction <= t),
}
_CLASS: dict[str, Callable[[ClassRows], Floats]] = {
    "weight": lambda r: np.ones(len(r.label)),
    "correct": lambda r: (r.predicted == r.label).astype(np.float64),
    "log_loss": lambda r: -np.log(r.label_probability),
}
_OF_CLASS: dict[str, Callable[[ClassRows, int], Floats]] = {
    "class_tp": lambda r, c: ((r.predicted == c) & (r.label == c)).astype(np.float64),
    "class_fp": lambda r, c: ((r.predicted == c) & (r.label != c)).astype(np.float64),
    "class_fn": lambda r, c: ((r.predicted != c) & (r.label == c)).astype(np.float64),
    "in_top": lambda r, k: (
        (r.prediction > np.take_along_axis(r.prediction, r.label[:, None], axis=1)).sum(axis=1) < k
    ).astype(np.float64),
}


def moment_rows(rows: ScalarRows | ClassRows, names: Sequence[str]) -> Floats:
    """The moments of each row, unweighted: float64 ``[K, N]`` in the order of `names`.

    Raises:
        KeyError: for a name that is none of the task's moments.
    """
    out = np.empty((len(names), len(rows.label)), dtype=np.float64)
    for k, name in enumerate(names):
        if isinstance(rows, ScalarRows):
            base, at, parameter = name.partition("@")
            out[k] = _AT_THRESHOLD[base](rows, float(parameter)) if at else _SCALAR[base](rows)
        else:
            base, of, parameter = name.partition("#")
            out[k] = _OF_CLASS[base](rows, int(parameter)) if of else _CLASS[base](rows)
    return out
