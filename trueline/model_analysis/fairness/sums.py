"""What a pass keeps of each cell of sensitive values: sums by noise group, and a histogram of scores.

The histogram's edges are the thresholds of the spec and every thousandth. A score that equals an edge has a bin of its
own, so that counts above an edge, and at or above it, are exact. Edges of models are float32, as their scores are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.fairness.cells import Cell
from trueline.model_analysis.fairness.rates import CALIBRATION_BINS
from trueline.model_analysis.rows import Bools, Floats, Ints

__all__ = [
    "MAX_CELLS", "STEPS", "FairnessSums", "Shape", "above", "at_least", "cell_text", "edges_of", "moment_names",
]  # fmt: skip

STEPS = 1000
MAX_CELLS = 5000
_KIND, _VERSION = "model_analysis.fairness", 1
Keys: TypeAlias = npt.NDArray[np.int64]


def edges_of(thresholds: Sequence[float], float32: bool) -> Floats:
    """All thresholds at which counts are exact, ascending."""
    edges = np.unique(np.concatenate([np.arange(STEPS + 1) / STEPS, np.asarray(thresholds, np.float64)]))
    return np.unique(edges.astype(np.float32)).astype(np.float64) if float32 else edges


def moment_names(task: str, classes: int) -> tuple[str, ...]:
    """The sums that are kept, by task."""
    if task == "regression":
        return ("weight", "label", "prediction", "abs_error", "square_error")
    if task == "multiclass":
        each = [f"{name}@{c}" for name in ("both", "predicted", "actual") for c in range(classes)]
        return ("weight", "correct", *each)
    bins = [f"bin_{name}@{b}" for name in ("weight", "label", "prediction") for b in range(CALIBRATION_BINS)]
    return ("weight", "label", "prediction", "tp", "fp", "fn", "tn", *bins)


@dataclass(frozen=True)
class Shape:
    """What does not change during a pass.

    Attributes:
        columns: the sensitive columns.
        task: binary, multiclass or regression.
        classes: the label's values in the order of the probabilities, as far as they are known.
        count: number of classes of a multi-class task, else 0.
        models: ``candidate``, and ``baseline`` where there is one.
        groups: noise groups.
        thresholds: beside the thousandths.
        float32: whether scores are float32.
        flags: how many reasons there are why rows cannot be used.
    """

    columns: tuple[str, ...]
    task: str
    classes: tuple[Any, ...]
    count: int
    models: tuple[str, ...]
    groups: int
    thresholds: tuple[float, ...]
    float32: bool
    flags: int

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Shape:
        """The shape that `to_json` described."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**given)


