"""Text to text and to its length: strip, substring, length, all counted and cut by code points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, broadcast, expect
from trueline.transform.operations.tokenizer import first_token, flat, shaped_like, tokens

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["LONGEST", "OPERATIONS", "WHITESPACE", "map_text", "quoted"]

WHITESPACE = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + "".join(
    map(chr, (0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
"""What Python's ``str.isspace`` takes for white space."""
LONGEST = 1000
"""RE2's largest number of repetitions."""
_STEPS = (512, 64, 8, 1)


def quoted(text: str) -> str:
    """An RE2 pattern that matches the text alone, also inside ``[...]``."""
    return "".join(c if c.isascii() and c.isalnum() else rf"\x{{{ord(c):x}}}" for c in text)


def map_text(function: Callable[[str], Any], x: Array, numpy_type: Any = object) -> Array:
    """An oracle's value of each text."""
    out = np.empty(x.size, dtype=numpy_type)
    for i, text in enumerate(x.ravel().tolist()):
        out[i] = function(text)
    return out.reshape(x.shape)


def _text_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    return broadcast(types, "utf8")


_STRIP: dict[str, tuple[Callable[..., str], str]] = {
    "both": (str.strip, "{0}(?s:.*{0})?"),
    "left": (str.lstrip, "{0}(?s:.*)"),
    "right": (str.rstrip, "(?s:.*){0}"),
}
"""By side: Python's method, and the one stretch of the text that it leaves, {0} being a character that stays."""


def _strip_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if attrs["characters"] == "":
        raise RuleError("characters must name at least one character")
    return _text_rule(types, attrs)


def _np_strip(values: Sequence[Value], attrs: Attrs) -> Array:
    method = _STRIP[attrs["side"]][0]
    return map_text(lambda t: method(t, attrs["characters"]), values[0].data)


def _onnx_strip(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    stays = f"[^{quoted(WHITESPACE if attrs['characters'] is None else attrs['characters'])}]"
    return first_token(em, wires[0].data, _STRIP[attrs["side"]][1].format(stays))


def _length_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    return broadcast(types, "int64")


def _np_length(values: Sequence[Value], attrs: Attrs) -> Array:
    return map_text(len, values[0].data, np.int64)


def _onnx_length(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """Pieces of 512 code points are counted, then the pieces of 64 in the last one, and so on down to characters.

    One token a character would take 32 bytes for each character of the longest text in every row.
    """
    x, one = wires[0].data, em.constant(1, "int64")
    rest = em.node("Concat", flat(em, x), em.constant(["."], "utf8"), axis=0)  # so that there is a piece at all
    total = ""
    for step in _STEPS:
        pieces = tokens(em, rest, f"(?s:.{{1,{step}}})")
        there = em.cast(em.node("Not", em.node("Equal", pieces, em.constant("", "utf8"))), "int64")
        count = em.node("ReduceSum", there, em.ints(1), keepdims=0)
        last = em.node("Max", em.node("Sub", count, one), em.constant(0, "int64"))
        if step == 1:
            total = em.node("Add", total, count)
            break
        whole = em.node("Mul", last, em.constant(step, "int64"))
        total = em.node("Add", total, whole) if total else whole
        chosen = em.node("GatherElements", pieces, em.column(last), axis=1)
        rest = em.node("Squeeze", chosen, em.ints(1))
    return shaped_like(em, em.node("Slice", total, em.ints(0), em.ints(-1), em.ints(0)), x)


def _substring_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    start, length = attrs["start"], attrs["length"]
    if not -LONGEST <= start <= LONGEST:
        raise RuleError(f"start must lie between -{LONGEST} and {LONGEST}, not {start}")
    if length is not None and not 0 < length <= LONGEST:
        raise RuleError(f"length must lie between 1 and {LONGEST}, or be None for all the rest, not {length}")
    return _text_rule(types, attrs)


def _np_substring(values: Sequence[Value], attrs: Attrs) -> Array:
    start, length = attrs["start"], attrs["length"]
    return map_text(lambda t: t[start:][:length], values[0].data)


def _onnx_substring(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, start, length = wires[0].data, attrs["start"], attrs["length"]
    if start < 0:
        x = first_token(em, x, rf"(?s:.{{1,{-start}}})\z")
    if start > 0:
        x = _without_first(em, x, start)
    return x if length is None else first_token(em, x, rf"\A(?s:.{{1,{length}}})")


def _without_first(em: Emitter, texts: str, count: int) -> str:
    """The texts without their first characters: what the pattern of those separates."""
    return first_token(em, texts, separator=rf"\A(?s:.{{1,{count}}})", sure="." * (count + 1))


OPERATIONS = (
    Operation("strip", _strip_rule, _np_strip, _onnx_strip),
    Operation("text_length", _length_rule, _np_length, _onnx_length),
    Operation("substring", _substring_rule, _np_substring, _onnx_substring),
)
"""Rows of the table of operations."""
