"""The accumulator of a statistics pass: one state a block for all features, merged by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError
from trueline.data_validation.arrow_numpy import is_valid
from trueline.data_validation.columns import ByteLengths, Floats, Limits, Part, PartOptions, Presence
from trueline.data_validation.nested import column_of, flatten, list_lengths
from trueline.data_validation.numeric import Numbers
from trueline.data_validation.plan import FeaturePlan
from trueline.data_validation.text import Strings
from trueline.data_validation.weights import weight_tables
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["PARTS", "FeatureState", "StatisticsAccumulator"]

_KIND, _VERSION = "statistics", 2

PARTS: dict[str, Callable[[Limits, PartOptions], Part] | None] = {
    "numeric": Numbers,
    "string": Strings,
    "text": Strings,
    "bytes": ByteLengths,
    "struct": None,
}
"""Kind of feature -> the part that it carries beside its presence."""


class FeatureState:
    """What is known of one feature: presence at each list level, values in a whole row, and the values' own part.

    `levels[0]` is the row's level; `rows` counts the innermost values of a row where there are several levels.
    """

    def __init__(self, plan: FeaturePlan, limits: dict[str, int]) -> None:
        self.plan = plan
        self.levels = [Presence(limits, plan.levels == 0, bool(plan.weight)) for _ in range(max(plan.levels, 1))]
        self.rows = Presence(limits, False, bool(plan.weight)) if plan.levels > 1 else self.levels[0]
        factory = PARTS[plan.kind]
        self.part: Part | None = factory(limits, plan) if factory is not None else None

    def update(self, column: pa.Array, weights: Floats | None = None) -> None:
        """Takes in a column: one entry a row, or one a parent struct, and the weight of each."""
        values, row_of = column, np.arange(0)
        heavy = weights if self.plan.weight else None
        for level in range(max(self.plan.levels, 1)):
            valid = is_valid(values) if values.null_count and (heavy is not None or self.plan.levels > 1) else None
            present = heavy if heavy is None or valid is None else heavy[valid]
            lengths: Any = 1
            if self.plan.levels == 0:
                self.levels[0].update_scalar(len(values) - values.null_count, values.null_count)
            else:
                lengths = list_lengths(values)
                self.levels[level].update_lists(lengths, values.null_count)
            if heavy is not None and present is not None:
                self.levels[level].update_weights(present, heavy[:0] if valid is None else heavy[~valid], lengths)
            if self.plan.levels == 0:
                break
            if self.plan.levels > 1:
                places = np.arange(len(values)) if valid is None else np.flatnonzero(valid)
                row_of = np.repeat(places if level == 0 else row_of[places], lengths)
            heavy = None if present is None else np.repeat(present, lengths)
            values = flatten(values)
        if self.plan.levels > 1:
            self._update_rows(column, row_of, weights)
        if self.part is not None:
            if values.null_count and (heavy is not None or not self.part.takes_nulls):
                heavy = None if heavy is None else heavy[is_valid(values)]
                values = values.drop_null()
            self.part.update(values, heavy)

    def _update_rows(self, column: pa.Array, row_of: npt.NDArray[np.int64], weights: Floats | None) -> None:
        """Takes in how many innermost values each row has."""
        valid = is_valid(column)
        counts = np.bincount(row_of, minlength=len(column))[valid].astype(np.int64)
        self.rows.update_lists(counts, column.null_count)
        if self.plan.weight and weights is not None:
            self.rows.update_weights(weights[valid], weights[~valid], counts)

    def merge(self, other: FeatureState) -> None:
        """Takes in the same feature of other blocks."""
        for mine, theirs in self._pairs(other):
            mine.merge(theirs)

    def _pieces(self) -> list[Any]:
        pieces: list[Any] = [*self.levels]
        if self.plan.levels > 1:
            pieces.append(self.rows)
        return pieces if self.part is None else [*pieces, self.part]

    def _pairs(self, other: FeatureState) -> list[tuple[Any, Any]]:
        return list(zip(self._pieces(), other._pieces(), strict=True))

    def parts(self, prefix: str) -> tuple[list[Any], dict[str, Any]]:
        """The state: one JSON header a piece, and all arrays under names that begin with `prefix`."""
        headers, arrays = [], {}
        for i, piece in enumerate(self._pieces()):
            header, own = piece.parts()
            headers.append(header)
            arrays.update({f"{prefix}/{i}/{name}": array for name, array in own.items()})
        return headers, arrays

    def restore(self, headers: list[Any], arrays: dict[str, dict[str, Any]]) -> None:
        """Takes the state that `parts` gave, arrays by piece and name."""
        for i, (piece, header) in enumerate(zip(self._pieces(), headers, strict=True)):
            piece.restore(header, arrays.get(str(i), {}))


class StatisticsAccumulator:
    """Statistics of all features of a dataset, as an accumulator of the engine.

    Args:
        features: the plan, as JSON.
        limits: the numeric options of `StatsOptions`, as JSON.
        weight: the column that weighs rows where a feature names no other, or ``""``.
        weighted_frequency_threshold: least weighted count of a value that is listed.
    """

    def __init__(
        self,
        features: Sequence[dict[str, Any]],
        limits: dict[str, int],
        weight: str = "",
        weighted_frequency_threshold: float = 1.0,
    ) -> None:
        self.limits = dict(limits)
        self.weight = weight
        self.weighted_frequency_threshold = weighted_frequency_threshold
        self.num_examples = 0
        self.weighted_num_examples = 0.0
        self.features = [FeatureState(FeaturePlan.from_json(plan), self.limits) for plan in features]

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block.

        Raises:
            DataError: for a row whose weight is no single finite number of at least 0.
        """
        self.num_examples += batch.num_rows
        named = [self.weight, *(feature.plan.weight for feature in self.features)]
        weights = weight_tables(batch, [name for name in named if name])
        if self.weight:
            self.weighted_num_examples += float(weights[self.weight].sum())
        for feature in self.features:
            feature.update(*column_of(batch, feature.plan.path, weights.get(feature.plan.weight)))

    def merge(self, other: StatisticsAccumulator) -> None:
        """Takes in the state of other blocks."""
        self.num_examples += other.num_examples
        self.weighted_num_examples += other.weighted_num_examples
        for mine, theirs in zip(self.features, other.features, strict=True):
            mine.merge(theirs)

    def detach(self) -> bool:
        """All arrays of the state are its own already, or dictionaries of the block's text."""
        return True

    def state(self) -> bytes:
        """The state as bytes, format 2."""
        headers: list[Any] = []
        arrays: dict[str, Any] = {"weight": np.array([self.weighted_num_examples])}
        for i, feature in enumerate(self.features):
            header, own = feature.parts(str(i))
            headers.append(header)
            arrays.update(own)
        return pack_state(_KIND, _VERSION, {"num_examples": self.num_examples, "features": headers}, arrays)

    @classmethod
    def load(
        cls, state: bytes, features: Sequence[dict[str, Any]], limits: dict[str, int], **weighting: Any
    ) -> StatisticsAccumulator:
        """The accumulator that gave this state.

        Raises:
            EngineError: for damaged bytes, another format, or the state of other features.
        """
        version, header, arrays = unpack_state(state, _KIND, _VERSION)
        if version != _VERSION:
            raise EngineError(
                f"the state has format {version}, this version reads format {_VERSION}",
                hint="compute the statistics again: states are no archive.",
            )
        accumulator = cls(features, limits, **weighting)
        weight = arrays.pop("weight", np.zeros(1))
        by_feature: dict[str, dict[str, dict[str, Any]]] = {}
        for name, array in arrays.items():
            feature_number, piece, own = name.split("/", 2)
            by_feature.setdefault(feature_number, {}).setdefault(piece, {})[own] = array
        try:
            accumulator.num_examples = int(header["num_examples"])
            accumulator.weighted_num_examples = float(weight[0])
            for i, (feature, headers) in enumerate(zip(accumulator.features, header["features"], strict=True)):
                feature.restore(headers, by_feature.get(str(i), {}))
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"the state belongs to statistics of other features: {error!r}") from error
        return accumulator

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The statistics as tensorflow-metadata's proto."""
        from trueline.data_validation.protos import dataset_proto

        return dataset_proto(self)
