"""Making values missing: where a condition holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    Array,
    Attrs,
    Operation,
    Presence,
    RuleError,
    Value,
    Wire,
    both_present,
    expect,
)

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    x, condition = types
    expect([condition], "bool")
    if x.constant or x.kind == "table":
        raise RuleError("a constant is never missing")
    if condition.kind != "scalar":
        raise RuleError("elements of vectors and lists are never missing: it takes one condition for each row")
    return replace(x, literal=None)


def _numpy(values: Sequence[Value], attrs: Attrs) -> Array | tuple[Array, Array]:
    return values[0].data


def _onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return wires[0].data


def _present(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    x, condition = values
    holds = condition.data if condition.present is None else condition.data & condition.present
    return both_present([x.present, np.broadcast_to(~holds, x.data.shape[:1])])


def _onnx_present(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    x, condition = wires
    holds = condition.data
    if condition.present is not None:
        holds = em.node("And", holds, condition.present)
    stays = em.node("Not", holds)
    if condition.type.constant:
        stays = em.node("Expand", stays, em.rows(x.data))
    return em.all_of([x.present, stays])


UNLESS = Presence(lambda types, attrs: True, _present, _onnx_present)
"""There where the value is, unless the condition holds; a condition that is missing does not hold."""

OPERATIONS = (Operation("missing_if", _rule, _numpy, _onnx, UNLESS, elementwise=False),)
"""Rows of the table of operations."""
