"""Calibration: a small monotone map from a classifier's probabilities to ones that come true as often as they say.

Three methods, in float64 and without randomness:

- ``sigmoid``: Platt scaling of log odds, ``p' = 1 / (1 + exp(-(a * ln(p / (1 - p)) + b)))``, fitted by Newton's
  method on the targets of J. Platt, "Probabilistic outputs for support vector machines" (1999), which keep it finite.
- ``isotonic``: the best non-decreasing map, found by pooling adjacent violators, linear between its knots and constant
  outside them.
- ``temperature``: ``softmax(ln(p) / T)``, one number for all classes (Guo et al., 2017).

With more than two classes, sigmoid and isotonic are fitted for each class against the rest and brought to sum 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean

__all__ = ["SMALLEST", "Calibration", "Method", "fit_calibration"]

Method = Literal["sigmoid", "isotonic", "temperature"]
Floats = npt.NDArray[np.float64]
SMALLEST = 1e-7
"""Probabilities are raised to this before their logarithm is taken: what float32 still tells from 1 below 1."""
_STEPS = 200


@dataclass(frozen=True)
class Calibration:
    """A fitted map.

    Attributes:
        method: ``sigmoid``, ``isotonic`` or ``temperature``.
        curves: one for each calibrated class: ``{"a", "b"}``, ``{"x": [...], "y": [...]}`` or ``{"temperature"}``. One
            curve for two classes, of the second; for more, one a class; a temperature is one for all.
        rows: how many rows it was fitted on.
    """

    method: Method
    curves: tuple[Mapping[str, Any], ...]
    rows: int = 0

    def __post_init__(self) -> None:
        if problems := _problems(self.method, self.curves):
            raise ModelError("the calibration does not hold together", problems=problems)

    def apply(self, probabilities: npt.ArrayLike) -> Floats:
        """Calibrated probabilities: ``[N, C]`` for ``[N, C]``, ``[N]`` for the second class's ``[N]``.

        Raises:
            ModelError: another number of classes than it was fitted for.
        """
        given = np.asarray(probabilities, np.float64)
        p = _matrix(given)
        if self.method == "temperature":
            made = _softmax(np.log(np.maximum(p, SMALLEST)) / self.curves[0]["temperature"])
        else:
            made = self._one_by_one(p)
        return np.asarray(made if given.ndim == 2 else made[:, 1], np.float64)

    def _one_by_one(self, p: Floats) -> Floats:
        if len(self.curves) != (1 if p.shape[1] == 2 else p.shape[1]):
            raise ModelError(f"the calibration is of {len(self.curves)} classes and there are {p.shape[1]}")
        run = _CURVES[self.method]
        if p.shape[1] == 2:
            second = run(self.curves[0], p[:, 1], p[:, 0])
            return np.stack([1 - second, second], axis=1)
        each = np.stack([run(c, p[:, i], 1 - p[:, i]) for i, c in enumerate(self.curves)], axis=1)
        total = each.sum(axis=1, keepdims=True)
        return np.where(total > 0, each / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return {"method": self.method, "curves": [dict(c) for c in self.curves], "rows": self.rows}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_json` described.

        Raises:
            ModelError: it does not hold together.
        """
        try:
            return cls(data["method"], tuple(dict(c) for c in data["curves"]), int(data.get("rows", 0)))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the calibration does not parse: {type(error).__name__}: {error}") from error


