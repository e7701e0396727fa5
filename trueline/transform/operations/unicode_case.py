"""Lower and upper case of all scripts: the simple mappings of Unicode 14, one character for one, everywhere the same.

ONNX Runtime asks the C library, and C libraries differ: WebAssembly's leaves circled letters and whole alphabets alone
and has its own upper ß, later ones know later letters. Texts with such a character are taken apart at it and the
character is looked up in a table; all other texts go the fast way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Value, Wire, broadcast, expect
from trueline.transform.operations.joining import joined
from trueline.transform.operations.replacing import place_among
from trueline.transform.operations.strings import map_text
from trueline.transform.operations.text import changed_case
from trueline.transform.operations.tokenizer import flat, shaped_like, tokens

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["DISPUTED", "LATER", "OPERATIONS", "simple_case"]

_ENCLOSED = ((0x24B6, 0x24CF), (0x24D0, 0x24E9))
_LATIN = (
    0x2C2F,
    0x2C5F,
    0xA7C0,
    0xA7C1,
    0xA7C7,
    0xA7C8,
    0xA7C9,
    0xA7CA,
    0xA7D0,
    0xA7D1,
    0xA7D6,
    0xA7D7,
    0xA7D8,
    0xA7D9,
)
_VITHKUQI = ((0x10570, 0x105BC),)
_LATER_RANGES = ((0xA7CB, 0xA7CF), (0xA7D2, 0xA7D5), (0xA7DA, 0xA7DC), (0x10D50, 0x10D85), (0x16EA0, 0x16ED3))
LATER = frozenset(c for low, high in _LATER_RANGES for c in range(low, high + 1)) | {0x19B, 0x264}
"""Code points that got a counterpart after Unicode 14: here they have none."""
DISPUTED = (
    LATER
    | frozenset(c for low, high in (*_ENCLOSED, *_VITHKUQI) for c in range(low, high + 1))
    | frozenset((0xDF, 0x1E9E, 0xA7F5, 0xA7F6, *_LATIN))
)
"""Code points on which C libraries differ."""


def simple_case(character: str, upper: bool) -> str:
    """The one character that stands for another in the other case."""
    if ord(character) in LATER:
        return character
    if not upper:
        return "i" if character == "\u0130" else character.lower()
    made = character.upper()
    if len(made) > 1:  # the title case of some Greek letters is one character, and their simple upper case
        made = character.title()
    return made if len(made) == 1 else character


@lru_cache(maxsize=2)
def _table(upper: bool) -> tuple[list[str], list[str]]:
    """The disputed characters and what they become."""
    characters = [chr(c) for c in sorted(DISPUTED)]
    return characters, [simple_case(c, upper) for c in characters]


def _class() -> str:
    """The disputed characters as the inside of a character class."""
    codes = sorted(DISPUTED)
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in ranges)


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    return broadcast(types, "utf8")


def _numpy(upper: bool) -> Callable[[Sequence[Value], Attrs], Array]:
    def oracle(values: Sequence[Value], attrs: Attrs) -> Array:
        return map_text(lambda t: "".join(simple_case(c, upper) for c in t), values[0].data)

    return oracle


def _onnx(upper: bool) -> Callable[[Emitter, Sequence[Wire], Attrs], str]:
    action = "UPPER" if upper else "LOWER"

    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        x, inside = flat(em, wires[0].data), _class()
        slow = em.node("RegexFullMatch", x, pattern=f"(?s:.*)[{inside}](?s:.*)")
        blank = em.constant("", "utf8")
        pieces = tokens(em, em.node("Where", slow, x, blank), f"[{inside}]|[^{inside}]+")
        keys, values = _table(upper)
        place = place_among(em, pieces, keys)
        looked_up = em.node("Gather", em.constant([*values, ""], "utf8"), place)
        known = em.node("Less", place, em.constant(len(keys), "int64"))
        cells = em.node("Where", known, looked_up, changed_case(em, pieces, action, "C.UTF-8"))
        there = em.cast(em.node("Not", em.node("Equal", pieces, blank)), "int64")
        count = em.node("ReduceSum", there, em.ints(1), keepdims=0)
        behind = em.node("Concat", cells, em.column(em.node("Expand", blank, em.rows(x))), axis=1)
        rare = joined(em, behind, count, "")
        return shaped_like(em, em.node("Where", slow, rare, changed_case(em, x, action, "C.UTF-8")), wires[0].data)

    return emit


OPERATIONS = (
    Operation("lower_unicode", _rule, _numpy(upper=False), _onnx(upper=False)),
    Operation("upper_unicode", _rule, _numpy(upper=True), _onnx(upper=True)),
)
"""Rows of the table of operations."""
