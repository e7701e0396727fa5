"""Losses of probabilities, and how far they are from frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from trueline.model_analysis.metrics.record import LOWER, NO_WEIGHT, Metric, Options, Sums, Table, mean, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import EPSILON, Floats, Ints, Rows

__all__ = ["PROBABILITY_METRICS", "PROBABILITY_MOMENTS", "PROBABILITY_TABLES"]


def _log_loss(rows: Rows, parameter: str) -> Floats:
    """TFMA's; label smoothing s makes y (1 - s) + s / 2. Probabilities are kept within EPSILON..1 - EPSILON, where
    TFMA's value would be infinite or, for a prediction of 0 or 1 that is right, NaN."""
    logits, smoothing = parameter.split(",")
    label = rows.label * (1 - float(smoothing)) + float(smoothing) / 2
    if logits == "True":
        z = rows.prediction
        return np.maximum(z, 0.0) - z * label + np.log1p(np.exp(-np.abs(z)))
    p = np.clip(rows.score, EPSILON, 1 - EPSILON)
    return -(label * np.log(p) + (1.0 - label) * np.log1p(-p))


PROBABILITY_MOMENTS: Mapping[str, Moment] = {
    "cross_entropy": _log_loss,
    "hinge": lambda r, _: np.maximum(1 - (2 * r.label - 1) * r.prediction, 0.0),
    "squared_hinge": lambda r, _: np.square(np.maximum(1 - (2 * r.label - 1) * r.prediction, 0.0)),
}


def _fill(rows: Rows, bins: str) -> tuple[Ints, Ints, Floats]:
    """Weight, frequency and probability by bin (low, high] of the probability: of 1, or of the predicted class."""
    if rows.prediction.ndim == 2:
        own = np.take_along_axis(rows.prediction, rows.predicted[:, None], axis=1)[:, 0]
        confidence, right = np.clip(own, 0.0, 1.0), (rows.predicted == rows.classes).astype(np.float64)
    else:
        confidence, right = np.maximum(rows.score, 0.0), rows.label
    count = int(bins)
    code = np.clip(np.ceil(confidence * count) - 1, 0, count - 1).astype(np.int64)
    at = np.repeat(np.arange(len(rows), dtype=np.int64), 3)
    cells = (code[:, None] + count * np.arange(3)).ravel()
    return at, cells, np.stack([np.ones(len(rows)), right, confidence], axis=1).ravel()


PROBABILITY_TABLES: Mapping[str, Table] = {"confidence": Table(lambda p, _: 3 * int(p), _fill, grouped=True)}


def _calibration_error(greatest: bool) -> Metric:
    """Guo et al. 2017: the weighted mean, or the maximum, over bins of |frequency - mean probability|."""

    def finish(s: Sums, o: Options) -> Floats:
        parts = s(f"confidence@{o['num_bins']}")
        weight, right, confidence = np.split(parts, 3, axis=-2)
        gap = np.abs(np.nan_to_num(over(right - confidence, weight)))
        total = weight.sum(axis=-2)
        if greatest:
            return np.where(total > 0, gap.max(axis=-2), np.nan)
        return over((gap * weight).sum(axis=-2), total)

    cls, name = ("MaximumCalibrationError", "maximum_calibration_error") if greatest else (
        "ExpectedCalibrationError", "expected_calibration_error")  # fmt: skip
    return Metric(cls, name, ("binary", "multiclass"), NO_WEIGHT, finish=finish, better=LOWER, reads=_SCORE,
                  options={"num_bins": 15}, tables=("confidence@{num_bins}",))  # fmt: skip


_SCORE = frozenset({"label", "prediction", "score"})
_LOSS = "cross_entropy@{from_logits},{label_smoothing}"
_CROSS = Metric("BinaryCrossEntropy", "binary_crossentropy", ("binary",), NO_WEIGHT, (_LOSS, "weight"),
                lambda s, o: over(s(_LOSS.format(**o)), s("weight")), better=LOWER, reads=_SCORE,
                options={"from_logits": False, "label_smoothing": 0.0})  # fmt: skip
PROBABILITY_METRICS = (
    _CROSS,
    replace(_CROSS, class_name="BinaryCrossentropy"),
    replace(_CROSS, class_name="LogLoss", name="log_loss"),
    Metric("BrierScore", "brier_score", ("binary",), NO_WEIGHT, ("square_error", "weight"), mean("square_error"),
           better=LOWER, reads=_SCORE),
    Metric("Hinge", "hinge", ("binary",), NO_WEIGHT, ("hinge", "weight"), mean("hinge"), better=LOWER),
    Metric("SquaredHinge", "squared_hinge", ("binary",), NO_WEIGHT, ("squared_hinge", "weight"),
           mean("squared_hinge"), better=LOWER),
    _calibration_error(greatest=False),
    _calibration_error(greatest=True),
)  # fmt: skip
