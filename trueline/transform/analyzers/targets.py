"""What a label is on average for each key, fold by fold: the statistics behind `target_encode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline.transform.analyzers.base import Analyzer, Array, Attrs, Parts, StateMaker
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.tokens import Vocabulary
from trueline.transform.folds import fold_of_rows
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES", "TargetSums"]


class TargetSums:
    """Of each key and fold: how many values it has, and the sums of their labels.

    Input 0 holds the keys (lists and vectors count each element), input 1 the label: a number, or a vector with one
    number for each class. A NaN label is no label. Memory: per distinct key its text and ``8 * folds * (1 + classes)``
    bytes. Counts are exact; sums are exact for whole labels, else sums of float64 in the engine's fixed order.
    """

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        import pyarrow as pa

        self.folds, self.seed = int(params["folds"]), int(params["seed"])
        self.lists = types[0].kind != "scalar"
        self.classes = int(types[1].size or 1) if types[1].kind == "fixed" else 1
        self.key_type = pa.large_string() if types[0].dtype == "utf8" else pa.int64()
        self.keys: Any = pa.array([], self.key_type)
        self.counts: Array = np.zeros((0, self.folds), np.int64)
        self.sums: Array = np.zeros((0, self.folds, self.classes))

    def update(self, inputs: Inputs) -> None:
        import pyarrow as pa

        words, places = inputs.encoded(0)
        labels = inputs.matrix(1).astype(np.float64)
        folds = fold_of_rows(inputs.row_ids, self.folds, self.seed)
        if self.lists:
            lengths = inputs.lists(0)[1]
            labels, folds = np.repeat(labels, lengths, axis=0), np.repeat(folds, lengths)
        kept = ~np.isnan(labels).any(axis=1)
        if not kept.all():
            places, labels, folds = places[kept], labels[kept], folds[kept]
        cells = places.astype(np.int64) * self.folds + folds
        shape = (len(words), self.folds)
        size = shape[0] * shape[1]
        counts = np.bincount(cells, minlength=size).reshape(shape)
        sums = [np.bincount(cells, labels[:, c], minlength=size).reshape(shape) for c in range(self.classes)]
        seen = counts.any(axis=1)  # a key without any label is no key
        self._join(
            words.filter(pa.array(seen)).cast(self.key_type),
            counts[seen].astype(np.int64),
            np.stack(sums, axis=2)[seen],
        )

    def merge(self, other: Self) -> None:
        self._join(other.keys, other.counts, other.sums)

    def _join(self, keys: Any, counts: Array, sums: Array) -> None:
        import pyarrow as pa

        encoded = pa.concat_arrays([self.keys, keys]).dictionary_encode()
        places, own = encoded.indices.to_numpy(), len(self.keys)
        total = len(encoded.dictionary)
        joined_counts = np.zeros((total, self.folds), np.int64)
        joined_sums = np.zeros((total, self.folds, self.classes))
        joined_counts[places[:own]], joined_sums[places[:own]] = self.counts, self.sums
        joined_counts[places[own:]] += counts
        joined_sums[places[own:]] += sums
        self.keys, self.counts, self.sums = encoded.dictionary, joined_counts, joined_sums

    def parts(self) -> Parts:
        import pyarrow.compute as pc

        order = pc.sort_indices(self.keys)
        places = order.to_numpy()
        arrays = {"counts": self.counts[places].ravel(), "sums": self.sums[places].ravel()}
        return {}, {"keys": self.keys.take(order), **arrays}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.keys = arrays["keys"].cast(self.key_type)
        self.counts = np.asarray(arrays["counts"]).reshape(len(self.keys), self.folds)
        self.sums = np.asarray(arrays["sums"]).reshape(len(self.keys), self.folds, self.classes)

    def kept(self, min_count: int) -> tuple[Any, Array, Array]:
        """Keys in order with at least so many values, their counts ``[keys, folds]`` and sums."""
        import pyarrow as pa
        import pyarrow.compute as pc

        order = pc.sort_indices(self.keys).to_numpy()
        order = order[self.counts[order].sum(axis=1) >= min_count]
        return self.keys.take(pa.array(order)), self.counts[order], self.sums[order]

    def prior(self, given: float | str) -> Array:
        """The value of keys that say nothing, by class: the mean of all labels (of none 0), or a given number."""
        if not isinstance(given, str):
            return np.full(self.classes, float(given))
        import pyarrow.compute as pc

        order = pc.sort_indices(self.keys).to_numpy()
        count = int(self.counts.sum())
        sums: Array = self.sums[order].sum(axis=(0, 1))
        return sums / count if count else np.zeros(self.classes)


def _rule(dtype: str | None, kind: str) -> Any:
    """The rule of one result about keys and labels: `dtype` of the result, by default the keys'."""

    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != 2:
            raise RuleError("it takes a column of keys and a label")
        keys, label = types
        if keys.dtype not in ("utf8", "int64"):
            raise RuleError(f"it takes keys of utf8 or int64, not {keys.dtype}")
        if label.dtype != "float64" or label.kind not in ("scalar", "fixed") or label.constant:
            raise RuleError(f"its label must be a number a row, or a vector of them; it is {label}")
        return ValueType(dtype or keys.dtype, kind)  # type: ignore[arg-type]  # the four rows below

    return rule


