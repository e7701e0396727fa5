"""The inverse of Tukey's HH transformation, which turns a skewed, heavy-tailed column into a normal one.

A Tukey HH variable is ``y = z * exp(h * z**2 / 2)`` with z standard normal, and one h on each side of 0 (Headrick and
Pant 2012, "Characterizing Tukey h and hh-distributions through L-moments and the L-correlation"). Its inverse is
``z = y * exp(-W / 2)``, which equals ``sign(y) * sqrt(W / h)``, where W is Lambert's function of ``h * y**2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Value, Wire, common, select

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "lambert_of_log"]

_STEPS = 6
"""Newton's method doubles the digits in each step; from this start it is at rest after five."""
_LOW = -80.0
"""Below e**-80 Lambert's function leaves y as it is, to the last bit."""


def lambert_of_log(log: Array) -> Array:
    """Lambert's W of ``exp(log)``: the root of ``w + ln w = log``, found by Newton's method. NaN stays NaN.

    In this form nothing overflows, and the derivative is well conditioned on the whole axis.
    """
    with np.errstate(all="ignore"):
        log = select(log < _LOW, np.full_like(log, _LOW), log)
        grown = np.exp(np.where(log > 1.0, 1.0, log))
        w = np.where(log > 1.0, log - np.log(np.where(log > 1.0, log, 1.0)), grown / (1.0 + grown))
        for _ in range(_STEPS):
            w = w * (1.0 + (log - np.log(w))) / (1.0 + w)
        return np.asarray(w)


def _np_inverse(values: Sequence[Value], attrs: Attrs) -> Array:
    y, left, right = (v.data for v in values)
    with np.errstate(all="ignore"):
        h = np.where(y < 0.0, left, right)
        size = np.abs(y)
        square = h * size * size
        log = np.where(np.isinf(square), np.log(h) + 2.0 * np.log(size), np.log(square))
        w = lambert_of_log(log)
        root = np.where(y < 0.0, -np.sqrt(w / h), np.sqrt(w / h))
        shrunk = np.where(w > 1.0, root, y * np.exp(w * -0.5))
        return np.where(np.isinf(y), y, shrunk) + 0.0


def _onnx_lambert(em: Emitter, log: str) -> str:
    def number(value: float) -> str:
        return em.constant(value, "float64")

    one = number(1.0)
    log = em.where(em.node("Less", log, number(_LOW)), number(_LOW), log, "float64")
    large = em.node("Greater", log, one)
    grown = em.node("Exp", em.node("Where", large, one, log))
    start = em.node("Sub", log, em.node("Log", em.node("Where", large, log, one)))
    w = em.node("Where", large, start, em.node("Div", grown, em.node("Add", one, grown)))
    for _ in range(_STEPS):
        step = em.node("Add", one, em.node("Sub", log, em.node("Log", w)))
        w = em.node("Div", em.node("Mul", w, step), em.node("Add", one, w))
    return w


def _onnx_inverse(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    y, left, right = (w.data for w in wires)
    zero = em.constant(0.0, "float64")
    negative = em.node("Less", y, zero)
    h = em.node("Where", negative, left, right)
    size = em.node("Abs", y)
    square = em.node("Mul", em.node("Mul", h, size), size)
    twice = em.node("Mul", em.constant(2.0, "float64"), em.node("Log", size))
    far = em.node("Add", em.node("Log", h), twice)
    log = em.node("Where", em.node("IsInf", square), far, em.node("Log", square))
    w = _onnx_lambert(em, log)
    root = em.node("Sqrt", em.node("Div", w, h))
    root = em.node("Where", negative, em.node("Neg", root), root)
    shrunk = em.node("Mul", y, em.node("Exp", em.node("Mul", w, em.constant(-0.5, "float64"))))
    inner = em.node("Where", em.node("Greater", w, em.constant(1.0, "float64")), root, shrunk)
    return em.node("Add", em.node("Where", em.node("IsInf", y), y, inner), zero)


def _inverse_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return common(types, "float64")


OPERATIONS = (Operation("inverse_tukey_hh", _inverse_rule, _np_inverse, _onnx_inverse, kind="rounded", ulps=8),)
"""Rows of the table of operations."""
