"""`Ints`: whole-number arithmetic on ONNX tensors, written as Python writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["Ints"]


@dataclass(frozen=True)
class Ints:
    """An int64 tensor in a graph that is being written. Equal expressions are one node: the emitter sees to it.

    Attributes:
        em: the writer.
        name: the tensor.
    """

    em: Emitter
    name: str

    def _other(self, other: Ints | int) -> str:
        return self.em.constant(other, "int64") if isinstance(other, int) else other.name

    def _node(self, op: str, other: Ints | int) -> Ints:
        return Ints(self.em, self.em.node(op, self.name, self._other(other)))

    def __add__(self, other: Ints | int) -> Ints:
        return self._node("Add", other)

    def __sub__(self, other: Ints | int) -> Ints:
        return self._node("Sub", other)

    def __mul__(self, other: Ints | int) -> Ints:
        return self._node("Mul", other)

    def __mod__(self, other: int) -> Ints:
        """The remainder by a positive number, never negative."""
        return self._node("Mod", other)

    def div(self, other: int) -> Ints:
        """The quotient by a positive number, cut towards 0: for what is not negative it is ``//``."""
        return self._node("Div", other)

    def __floordiv__(self, other: int) -> Ints:
        """The quotient by a positive number, rounded down."""
        cut = self.div(other)
        return cut - self.less(cut * other)

    def _flag(self, mask: str) -> Ints:
        return Ints(self.em, self.em.cast(mask, "int64"))

    def less(self, other: Ints | int) -> Ints:
        """1 where it is less, else 0."""
        return self._flag(self.em.node("Less", self.name, self._other(other)))

    def equals(self, other: Ints | int) -> Ints:
        """1 where both are equal, else 0."""
        return self._flag(self.em.node("Equal", self.name, self._other(other)))

    def at_least(self, other: Ints | int) -> Ints:
        """1 where it is not less, else 0."""
        return self._flag(self.em.node("GreaterOrEqual", self.name, self._other(other)))

    def mask(self) -> str:
        """A bool tensor: where it is not 0."""
        return self.em.node("Not", self.em.node("Equal", self.name, self.em.constant(0, "int64")))

    def pick(self, yes: Ints | int, no: Ints | int) -> Ints:
        """`yes` where it is not 0, else `no`."""
        return Ints(self.em, self.em.node("Where", self.mask(), self._other(yes), self._other(no)))

    def of_table(self, values: tuple[int, ...]) -> Ints:
        """The table's value at each position; positions must lie inside."""
        return Ints(self.em, self.em.node("Gather", self.em.ints(*values), self.name))

    def columns(self, start: int, count: int) -> Ints:
        """Columns of a matrix ``[N, K]``."""
        return Ints(
            self.em,
            self.em.node("Slice", self.name, self.em.ints(start), self.em.ints(start + count), self.em.ints(1)),
        )

    def row_sum(self) -> Ints:
        """The sum of each row of a matrix."""
        return Ints(self.em, self.em.node("ReduceSum", self.name, self.em.ints(1), keepdims=0))

    def weighted(self, weights: tuple[int, ...]) -> Ints:
        """The sum of each row of a matrix, column by column times its weight."""
        return Ints(self.em, self.em.node("Mul", self.name, self.em.ints(*weights))).row_sum()
