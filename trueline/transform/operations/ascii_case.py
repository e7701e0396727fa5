"""Lower and upper case of ASCII letters, with every C library.

ONNX Runtime asks the C library, and its locale "C" means ASCII in glibc, but all of Unicode in WebAssembly's. So only
ASCII is ever shown to it: texts with other characters are taken apart at these, and a batch without them, as most are,
is asked about and goes the short way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Value, Wire, common
from trueline.transform.operations.joining import joined
from trueline.transform.operations.strings import map_text
from trueline.transform.operations.text import changed_case
from trueline.transform.operations.tokenizer import flat, shaped_like, tokens

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_TO_LOWER = {c: c + 32 for c in range(65, 91)}
_TO_UPPER = {v: k for k, v in _TO_LOWER.items()}
_ASCII, _OTHER = r"[\x00-\x7f]", r"[^\x00-\x7f]"


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return common(types, "utf8")


def _numpy(table: dict[int, int]) -> Callable[[Sequence[Value], Attrs], Array]:
    return lambda values, attrs: map_text(lambda t: t.translate(table), values[0].data)


def _onnx(action: str) -> Callable[[Emitter, Sequence[Wire], Attrs], str]:
    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        x = flat(em, wires[0].data)
        plain = em.node("RegexFullMatch", x, pattern=f"{_ASCII}*")
        every = em.node("Concat", em.cast(plain, "int64"), em.ints(1), axis=0)  # of no rows as well
        short = em.cast(em.node("ReduceMin", every, keepdims=0), "bool")
        made = em.either(
            short, lambda: changed_case(em, x, action, "C"), lambda: _apart(em, x, plain, action), dtype="utf8"
        )
        return shaped_like(em, made, wires[0].data)

    return emit


def _apart(em: Emitter, x: str, plain: str, action: str) -> str:
    """Texts with other characters in pieces, of which those in ASCII are changed, and joined again."""
    blank = em.constant("", "utf8")
    pieces = tokens(em, em.node("Where", plain, blank, x), f"{_ASCII}+|{_OTHER}+")
    ascii_pieces = em.node("RegexFullMatch", pieces, pattern=f"{_ASCII}*")
    changed = changed_case(em, em.node("Where", ascii_pieces, pieces, blank), action, "C")
    cells = em.node("Where", ascii_pieces, changed, pieces)
    there = em.cast(em.node("Not", em.node("Equal", pieces, blank)), "int64")
    count = em.node("ReduceSum", there, em.ints(1), keepdims=0)
    behind = em.node("Concat", cells, em.column(em.node("Expand", blank, em.rows(x))), axis=1)
    whole = changed_case(em, em.node("Where", plain, x, blank), action, "C")
    return em.node("Where", plain, whole, joined(em, behind, count, ""))


OPERATIONS = (
    Operation("lower", _rule, _numpy(_TO_LOWER), _onnx("LOWER")),
    Operation("upper", _rule, _numpy(_TO_UPPER), _onnx("UPPER")),
)
"""Rows of the table of operations."""
