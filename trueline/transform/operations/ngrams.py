"""n-grams of lists of tokens: for each place of a list the joined runs of all lengths asked for, the shortest first.

All runs of all lengths are made cell by cell; those that fit in the list are then picked by their places, for which
there is a formula: whole groups of runs first, then groups that lack the longest one, the two longest ones, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect
from trueline.transform.operations.integers import Ints
from trueline.transform.operations.lists import a_list, cut, limited, packed, picked

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["MOST", "OPERATIONS"]

MOST = 64
"""The longest n-gram."""


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    a_list(types[0])
    expect(types, "utf8")
    low, high = attrs["ngram_range"]
    if not 1 <= low <= high <= MOST:
        raise RuleError(f"invalid ngram_range ({low}, {high}): 1 <= shortest <= longest <= {MOST} is needed")
    return ValueType("utf8", "ragged")


def _np_ngrams(values: Sequence[Value], attrs: Attrs) -> tuple[Array, Array]:
    (low, high), separator = attrs["ngram_range"], attrs["separator"]
    rows = []
    for row in cut(values[0]):
        runs = [(i, n) for i in range(len(row)) for n in range(low, high + 1) if i + n <= len(row)]
        rows.append(np.array([separator.join(row[i : i + n]) for i, n in runs], dtype=object))
    return packed(rows, values[0].data)


def _runs(em: Emitter, tokens: str, low: int, high: int, separator: str) -> str:
    """All runs, those that leave the list too: ``[N, K * (high - low + 1)]``."""
    width, run, kept, padded = em.width(tokens), tokens, [tokens] if low == 1 else [], ""
    if high > 1:
        beyond = em.node("Concat", em.rows(tokens), em.ints(high - 1), axis=0)
        padded = em.node("Concat", tokens, em.node("Expand", em.constant("", "utf8"), beyond), axis=1)
    for n in range(2, high + 1):
        end = em.node("Slice", padded, em.ints(n - 1), em.node("Add", width, em.ints(n - 1)), em.ints(1))
        run = em.node("StringConcat", run, em.constant(separator, "utf8")) if separator else run
        run = em.node("StringConcat", run, end)
        kept += [run] if n >= low else []
    if len(kept) == 1:
        return kept[0]
    deep = em.node("Concat", *(em.node("Unsqueeze", k, em.ints(2)) for k in kept), axis=2)
    cells = em.node("Mul", width, em.ints(len(kept)))
    return em.node("Reshape", deep, em.node("Concat", em.rows(tokens), cells, axis=0), allowzero=1)


def _groups(sizes: int) -> tuple[list[int], list[int], int]:
    """Place and run of each n-gram in the groups that are not whole, by the size of the first of them.

    Returns:
        Both in one table of `sizes` lines (first group's size 0 .. sizes - 1), and the length of a line.
    """
    line = max(sizes * (sizes - 1) // 2, 1)
    places, runs = np.zeros((sizes, line), np.int64), np.zeros((sizes, line), np.int64)
    for first in range(sizes):
        members = [(j, n) for j in range(first) for n in range(first - j)]
        for q, (j, n) in enumerate(members):
            places[first, q], runs[first, q] = j, n
    return places.ravel().tolist(), runs.ravel().tolist(), line


def _places(em: Emitter, length: Ints, low: int, high: int) -> tuple[str, str, str]:
    """For each n-gram of each row its cell among all runs; which of them are n-grams; how many there are ``[N]``."""
    sizes = high - low + 1
    zero = Ints(em, em.constant(0, "int64"))
    whole = Ints(em, em.node("Max", (length - (high - 1)).name, zero.name))
    rest = Ints(em, em.node("Max", (length - (low - 1)).name, zero.name))
    rest = Ints(em, em.node("Min", rest.name, em.constant(sizes - 1, "int64")))
    total = whole * sizes + (rest * (rest + 1)).div(2)
    most = em.node("ReduceMax", em.node("Concat", total.name, em.ints(0), axis=0), keepdims=0)
    n = Ints(em, em.node("Range", zero.name, most, em.constant(1, "int64")))
    valid = em.node("Less", n.name, em.column(total.name))
    if sizes == 1:
        return n.name, valid, total.name
    places, runs, line = _groups(sizes)
    full, first = Ints(em, em.column((whole * sizes).name)), Ints(em, em.column((rest * line).name))
    beyond = em.node("Clip", (n - full).name, zero.name, em.constant(line - 1, "int64"))
    at = (Ints(em, beyond) + first).name
    place = Ints(em, em.node("Gather", em.ints(*places), at)) * sizes + full
    cell = place + Ints(em, em.node("Gather", em.ints(*runs), at))
    return em.node("Where", em.node("Less", n.name, full.name), n.name, cell.name), valid, total.name


def _onnx_ngrams(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    low, high = attrs["ngram_range"]
    cells = _runs(em, wires[0].data, low, high, attrs["separator"])
    length = Ints(em, em.node("Max", limited(em, wires[0]), em.constant(0, "int64")))
    places, valid, total = _places(em, length, low, high)
    # behind a row's end any cell will do; where no row has a cell, none is picked
    return picked(em, cells, valid, places, em.constant(0, "int64")), total


OPERATIONS = (Operation("ngrams", _rule, _np_ngrams, _onnx_ngrams, elementwise=False),)
"""Rows of the table of operations."""
