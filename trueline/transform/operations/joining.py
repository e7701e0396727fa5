"""Lists of texts joined to one text each.

ONNX has no reduction over texts. Neighbours are joined in pairs, again and again, until one cell is left: as many
rounds as the longest list's length has binary digits, so every character is copied that often and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.transform.emitter import elem_type
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Value, Wire, expect
from trueline.transform.operations.lists import a_list, cut, limited, widened

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "joined"]


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    a_list(types[0])
    expect(types, "utf8")
    return ValueType("utf8")


def _numpy(values: Sequence[Value], attrs: Attrs) -> Array:
    rows = [attrs["separator"].join(row.tolist()) for row in cut(values[0])]
    out = np.empty(len(rows), dtype=object)
    out[:] = rows
    return out


def _onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return joined(em, widened(em, wires[0]), limited(em, wires[0]), attrs["separator"])


def joined(em: Emitter, cells: str, lengths: str, separator: str) -> str:
    """The texts ``[N]`` out of cells ``[N, W]``, W at least 1, of which the first `lengths` in each row count."""
    more = em.node("Greater", em.node("Squeeze", em.width(cells), em.ints(0)), em.constant(1, "int64"))
    left, _ = em.outputs(2, "Loop", "", more, cells, em.column(lengths), body=_round(em, separator))
    first = em.node("Gather", left, em.constant(0, "int64"), axis=1)
    return em.node("Where", em.node("Greater", lengths, em.constant(0, "int64")), first, em.constant("", "utf8"))


def _round(em: Emitter, separator: str) -> Any:
    """The loop's body: half as many cells, half as many elements. Its constants are the outer graph's."""
    from onnx import helper

    zero, one, two = (em.ints(i) for i in range(3))
    blank, between = em.constant("", "utf8"), em.constant(separator, "utf8")
    far = em.ints(2**62)
    single, step, start = em.constant(1, "int64"), em.constant(2, "int64"), em.constant(0, "int64")

    def node(op: str, inputs: Sequence[str], output: str, **attrs: Any) -> Any:
        return helper.make_node(op, inputs, [f"pairs:{output}"], name=f"pairs:{output}", **attrs)

    def own(*names: str) -> list[str]:
        return [f"pairs:{n}" for n in names]

    nodes = [
        node("Shape", own("cells"), "rows", start=0, end=1),
        node("Concat", [*own("rows"), one], "column", axis=0),
        node("Expand", [blank, *own("column")], "blanks"),
        node("Concat", own("cells", "blanks"), "even", axis=1),
        node("Slice", [*own("even"), one, far, one, two], "right"),
        node("Shape", own("right"), "half", start=1, end=2),
        node("Mul", [*own("half"), two], "used"),
        node("Slice", [*own("even"), zero, *own("used"), one, two], "left"),
        node("StringConcat", [*own("left"), between], "open"),
        node("StringConcat", own("open", "right"), "pair"),
        node("Squeeze", [*own("half"), zero], "width"),
        node("Range", [start, *own("width"), single], "places"),
        node("Mul", [*own("places"), step], "doubled"),
        node("Add", [*own("doubled"), single], "partner"),
        node("Less", own("partner", "count"), "both"),
        node("Where", own("both", "pair", "left"), "next"),
        node("Add", [*own("count"), single], "rounded"),
        node("Div", [*own("rounded"), step], "halved"),
        node("Greater", [*own("width"), single], "again"),
    ]
    info, text, whole, flag = helper.make_tensor_value_info, elem_type("utf8"), elem_type("int64"), elem_type("bool")
    given = [
        info("pairs:i", whole, []),
        info("pairs:go", flag, []),
        info("pairs:cells", text, [None, None]),
        info("pairs:count", whole, [None, 1]),
    ]
    made = [
        info("pairs:again", flag, []),
        info("pairs:next", text, [None, None]),
        info("pairs:halved", whole, [None, 1]),
    ]
    return helper.make_graph(nodes, "pairs", given, made)


OPERATIONS = (Operation("reduce_join", _rule, _numpy, _onnx, elementwise=False),)
"""Rows of the table of operations."""
