"""Text to lists of texts: split, tokenize, characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect
from trueline.transform.operations.findall import can_be_empty, find_all
from trueline.transform.operations.lists import packed
from trueline.transform.operations.strings import WHITESPACE, quoted
from trueline.transform.operations.tokenizer import tokens

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "padded"]

Lists = tuple[Array, Array]


def padded(rows: Iterable[Sequence[str]]) -> Lists:
    """Lists of texts as a payload ``[N, K]`` and its lengths."""
    return packed([np.array([*row], dtype=object) for row in rows], np.empty(0, object))


def _list_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    if types[0].kind != "scalar" or types[0].constant:
        raise RuleError("it takes a scalar column of text, and makes a list of each text")
    return ValueType("utf8", "ragged")


def _tokenize_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    problem = can_be_empty(attrs["pattern"])
    if problem:
        raise RuleError(problem)
    return _list_rule(types, attrs)


def _np_split(values: Sequence[Value], attrs: Attrs) -> Lists:
    return padded(t.split(attrs["delimiter"]) for t in values[0].data.tolist())


def _onnx_split(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    x = wires[0].data
    if attrs["delimiter"] is None:  # StringSplit without a delimiter knows the blank alone
        return _counted(em, tokens(em, x, f"[^{quoted(WHITESPACE)}]+"))
    # StringSplit finds no part in "", where Python finds one: the text behind the column sees to a first part's place
    rows = em.node("Concat", x, em.constant(["."], "utf8"), axis=0)
    data, counts = em.outputs(2, "StringSplit", rows, delimiter=attrs["delimiter"])
    lengths = em.node("Max", _cut(em, counts), em.constant(1, "int64"))
    return _cut(em, data), lengths


def _cut(em: Emitter, rows: str) -> str:
    """Without the last row."""
    return em.node("Slice", rows, em.ints(0), em.ints(-1), em.ints(0))


def _counted(em: Emitter, found: str) -> tuple[str, str]:
    """Tokens, none of which is empty, with their number in each row."""
    there = em.cast(em.node("Not", em.node("Equal", found, em.constant("", "utf8"))), "int64")
    return found, em.node("ReduceSum", there, em.ints(1), keepdims=0)


def _np_tokenize(values: Sequence[Value], attrs: Attrs) -> Lists:
    return padded(find_all(attrs["pattern"], values[0].data.tolist()))


def _onnx_tokenize(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    return _counted(em, tokens(em, wires[0].data, attrs["pattern"]))


def _np_characters(values: Sequence[Value], attrs: Attrs) -> Lists:
    return padded([*t] for t in values[0].data.tolist())


def _onnx_characters(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    return _counted(em, tokens(em, wires[0].data, "(?s:.)"))


OPERATIONS = (
    Operation("split", _list_rule, _np_split, _onnx_split, elementwise=False),
    Operation("tokenize", _tokenize_rule, _np_tokenize, _onnx_tokenize, elementwise=False),
    Operation("characters", _list_rule, _np_characters, _onnx_characters, elementwise=False),
)
"""Rows of the table of operations."""
