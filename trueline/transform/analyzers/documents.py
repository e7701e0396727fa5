"""In how many documents each id occurs, and what follows for its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline._core.errors import TransformError
from trueline._core.values import DType
from trueline.transform.analyzers.base import Analyzer, Array, Attrs, Parts, Rule, StateMaker
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES", "DocumentFrequency"]

_MOST = 100_000_000


class DocumentFrequency:
    """In how many rows each id of a vocabulary occurs, and how many rows there are; exact.

    Input 0 holds the ids, 0 to size - 1; input 1, a constant, is the size. Memory: 8 bytes for each id.
    """

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        size = int(types[1].literal)
        if size > _MOST:
            raise TransformError(f"a vocabulary of {size} ids is too large: {_MOST} are the most")
        self.rows = 0
        self.counts: Array = np.zeros(max(0, size), np.int64)

    def update(self, inputs: Inputs) -> None:
        ids, lengths = inputs.lists(0)
        self.rows += len(lengths)
        if not len(self.counts):
            return
        rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        cells = np.unique(rows * len(self.counts) + ids)
        self.counts += np.bincount(cells % len(self.counts), minlength=len(self.counts))

    def merge(self, other: Self) -> None:
        self.rows += other.rows
        self.counts = self.counts + other.counts

    def parts(self) -> Parts:
        return {"rows": self.rows}, {"counts": self.counts}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.rows, self.counts = int(header["rows"]), np.asarray(arrays["counts"])


def _rule(dtype: DType) -> Rule:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != 2 or types[0].dtype != "int64":
            raise RuleError(f"it takes a column of ids, not {types[0]}")
        size = types[1]
        if not size.constant or size.dtype != "int64" or size.kind != "scalar":
            raise RuleError(f"the size of the vocabulary must be a whole number or an analyzer's constant, not {size}")
        return ValueType(dtype, "table")

    return rule


def _frequency(state: DocumentFrequency, attrs: Attrs) -> list[int]:
    found: list[int] = state.counts.tolist()
    return found


def _idf(state: DocumentFrequency, attrs: Attrs) -> list[float]:
    """Smooth: ``ln((N + 1) / (df + 1))``; else ``ln(N / df)``, where an id of no document counts as one of one."""
    rows, counts = float(state.rows), state.counts.astype(np.float64)
    if attrs.get("smooth", True):
        found = np.log((rows + 1) / (counts + 1))
    else:
        found = np.log(max(rows, 1.0) / np.maximum(counts, 1.0))
    baseline = 1.0 if attrs.get("add_baseline", True) else 0.0
    listed: list[float] = (found + baseline).tolist()
    return listed


ANALYZERS = (
    Analyzer("document_frequency", _rule("int64"), "document_frequency", _frequency),
    Analyzer("idf", _rule("float64"), "document_frequency", _idf),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"document_frequency": DocumentFrequency}
"""The state that they read, by name."""
