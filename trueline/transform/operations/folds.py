"""`by_fold`: one value when serving, another for the rows that the model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Presence, RuleError, Value, Wire

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    serving, training = types
    if (serving.dtype, serving.kind, serving.size) != (training.dtype, training.kind, training.size):
        raise RuleError(f"the value when serving is {serving}, that in training is {training}")
    if serving.constant != training.constant:
        raise RuleError("one of its two values is a constant, the other a column")
    return ValueType(serving.dtype, serving.kind, serving.size)


def _serving(values: Sequence[Value], attrs: Attrs) -> Array:
    return values[0].data


def _onnx_serving(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return wires[0].data


FIRST = Presence(
    lambda types, attrs: types[0].optional,
    lambda values, attrs: values[0].present,
    lambda em, wires, attrs: wires[0].present,
)
"""There where the first argument is."""

OPERATIONS = (Operation("by_fold", _rule, _serving, _onnx_serving, FIRST, elementwise=False),)
"""Rows of the table of operations. What computes a graph meets `by_fold` only where nobody bound it: then it serves."""
