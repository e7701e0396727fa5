"""Transformers written by hand: pipelines and columns, scalers that round where scikit-learn does, bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.sklearn_emit import Want, emit, refuse

__all__ = [
    "bins",
    "columns",
    "function",
    "max_abs_scaler",
    "min_max_scaler",
    "pipeline",
    "robust_scaler",
    "standard_scaler",
    "union",
]


def pipeline(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Every step on what the one before it gives."""
    *steps, last = [step for _, step in estimator.steps]
    for step in steps:
        if not _passes(step):
            x = emit(g, step, x, "transform")
    return x if _passes(last) else emit(g, last, x, want)


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def columns(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Each transformer on its columns, side by side."""
    parts = []
    for name, step, _ in estimator.transformers_:
        chosen = [int(i) for i in estimator._transformer_to_input_indices[name]]
        if (isinstance(step, str) and step == "drop") or not chosen:
            continue
        taken = g.add("Gather", x, g.integers(chosen), axis=1)
        parts.append(taken if _passes(step) else emit(g, step, taken, "transform"))
    if not parts:
        raise refuse(estimator, "it drops every column", "keep one.")
    return _beside(g, parts)


def union(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """All transformers on all columns, weighted."""
    weights = estimator.transformer_weights or {}
    parts = []
    for name, step in estimator.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        made = x if _passes(step) else emit(g, step, x, "transform")
        if name in weights:
            made = g.float(g.add("Mul", g.double(made), float(weights[name])))
        parts.append(made)
    return _beside(g, parts)


def _beside(g: Nodes, parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=1)


def _in_place(g: Nodes, x: str, op: str, value: Any) -> str:
    """numpy's in-place arithmetic of a float32 array with a double one: computed in double, rounded at once."""
    return g.float(g.add(op, g.double(x), g.constant(np.asarray(value, np.float64))))


def standard_scaler(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """``(x - mean) / scale``; both are rounded to float32 before, as scikit-learn does."""
    if estimator.with_mean:
        x = g.add("Sub", x, g.constant(estimator.mean_, np.float32))
    return g.add("Div", x, g.constant(estimator.scale_, np.float32)) if estimator.with_std else x


def robust_scaler(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """``(x - center) / scale``."""
    if estimator.with_centering:
        x = _in_place(g, x, "Sub", estimator.center_)
    return _in_place(g, x, "Div", estimator.scale_) if estimator.with_scaling else x


def min_max_scaler(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """``x * scale + min``, cut to the range where that was asked for."""
    x = _in_place(g, _in_place(g, x, "Mul", estimator.scale_), "Add", estimator.min_)
    if not estimator.clip:
        return x
    low, high = (g.constant(v, np.float32) for v in estimator.feature_range)
    return g.add("Clip", x, low, high)


def max_abs_scaler(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """``x / scale``."""
    return _in_place(g, x, "Div", estimator.scale_)


def bins(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The number of inner edges that a value reaches, compared in double; as a number or as a vector of one 1."""
    parts = []
    for i, edges in enumerate(estimator.bin_edges_):
        value = g.double(g.add("Gather", x, g.integers([i]), axis=1))
        inner = np.asarray(edges, np.float64)[1:-1].reshape(1, -1)
        reached = g.float(g.add("GreaterOrEqual", value, g.constant(inner)))
        number = g.add("ReduceSum", reached, g.integers([1]), keepdims=1)
        if estimator.encode != "ordinal":
            places = g.constant(np.arange(int(estimator.n_bins_[i])).reshape(1, -1), np.float32)
            number = g.float(g.add("Equal", number, places))
        parts.append(number)
    return _beside(g, parts)


def function(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The identity; what another function does is not known."""
    if estimator.func is None:
        return x
    name = getattr(estimator.func, "__name__", repr(estimator.func))
    raise refuse(estimator, f"what the function {name} does cannot be read", "do the same in preprocessing_fn.")
