"""Estimators written by hand in double precision, where skl2onnx is wrong, coarse or has no converter."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.models.exporters.boosters import boosted_model, is_booster
from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.sklearn_emit import NoDecisionError, Want, refuse

__all__ = [
    "decision",
    "dummy_classifier",
    "dummy_regressor",
    "gaussian_bayes",
    "interpolated",
    "isotonic",
    "kernel_ridge",
    "linear_discriminant",
    "support_vectors",
]

_LINEAR = (
    "LogisticRegression",
    "LogisticRegressionCV",
    "LinearSVC",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "Perceptron",
    "LinearDiscriminantAnalysis",
)

_READERS = {"sklearn": "sklearn_hist", "lightgbm": "lightgbm"}
"""Boosters whose decision function is the sum of their trees."""


def decision(g: Nodes, estimator: Any, x: str) -> str:
    """``decision_function``: ``[N, 1]`` of two classes, else ``[N, C]``.

    Raises:
        ModelError: an estimator whose decision function has no writer.
    """
    if type(estimator).__name__ in _LINEAR and hasattr(estimator, "coef_"):
        return linear(g, x, estimator.coef_, estimator.intercept_)
    reader = _READERS.get(type(estimator).__module__.partition(".")[0])
    if reader is not None and is_booster(estimator):
        read = importlib.import_module(f"trueline.models.exporters.{reader}").read_booster(estimator)
        model = boosted_model(replace(read, link="identity"), "x", "prediction")
        raw = g.call(model, x, model.graph.output[0].name)
        return g.double(g.add("Reshape", raw, g.integers([-1, read.outputs])))
    error = refuse(estimator, "its decision function has no converter", "use an estimator with probabilities there.")
    raise NoDecisionError(error.message, hint=error.hint)


def linear(g: Nodes, x: str, coef: Any, intercept: Any) -> str:
    """``x @ coef.T + intercept`` in double: ``[N, K]``."""
    weights = np.atleast_2d(np.asarray(coef, np.float64)).T
    return g.add("Add", g.add("MatMul", g.double(x), g.constant(weights)), g.constant(np.ravel(intercept)))


def linear_discriminant(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Sigmoid or softmax of a linear function; skl2onnx takes the softmax of one column for two classes."""
    if want == "transform":
        raise refuse(estimator, "as a transformer it has no converter", "use PCA.")
    scores = linear(g, x, estimator.coef_, estimator.intercept_)
    if want == "decision":
        return scores
    if len(estimator.classes_) > 2:
        return g.add("Softmax", scores, axis=1)
    second = g.add("Sigmoid", scores)
    return g.add("Concat", g.add("Sub", 1.0, second), second, axis=1)


