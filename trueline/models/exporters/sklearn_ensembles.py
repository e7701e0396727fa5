"""Estimators made of other estimators: each part is written by itself, so a booster may be one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.sklearn_emit import Want, emit, refuse

__all__ = [
    "bagging",
    "frozen",
    "one_vs_rest",
    "self_training",
    "stacking",
    "transformed_target",
    "voting_classifier",
    "voting_regressor",
]


def _average(g: Nodes, parts: Sequence[str], weights: Any = None) -> str:
    """The weighted mean of tensors of one shape."""
    shares = np.ones(len(parts)) if weights is None else np.asarray(weights, np.float64)
    scaled = [g.add("Mul", part, float(share)) for part, share in zip(parts, shares / shares.sum(), strict=True)]
    return scaled[0] if len(scaled) == 1 else g.add("Sum", *scaled)


def voting_classifier(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Soft voting: the mean of the probabilities."""
    if estimator.voting != "soft" or want != "probabilities":
        raise refuse(estimator, "a vote of classes gives no probabilities", "use voting='soft'.")
    return _average(g, [emit(g, e, x, want) for e in estimator.estimators_], estimator._weights_not_none)


def voting_regressor(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The mean of the predictions."""
    return _average(g, [emit(g, e, x, "prediction") for e in estimator.estimators_], estimator._weights_not_none)


def bagging(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The mean over the members, each on its columns.

    Raises:
        ModelError: members without probabilities vote, and members that did not see all classes.
    """
    members = estimator.estimators_
    if want == "probabilities":
        if not hasattr(members[0], "predict_proba"):
            raise refuse(estimator, "its members vote, which gives no probabilities", "use members that give them.")
        if any(len(m.classes_) != len(estimator.classes_) for m in members):
            raise refuse(estimator, "some members saw fewer classes than others", "use more rows a member.")
    parts = []
    for member, chosen in zip(members, estimator.estimators_features_, strict=True):
        whole = len(chosen) == estimator.n_features_in_ and (np.asarray(chosen) == np.arange(len(chosen))).all()
        taken = x if whole else g.add("Gather", x, g.integers([int(i) for i in chosen]), axis=1)
        parts.append(emit(g, member, taken, want))
    return _average(g, parts)


def one_vs_rest(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The second class's probability of each member, divided by their sum."""
    if any(type(e).__name__ == "_ConstantPredictor" for e in estimator.estimators_):
        raise refuse(estimator, "a class has no rows, or all of them", "leave that class out.")
    if any(not hasattr(e, "predict_proba") for e in estimator.estimators_):
        raise refuse(estimator, "its members give no probabilities", "use members that give them.")
    parts = [_second(g, emit(g, e, x, "probabilities")) for e in estimator.estimators_]
    if len(parts) == 1:
        return g.add("Concat", g.add("Sub", 1.0, parts[0]), parts[0], axis=1)
    beside = g.add("Concat", *parts, axis=1)
    total = g.add("ReduceSum", beside, g.integers([1]), keepdims=1)
    shares = g.add("Div", beside, g.add("Where", g.add("Equal", total, 0.0), g.constant(1.0), total))
    even = g.constant(np.full((1, len(parts)), 1 / len(parts)))
    return g.add("Where", g.add("Equal", total, 0.0), even, shares)


def _second(g: Nodes, pair: str) -> str:
    return g.add("Gather", pair, g.integers([1]), axis=1)


def stacking(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The last estimator on what the first ones say, and on x where it is passed through."""
    wants: dict[str, Want] = {
        "predict_proba": "probabilities",
        "decision_function": "decision",
        "predict": "prediction",
    }
    two = len(getattr(estimator, "classes_", ())) == 2
    parts = []
    for member, method in zip(estimator.estimators_, estimator.stack_method_, strict=True):
        if method == "predict" and hasattr(estimator, "classes_"):
            raise refuse(estimator, f"{type(member).__name__} hands on classes", "use members with probabilities.")
        made = emit(g, member, x, wants[method])
        parts.append(g.float(_second(g, made) if two and method == "predict_proba" else made))
    if estimator.passthrough:
        parts.append(x)
    beside = parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=1)
    return emit(g, estimator.final_estimator_, beside, want)


def frozen(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The estimator inside."""
    return emit(g, estimator.estimator, x, want)


def self_training(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The estimator inside, which saw the labels that it gave itself."""
    return emit(g, estimator.estimator_, x, want)


_FUNCTIONS: dict[Any, Callable[[Nodes, str], str]] = {
    np.exp: lambda g, y: g.add("Exp", y),
    np.expm1: lambda g, y: g.add("Sub", g.add("Exp", y), 1.0),
    np.exp2: lambda g, y: g.add("Pow", 2.0, y),
    np.log: lambda g, y: g.add("Log", y),
    np.log1p: lambda g, y: g.add("Log", g.add("Add", y, 1.0)),
    np.sqrt: lambda g, y: g.add("Sqrt", y),
    np.square: lambda g, y: g.add("Mul", y, y),
    np.abs: lambda g, y: g.add("Abs", y),
    np.negative: lambda g, y: g.add("Neg", y),
}


def transformed_target(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The regressor's prediction taken back through the target's transformer."""
    y = emit(g, estimator.regressor_, x, "prediction")
    back = estimator.transformer_
    kind = type(back).__name__
    if kind == "FunctionTransformer":
        if back.inverse_func is None:
            return y
        if back.inverse_func in _FUNCTIONS:
            return _FUNCTIONS[back.inverse_func](g, y)
        name = getattr(back.inverse_func, "__name__", "?")
        known = ", ".join(f"numpy.{f.__name__}" for f in _FUNCTIONS)
        raise refuse(estimator, f"what its inverse_func {name} does cannot be read", f"there is: {known}.")
    if kind not in _BACK:
        raise refuse(estimator, f"its transformer {kind} has no way back in a graph", f"there is: {', '.join(_BACK)}.")
    times, plus = _BACK[kind](back)
    return g.add("Add", g.add("Mul", y, float(np.ravel(times)[0])), float(np.ravel(plus)[0]))


_BACK: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "StandardScaler": lambda t: (t.scale_ if t.with_std else 1.0, t.mean_ if t.with_mean else 0.0),
    "MinMaxScaler": lambda t: (1 / t.scale_, -t.min_ / t.scale_),
    "MaxAbsScaler": lambda t: (t.scale_, 0.0),
    "RobustScaler": lambda t: (t.scale_ if t.with_scaling else 1.0, t.center_ if t.with_centering else 0.0),
}
