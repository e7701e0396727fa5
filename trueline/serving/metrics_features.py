"""Missing values and values outside the vocabulary, counted by feature, some hundred requests at a time.

A run of the model only keeps references to what it was fed. When enough has come together, or when somebody reads,
presence and texts are joined and counted in one go: that is a fraction of a microsecond for each request.

Counted are the columns that the graph is fed. Of a model with host steps these are the host steps' results beside the
raw columns that the graph reads itself. What lies outside a vocabulary is known where the graph looks a text feature
up as it came (see `vocabularies`); a text that the graph cuts, joins or lower-cases first has no such count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_blocks import Packed
from trueline._core.feeds import Feeds
from trueline._core.runtime import OnnxGraph
from trueline._core.values import PRESENT

__all__ = ["FeatureCounts"]

_REQUESTS = 256
_ROWS = 4096


class FeatureCounts:
    """Counts of one model version. Call it on one thread."""

    def __init__(self) -> None:
        self._pending: list[Packed] = []
        self._rows = 0
        self._names: list[list[str]] = []
        self._marks: list[str] = []
        self._vocabularies: list[tuple[int, int, str, frozenset[str]]] = []
        self._missing: dict[str, int] = {}
        self._unknown: dict[str, int] = {}

    def read_by(self, graph: OnnxGraph, vocabularies: Mapping[str, frozenset[str]] | None = None) -> None:
        """Learns the names of what the graph is fed.

        Args:
            graph: the model's graph.
            vocabularies: by text feature the values that it knows.
        """
        self._names = _block_names(graph.feeds)
        self._marks = [f.name for f in graph.feeds.features if f.kind != "scalar" and f.optional]
        self._missing = {f.name: 0 for f in graph.feeds.features if f.optional} | self._missing
        self._vocabularies = [
            (i, j, name, known)
            for i, names in enumerate(self._names)
            for j, name in enumerate(names)
            if (known := (vocabularies or {}).get(name)) is not None
        ]
        self._unknown = {name: 0 for _, _, name, _ in self._vocabularies} | self._unknown

    def observe(self, data: Sequence[Packed], rows: int) -> None:
        """What one run was fed."""
        self._pending += data
        self._rows += rows
        if self._rows >= _ROWS or len(self._pending) >= _REQUESTS:
            self.flush()

    def missing(self) -> dict[str, int]:
        """By optional feature the rows that had no value."""
        self.flush()
        return self._missing

    def unknown(self) -> dict[str, int]:
        """By feature with a known vocabulary the values that are not in it; missing ones are not counted."""
        self.flush()
        return self._unknown

    def flush(self) -> None:
        """Counts what has come together."""
        pending, self._pending, self._rows = self._pending, [], 0
        for i, names in enumerate(self._names):
            marks = [p.present[i] for p in pending if p.present[i] is not None]
            if marks:
                self._add(names, _absent(marks))
        for name in self._marks:
            flags = [p.lists[name + PRESENT] for p in pending if name + PRESENT in p.lists]
            self._missing[name] += sum(len(f) - int(np.count_nonzero(f)) for f in flags)
        if pending and self._vocabularies:
            self._count_unknown(pending)

    def _add(self, names: Sequence[str], absent: npt.NDArray[np.int64]) -> None:
        for j in np.flatnonzero(absent).tolist():
            name = names[j]
            if name in self._missing:
                self._missing[name] += int(absent[j])

    def _count_unknown(self, pending: Sequence[Packed]) -> None:
        joined: dict[int, tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]] = {}
        for i, j, name, known in self._vocabularies:
            if i not in joined:
                joined[i] = _joined(pending, i)
            values, present = joined[i]
            column = values[j] if present is None else values[j][present[j]]
            self._unknown[name] += len(column) - sum(map(known.__contains__, column.tolist()))


def _block_names(feeds: Feeds) -> list[list[str]]:
    """The features of each block of `Packed`: scalar ones by type, types in the order of their first feature."""
    by_type: dict[str, list[str]] = {}
    for feature in feeds.features:
        if feature.kind == "scalar":
            by_type.setdefault(feature.dtype, []).append(feature.name)
    return list(by_type.values())


def _absent(marks: Sequence[Any]) -> npt.NDArray[np.int64]:
    together: npt.NDArray[np.bool_] = marks[0] if len(marks) == 1 else np.concatenate(marks, axis=1)
    absent: npt.NDArray[np.int64] = together.shape[1] - np.count_nonzero(together, axis=1)
    return absent


def _joined(pending: Sequence[Packed], block: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    values = np.concatenate([p.blocks[block] for p in pending], axis=1)
    if all(p.present[block] is None for p in pending):
        return values, None
    marks = [p.present[block] for p in pending]
    flags = [np.ones(p.blocks[block].shape, bool) if m is None else m for p, m in zip(pending, marks, strict=True)]
    return values, np.concatenate(flags, axis=1)
