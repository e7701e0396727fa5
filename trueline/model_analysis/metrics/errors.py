"""Errors of numbers beyond the mean ones: explained variance, deviances, quantiles, the greatest and the median error.

Formulas and weights are scikit-learn's. R2 and explained variance are made of uncentred sums of squares: where the mean
of the labels is 10,000 times their spread, about eight digits are left. The median keeps the errors of a slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.metrics.record import HIGHER, LOWER, NO_WEIGHT, SCALAR, Metric, Options, Sums, mean, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["ERROR_METRICS", "ERROR_MOMENTS"]


def _pinball(rows: Rows, quantile: str) -> Floats:
    gap, q = rows.label - rows.prediction, float(quantile)
    return np.maximum(q * gap, (q - 1) * gap)


def _huber(rows: Rows, delta: str) -> Floats:
    """Huber 1964: half the square up to delta, straight beyond."""
    gap, d = np.abs(rows.label - rows.prediction), float(delta)
    return np.where(gap <= d, 0.5 * gap**2, d * gap - 0.5 * d**2)


def _tweedie(rows: Rows, power: str) -> Floats:
    """Deviance of one row: Poisson for power 1, gamma for 2; NaN where the label or the prediction is not allowed."""
    y, p, kind = rows.label, rows.prediction, float(power)
    allowed = (p > 0) & (y >= 0 if kind < 2 else y > 0)
    y, p = np.where(allowed, y, 1.0), np.where(allowed, p, 1.0)
    if kind == 1:
        value = 2 * (np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / p), 0.0) - y + p)
    elif kind == 2:
        value = 2 * (np.log(p / y) + y / p - 1)
    else:
        lead = np.power(y, 2 - kind) / ((1 - kind) * (2 - kind))
        value = 2 * (lead - y * np.power(p, 1 - kind) / (1 - kind) + np.power(p, 2 - kind) / (2 - kind))
    return np.where(allowed, value, np.nan)


def _poisson(rows: Rows, _: str) -> Floats:
    """Keras' loss: p - y ln p, without its small constant; NaN where p is not above 0."""
    allowed = rows.prediction > 0
    return np.where(allowed, rows.prediction - rows.label * np.log(np.where(allowed, rows.prediction, 1.0)), np.nan)


ERROR_MOMENTS: Mapping[str, Moment] = {
    "pinball": _pinball,
    "huber": _huber,
    "tweedie": _tweedie,
    "error": lambda r, _: r.label - r.prediction,
    "poisson": _poisson,
    "log_cosh": lambda r, _: np.logaddexp(r.prediction - r.label, r.label - r.prediction) - np.log(2),
}


def _spread(s: Sums) -> Floats:
    """Sum of squares of the labels about their mean; NaN where only rounding is left."""
    whole = s("label_square")
    about = whole - over(s("label") ** 2, s("weight"))
    return np.where(about > 1e-13 * whole, about, np.nan)


def _explained(s: Sums, _: Options) -> Floats:
    return 1 - (s("square_error") - over(s("error") ** 2, s("weight"))) / _spread(s)


class _MaxError:
    """The greatest absolute error of rows with a weight."""

    def __init__(self, _: Options) -> None:
        self._value = float("nan")

    def update(self, rows: Rows) -> None:
        gaps = np.abs(rows.label - rows.prediction)[rows.weight > 0]
        if len(gaps):
            self._value = float(np.fmax(self._value, gaps.max()))

    def merge(self, other: _MaxError) -> None:
        self._value = float(np.fmax(self._value, other._value))

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        return {}, {"value": np.array([self._value])}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._value = float(arrays["value"][0])

    def finish(self) -> float:
        return self._value


class _MedianError:
    """Absolute errors and weights of all rows of the slice; the weighted median lies between lower and upper."""

    def __init__(self, _: Options) -> None:
        self._parts: list[Floats] = []

    def update(self, rows: Rows) -> None:
        counted = rows.weight > 0
        self._parts.append(np.stack([np.abs(rows.label - rows.prediction)[counted], rows.weight[counted]]))

    def merge(self, other: _MedianError) -> None:
        self._parts += other._parts

    def _joined(self) -> Floats:
        return np.concatenate(self._parts, axis=1) if self._parts else np.zeros((2, 0))

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        return {}, {"errors": self._joined()}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._parts = [arrays["errors"]]

    def finish(self) -> float:
        errors, weights = self._joined()
        if not len(errors):
            return float("nan")
        order = np.argsort(errors, kind="stable")
        errors, reached = errors[order], np.cumsum(weights[order])
        half = 0.5 * reached[-1]
        lower = int(np.searchsorted(reached, half, side="left"))
        upper = int(np.searchsorted(reached, half, side="right"))
        return float((errors[lower] + errors[min(upper, len(errors) - 1)]) / 2)


_SQUARES = ("square_error", "label_square", "label", "weight")
_CONSTANT = "the labels are constant"
_DOMAIN = "a label or prediction is outside the deviance's domain, or the weights add up to 0"
ERROR_METRICS = (
    Metric("R2Score", "r2_score", SCALAR, _CONSTANT, _SQUARES, lambda s, o: 1 - s("square_error") / _spread(s),
           better=HIGHER),
    Metric("ExplainedVariance", "explained_variance", SCALAR, _CONSTANT, (*_SQUARES, "error"), _explained,
           better=HIGHER),
    Metric("MeanError", "mean_error", SCALAR, NO_WEIGHT, ("error", "weight"), mean("error")),
    Metric("MaxError", "max_error", SCALAR, NO_WEIGHT, better=LOWER, own=_MaxError),
    Metric("MedianAbsoluteError", "median_absolute_error", SCALAR, NO_WEIGHT, better=LOWER, own=_MedianError,
           holds_slice=True),
    Metric("PinballLoss", "pinball_loss", SCALAR, NO_WEIGHT, ("pinball@{quantile}", "weight"),
           lambda s, o: over(s(f"pinball@{o['quantile']}"), s("weight")), better=LOWER, options={"quantile": 0.5}),
    Metric("Huber", "huber", SCALAR, NO_WEIGHT, ("huber@{delta}", "weight"),
           lambda s, o: over(s(f"huber@{o['delta']}"), s("weight")), better=LOWER, options={"delta": 1.0}),
    Metric("LogCoshError", "logcosh", SCALAR, NO_WEIGHT, ("log_cosh", "weight"), mean("log_cosh"), better=LOWER),
    Metric("Poisson", "poisson", SCALAR, "a prediction is 0 or below, or the weights add up to 0",
           ("poisson", "weight"), mean("poisson"), better=LOWER),
    Metric("TweedieDeviance", "tweedie_deviance", SCALAR, _DOMAIN, ("tweedie@{power}", "weight"),
           lambda s, o: over(s(f"tweedie@{o['power']}"), s("weight")), better=LOWER, options={"power": 1.5}),
    Metric("PoissonDeviance", "poisson_deviance", SCALAR, _DOMAIN, ("tweedie@1", "weight"), mean("tweedie@1"),
           better=LOWER),
    Metric("GammaDeviance", "gamma_deviance", SCALAR, _DOMAIN, ("tweedie@2", "weight"), mean("tweedie@2"),
           better=LOWER),
)  # fmt: skip
