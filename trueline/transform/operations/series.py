"""Building blocks of functions that ONNX Runtime has no float64 kernel for, or no accurate one: series and choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Wire, common

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["Lowering", "Numbers", "by_name", "float_rule"]

Lowering = Callable[["Emitter", Sequence[Wire], Attrs], str]


def float_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    """Float64 in, float64 out, element by element."""
    return common(types, "float64")


class Numbers:
    """Float64 arithmetic on tensors of a graph, with literals wherever a tensor may stand.

    Args:
        em: the graph's writer.
    """

    def __init__(self, em: Emitter) -> None:
        self.em = em

    def _name(self, x: str | float) -> str:
        return x if isinstance(x, str) else self.em.constant(float(x), "float64")

    def op(self, name: str, *inputs: str | float) -> str:
        """One ONNX node."""
        return self.em.node(name, *(self._name(i) for i in inputs))

    def add(self, a: str | float, b: str | float) -> str:
        """a + b."""
        return self.op("Add", a, b)

    def sub(self, a: str | float, b: str | float) -> str:
        """a - b."""
        return self.op("Sub", a, b)

    def mul(self, a: str | float, b: str | float) -> str:
        """a * b."""
        return self.op("Mul", a, b)

    def div(self, a: str | float, b: str | float) -> str:
        """a / b."""
        return self.op("Div", a, b)

    def where(self, condition: str, yes: str | float, no: str | float) -> str:
        """`yes` where the condition holds, else `no`; the sign of a zero is not kept."""
        return self.em.where(condition, self._name(yes), self._name(no), "float64")

    def signed(self, x: str, magnitude: str) -> str:
        """`magnitude` with the sign of x."""
        return self.where(self.op("Less", x, 0.0), self.op("Neg", magnitude), magnitude)

    def series(self, t: str, terms: Sequence[str | float]) -> str:
        """The polynomial of t with these coefficients, the lowest first (Horner's rule)."""
        total: str | float = terms[-1]
        for term in reversed(terms[:-1]):
            total = self.add(self.mul(total, t), term)
        return self._name(total)

    def pick(self, table: Array, place: str) -> str:
        """The table's number at each place, a tensor of whole float64 numbers."""
        return self.em.node("Gather", self.em.array(np.asarray(table, np.float64)), self.em.cast(place, "int64"))


def by_name(function: Callable[[Numbers, str], str]) -> Lowering:
    """The lowering of a function of one number."""

    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        return function(Numbers(em), wires[0].data)

    return emit
