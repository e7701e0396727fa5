"""Lists crossed with lists: each element of one joined with each of the other, as ``tf.sparse.cross`` pairs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Value, Wire, expect
from trueline.transform.operations.lists import a_list, cut, limited, packed, picked

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    for t in types:
        a_list(t)
    expect(types, "utf8")
    return ValueType("utf8", "ragged")


def _numpy(values: Sequence[Value], attrs: Attrs) -> tuple[Array, Array]:
    separator = attrs["separator"]
    rows = [
        np.array([a + separator + b for a in left.tolist() for b in right.tolist()], dtype=object)
        for left, right in zip(*map(cut, values), strict=True)
    ]
    return packed(rows, values[0].data)


def _onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    left, right = (w.data for w in wires)
    zero, one = em.constant(0, "int64"), em.constant(1, "int64")
    first, second = (em.node("Max", limited(em, w), zero) for w in wires)
    open_pairs = em.node(
        "StringConcat", em.node("Unsqueeze", left, em.ints(2)), em.constant(attrs["separator"], "utf8")
    )
    pairs = em.node("StringConcat", open_pairs, em.node("Unsqueeze", right, em.ints(1)))
    width = em.node("Mul", em.width(left), em.width(right))
    flat = em.node("Reshape", pairs, em.node("Concat", em.rows(left), width, axis=0), allowzero=1)
    total = em.node("Mul", first, second)
    most = em.node("ReduceMax", em.node("Concat", total, em.ints(0), axis=0), keepdims=0)
    n, step = em.node("Range", zero, most, one), em.column(em.node("Max", second, one))
    place = em.node("Add", em.node("Mul", em.node("Div", n, step), em.width(right)), em.node("Mod", n, step))
    # behind a row's end any cell will do; where no row has a cell, none is picked
    return picked(em, flat, em.node("Less", n, em.column(total)), place, zero), total


OPERATIONS = (Operation("cross_lists", _rule, _numpy, _onnx, elementwise=False),)
"""Rows of the table of operations."""