@dataclass
class FairnessSums:
    """The mergeable state.

    Attributes:
        shape: what does not change.
        cells: cells in the order in which they came; `sort` brings them into the order of their texts.
        rows: labelled rows ``[C, G]``.
        missing: rows without a label ``[C]``.
        flags: rows that cannot be used by reason ``[C, F]``.
        sums: ``[C, M, K, G]`` in the order of `moment_names`.
        keys, weights: the histogram's cells that are not empty, ascending, and their weights.
    """

    shape: Shape
    cells: list[Cell] = field(default_factory=list)
    rows: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    missing: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    flags: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    sums: Floats = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))
    keys: Keys = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self.moments = moment_names(self.shape.task, self.shape.count)
        self.edges = edges_of(self.shape.thresholds, self.shape.float32)
        self.bins = 2 * len(self.edges) - 1
        if not self.cells:
            self._grow(0)

    def _grow(self, size: int) -> None:
        s, old = self.shape, len(self.rows) if self.rows.shape[1:] else 0
        sums = (len(s.models), len(self.moments), s.groups)
        wanted: Mapping[str, tuple[int, ...]] = {
            "rows": (s.groups,), "missing": (), "flags": (s.flags,), "sums": sums,
        }  # fmt: skip
        for name, shape in wanted.items():
            kept = getattr(self, name)
            made = np.zeros((size, *shape), kept.dtype)
            made[:old] = kept[:old] if old else 0
            setattr(self, name, made)

    def places(self, cells: Sequence[Cell]) -> Keys:
        """The number of each cell; new ones are added.

        Raises:
            DataError: there are too many.
        """
        known = {cell_text(cell): place for place, cell in enumerate(self.cells)}
        for cell in cells:
            if cell_text(cell) not in known:
                known[cell_text(cell)] = len(self.cells)
                self.cells.append(cell)
        if len(self.cells) > MAX_CELLS:
            raise DataError(
                f"{', '.join(self.shape.columns)} have more than {MAX_CELLS} combinations of values",
                hint="name columns with fewer values, or give buckets for numbers.",
            )
        if len(self.cells) > len(self.rows):
            self._grow(len(self.cells))
        return np.array([known[cell_text(cell)] for cell in cells], np.int64)

    def keys_of(self, cell: Keys, model: int, positive: int, bins: Keys, group: Keys) -> Keys:
        """Numbers of cells of the histogram."""
        made: Keys = (((cell * len(self.shape.models) + model) * 2 + positive) * self.bins + bins) * self.shape.groups
        return made + group

    def bins_of(self, score: Floats) -> Keys:
        """The bin of each score: even ones are edges, odd ones lie between them."""
        kept = np.clip(score, 0.0, 1.0)
        at = np.searchsorted(self.edges, kept, side="left")
        bins: Keys = np.where(self.edges[at] == kept, 2 * at, 2 * at - 1).astype(np.int64)
        return bins

    def add_scores(self, keys: Keys, weights: Floats) -> None:
        """Adds to the histogram; weights of 0 leave no trace."""
        there = weights != 0
        every, place = np.unique(np.concatenate([self.keys, keys[there]]), return_inverse=True)
        self.weights = np.bincount(place, np.concatenate([self.weights, weights[there]]), len(every)).astype(np.float64)
        self.keys = every

    def merge(self, other: Self) -> None:
        """Takes in the state of the rows that follow."""
        places = self.places(other.cells)
        for name in ("rows", "missing", "flags", "sums"):
            getattr(self, name)[places] += getattr(other, name)[: len(other.cells)]
        per_cell = len(self.shape.models) * 2 * self.bins * self.shape.groups
        cell, rest = np.divmod(other.keys, per_cell)
        moved = places[cell] * per_cell + rest if len(cell) else rest
        self.add_scores(moved, other.weights)

    def sort(self) -> None:
        """Cells in the order of their texts, so that nothing depends on which came first."""
        order = sorted(range(len(self.cells)), key=lambda i: cell_text(self.cells[i]))
        made = type(self)(self.shape)
        made.places([self.cells[i] for i in order])
        made.merge(self)
        vars(self).update(vars(made))

    def pack(self) -> bytes:
        """JSON and arrays."""
        header = {"shape": self.shape.to_json(), "cells": [list(cell) for cell in self.cells]}
        arrays = {n: getattr(self, n) for n in ("rows", "missing", "flags", "sums", "keys", "weights")}
        return pack_state(_KIND, _VERSION, header, arrays)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The state that `pack` gave.

        Raises:
            EngineError: bytes of another kind, or damaged ones.
        """
        _, header, arrays = unpack_state(data, _KIND, _VERSION)
        cells = [tuple(cell) for cell in header["cells"]]
        return cls(Shape.from_json(header["shape"]), cells, **{n: np.array(a) for n, a in arrays.items()})

    def exact_at(self, threshold: float) -> bool:
        """Whether counts at a threshold are exact: whether it is an edge."""
        edge = float(np.float32(threshold)) if self.shape.float32 else float(threshold)
        return bool(np.isin(edge, self.edges))

    @property
    def bin_scores(self) -> Floats:
        """A score for each bin: its edge, or the middle between two."""
        values = np.empty(self.bins)
        values[::2], values[1::2] = self.edges, (self.edges[:-1] + self.edges[1:]) / 2
        return values

    def parts(self) -> tuple[Keys, Keys, Keys, Keys, Keys]:
        """Cell, model, whether the label is positive, bin and noise group of each weight."""
        rest, group = np.divmod(self.keys, self.shape.groups)
        rest, bins = np.divmod(rest, self.bins)
        rest, true = np.divmod(rest, 2)
        cell, model = np.divmod(rest, len(self.shape.models))
        return cell, model, true, bins, group

    def cell_decisions(self, said: Callable[[Floats], Bools]) -> Floats:
        """Counts of a decision on scores: ``[4, C, M, G]`` for tp, fp, fn and tn of each cell."""
        s, positive = self.shape, said(self.bin_scores)
        cell, model, true, bins, group = self.parts()
        which = np.where(positive[bins], np.where(true == 1, 0, 1), np.where(true == 1, 2, 3))
        flat = ((which * len(self.cells) + cell) * len(s.models) + model) * s.groups + group
        size = 4 * len(self.cells) * len(s.models) * s.groups
        counted: Floats = np.bincount(flat, self.weights, size).astype(np.float64)
        return counted.reshape(4, len(self.cells), len(s.models), s.groups)


def cell_text(cell: Cell) -> str:
    """A text that tells cells apart, the integer 1 from the text 1 and from true."""
    return json.dumps(list(cell), ensure_ascii=False)


def above(scores: Floats, threshold: float) -> Bools:
    """TFMA's decision: the score is greater."""
    said: Bools = scores > threshold
    return said


def at_least(scores: Floats, threshold: float, float32: bool) -> Bools:
    """A model's decision: the score is at least the threshold, which its graph holds as float32."""
    said: Bools = scores >= (float(np.float32(threshold)) if float32 else threshold)
    return said