def _keys(state: TargetSums, attrs: Attrs) -> Vocabulary:
    keys, counts, _ = state.kept(int(attrs["min_count"]))
    return Vocabulary(tuple(keys.to_pylist()), tuple(counts.sum(axis=1).tolist()), len(state.keys))


def _width(state: TargetSums, attrs: Attrs) -> int:
    return len(state.kept(int(attrs["min_count"]))[0]) + 1


def _smoothed(state: TargetSums, counts: Array, sums: Array, attrs: Attrs) -> Array:
    """``(sum + smoothing * prior) / (count + smoothing)`` of each key ``[keys, classes]``, the prior in front."""
    prior, smoothing = state.prior(attrs["prior"]), float(attrs["smoothing"])
    weight = (counts + smoothing)[:, None]
    few = (counts < max(1, int(attrs["min_count"])))[:, None]
    values = np.where(few, prior, (sums + smoothing * prior) / np.where(weight == 0, 1.0, weight))
    return np.concatenate([prior[None, :], values])


def _listed(state: TargetSums, values: Array) -> list[Any]:
    found: list[Any] = (values if state.classes > 1 else values[:, 0]).tolist()
    return found


def _values(state: TargetSums, attrs: Attrs) -> list[Any]:
    """What serving takes: from all folds."""
    _, counts, sums = state.kept(int(attrs["min_count"]))
    return _listed(state, _smoothed(state, counts.sum(axis=1), sums.sum(axis=1), attrs))


def _fold_values(state: TargetSums, attrs: Attrs) -> list[Any]:
    """What the rows of each fold take, fold after fold: from all other folds."""
    _, counts, sums = state.kept(int(attrs["min_count"]))
    others = [[f for f in range(state.folds) if f != fold] for fold in range(state.folds)]
    tables = [_smoothed(state, counts[:, o].sum(axis=1), sums[:, o].sum(axis=1), attrs) for o in others]
    return _listed(state, np.concatenate(tables))


_PARAMS = ("folds", "seed")

ANALYZERS = (
    Analyzer("target_keys", _rule(None, "table"), "targets", _keys, _PARAMS, rows=True),
    Analyzer("target_width", _rule("int64", "scalar"), "targets", _width, _PARAMS, rows=True),
    Analyzer("target_values", _rule("float64", "table"), "targets", _values, _PARAMS, rows=True),
    Analyzer("target_fold_values", _rule("float64", "table"), "targets", _fold_values, _PARAMS, rows=True),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"targets": TargetSums}
"""The state that they read, by name."""
