"""Texts replaced by values of a table, and the first match of a pattern: for a browser instead of replacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.values import DType
from trueline.transform.emitter import ML_DOMAIN, numpy_constant
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    ALL,
    Array,
    Attrs,
    Operation,
    Presence,
    RuleError,
    Value,
    Wire,
    both_present,
    broadcast,
    expect,
    scalars_only,
)
from trueline.transform.operations.findall import can_be_empty, find_all
from trueline.transform.operations.lists import BLANK
from trueline.transform.operations.strings import map_text
from trueline.transform.operations.tokenizer import tokens

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "place_among"]


def _map_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    if not attrs["keys"]:
        raise RuleError("the mapping is empty")
    dtype: DType = attrs["dtype"]
    if dtype != "utf8" and attrs["default"] is None and types[0].kind != "scalar":
        raise RuleError("elements of vectors and lists are never missing: give a default")
    return broadcast(types, dtype)


def _np_map(values: Sequence[Value], attrs: Attrs) -> Array:
    table = dict(zip(attrs["keys"], attrs["values"], strict=True))
    dtype, default = attrs["dtype"], attrs["default"]
    blank = BLANK[dtype] if default is None else default
    own = dtype == "utf8" and default is None
    kind = numpy_constant(blank, dtype).dtype
    return map_text(lambda t: table.get(t, t if own else blank), values[0].data, kind)


def place_among(em: Emitter, texts: str, keys: list[str]) -> str:
    """The place of each text among the keys; their number where it is none."""
    return em.node(
        "LabelEncoder",
        texts,
        domain=ML_DOMAIN,
        keys_strings=keys,
        values_int64s=list(range(len(keys))),
        default_int64=len(keys),
    )


def _onnx_map(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, dtype, default = wires[0].data, attrs["dtype"], attrs["default"]
    place = place_among(em, x, list(attrs["keys"]))
    table = em.constant([*attrs["values"], BLANK[dtype] if default is None else default], dtype)
    found = em.node("Gather", table, place)
    if dtype != "utf8" or default is not None:
        return found
    return em.node("Where", em.node("Equal", place, em.constant(len(attrs["keys"]), "int64")), x, found)


def _may_miss(attrs: Attrs) -> bool:
    return attrs["dtype"] != "utf8" and attrs["default"] is None


def _map_present(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    if not _may_miss(attrs):
        return ALL.numpy(values, attrs)
    keys = frozenset(attrs["keys"])
    return both_present([values[0].present, map_text(lambda t: t in keys, values[0].data, np.bool_)])


def _map_mask(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    if not _may_miss(attrs):
        return ALL.onnx(em, wires, attrs)
    place = place_among(em, wires[0].data, list(attrs["keys"]))
    return em.all_of([wires[0].present, em.node("Less", place, em.constant(len(attrs["keys"]), "int64"))])


MAPPED = Presence(lambda types, attrs: _may_miss(attrs) or ALL.optional(types, attrs), _map_present, _map_mask)
"""Missing where a number stands for texts of the table alone and a text is not there."""


def _find_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    scalars_only(types)
    problem = can_be_empty(attrs["pattern"])
    if problem:
        raise RuleError(problem)
    return ValueType("utf8")


def _first(attrs: Attrs, texts: list[str]) -> list[Any]:
    return [next(iter(found), "") for found in find_all(attrs["pattern"], texts)]


def _np_find(values: Sequence[Value], attrs: Attrs) -> Array:
    found = _first(attrs, values[0].data.tolist())
    out = np.empty(len(found), dtype=object)
    out[:] = found
    return out


def _onnx_find(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    found = tokens(em, wires[0].data, attrs["pattern"])
    blank = em.column(em.node("Expand", em.constant("", "utf8"), em.rows(found)))
    return em.node("Gather", em.node("Concat", found, blank, axis=1), em.constant(0, "int64"), axis=1)


def _find_present(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    return both_present([values[0].present, _np_find(values, attrs) != ""])


def _find_mask(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    there = em.node("Not", em.node("Equal", _onnx_find(em, wires, attrs), em.constant("", "utf8")))
    return em.all_of([wires[0].present, there])


FOUND = Presence(lambda types, attrs: True, _find_present, _find_mask)
"""Missing where nothing matches."""

OPERATIONS = (
    Operation("map_values", _map_rule, _np_map, _onnx_map, MAPPED),
    Operation("find", _find_rule, _np_find, _onnx_find, FOUND, elementwise=False),
)
"""Rows of the table of operations."""
