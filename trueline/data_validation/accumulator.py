"""The accumulator of a statistics pass: one state a block for all features, merged by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError
from trueline.data_validation.columns import PARTS, Part, Presence
from trueline.data_validation.plan import FeaturePlan
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["FeatureState", "StatisticsAccumulator"]

_KIND, _VERSION = "statistics", 1


class FeatureState:
    """What is known of one feature: presence at each list level, values in a whole row, and the values' own part.

    `levels[0]` is the row's level; `rows` counts the innermost values of a row where there are several levels.
    """

    def __init__(self, plan: FeaturePlan, limits: dict[str, int]) -> None:
        self.plan = plan
        self.levels = [Presence(limits) for _ in range(max(plan.levels, 1))]
        self.rows = Presence(limits) if plan.levels > 1 else self.levels[0]
        factory = PARTS[plan.kind]
        self.part: Part | None = factory(limits) if factory is not None else None

    def update(self, column: pa.Array) -> None:
        """Takes in a column: one entry a row, or one a parent struct."""
        values, row_of = column, np.arange(0)
        if self.plan.levels == 0:
            self.levels[0].update_scalar(len(column) - column.null_count, column.null_count)
        for level in range(self.plan.levels):
            lengths = _list_lengths(values)
            self.levels[level].update_lists(lengths, values.null_count)
            if self.plan.levels > 1:
                present = _present(values) if level == 0 else row_of[_present(values)]
                row_of = np.repeat(present, lengths)
            values = _flatten(values)
        if self.plan.levels > 1:
            counts = np.bincount(row_of, minlength=len(column))[_present(column)]
            self.rows.update_lists(counts.astype(np.int64), column.null_count)
        if self.part is not None:
            self.part.update(values.drop_null() if values.null_count else values)

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
    """

    def __init__(self, features: Sequence[dict[str, Any]], limits: dict[str, int]) -> None:
        self.limits = dict(limits)
        self.num_examples = 0
        self.features = [FeatureState(FeaturePlan.from_json(plan), self.limits) for plan in features]

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        self.num_examples += batch.num_rows
        for feature in self.features:
            feature.update(_column(batch, feature.plan.path))

    def merge(self, other: StatisticsAccumulator) -> None:
        """Takes in the state of other blocks."""
        self.num_examples += other.num_examples
        for mine, theirs in zip(self.features, other.features, strict=True):
            mine.merge(theirs)

    def state(self) -> bytes:
        """The state as bytes, format 1."""
        headers, arrays = [], {}
        for i, feature in enumerate(self.features):
            header, own = feature.parts(str(i))
            headers.append(header)
            arrays.update(own)
        return pack_state(_KIND, _VERSION, {"num_examples": self.num_examples, "features": headers}, arrays)

    @classmethod
    def load(cls, state: bytes, features: Sequence[dict[str, Any]], limits: dict[str, int]) -> StatisticsAccumulator:
        """The accumulator that gave this state.

        Raises:
            EngineError: for damaged bytes, a newer format, or the state of other features.
        """
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        accumulator = cls(features, limits)
        by_feature: dict[str, dict[str, dict[str, Any]]] = {}
        for name, array in arrays.items():
            feature_number, piece, own = name.split("/", 2)
            by_feature.setdefault(feature_number, {}).setdefault(piece, {})[own] = array
        try:
            accumulator.num_examples = int(header["num_examples"])
            for i, (feature, headers) in enumerate(zip(accumulator.features, header["features"], strict=True)):
                feature.restore(headers, by_feature.get(str(i), {}))
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"the state belongs to statistics of other features: {error!r}") from error
        return accumulator

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The statistics as tensorflow-metadata's proto."""
        from trueline.data_validation.protos import dataset_proto

        return dataset_proto(self)


def _column(batch: pa.RecordBatch, path: tuple[str, ...]) -> pa.Array:
    """The column of a path; for a field of a struct, one entry for each struct that the level above holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(path[0])
    for step in path[1:]:
        if pa.types.is_struct(column.type):  # a plain struct counts as a list of one: a null holds none
            column = column.drop_null()
        while not pa.types.is_struct(column.type):
            column = _flatten(column)
        column = pc.struct_field(column, step)
    return column


def _flatten(values: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.list_flatten(values)


def _list_lengths(values: pa.Array) -> npt.NDArray[np.int64]:
    """Lengths of the lists that are not null."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(values)
    return np.asarray(lengths.drop_null().to_numpy(zero_copy_only=False), np.int64)


def _present(values: pa.Array) -> npt.NDArray[np.int64]:
    """Positions that are not null."""
    import pyarrow.compute as pc

    return np.flatnonzero(pc.is_valid(values).to_numpy(zero_copy_only=False))
