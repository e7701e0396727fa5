"""`covariance` and `pca`: matrices that one pass over a vector column finds."""

from __future__ import annotations

from typing import Any

from trueline.transform.column import Column
from trueline.transform.functions import as_float
from trueline.transform.mappers_gaussian import float_dtype

__all__ = ["covariance", "pca"]


def covariance(x: Column, dtype: Any = None, name: str | None = None) -> Column:
    """The covariance matrix (ddof 0) of a vector column's places: a table of size x size numbers; of no rows zeros.

    Rows that hold a NaN or an infinity are left out. As accurate far from zero as near it.

    Args:
        x: a vector column of float64, int64 or bool; a scalar column counts as a vector of one.
        dtype: a float type, as TensorFlow Transform wants it; computed in float64 whatever it is.
        name: in whose name the matrix stands in readable paths.

    Raises:
        TransformError: for lists, text, or another dtype.
    """
    float_dtype(x, dtype, "dtype")
    with x.tracer.scope(name or "covariance"):
        return x.tracer.op("analyze.covariance", as_float(x))


def pca(x: Column, output_dim: int, dtype: Any = None, name: str | None = None) -> Column:
    """The principal components of a vector column: unit eigenvectors of its `covariance` by descending eigenvalue, as
    the columns of a table of size x `output_dim`; of no rows the first columns of the unit matrix.

    Each component's largest entry (by size; the first of equal ones) is positive, so that its sign is the same
    everywhere; TensorFlow Transform leaves it open. ``tlt.matmul(x, tlt.pca(x, 2))`` projects the vectors; they are
    not centred first, as in TensorFlow Transform.

    Args:
        x: as for `covariance`.
        output_dim: how many components, 1 to the vectors' length.
        dtype: a float type; computed in float64 whatever it is.
        name: in whose name the matrix stands in readable paths.

    Raises:
        TransformError: for lists, text, another dtype, or an output_dim out of range.
    """
    float_dtype(x, dtype, "dtype")
    with x.tracer.scope(name or "pca"):
        return x.tracer.op("analyze.pca", as_float(x), output_dim=int(output_dim))