def gaussian_bayes(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Softmax of the joint log likelihood.

    scikit-learn computes it in the precision of x. A feature that never varied in training, such as the column of
    unseen words, has a variance near 0; where it does vary, float32 has no digit left and probabilities do not sum to
    1. Double precision has them.
    """
    if want != "probabilities":
        raise refuse(estimator, f"it has no {want}", "use LogisticRegression.")
    wide, parts = g.double(x), []
    for prior, mean, variance in zip(estimator.class_prior_, estimator.theta_, estimator.var_, strict=True):
        mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
        apart = g.add("Sub", wide, g.constant(mean.reshape(1, -1)))
        terms = g.add("Div", g.add("Mul", apart, apart), g.constant(variance.reshape(1, -1)))
        total = g.add("ReduceSum", terms, g.integers([1]), keepdims=1)
        with np.errstate(divide="ignore"):
            start = float(np.log(prior) - 0.5 * np.log(2 * np.pi * variance).sum())
        parts.append(g.add("Add", g.add("Mul", total, -0.5), start))
    return g.add("Softmax", g.add("Concat", *parts, axis=1), axis=1)


def _rows(g: Nodes, x: str, values: npt.NDArray[np.float64]) -> str:
    """The same values ``[K]`` for every row of x: ``[N, K]``."""
    from onnx import numpy_helper

    count = g.add("Slice", g.add("Shape", x), g.integers([0]), g.integers([1]))
    shape = g.add("Concat", count, g.integers([len(values)]), axis=0)
    zeros = g.add("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1)))
    return g.add("Add", zeros, g.constant(values.reshape(1, -1)))


def dummy_classifier(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The share of each class, or one class for every row."""
    prior = np.asarray(estimator.class_prior_, np.float64)
    one = np.eye(len(prior))
    found = {"prior": prior, "most_frequent": one[int(np.argmax(prior))]}
    if estimator.strategy == "constant":
        found["constant"] = one[list(estimator.classes_).index(np.ravel(estimator.constant)[0])]
    if estimator.strategy == "uniform":
        found["uniform"] = np.full(len(prior), 1 / len(prior))
    if estimator.strategy not in found or want != "probabilities":
        raise refuse(estimator, f"the strategy {estimator.strategy!r} draws at random", "use strategy='prior'.")
    return _rows(g, x, found[estimator.strategy])


def dummy_regressor(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """One number for every row."""
    return _rows(g, x, np.ravel(np.asarray(estimator.constant_, np.float64)))


def support_vectors(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The kernel with the support vectors, weighted; skl2onnx sums in float32."""
    vectors = np.asarray(estimator.support_vectors_, np.float64)
    made = _kernel(g, estimator, x, vectors, estimator.kernel, float(estimator._gamma))
    weights = np.asarray(estimator.dual_coef_, np.float64).reshape(-1, 1)
    return g.add("Add", g.add("MatMul", made, g.constant(weights)), g.constant(np.ravel(estimator.intercept_)))


def kernel_ridge(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The kernel with the training rows, weighted."""
    rows = np.asarray(estimator.X_fit_, np.float64)
    gamma = 1.0 / rows.shape[1] if estimator.gamma is None else float(estimator.gamma)
    made = _kernel(g, estimator, x, rows, estimator.kernel, gamma)
    return g.add("MatMul", made, g.constant(np.asarray(estimator.dual_coef_, np.float64).reshape(-1, 1)))


def _kernel(g: Nodes, estimator: Any, x: str, rows: npt.NDArray[np.float64], kernel: Any, gamma: float) -> str:
    """``[N, M]`` in double precision."""
    wide = g.double(x)
    product = g.add("MatMul", wide, g.constant(rows.T))
    if kernel == "linear":
        return product
    if kernel == "rbf":
        own = g.add("ReduceSum", g.add("Mul", wide, wide), g.integers([1]), keepdims=1)
        both = g.add("Add", own, g.constant((rows**2).sum(axis=1).reshape(1, -1)))
        squared = g.add("Max", g.add("Sub", both, g.add("Mul", product, 2.0)), 0.0)
        return g.add("Exp", g.add("Mul", squared, -gamma))
    inner = g.add("Add", g.add("Mul", product, gamma), float(estimator.coef0))
    if kernel in ("poly", "polynomial"):
        return g.add("Pow", inner, float(estimator.degree))
    if kernel == "sigmoid":  # ONNX Runtime has tanh of doubles
        return g.add("Tanh", inner)
    raise refuse(estimator, f"the kernel {kernel!r} has no converter", "use linear, rbf, poly or sigmoid.")


def isotonic(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Linear interpolation between the thresholds, of float32 values."""
    made = interpolated(g, estimator, g.double(x))
    return g.float(made) if want == "transform" else made


def interpolated(g: Nodes, estimator: Any, value: str) -> str:
    """An isotonic function of ``[N, 1]`` in double precision; values outside are held to its ends."""
    if estimator.out_of_bounds != "clip":
        raise refuse(estimator, "values outside of what it was fitted on have none", "use out_of_bounds='clip'.")
    at = np.asarray(estimator.X_thresholds_, np.float64)
    to = np.asarray(estimator.y_thresholds_, np.float64)
    if len(at) == 1:
        return g.add("Add", g.add("Mul", value, 0.0), float(to[0]))
    value = g.add("Min", g.add("Max", value, float(at[0])), float(at[-1]))
    reached = g.add("Cast", g.add("GreaterOrEqual", value, g.constant(at[1:-1].reshape(1, -1))), to=7)
    place = g.add("ReduceSum", reached, g.integers([1]), keepdims=1)
    low, base = (g.add("Gather", g.constant(v[:-1]), place) for v in (at, to))
    slope = g.add("Gather", g.constant(np.diff(to) / np.diff(at)), place)
    return g.add("Add", base, g.add("Mul", slope, g.add("Sub", value, low)))
