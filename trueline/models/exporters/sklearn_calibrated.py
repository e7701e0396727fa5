"""CalibratedClassifierCV: sigmoid, isotonic and temperature, over any estimator that has a writer."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.sklearn_emit import NoDecisionError, Want, by_converter, emit, refuse
from trueline.models.exporters.sklearn_scores import interpolated

__all__ = ["calibrated"]


def calibrated(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """The mean of the calibrated members' probabilities."""
    if want != "probabilities":
        raise refuse(estimator, f"it gives probabilities, not {want}", "use the estimator itself.")
    try:
        parts = [_member(g, member, x) for member in estimator.calibrated_classifiers_]
    except NoDecisionError:
        return by_converter(g, estimator, x, want)
    return parts[0] if len(parts) == 1 else g.add("Div", g.add("Sum", *parts), float(len(parts)))


def _member(g: Nodes, member: Any, x: str) -> str:
    base, classes = member.estimator, list(member.classes)
    scores, is_proba = _scores(g, base, x)
    if member.method == "temperature":
        return _temperature(g, member, scores, is_proba)
    if is_proba and len(classes) == 2:
        scores = g.add("Gather", scores, g.integers([1]), axis=1)
    columns: dict[int, str] = {}
    places = [classes.index(c) for c in base.classes_]
    for i, (place, calibrator) in enumerate(zip(places, member.calibrators, strict=False)):
        value = scores if len(classes) == 2 else g.add("Gather", scores, g.integers([i]), axis=1)
        columns[place + (len(classes) == 2)] = _calibrate(g, calibrator, value)
    if len(classes) == 2:
        return g.add("Concat", g.add("Sub", 1.0, columns[1]), columns[1], axis=1)
    if len(columns) != len(classes):
        raise refuse(base, "a part of the folds lacks a class", "use fewer folds.")
    beside = g.add("Concat", *(columns[i] for i in range(len(classes))), axis=1)
    return _shares(g, beside, len(classes))


def _shares(g: Nodes, beside: str, classes: int) -> str:
    """Divided by the row's sum; even where that is 0."""
    total = g.add("ReduceSum", beside, g.integers([1]), keepdims=1)
    none = g.add("Equal", total, 0.0)
    shares = g.add("Div", beside, g.add("Where", none, g.constant(1.0), total))
    return g.add("Where", none, g.constant(np.full((1, classes), 1 / classes)), shares)


def _scores(g: Nodes, base: Any, x: str) -> tuple[str, bool]:
    """The decision function where there is one, else the probabilities; and which of the two."""
    if hasattr(base, "decision_function"):
        return emit(g, base, x, "decision"), False
    return emit(g, base, x, "probabilities"), True


def _calibrate(g: Nodes, calibrator: Any, value: str) -> str:
    if type(calibrator).__name__ == "_SigmoidCalibration":
        inner = g.add("Add", g.add("Mul", value, float(calibrator.a_)), float(calibrator.b_))
        return g.add("Sigmoid", g.add("Neg", inner))
    return interpolated(g, calibrator, value)


def _temperature(g: Nodes, member: Any, scores: str, is_proba: bool) -> str:
    """Softmax of the scaled logits; a single score s, a probability too, is the pair (-s, s)."""
    if len(member.classes) == 2:
        scores = g.add("Gather", scores, g.integers([1]), axis=1) if is_proba else scores
        scores = g.add("Concat", g.add("Neg", scores), scores, axis=1)
    elif is_proba:
        scores = g.add("Log", g.add("Add", scores, float(np.finfo(np.float64).eps)))
    return g.add("Softmax", g.add("Mul", scores, float(member.calibrators[0].beta_)), axis=1)
