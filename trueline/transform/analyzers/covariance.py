"""The covariance matrix of a vector column, and its principal components.

Count, mean and sums of products of deviations; merged as Chan, Golub and LeVeque (1979) do for one column, so that an
offset of all values costs no digits (E[xx'] - E[x]E[x]', as TensorFlow Transform has it, loses them all).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline.transform.analyzers.base import Analyzer, Array, Attrs, Parts, StateMaker
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES", "Covariance", "CovarianceState", "principal_components"]

_ROWS = 2_048


class Covariance:
    """Count, mean and co-moments of rows of numbers; rows that hold a NaN or an infinity are left out.

    Args:
        size: how many numbers a row has.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        self.mean: Array = np.zeros(size)
        self.products: Array = np.zeros((size, size))

    @property
    def matrix(self) -> Array:
        """The covariance matrix ``[size, size]`` (ddof 0); of no rows zeros."""
        return self.products / self.count if self.count else self.products

    def update(self, rows: Array) -> None:
        """Takes in rows ``[n, size]``."""
        rows = rows[np.isfinite(rows).all(axis=1)]
        if not len(rows):
            return
        block = Covariance(rows.shape[1])
        block.count = len(rows)
        with np.errstate(all="ignore"):
            # about the first row: equal values have exactly that mean, and no deviation
            block.mean = rows[0] + (rows - rows[0]).sum(axis=0) / len(rows)
            block.products = _products((rows - block.mean).T)
        self.merge(block)

    def merge(self, other: Self | Covariance) -> None:
        """Takes in the state of later rows."""
        if not other.count:
            return
        if not self.count:
            self.count, self.mean, self.products = other.count, other.mean, other.products
            return
        count = self.count + other.count
        with np.errstate(all="ignore"):
            delta = other.mean - self.mean
            apart = np.multiply.outer(delta, delta) * (self.count / count * other.count)
            self.products = self.products + other.products + apart
            self.mean = self.mean + delta * (other.count / count)
        self.count = count

    def parts(self) -> Parts:
        """The state as header and arrays."""
        return {"count": self.count}, {"mean": self.mean, "products": self.products}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Takes on the state that `parts` gave."""
        self.count, self.mean, self.products = int(header["count"]), arrays["mean"], arrays["products"]


def _products(columns: Array) -> Array:
    """All columns' products with each other ``[size, size]``, of columns ``[size, n]``; a few rows at a time, which the
    processor's cache can hold.

    einsum sums in one order; a matrix product would sum in one that depends on the number of threads.
    """
    found = np.zeros((len(columns), len(columns)))
    for start in range(0, columns.shape[1], _ROWS):
        part = np.ascontiguousarray(columns[:, start : start + _ROWS])
        for i, column in enumerate(part):
            found[i, i:] += np.einsum("jn,n->j", part[i:], column, optimize=False)
    return np.asarray(np.triu(found) + np.triu(found, 1).T)


class CovarianceState(Covariance):
    """`Covariance` of a column's rows."""

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        super().__init__(int(types[0].size or 1))

    def update(self, inputs: Inputs | Array) -> None:
        """Takes in a block."""
        super().update(inputs.matrix(0) if isinstance(inputs, Inputs) else inputs)


def principal_components(covariance: Array, output_dim: int) -> Array:
    """Eigenvectors by descending eigenvalue as the columns of ``[size, output_dim]``.

    Each has its largest component (by size; the first of equal ones) positive: an eigenvector's sign is arbitrary, and
    this makes it the same on every machine. Of a matrix of zeros: the first columns of the unit matrix.
    """
    size = len(covariance)
    if not covariance.any():
        return np.eye(size)[:, :output_dim]
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, np.argsort(-values, kind="stable")[:output_dim]]
    # what rounding left in the size of components must not decide which is the largest
    largest = np.argmax(np.round(np.abs(vectors), 9), axis=0)
    signs = np.where(vectors[largest, np.arange(vectors.shape[1])] < 0.0, -1.0, 1.0)
    return np.asarray(vectors * signs + 0.0)


def _rule(width: str | None) -> Any:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != 1 or types[0].dtype != "float64":
            raise RuleError(f"it takes one column of float64, not {' and '.join(t.dtype for t in types)}")
        if types[0].kind not in ("fixed", "scalar"):
            raise RuleError("it takes vectors, whose places are the variables; make a list a vector with tlt.pad")
        size = int(types[0].size or 1)
        columns = size if width is None else int(attrs[width])
        if not 1 <= columns <= size:
            raise RuleError(f"output_dim must be from 1 to the vectors' length {size}, it is {columns}")
        return ValueType("float64", "table", size * columns)

    return rule


def _covariance(state: Covariance, attrs: Attrs) -> Any:
    return state.matrix.tolist()


def _pca(state: Covariance, attrs: Attrs) -> Any:
    return principal_components(state.matrix, int(attrs["output_dim"])).tolist()


ANALYZERS = (
    Analyzer("covariance", _rule(None), "covariance", _covariance),
    Analyzer("pca", _rule("output_dim"), "covariance", _pca),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"covariance": CovarianceState}
"""The states that they read, by name."""
