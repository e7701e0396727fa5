"""`TfInts`: whole-number arithmetic on TensorFlow's tensors, the twin of `trueline.transform.operations.integers`.

The formulas of the calendar are written once, for either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["TfInts"]


@dataclass(frozen=True)
class TfInts:
    """An int64 tensor.

    Attributes:
        data: the tensor.
        em: None; a writer of ONNX nodes has one.
    """

    data: Any
    em: Any = None

    def _other(self, other: TfInts | int) -> Any:
        import tensorflow as tf

        return tf.constant(other, tf.int64) if isinstance(other, int) else other.data

    def __add__(self, other: TfInts | int) -> TfInts:
        return TfInts(self.data + self._other(other))

    def __sub__(self, other: TfInts | int) -> TfInts:
        return TfInts(self.data - self._other(other))

    def __mul__(self, other: TfInts | int) -> TfInts:
        return TfInts(self.data * self._other(other))

    def __mod__(self, other: int) -> TfInts:
        """The remainder by a positive number, never negative."""
        return TfInts(self.data % self._other(other))

    def div(self, other: int) -> TfInts:
        """The quotient by a positive number, cut towards 0."""
        import tensorflow as tf

        return TfInts(tf.raw_ops.TruncateDiv(x=self.data, y=self._other(other)))

    def __floordiv__(self, other: int) -> TfInts:
        """The quotient by a positive number, rounded down."""
        return TfInts(self.data // self._other(other))

    def _flag(self, mask: Any) -> TfInts:
        import tensorflow as tf

        return TfInts(tf.cast(mask, tf.int64))

    def less(self, other: TfInts | int) -> TfInts:
        """1 where it is less, else 0."""
        return self._flag(self.data < self._other(other))

    def equals(self, other: TfInts | int) -> TfInts:
        """1 where both are equal, else 0."""
        import tensorflow as tf

        return self._flag(tf.equal(self.data, self._other(other)))

    def at_least(self, other: TfInts | int) -> TfInts:
        """1 where it is not less, else 0."""
        return self._flag(self.data >= self._other(other))

    def mask(self) -> Any:
        """A bool tensor: where it is not 0."""
        import tensorflow as tf

        return tf.not_equal(self.data, tf.constant(0, tf.int64))

    def pick(self, yes: TfInts | int, no: TfInts | int) -> TfInts:
        """`yes` where it is not 0, else `no`."""
        import tensorflow as tf

        return TfInts(tf.where(self.mask(), self._other(yes), self._other(no)))

    def of_table(self, values: tuple[int, ...]) -> TfInts:
        """The table's value at each position; positions must lie inside."""
        import tensorflow as tf

        return TfInts(tf.gather(tf.constant(values, tf.int64), self.data))

    def columns(self, start: int, count: int) -> TfInts:
        """Columns of a matrix ``[N, K]``."""
        return TfInts(self.data[:, start : start + count])

    def row_sum(self) -> TfInts:
        """The sum of each row of a matrix."""
        import tensorflow as tf

        return TfInts(tf.reduce_sum(self.data, axis=1))

    def weighted(self, weights: tuple[int, ...]) -> TfInts:
        """The sum of each row of a matrix, column by column times its weight."""
        import tensorflow as tf

        return TfInts(self.data * tf.constant(weights, tf.int64)).row_sum()
