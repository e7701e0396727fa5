"""Lift: how much more often a label occurs together with a category than it does altogether.

For each categorical feature x and each label y the lift is (rows with x and y / rows with x) / (rows with y / all
rows). A category counts once a row; all rows count, those without x or y too; pairs that never occur together have
lift 0. Given are categories in more than `min_x_count` rows: labels ascending, categories by falling lift, then by
name; all of them, or the greatest `top_k_per_y` and the smallest `bottom_k_per_y`.

With weights, sums of weights stand for numbers of rows throughout. Upstream divides there by the number of rows instead
of the sum of weights, and writes a second message for the same pair of features; here the weighted figures stand in
`weighted_lift_series`.

Memory is bounded by `max_pairs`, distinct categories times distinct labels of one feature, and by 64 MiB, the bytes of
its distinct categories times the labels. A feature beyond that gets no lift, but a custom statistic
``lift_too_many_pairs`` with the bound.

Source of the rules: TensorFlow Data Validation's lift statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError, EngineError
from trueline.data_validation.generators.base import nested, split_nested
from trueline.data_validation.generators.leaves import Leaf, leaf_at
from trueline.data_validation.generators.pairs import Tally, as_keys, binned, counted, counted_pairs, distinct_in_rows
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["MAX_BYTES", "MAX_PAIRS", "Lift"]

MAX_PAIRS = 200_000
MAX_BYTES = 64 * 2**20
_KIND, _VERSION = "lift", 1
Floats = npt.NDArray[np.float64]


class _OfFeature:
    """What is known of one feature: rows by category, and by category and label."""

    def __init__(self) -> None:
        self.x, self.xy = Tally(1), Tally(2)
        self.overflow = False

    def cap(self, labels: int, max_pairs: int) -> None:
        """Gives the feature up where it has too many pairs: more rows never make it fewer."""
        labels = max(labels, 1)
        if self.overflow or max(len(self.x), 1) * labels > max_pairs or self.x.key_bytes * labels > MAX_BYTES:
            self.overflow = True
            self.x.clear()
            self.xy.clear()


class Lift:
    """The accumulator for all categorical features and one label.

    Args:
        y_path: the label.
        x_paths: the features.
        y_boundaries: cuts a numeric label into ``[low, high)``; None for a categorical one.
        y_weight: the column that weighs the label, or None.
        x_weights: the columns that weigh the features, or None each; None for no weights at all.
        min_x_count, top_k_per_y, bottom_k_per_y: see above.
        output_custom_stats: whether to write custom statistics ``Lift (Y=...)`` too.
        max_pairs: see above.
    """

    def __init__(
        self,
        y_path: Sequence[str],
        x_paths: Sequence[Sequence[str]],
        y_boundaries: Sequence[float] | None = None,
        y_weight: str | None = None,
        x_weights: Sequence[str | None] | None = None,
        min_x_count: int = 0,
        top_k_per_y: int | None = None,
        bottom_k_per_y: int | None = None,
        output_custom_stats: bool = False,
        max_pairs: int = MAX_PAIRS,
    ) -> None:
        self.y_path, self.x_paths = tuple(y_path), [tuple(path) for path in x_paths]
        self.boundaries = None if y_boundaries is None else np.array(y_boundaries, np.float64)
        self.min_x_count, self.top_k, self.bottom_k = min_x_count, top_k_per_y, bottom_k_per_y
        self.custom_stats, self._max_pairs = output_custom_stats, max_pairs
        self._y_weight = y_weight
        self._x_weights = [None] * len(x_paths) if x_weights is None else list(x_weights)
        self.weighted = y_weight is not None or any(self._x_weights)
        self.rows, self.weight = 0, 0.0
        self.y, self.y_overflow = Tally(1), False
        self.features = [_OfFeature() for _ in x_paths]
        self.x_integers, self.y_integers = [False] * len(x_paths), False

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block.

        Raises:
            DataError: for a weight that is missing, negative or no number.
        """
        weights = _Weights(batch)
        self.rows += batch.num_rows
        self.weight += float(weights.of(self._y_weight).sum())
        y = self._labels(batch)
        if y is not None and not self.y_overflow:
            self.y.add(*counted(y[0], y[1], weights.of(self._y_weight)))
        for number, (path, weight) in enumerate(zip(self.x_paths, self._x_weights, strict=True)):
            leaf = leaf_at(batch, path)
            if leaf is None or leaf.kind not in ("text", "int", "bool"):
                continue
            self.x_integers[number] |= leaf.kind != "text"
            if not self.features[number].overflow:
                self._update_feature(self.features[number], leaf, y, weights.of(weight))
        self._cap()

    def _update_feature(self, feature: _OfFeature, leaf: Leaf, y: Any, weights: Floats) -> None:
        keys, rows = distinct_in_rows(as_keys(leaf.values), leaf.rows)
        feature.x.add(*counted(keys, rows, weights))
        if y is not None:
            feature.xy.add(*counted_pairs(keys, rows, y[0], y[1], weights))

    def _labels(self, batch: pa.RecordBatch) -> tuple[pa.Array, Any] | None:
        """The labels of a batch as keys, once a row, with their rows."""
        import pyarrow as pa

        leaf = leaf_at(batch, self.y_path)
        if leaf is None:
            return None
        values, rows = leaf.values, leaf.rows
        if self.boundaries is None:
            if leaf.kind not in ("text", "int", "bool"):
                return None
            self.y_integers |= leaf.kind != "text"
            return distinct_in_rows(as_keys(values), rows)
        if leaf.kind not in ("int", "float"):
            return None
        known, bins = binned(values, self.boundaries)
        return distinct_in_rows(as_keys(pa.array(bins)), rows[known])

    def merge(self, other: Self) -> None:
        """Takes in the blocks that follow."""
        self.rows += other.rows
        self.weight += other.weight
        self.y_overflow |= other.y_overflow
        self.y.merge(other.y)
        self.x_integers = [a or b for a, b in zip(self.x_integers, other.x_integers, strict=True)]
        self.y_integers |= other.y_integers
        for mine, theirs in zip(self.features, other.features, strict=True):
            mine.overflow |= theirs.overflow
            if not mine.overflow:
                mine.x.merge(theirs.x)
                mine.xy.merge(theirs.xy)
        self._cap()

    def _cap(self) -> None:
        """Gives up features with too many pairs, all of them where there are too many labels."""
        self.y_overflow |= len(self.y) > self._max_pairs
        if self.y_overflow:
            self.y.clear()
        for feature in self.features:
            feature.cap(self._max_pairs + 1 if self.y_overflow else len(self.y), self._max_pairs)

    def state(self) -> bytes:
        """The state; `load` is its inverse."""
        integers = {"x": self.x_integers, "y": self.y_integers}
        overflow = {"x": [feature.overflow for feature in self.features], "y": self.y_overflow}
        header = {"rows": self.rows, "integers": integers, "overflow": overflow}
        arrays = {"weight": np.array([self.weight]), **nested("y", self.y.parts())}
        for number, feature in enumerate(self.features):
            arrays.update(nested(f"x{number}", feature.x.parts()))
            arrays.update(nested(f"xy{number}", feature.xy.parts()))
        return pack_state(_KIND, _VERSION, header, arrays)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Lift:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other features.
        """
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        made = cls(**params)
        try:
            overflow, integers = header["overflow"], header["integers"]
            if len(overflow["x"]) != len(made.features):
                raise ValueError(f"{len(overflow['x'])} features")
            made.rows, made.y_overflow = int(header["rows"]), bool(overflow["y"])
            made.x_integers, made.y_integers = [bool(b) for b in integers["x"]], bool(integers["y"])
            made.weight = float(arrays.pop("weight")[0])
            inner = split_nested(arrays)
            made.y.restore(inner["y"])
            for number, feature in enumerate(made.features):
                feature.x.restore(inner[f"x{number}"])
                feature.xy.restore(inner[f"xy{number}"])
                feature.overflow = bool(overflow["x"][number])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise EngineError(f"the state has another form: {error!r}", where="lift") from error
        return made

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The partial statistics: cross-features in the order of features."""
        from trueline.data_validation.generators.lift_protos import lift_proto

        return lift_proto(self)

    @property
    def max_pairs(self) -> int:
        """The bound on pairs of one feature."""
        return self._max_pairs


class _Weights:
    """The rows' weights by column; 1 for no column."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._known: dict[str | None, Floats] = {}

    def of(self, column: str | None) -> Floats:
        if column not in self._known:
            rows = self._batch.num_rows
            self._known[column] = np.ones(rows) if column is None else _weight_column(self._batch, column)
        return self._known[column]


def _weight_column(batch: pa.RecordBatch, column: str) -> Floats:
    leaf = leaf_at(batch, (column,))
    if leaf is None or leaf.kind not in ("int", "float") or not np.array_equal(leaf.rows, np.arange(batch.num_rows)):
        raise DataError(f"column {column!r} does not give every row one weight", hint="give one number a row.")
    weights = leaf.values.to_numpy(zero_copy_only=False).astype(np.float64)
    if not (weights >= 0.0).all() or not np.isfinite(weights).all():
        raise DataError(f"column {column!r} holds a weight that is negative, NaN or infinite")
    return np.asarray(weights, np.float64)
