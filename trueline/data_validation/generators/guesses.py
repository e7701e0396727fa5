"""What the guesses at a feature's meaning share: which values they look at, and how they say what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.data_validation.generators.leaves import Leaf

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["DOMAIN_INFO", "MATCH_RATIO", "VALUES_THRESHOLD", "as_text", "looked_at", "say_domain"]

DOMAIN_INFO = "domain_info"
"""Custom statistic: a domain of the schema, as proto text."""
MATCH_RATIO = 0.8
VALUES_THRESHOLD = 100
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def looked_at(leaf: Leaf, sample_rate: float) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The values in the rows that are looked at, and the rows' numbers in the block.

    Upstream looks at whole batches, or not, at random. Here a share of the rows of every block is looked at, chosen by
    a fixed hash of the row's place in its block: the same rows on every run. Where rows have numbers, the whole
    accumulator is given a sample by these instead (`trueline.data_validation.sampling`), and `sample_rate` is 1.
    """
    import pyarrow as pa

    if sample_rate >= 1.0:
        return leaf.values, leaf.rows
    places = np.arange(leaf.entries.batch_rows, dtype=np.uint64) * _SPREAD
    places ^= places >> np.uint64(29)
    places *= np.uint64(0xBF58476D1CE4E5B9)
    kept = ((places >> np.uint64(11)).astype(np.float64) / 2.0**53 < sample_rate)[leaf.rows]
    return leaf.values.filter(pa.array(kept)), leaf.rows[kept]


def as_text(values: pa.Array) -> pa.Array | None:
    """Strings or bytes as strings; None where one of them is no UTF-8."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return values
    try:
        return pc.cast(values, pa.large_string())
    except pa.ArrowInvalid:
        return None


def say_domain(message: statistics_pb2.FeatureNameStatistics, domain: str) -> None:
    """Writes the guess."""
    message.custom_stats.add(name=DOMAIN_INFO, str=domain)
