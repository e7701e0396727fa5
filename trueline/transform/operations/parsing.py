"""Numbers out of text: the guards that keep ONNX Runtime's conversion from failing a whole batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.values import DType
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
)
from trueline.transform.operations.strings import map_text

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["INTEGER", "NUMBER", "OPERATIONS"]

NUMBER = r"[+-]?([0-9]{1,200}([.][0-9]{0,200})?|[.][0-9]{1,200})([eE][+-]?[0-9]{1,2})?"
"""Texts that `parse_number` takes. ONNX Runtime's conversion throws where a double overflows or underflows: with so few
digits and so small an exponent none does."""


def _up_to(limit: int) -> str:
    """Decimal texts, as long as `limit`, of the numbers up to it."""
    digits = str(limit)
    below = [f"{digits[:i]}[0-{int(d) - 1}][0-9]{{{len(digits) - i - 1}}}" for i, d in enumerate(digits) if d != "0"]
    return "|".join([*below, digits])


INTEGER = rf"[+]?0*([0-9]{{1,18}}|{_up_to(2**63 - 1)})|-0*([0-9]{{1,18}}|{_up_to(2**63)})"
"""Texts that `parse_int` takes: those of the numbers of 64 bits."""


def _is_number(text: str) -> bool:
    return re.fullmatch(NUMBER, text, re.ASCII) is not None


def _is_integer(text: str) -> bool:
    if re.fullmatch("[+-]?[0-9]+", text, re.ASCII) is None or len(text.lstrip("+-").lstrip("0")) > 19:
        return False
    return -(2**63) <= int(text) < 2**63


_Known = tuple[DType, str, Callable[[str], bool], Callable[[str], Any], Any]
_KINDS: dict[str, _Known] = {
    "parse_number": ("float64", NUMBER, _is_number, float, np.float64),
    "parse_int": ("int64", INTEGER, _is_integer, lambda t: int(t.lstrip("+0") or "0"), np.int64),
}
"""By operation: result, pattern, whether a text is one, its value, numpy's type."""


def _default(attrs: Attrs) -> Any:
    return attrs.get("default")


def _rule(name: str) -> Callable[[Sequence[ValueType], Attrs], ValueType]:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        expect(types, "utf8")
        if types[0].kind != "scalar" and _default(attrs) is None:
            raise RuleError("elements of vectors and lists are never missing: say which number a text that is none is")
        return broadcast(types, _KINDS[name][0])

    return rule


def _numpy(name: str) -> Callable[[Sequence[Value], Attrs], Array]:
    _, _, valid, value, numpy_type = _KINDS[name]

    def oracle(values: Sequence[Value], attrs: Attrs) -> Array:
        default = _default(attrs) or 0
        parsed = map_text(lambda t: value(t) if valid(t) else default, values[0].data, numpy_type)
        return parsed + 0.0 if default and name == "parse_number" else parsed  # the sign of zero, see `select`

    return oracle


def _onnx(name: str) -> Callable[[Emitter, Sequence[Wire], Attrs], str]:
    dtype, pattern, *_ = _KINDS[name]

    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        x = wires[0].data
        valid = em.node("RegexFullMatch", x, pattern=pattern)
        parsed = em.cast(em.node("Where", valid, x, em.constant("0", "utf8")), dtype)
        default = _default(attrs)
        return em.where(valid, parsed, em.constant(default, dtype), dtype) if default else parsed

    return emit


def _parsed(name: str) -> Presence:
    """Missing where the text is no number, unless there is a default."""
    _, pattern, valid, _, _ = _KINDS[name]

    def numpy_mask(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
        if _default(attrs) is not None:
            return ALL.numpy(values, attrs)
        return both_present([values[0].present, map_text(valid, values[0].data, np.bool_)])

    def onnx_mask(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
        if _default(attrs) is not None:
            return ALL.onnx(em, wires, attrs)
        return em.all_of([wires[0].present, em.node("RegexFullMatch", wires[0].data, pattern=pattern)])

    return Presence(lambda types, attrs: _default(attrs) is None or ALL.optional(types, attrs), numpy_mask, onnx_mask)


OPERATIONS = tuple(Operation(name, _rule(name), _numpy(name), _onnx(name), _parsed(name)) for name in _KINDS)
"""Rows of the table of operations."""
