"""Vectors: slices, counts of ids, products with a constant matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.emitter import numpy_constant
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect, inside
from trueline.transform.operations.lists import limited

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_BLOCK = 256
"""Products of a row that a matrix product holds at once, where that does not make more than `_MOST_BLOCKS` parts."""
_MOST_BLOCKS = 200


def _slice_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if types[0].kind != "fixed" or types[0].size is None:
        raise RuleError("it takes a vector")
    expect(types, "float64", "int64", "bool", "utf8", "timestamp")
    size = len(_places(types[0].size, attrs))
    if not size:
        raise RuleError(f"no element of a vector of {types[0].size} is in the slice")
    return ValueType(types[0].dtype, "fixed", size)


def _places(size: int, attrs: Attrs) -> range:
    return range(size)[slice(attrs["start"], attrs["stop"], attrs["step"])]


def _np_slice(values: Sequence[Value], attrs: Attrs) -> Array:
    return np.asarray(values[0].data[..., attrs["start"] : attrs["stop"] : attrs["step"]])


def _onnx_slice(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    places = np.array(_places(wires[0].type.size or 0, attrs), dtype=np.int64)
    return em.node("Gather", wires[0].data, em.array(places), axis=-1)


def _hot_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "int64")
    if types[0].kind not in ("ragged", "fixed") or types[0].constant:
        raise RuleError("it takes lists or vectors of ids; of one id a row, use tlt.one_hot")
    if int(attrs["depth"]) < 1:
        raise RuleError(f"depth must be at least 1, it is {attrs['depth']}")
    return ValueType("float64", "fixed", int(attrs["depth"]))


def _np_hot(values: Sequence[Value], attrs: Attrs) -> Array:
    x, depth = values[0], int(attrs["depth"])
    counted = (x.data >= 0) & (x.data < depth)
    if x.lengths is not None:
        counted &= inside(x.data, x.lengths)
    out = np.zeros((len(x.data), depth))
    for row, (ids, mask) in enumerate(zip(x.data, counted, strict=True)):
        out[row] = np.bincount(ids[mask], minlength=depth)
    return out if attrs["counts"] else np.minimum(out, 1.0)


def _onnx_hot(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """Ones added at each id; what is no element or no id of the range goes to a last column that is cut off."""
    x, depth, one = wires[0], int(attrs["depth"]), em.constant(1.0, "float64")
    last = em.constant(depth, "int64")
    valid = em.node("GreaterOrEqual", x.data, em.constant(0, "int64"))
    valid = em.node("And", valid, em.node("Less", x.data, last))
    if x.lengths is not None:
        valid = em.node("And", valid, em.inside(x.data, limited(em, x)))
    shape = em.node("Concat", em.rows(x.data), em.ints(depth + 1), axis=0)
    zeros = em.node("Expand", em.constant(0.0, "float64"), shape)
    ones = em.node("Expand", one, em.node("Shape", x.data))
    targets = em.node("Where", valid, x.data, last)
    counts = em.node("ScatterElements", zeros, targets, ones, axis=1, reduction="add")
    counts = em.node("Slice", counts, em.ints(0), em.ints(depth), em.ints(1))
    return counts if attrs["counts"] else em.node("Min", counts, one)


def _matmul_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    x, matrix = types
    expect(types, "float64")
    if x.kind != "fixed" or x.constant:
        raise RuleError("its first argument is a column of vectors")
    if matrix.kind != "table":
        raise RuleError("its second argument is a constant matrix")
    columns = int(attrs["columns"])
    if columns < 1:
        raise RuleError(f"the matrix must have at least one column, not {columns}")
    if matrix.size is not None and matrix.size != columns * (x.size or 0):
        raise RuleError(f"a matrix of {matrix.size} numbers has no {x.size} rows of {columns} columns")
    return ValueType("float64", "fixed", columns)


def _np_matmul(values: Sequence[Value], attrs: Attrs) -> Array:
    x, matrix = values[0].data, values[1].data.reshape(-1, int(attrs["columns"]))
    total = np.zeros((len(x), matrix.shape[1]))
    for place, weights in enumerate(matrix):
        total = total + x[:, place, None] * weights
    return total


def _onnx_matmul(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """Sums from the first row of the matrix to the last, which MatMul does not promise."""
    x, columns = wires[0], int(attrs["columns"])
    matrix = numpy_constant(wires[1].type.literal, "float64").reshape(x.type.size or 0, columns)
    total = em.node(
        "Expand", em.constant(0.0, "float64"), em.node("Concat", em.rows(x.data), em.ints(1, columns), axis=0)
    )
    step = max(_BLOCK // columns, -(-len(matrix) // _MOST_BLOCKS))
    for low in range(0, len(matrix), step):
        part = em.node("Slice", x.data, em.ints(low), em.ints(min(low + step, len(matrix))), em.ints(1))
        products = em.node("Mul", em.node("Unsqueeze", part, em.ints(2)), em.array(matrix[low : low + step]))
        sums = em.node("CumSum", em.node("Concat", total, products, axis=1), em.constant(1, "int64"))
        total = em.node("Slice", sums, em.ints(-1), em.ints(2**63 - 1), em.ints(1))
    return em.node("Squeeze", total, em.ints(1))


OPERATIONS = (
    Operation("vector_slice", _slice_rule, _np_slice, _onnx_slice, elementwise=False),
    Operation("multi_hot", _hot_rule, _np_hot, _onnx_hot, elementwise=False),
    Operation("matmul", _matmul_rule, _np_matmul, _onnx_matmul, elementwise=False),
)
"""Rows of the table of operations."""