def fit_calibration(
    probabilities: npt.ArrayLike,
    labels: Any,
    weights: npt.ArrayLike | None = None,
    method: Method = "sigmoid",
    *,
    classes: Sequence[Any] | None = None,
) -> Calibration:
    """Fits a calibration on rows that the model was not trained on.

    Args:
        probabilities: the model's own, ``[N, C]``, or ``[N]`` of the second class.
        labels: the true classes ``[N]``: their places 0..C-1 (or bools), or values of `classes`; an Arrow array, a
            list or an array. Rows without a label (None, NaN) are left out.
        weights: non-negative weights ``[N]``; 1 each by default.
        method: ``sigmoid`` (few rows), ``isotonic`` (some thousands of rows) or ``temperature`` (many classes).
        classes: the label's values in the order of the probabilities.

    Raises:
        ModelError: shapes or values that do not fit, labels of one class alone, an unknown method.
    """
    if method not in get_args(Method):
        raise ModelError(f"there is no calibration {method!r}", hint=did_you_mean(str(method), get_args(Method)))
    p = _matrix(np.asarray(probabilities, np.float64))
    given: list[Any] = labels.to_pylist() if hasattr(labels, "to_pylist") else np.asarray(labels).tolist()
    w = np.ones(len(given)) if weights is None else np.asarray(weights, np.float64)
    if not len(given) == len(p) == len(w):
        raise ModelError(f"{len(p)} rows of probabilities, {len(given)} labels, {len(w)} weights: they are not one set")
    there = np.array([v is not None and v == v for v in given], bool)
    p, w = p[there], w[there]
    y = _places(np.array([v for v in given if v is not None and v == v]), classes, p.shape[1])
    _check(p, y, w)
    if method == "temperature":
        return Calibration(method, (_temperature(p, y, w),), len(y))
    fit = {"sigmoid": _sigmoid, "isotonic": _isotonic}[method]
    columns = [1] if p.shape[1] == 2 else range(p.shape[1])
    return Calibration(method, tuple(fit(p[:, c], y == c, w) for c in columns), len(y))


def _matrix(p: Floats) -> Floats:
    if p.ndim == 1:
        return np.stack([1 - p, p], axis=1)
    if p.ndim != 2 or p.shape[1] < 2:
        raise ModelError(f"probabilities of shape {list(p.shape)}", hint="give [N, C], or [N] of the second class.")
    return p


def _places(labels: npt.NDArray[Any], classes: Sequence[Any] | None, count: int) -> npt.NDArray[np.int64]:
    if classes is not None:
        known = {value: i for i, value in enumerate(classes)}
        unknown = sorted({repr(v) for v in labels.tolist() if v not in known})
        if unknown or len(known) != count:
            raise ModelError(f"labels that are none of the {count} classes: {', '.join(unknown[:5]) or list(known)}")
        return np.array([known[v] for v in labels.tolist()], np.int64)
    if labels.dtype.kind not in "buif" or not np.isin(labels, np.arange(count)).all():
        raise ModelError(
            f"the labels must be places 0 to {count - 1} of classes", hint="or say classes=[...] with their values."
        )
    return labels.astype(np.int64)


def _check(p: Floats, y: npt.NDArray[np.int64], w: Floats) -> None:
    problems = []
    if not np.isfinite(p).all() or (p < 0).any() or (p > 1 + 1e-6).any():
        problems.append("probabilities outside 0..1")
    elif not np.isfinite(w).all() or (w < 0).any():
        problems.append("weights that are negative or not finite")
    elif len(np.unique(y[w > 0])) < 2:
        problems.append("labels of one class alone: there is nothing to fit")
    if problems:
        raise ModelError("no calibration can be fitted on these rows", problems=problems)


def _log_odds(p: Floats, rest: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(rest, SMALLEST)))


def _logistic(z: Floats) -> Floats:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1 / (1 + e), e / (1 + e)))


def _softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _sigmoid(p: Floats, positive: npt.NDArray[np.bool_], w: Floats) -> dict[str, Any]:
    """Newton's method with halving steps on the weighted log loss of two parameters."""
    ones, zeros = float(w[positive].sum()), float(w[~positive].sum())
    target = np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    z = _log_odds(p, 1 - p)
    design = np.stack([z, np.ones_like(z)], axis=1)

    def loss(beta: Floats) -> float:
        s = design @ beta
        return float(np.sum(w * (np.logaddexp(0, s) - target * s)))

    beta, now = np.array([1.0, 0.0]), loss(np.array([1.0, 0.0]))
    for _ in range(_STEPS):
        q = _logistic(design @ beta)
        gradient = design.T @ (w * (q - target))
        hessian = (design * (w * q * (1 - q))[:, None]).T @ design + 1e-12 * np.eye(2)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while size > 1e-10 and loss(beta - size * step) > now:
            size /= 2
        beta, before, now = beta - size * step, now, loss(beta - size * step)
        if before - now <= 1e-14 * (1 + abs(before)):
            break
    return {"a": float(beta[0]), "b": float(beta[1])}


