"""Missing values and values outside the vocabulary, counted by feature, after a run has answered.

Marks of presence are kept, some hundred requests long, and counted in one go; where no value is missing there are none.
Texts are looked up at once: to hold them would keep memory from being used again, which costs more than the look-up.
All of the first thousand runs are looked at, then one in eight, chosen by chance: `looked_up` says how many values.

Counted are the columns that the graph is fed. Of a model with host steps these are the host steps' results beside the
raw columns that the graph reads itself. What lies outside a vocabulary is known where the graph looks a text feature
up as it came (see `vocabularies`); a text that the graph cuts, joins or lower-cases first has no such count.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_blocks import Packed
from trueline._core.feeds import Feeds
from trueline._core.runtime import OnnxGraph
from trueline._core.values import PRESENT

__all__ = ["FeatureCounts"]

_KEPT = 256
_KEPT_ROWS = 4096
_ALL_RUNS = 1000
_SHARE = 1 / 8


_Lookups = tuple[int, list[tuple[int, str, frozenset[str]]]]
"""A block's place, and of its features with a vocabulary the place in it, the name and the vocabulary."""


class FeatureCounts:
    """Counts of one model version. Call it on one thread."""

    def __init__(self) -> None:
        self._marks: list[tuple[int, npt.NDArray[np.bool_]]] = []
        self._rows = 0
        self._names: list[list[str]] = []
        self._lists: list[str] = []
        self._vocabularies: list[_Lookups] = []
        self._missing: dict[str, int] = {}
        self._unknown: dict[str, int] = {}
        self._looked_up: dict[str, int] = {}
        self._runs = 0

    def read_by(self, graph: OnnxGraph, vocabularies: Mapping[str, frozenset[str]] | None = None) -> None:
        """Learns the names of what the graph is fed.

        Args:
            graph: the model's graph.
            vocabularies: by text feature the values that it knows.
        """
        self._names = _block_names(graph.feeds)
        self._lists = [f.name for f in graph.feeds.features if f.kind != "scalar" and f.optional]
        self._missing = {f.name: 0 for f in graph.feeds.features if f.optional} | self._missing
        known = vocabularies or {}
        found = [[(j, n, known[n]) for j, n in enumerate(names) if n in known] for names in self._names]
        self._vocabularies = [(i, features) for i, features in enumerate(found) if features]
        names = [name for _, features in self._vocabularies for _, name, _ in features]
        self._unknown = dict.fromkeys(names, 0) | self._unknown
        self._looked_up = dict.fromkeys(names, 0) | self._looked_up

    def observe(self, data: Sequence[Packed], rows: int) -> None:
        """What one run was fed."""
        self._runs += 1
        looks: Sequence[_Lookups] = self._vocabularies
        if self._runs > _ALL_RUNS and looks and random.random() > _SHARE:  # noqa: S311
            looks = ()
        for part in data:
            for i, marks in enumerate(part.present):
                if marks is not None:
                    self._marks.append((i, marks))
                    self._rows += part.rows
            for i, features in looks:
                self._look_up(part.blocks[i].tolist(), part.present[i], features)
            if part.lists:
                self._count_lists(part)
        if self._rows >= _KEPT_ROWS or len(self._marks) >= _KEPT:
            self.flush()

    def missing(self) -> dict[str, int]:
        """By optional feature the rows that had no value."""
        self.flush()
        return self._missing

    def unknown(self) -> dict[str, int]:
        """By feature with a known vocabulary the values that are not in it; missing ones are not counted."""
        return self._unknown

    def looked_up(self) -> dict[str, int]:
        """By feature with a known vocabulary the values that were looked up."""
        return self._looked_up

    def flush(self) -> None:
        """Counts the marks that have come together."""
        kept, self._marks, self._rows = self._marks, [], 0
        for i, names in enumerate(self._names):
            marks = [m for block, m in kept if block == i]
            if not marks:
                continue
            absent = _absent(marks)
            for j in np.flatnonzero(absent).tolist():
                if names[j] in self._missing:
                    self._missing[names[j]] += int(absent[j])

    def _look_up(
        self,
        columns: list[list[str]],
        present: npt.NDArray[np.bool_] | None,
        features: Sequence[tuple[int, str, frozenset[str]]],
    ) -> None:
        unknown = self._unknown
        for j, name, known in features:
            values = columns[j]
            if present is not None:
                values = [v for v, there in zip(values, present[j].tolist(), strict=True) if there]
            self._looked_up[name] += len(values)
            if len(values) == 1:
                if values[0] not in known:
                    unknown[name] += 1
            else:
                unknown[name] += len(values) - sum(map(known.__contains__, values))

    def _count_lists(self, part: Packed) -> None:
        for name in self._lists:
            flags = part.lists.get(name + PRESENT)
            if flags is not None:
                self._missing[name] += len(flags) - int(np.count_nonzero(flags))


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
