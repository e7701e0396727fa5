"""Functions on vectors: putting scalars together and apart, sums, products, normalisation, counts of ids and hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.transform.column import Column, _promoted
from trueline.transform.functions import as_float, concat, hash_strings, sqrt, tracer_of, where
from trueline.transform.functions_lists import as_list, list_concat, list_max, list_mean, list_min, list_sum

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "dot",
    "hash_trick",
    "matmul",
    "multi_hot",
    "normalize_l2",
    "stack",
    "unstack",
    "vector_max",
    "vector_mean",
    "vector_min",
    "vector_norm",
    "vector_sum",
]


def stack(columns: Sequence[Any]) -> Column:
    """Scalar columns as one vector that keeps their type, as ``tf.stack``; int64 and float64 together become float64.

    Missing where any of them is. `concat` does the same for scalars and vectors and gives float64.

    Args:
        columns: scalar columns, at least one, and literals or constants that stand in every row.
    """
    tracer = tracer_of(*columns)
    with tracer.scope("stack"):
        parts = [tracer.column(c) for c in columns]
        if any(c.type.kind != "scalar" for c in parts):
            raise tracer.error("stack takes scalar columns", "tlt.concat puts vectors side by side.")
        like = next((c for c in parts if not c.type.constant), None)
        if like is None:
            raise tracer.error("stack needs a column; all it was given are constants")
        widest = parts[0]
        for other in parts[1:]:
            if other.dtype != widest.dtype:
                widest = _promoted("add", widest, other, None)[0]
        parts = [_promoted("add", c, widest, None)[0] if c.dtype != widest.dtype else c for c in parts]
        parts = [tracer.op("repeat", c, like) if c.type.constant else c for c in parts]
        return concat(parts, dtype=widest.dtype)


def unstack(x: Column) -> list[Column]:
    """A vector's elements as scalar columns, as ``tf.unstack``."""
    if x.type.kind != "fixed" or x.type.size is None:
        raise x.tracer.error(
            f"unstack takes a vector, not {x.tracer.describe(x)}", "make a list a vector with tlt.pad."
        )
    with x.tracer.scope("unstack"):
        return [x[i] for i in range(x.type.size)]


def vector_sum(x: Column) -> Column:
    """The sum of a vector's elements, from the first to the last."""
    with x.tracer.scope("vector_sum"):
        return list_sum(x)


def vector_mean(x: Column) -> Column:
    """The mean of a vector's elements, float64."""
    with x.tracer.scope("vector_mean"):
        return list_mean(x)


def vector_min(x: Column) -> Column:
    """The least element of a vector; NaN if there is one."""
    with x.tracer.scope("vector_min"):
        return list_min(x)


def vector_max(x: Column) -> Column:
    """The greatest element of a vector; NaN if there is one."""
    with x.tracer.scope("vector_max"):
        return list_max(x)


def vector_norm(x: Column) -> Column:
    """The Euclidean length of a vector or list, float64: the square root of the sum of squares."""
    with x.tracer.scope("vector_norm"):
        x = as_float(x)
        return sqrt(list_sum(x * x))


def normalize_l2(x: Column) -> Column:
    """A vector or list divided by its Euclidean length; as it is where that is 0."""
    with x.tracer.scope("normalize_l2"):
        x = as_float(x)
        norm = vector_norm(x)
        return x / where(norm == 0.0, 1.0, norm)


def dot(a: Column, b: Column | Sequence[float]) -> Column:
    """The inner product of two vectors of one size, summed from the first element to the last, float64.

    Args:
        a: a vector.
        b: a vector, or a list of numbers.
    """
    with a.tracer.scope("dot"):
        if not isinstance(b, Column):
            return matmul(a, [[w] for w in b])[0]
        return list_sum(as_float(a) * as_float(b))


def matmul(
    x: Column, matrix: Column | Sequence[Sequence[float]] | npt.NDArray[Any], columns: int | None = None
) -> Column:
    """The product of each row's vector with a constant matrix of as many rows, a vector of the matrix's columns.

    Sums run from the matrix's first row to its last, in float64, so that batches of every size give the same bits.

    Args:
        x: vectors of numbers.
        matrix: numbers ``[size of x, columns]``, or a table that an analyzer found.
        columns: the matrix's columns, where a table does not tell.
    """
    with x.tracer.scope("matmul"):
        x, size = as_float(x), x.type.size or 0
        if isinstance(matrix, Column):
            if columns is None and matrix.type.size is not None and size:
                columns = matrix.type.size // size
            if columns is None:
                raise x.tracer.error("matmul with a table of unknown size needs the number of its columns")
            return x.tracer.op("matmul", x, matrix, columns=int(columns))
        weights = np.asarray(matrix, dtype=np.float64)
        if weights.ndim != 2 or len(weights) != size:
            raise x.tracer.error(f"a vector of {size} needs a matrix of {size} rows, not one of shape {weights.shape}")
        table = x.tracer.table(weights.tolist(), "float64")
        return x.tracer.op("matmul", x, table, columns=weights.shape[1])


def multi_hot(x: Column, depth: int, *, counts: bool = False) -> Column:
    """A float vector of `depth` with 1 at the place of every id in a list or vector, or how often it occurs there.

    Ids outside 0 .. depth - 1 (so -1, out of vocabulary) count nowhere.
    """
    return x.tracer.op("multi_hot", x, depth=int(depth), counts=bool(counts))


def hash_trick(x: Column | Sequence[Column], hash_buckets: int, *, signed: bool = False) -> Column:
    """How many values of each row fall into each of `hash_buckets` hash buckets, a float vector.

    Equal values of several columns share a bucket; `join` a name in front where they should not. Missing where any
    column is.

    Args:
        x: text or integers: a scalar, a vector, lists, or several of them.
        hash_buckets: size of the vector.
        signed: half of all values, by another bit of the hash, count -1, so that collisions cancel on average.
    """
    columns = [x] if isinstance(x, Column) else list(x)
    tracer, buckets = tracer_of(*columns), int(hash_buckets)
    with tracer.scope("hash_trick"):
        texts = [c.cast("utf8", implied=True) if c.dtype == "int64" else c for c in columns]
        values = list_concat(texts) if len(texts) > 1 else as_list(texts[0])
        if not signed:
            return multi_hot(hash_strings(values, buckets), buckets, counts=True)
        counted = multi_hot(hash_strings(values, 2 * buckets), 2 * buckets, counts=True)
        return counted[:buckets] - counted[buckets:]
