"""Sampling by rows: an accumulator that sees a share of the rows, chosen by their hash.

A row is in the sample or not whatever runs the pass. Where the data have row ids (``__row__``), the id alone decides,
so the sample is the same for any columns and blocks. Else the row's values in the columns that the pass reads decide,
with its position in its block, so that equal rows are not all in or all out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.rowid import ROW_COLUMN
from trueline.engine.base import Accumulator, AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SampledAccumulator", "sampled_rows", "sampled_spec"]

_KIND, _VERSION = "sampled", 1
_POSITION = np.uint64(0x9E3779B97F4A7C15)


def sampled_spec(inner: AccumulatorSpec[Any], rate: float, seed: int = 0) -> AccumulatorSpec[Any]:
    """`inner` over a share of the rows.

    Args:
        inner: the accumulator; its result is not scaled up.
        rate: the share, above 0 and at most 1.
        seed: another seed, another sample; two samples of one seed hold each other.
    """
    params = {"inner": {"name": inner.name, "params": dict(inner.params)}, "rate": rate, "seed": seed}
    return AccumulatorSpec("trueline.data_validation.sampling:SampledAccumulator", params)


def sampled_rows(batch: pa.RecordBatch, rate: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows of a block are in the sample."""
    from trueline._core.hash import hash_array, hash_rows

    if ROW_COLUMN in batch.schema.names:
        hashes = hash_array(batch.column(ROW_COLUMN), seed)
    else:
        values = hash_rows(batch, batch.schema.names, seed)
        mixed = values ^ (np.arange(batch.num_rows, dtype=np.uint64) * _POSITION)
        hashes = hash_array(_as_integers(mixed), seed)
    return np.asarray(hashes.astype(np.float64) * 2.0**-64 < rate)


def _as_integers(words: npt.NDArray[np.uint64]) -> pa.Array:
    import pyarrow as pa

    return pa.array(words.view(np.int64))


class SampledAccumulator:
    """The accumulator that `sampled_spec` describes."""

    def __init__(self, inner: Mapping[str, Any], rate: float, seed: int) -> None:
        self._spec = AccumulatorSpec[Any](str(inner["name"]), dict(inner["params"]))
        self._rate, self._seed = float(rate), int(seed)
        self._inner: Accumulator[Any] = self._spec.new()

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the sampled rows of one block."""
        import pyarrow as pa

        if self._rate < 1:
            batch = batch.filter(pa.array(sampled_rows(batch, self._rate, self._seed)))
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
