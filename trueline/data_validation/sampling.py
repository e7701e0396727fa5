"""Sampling by rows: an accumulator that sees a share of the rows, chosen by their hash.

A row is in the sample or not whatever runs the pass. Where the data have row ids (``__row__``), the id alone decides,
so the sample is the same for any columns and blocks. Else it is the row's position in its block and a hash of that
block (of 64 of its rows, in the columns that the pass reads): the same blocks give the same sample, other blocks
another, and equal rows are not all in or all out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.rowid import ROW_COLUMN
from trueline.data_validation.arrow_numpy import from_numpy
from trueline.engine.base import Accumulator, AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SampledAccumulator", "sampled_rows", "sampled_spec"]

_KIND, _VERSION = "sampled", 1
_WITNESSES = 64
_POSITION = np.uint64(0x9E3779B97F4A7C15)


def sampled_spec(inner: AccumulatorSpec[Any], rate: float, seed: int = 0) -> AccumulatorSpec[Any]:
    """`inner` over a share of the rows.

    Args:
        inner: the accumulator; its result is not scaled up.
        rate: the share, above 0 and at most 1.
        seed: another seed, another sample; two samples of one seed hold each other.
    """
    described = {"name": inner.name, "params": dict(inner.params), "dictionaries": list(inner.dictionaries)}
    params = {"inner": described, "rate": rate, "seed": seed}
    return AccumulatorSpec("trueline.data_validation.sampling:SampledAccumulator", params, inner.dictionaries)


def sampled_rows(batch: pa.RecordBatch, rate: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows of a block are in the sample."""
    from trueline._core.hash import hash_array

    if ROW_COLUMN in batch.schema.names:
        hashes = hash_array(batch.column(ROW_COLUMN), seed)
    else:
        positions = np.arange(batch.num_rows, dtype=np.uint64) ^ _block_hash(batch, seed)
        hashes = hash_array(from_numpy(positions.view(np.int64)), seed)
    return np.asarray(hashes.astype(np.float64) * 2.0**-64 < rate)


def _block_hash(batch: pa.RecordBatch, seed: int) -> np.uint64:
    """A hash of a block: of rows spread over it, and where they stand."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from trueline._core.hash import hash_rows

    count = min(_WITNESSES, batch.num_rows)
    rows = np.arange(count, dtype=np.int64) * batch.num_rows // max(count, 1)
    few = batch.take(from_numpy(rows))
    columns = [pc.cast(c, c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in few.columns]
    names = batch.schema.names
    if not names:
        return np.uint64(batch.num_rows)
    values = hash_rows(pa.RecordBatch.from_arrays(columns, names=names), names, seed)
    with np.errstate(over="ignore"):
        return np.uint64(np.bitwise_xor.reduce(values + rows.astype(np.uint64) * _POSITION))


class SampledAccumulator:
    """The accumulator that `sampled_spec` describes."""

    def __init__(self, inner: Mapping[str, Any], rate: float, seed: int) -> None:
        self._spec = AccumulatorSpec[Any](str(inner["name"]), dict(inner["params"]), tuple(inner["dictionaries"]))
        self._rate, self._seed = float(rate), int(seed)
        self._inner: Accumulator[Any] = self._spec.new()

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the sampled rows of one block."""
        if self._rate < 1:
            batch = batch.take(from_numpy(np.flatnonzero(sampled_rows(batch, self._rate, self._seed))))
        self._inner.update(batch)

    def merge(self, other: SampledAccumulator) -> None:
        """Takes in the sample of other blocks."""
        self._inner.merge(other._inner)

    def state(self) -> bytes:
        """The inner state, format 1."""
        return pack_state(_KIND, _VERSION, {}, {"inner": np.frombuffer(self._inner.state(), np.uint8)})

    @classmethod
    def load(cls, state: bytes, inner: Mapping[str, Any], rate: float, seed: int) -> SampledAccumulator:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state.
        """
        from trueline._core.errors import EngineError

        _, _, arrays = unpack_state(state, _KIND, _VERSION)
        if set(arrays) != {"inner"}:
            raise EngineError(f"the state of a sample holds {sorted(arrays)}")
        accumulator = cls(inner, rate, seed)
        accumulator._inner = accumulator._spec.load(arrays["inner"].tobytes())
        return accumulator

    def finish(self) -> Any:
        """The inner result over the sample."""
        return self._inner.finish()