def _isotonic(p: Floats, positive: npt.NDArray[np.bool_], w: Floats) -> dict[str, Any]:
    """Pools adjacent violators; equal probabilities are one point, and inner points of a level are left out."""
    kept = w > 0
    x, inverse = np.unique(p[kept].astype(np.float32), return_inverse=True)  # the graph's probabilities are float32
    weight = np.bincount(inverse, w[kept])
    value = np.bincount(inverse, w[kept] * positive[kept]) / weight
    levels: list[list[float]] = []
    for v, k in zip(value.tolist(), weight.tolist(), strict=True):
        levels.append([v, k, 1])
        while len(levels) > 1 and levels[-2][0] >= levels[-1][0]:
            v2, k2, n2 = levels.pop()
            v1, k1, n1 = levels[-1]
            levels[-1] = [(v1 * k1 + v2 * k2) / (k1 + k2), k1 + k2, n1 + n2]
    y = np.repeat([v for v, _, _ in levels], [int(n) for _, _, n in levels])
    inner = np.zeros(len(y), bool)
    inner[1:-1] = (y[1:-1] == y[:-2]) & (y[1:-1] == y[2:])
    return {"x": [float(v) for v in x[~inner]], "y": [float(v) for v in y[~inner]]}


def _temperature(p: Floats, y: npt.NDArray[np.int64], w: Floats) -> dict[str, Any]:
    """Golden-section search on ln T: the log loss is convex in 1/T, so it has one valley in ln T."""
    z = np.log(np.maximum(p, SMALLEST))
    rows = np.arange(len(y))

    def loss(log_t: float) -> float:
        s = z / np.exp(log_t)
        top = s.max(axis=1)
        return float(np.sum(w * (top + np.log(np.exp(s - top[:, None]).sum(axis=1)) - s[rows, y])))

    low, high, ratio = np.log(1e-2), np.log(1e2), (np.sqrt(5) - 1) / 2
    for _ in range(_STEPS):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return {"temperature": float(np.exp((low + high) / 2))}


def _run_sigmoid(curve: Mapping[str, Any], p: Floats, rest: Floats) -> Floats:
    return _logistic(curve["a"] * _log_odds(p, rest) + curve["b"])


def _run_isotonic(curve: Mapping[str, Any], p: Floats, rest: Floats) -> Floats:
    return np.asarray(np.interp(p, curve["x"], curve["y"]))


_CURVES: dict[str, Callable[[Mapping[str, Any], Floats, Floats], Floats]] = {
    "sigmoid": _run_sigmoid,
    "isotonic": _run_isotonic,
}
_PARTS = {"sigmoid": {"a", "b"}, "isotonic": {"x", "y"}, "temperature": {"temperature"}}


def _problems(method: str, curves: Sequence[Mapping[str, Any]]) -> list[str]:
    if method not in _PARTS:
        return [f"there is no calibration {method!r}. {did_you_mean(str(method), _PARTS)}"]
    problems = [] if curves else ["there is no curve"]
    for i, curve in enumerate(curves):
        if set(curve) != _PARTS[method]:
            problems.append(f"curve {i} has {sorted(curve)}, {method} needs {sorted(_PARTS[method])}")
            continue
        numbers = [np.asarray(curve[k], np.float64) for k in sorted(curve)]
        if not all(np.isfinite(n).all() for n in numbers):
            problems.append(f"curve {i} holds numbers that are not finite")
        elif method == "temperature" and curve["temperature"] <= 0:
            problems.append("the temperature is not positive")
        elif method == "isotonic":
            problems += _isotonic_problems(i, *numbers)
    return problems


def _isotonic_problems(i: int, x: Floats, y: Floats) -> list[str]:
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        return [f"curve {i}: x and y are not two lists of one length"]
    if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or (y < 0).any() or (y > 1).any():
        return [f"curve {i}: x must rise, y must not fall and lie in 0..1"]
    return []
