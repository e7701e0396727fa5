"""Calibrations tried against each other: each fitted on one half of the rows and judged on the other, both ways.

Judged by log loss (probabilities raised to 1e-7, the least that the served float32 tells from 0) and by the expected
calibration error over 15 buckets of equal width, ``sum_b w_b |mean said - share that came true|`` (Guo et al. 2017,
"On calibration of modern neural networks"): for two classes of the second's probability, for more of the greatest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.model_analysis.decision.threshold import jackknife_error
from trueline.models.calibration import SMALLEST, Calibration, Method, fit_calibration

__all__ = ["METHODS", "CalibrationRows", "Trial", "choose_calibration"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
METHODS = ("none", *get_args(Method))
_BUCKETS = 15


@dataclass(frozen=True)
class CalibrationRows:
    """Weighted rows: probabilities ``[N, C]``, true class, weight, half (0 or 1) and noise group ``[N]``."""

    probabilities: Floats
    true: Ints
    weight: Floats
    half: Ints
    group: Ints


@dataclass(frozen=True)
class Trial:
    """How one calibration did on rows that it was not fitted on.

    Attributes:
        method: ``none``, ``sigmoid``, ``isotonic`` or ``temperature``.
        log_loss, ece: on the held-out halves; None where it could not be fitted.
        improvement: how much lower the log loss is than without calibration.
        standard_error: of the improvement, the same rows paired.
        chosen: whether it is the one.
        undefined: why it could not be fitted.
    """

    method: str
    log_loss: float | None
    ece: float | None
    improvement: float | None = None
    standard_error: float | None = None
    chosen: bool = False
    undefined: str | None = None


def choose_calibration(rows: CalibrationRows, wanted: str) -> tuple[Calibration | None, tuple[Trial, ...]]:
    """The calibration, fitted on all rows, and how each one tried did on held-out halves.

    Args:
        rows: what to fit and to judge on.
        wanted: a method, ``none``, or ``auto``: the method of the least held-out log loss, if it is lower than without
            calibration by more than the standard error of the difference; else none.

    Raises:
        ModelError: the method asked for by name cannot be fitted on these rows.
    """
    tried: Sequence[str] = METHODS if wanted == "auto" else list(dict.fromkeys(["none", wanted]))
    judged = {method: _judge(rows, method) for method in tried}
    trials = {method: _trial(rows, method, judged) for method in tried}
    chosen = _auto(trials) if wanted == "auto" else wanted
    calibration = None
    if chosen != "none":
        if why := trials[chosen].undefined:
            raise ModelError(f"no {chosen} calibration can be fitted: {why}", hint='let it be "auto" or "none".')
        calibration = _fitted(rows, slice(None), chosen)
    marked = tuple(Trial(**(vars(t) | {"chosen": t.method == chosen})) for t in trials.values())
    return calibration, marked


def _auto(trials: dict[str, Trial]) -> str:
    able = [t for t in trials.values() if t.improvement is not None and t.improvement > (t.standard_error or 0.0)]
    return min(able, key=lambda t: (t.log_loss, t.method), default=trials["none"]).method


def _fitted(rows: CalibrationRows, part: Any, method: Any) -> Calibration:
    """Fitted on part of the rows.

    Raises:
        ModelError: it cannot be, or it would turn the order of the scores around.
    """
    made = fit_calibration(*_pooled(rows.probabilities[part], rows.true[part], rows.weight[part]), method)
    if any(curve.get("a", 1.0) <= 0 for curve in made.curves):
        raise ModelError("the greater the model's probability, the rarer the class: the model is upside down")
    return made


def _pooled(p: Floats, true: Ints, weight: Floats) -> tuple[Floats, Ints, Floats]:
    """Rows of two classes with equal scores and class as one: what is fitted is the same, in far fewer rows."""
    if p.shape[1] != 2:
        return p, true, weight
    _, first, place = np.unique(p[:, 1] + 2.0 * true, return_index=True, return_inverse=True)
    return p[first], true[first], np.bincount(place, weight).astype(np.float64)


def _judge(rows: CalibrationRows, method: str) -> Floats | str:
    """Held-out probabilities, each half by the calibration of the other; or why there are none."""
    if method == "none":
        return rows.probabilities
    made = np.empty_like(rows.probabilities)
    for half in (0, 1):
        held = rows.half == half
        try:
            made[held] = _fitted(rows, ~held, method).apply(rows.probabilities[held])
        except ModelError as error:
            return error.message
    return made


def _trial(rows: CalibrationRows, method: str, judged: dict[str, Floats | str]) -> Trial:
    found, plain = judged[method], judged["none"]
    if isinstance(found, str) or isinstance(plain, str):
        return Trial(method, None, None, undefined=str(found))
    loss, without = _losses(rows, found), _losses(rows, plain)
    total = float(rows.weight.sum())
    groups = int(rows.group.max(initial=0)) + 1
    gain = np.bincount(rows.group, rows.weight * (without - loss), groups)
    weight = np.bincount(rows.group, rows.weight, groups)
    kept = weight > 0
    error = None
    if kept.sum() > 1:
        error = float(jackknife_error((gain.sum() - gain[kept]) / (total - weight[kept])))
    return Trial(
        method,
        float((rows.weight * loss).sum() / total),
        _ece(rows, found),
        None if method == "none" else float(gain.sum() / total),
        None if method == "none" else error,
    )


def _losses(rows: CalibrationRows, p: Floats) -> Floats:
    return np.asarray(-np.log(np.maximum(p[np.arange(len(p)), rows.true], SMALLEST)), np.float64)


def _ece(rows: CalibrationRows, p: Floats) -> float:
    said = p[:, 1] if p.shape[1] == 2 else p.max(axis=1)
    came = (rows.true == (1 if p.shape[1] == 2 else p.argmax(axis=1))).astype(np.float64)
    bucket = np.minimum((said * _BUCKETS).astype(np.int64), _BUCKETS - 1)
    gap = np.bincount(bucket, rows.weight * (said - came), _BUCKETS)
    return float(np.abs(gap).sum() / rows.weight.sum())
