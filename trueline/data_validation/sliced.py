"""An accumulator for every slice of the data, in one pass: the slices of each block, merged slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import EngineError
from trueline.data_validation.arrow_numpy import from_numpy
from trueline.data_validation.grouping import function_slices, group_rows, too_many
from trueline.data_validation.slicing import (
    DEFAULT_SLICE_KEY,
    ExpressionSlicer,
    FunctionSlicer,
    Slicer,
    slicer_from_json,
)
from trueline.engine.base import Accumulator, AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SlicedAccumulator", "sliced_spec"]

_KIND, _VERSION = "sliced", 1


def sliced_spec(
    inner: AccumulatorSpec[Any], slicers: Sequence[Slicer], max_slices: int
) -> AccumulatorSpec[dict[str, Any]]:
    """`inner` for all rows and for every slice; the result maps slice keys to its results, all rows first, then sorted.

    Text that a slicer computes with comes plain; other text as `inner` takes it.
    """
    plain = {column for slicer in slicers if isinstance(slicer, ExpressionSlicer) for column in slicer.columns}
    any_column = any(isinstance(slicer, FunctionSlicer) for slicer in slicers)
    dictionaries = () if any_column else tuple(column for column in inner.dictionaries if column not in plain)
    params = {
        "inner": {"name": inner.name, "params": dict(inner.params), "dictionaries": list(inner.dictionaries)},
        "slicers": [slicer.to_json() for slicer in slicers],
        "max_slices": max_slices,
    }
    return AccumulatorSpec("trueline.data_validation.sliced:SlicedAccumulator", params, dictionaries)


class SlicedAccumulator:
    """The accumulator that `sliced_spec` describes.

    Args:
        inner: name and parameters of the accumulator that each slice has.
        slicers: their JSON.
        max_slices: most slices beside that of all rows.
    """

    def __init__(self, inner: Mapping[str, Any], slicers: Sequence[Mapping[str, Any]], max_slices: int) -> None:
        self._spec = AccumulatorSpec[Any](str(inner["name"]), dict(inner["params"]), tuple(inner["dictionaries"]))
        self._slicers = [slicer_from_json(slicer) for slicer in slicers]
        self._max = max_slices
        self._all: Accumulator[Any] = self._spec.new()
        self._slices: dict[str, Accumulator[Any]] = {}
        self._owner: dict[str, int] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block.

        Raises:
            ConfigError: for more slices than allowed, naming the slicer.
            DataError: a value to slice by that is no UTF-8 text.
            EngineError: a user's function that fails.
        """
        self._all.update(batch)
        rows: dict[str, Any] = {}
        parts: dict[str, list[pa.RecordBatch]] = {}
        for number, slicer in enumerate(self._slicers):
            if isinstance(slicer, FunctionSlicer):
                for key, given in function_slices(batch, slicer).items():
                    parts.setdefault(key, []).extend(given)
                    self._owner.setdefault(key, number)
            else:
                for key, own in group_rows(batch, slicer, self._max).items():
                    rows[key] = own if key not in rows else np.union1d(rows[key], own)
                    self._owner.setdefault(key, number)
        self._check_count()
        for key, part in _cut(batch, rows):
            parts.setdefault(key, []).append(part)
        for key, given in parts.items():
            for part in given:
                self._slice(key).update(part)

    def _slice(self, key: str) -> Accumulator[Any]:
        if key not in self._slices:
            self._slices[key] = self._spec.new()
        return self._slices[key]

    def _check_count(self) -> None:
        if len(self._owner) > self._max:
            counts = np.bincount(list(self._owner.values()), minlength=len(self._slicers))
            worst = int(counts.argmax())
            raise too_many(self._slicers[worst], int(counts[worst]), self._max)

    def merge(self, other: SlicedAccumulator) -> None:
        """Merges slice by slice.

        Raises:
            ConfigError: for more slices than allowed, naming the slicer.
        """
        for key, number in other._owner.items():
            self._owner.setdefault(key, number)
        self._check_count()
        self._all.merge(other._all)
        for key, theirs in other._slices.items():
            mine = self._slices.get(key)
            if mine is None:
                self._slices[key] = theirs
            else:
                mine.merge(theirs)

    def state(self) -> bytes:
        """The states of all slices, format 1."""
        keys = sorted(self._slices)
        states = [self._all.state(), *(self._slices[key].state() for key in keys)]
        arrays = {str(i): np.frombuffer(state, np.uint8) for i, state in enumerate(states)}
        return pack_state(_KIND, _VERSION, {"keys": keys, "owners": [self._owner[key] for key in keys]}, arrays)

    @classmethod
    def load(
        cls, state: bytes, inner: Mapping[str, Any], slicers: Sequence[Mapping[str, Any]], max_slices: int
    ) -> SlicedAccumulator:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other slices.
        """
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        accumulator = cls(inner, slicers, max_slices)
        try:
            keys, owners = [str(key) for key in header["keys"]], [int(owner) for owner in header["owners"]]
            states = [arrays[str(i)].tobytes() for i in range(len(keys) + 1)]
            accumulator._owner = dict(zip(keys, owners, strict=True))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EngineError(f"the state belongs to other slices: {error!r}") from error
        if any(not 0 <= owner < len(accumulator._slicers) for owner in owners):
            raise EngineError("the state belongs to other slices: it has more slicers")
        accumulator._all = accumulator._spec.load(states[0])
        accumulator._slices = {key: accumulator._spec.load(own) for key, own in zip(keys, states[1:], strict=True)}
        return accumulator

    def finish(self) -> dict[str, Any]:
        """Each slice's result: all rows first, then by key."""
        results = {DEFAULT_SLICE_KEY: self._all.finish()}
        return {**results, **{key: self._slices[key].finish() for key in sorted(self._slices)}}


def _cut(batch: pa.RecordBatch, rows: Mapping[str, Any]) -> list[tuple[str, pa.RecordBatch]]:
    """The rows of every slice, copied in one go and cut without copying."""
    if not rows:
        return []
    taken = batch.take(from_numpy(np.concatenate(list(rows.values()))))
    found, start = [], 0
    for key, own in rows.items():
        found.append((key, taken.slice(start, len(own))))
        start += len(own)
    return found
