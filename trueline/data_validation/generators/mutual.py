"""Mutual information of each feature with the label, from a sample of rows.

A uniform sample of 4096 rows is cut into 4 parts. In each, the estimate (see `information`) less the mean estimate with
the label shuffled twice, at least 0, is the adjusted mutual information in bits; their mean is written as
``adjusted_mutual_information``, with ``min_``, ``max_``, ``mean_``, ``median_``, ``std_dev_`` (population) and
``num_partitions_`` before the name, and ``mutual_information_sample_rows``. Upstream computes the same figures from
random parts of all rows, which differ from run to run; here they depend on the data alone.

Noise: for two independent numbers or two normal ones of correlation 0.6 the standard deviation of one part of 1024 rows
is 0.02 to 0.06 bits, of the mean about half that. A categorical feature whose values are all different says nothing: 0.
Of rows with several values, the set of categories is one category; a number counts as missing there. Upstream encodes
such rows as counts of categories or bins.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError
from trueline.data_validation.generators.information import Column, mutual_information
from trueline.data_validation.generators.sample import MISSING_CODE, RowSample, permutation
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["MutualInformation"]

_KIND, _VERSION = "mutual information", 1
_NAME = "adjusted_mutual_information"
_LEAST_ROWS = 64


class MutualInformation:
    """The accumulator: the sample; the estimates are made at the end.

    Args:
        features: see `RowSample`; the label is one of them.
        label: its place among them.
        sample_rows: rows of the sample.
        partitions: parts of the sample, fewer where they would have less than 64 rows.
        shuffles: how often the label is shuffled.
        k: neighbours.
        seed: of sample and shuffles.
    """

    def __init__(
        self,
        features: Sequence[Mapping[str, Any]],
        label: int,
        sample_rows: int = 4096,
        partitions: int = 4,
        shuffles: int = 2,
        k: int = 3,
        seed: int = 0,
    ) -> None:
        self._features, self._label = features, label
        self._partitions, self._shuffles, self._k, self._seed = partitions, shuffles, k, seed
        self._sample = RowSample(features, sample_rows, features[label]["path"][0], seed)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        self._sample.update(batch)

    def merge(self, other: Self) -> None:
        """Takes in the blocks that follow."""
        self._sample.merge(other._sample)

    def state(self) -> bytes:
        """The state; `load` is its inverse."""
        return pack_state(_KIND, _VERSION, {}, self._sample.parts())

    @classmethod
    def load(cls, state: bytes, **params: Any) -> MutualInformation:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other features.
        """
        _, _, arrays = unpack_state(state, _KIND, _VERSION)
        made = cls(**params)
        try:
            made._sample.restore(arrays)
        except (KeyError, ValueError, AttributeError) as error:
            raise EngineError(f"the state has another form: {error!r}", where="mutual information") from error
        return made

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The partial statistics; features of less than 2 labelled rows are left out."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        dataset = statistics_pb2.DatasetFeatureStatistics()
        columns = [self._column(place) for place in range(len(self._features))]
        label = columns[self._label]
        known = label.codes != 0 if label.codes is not None else ~np.isnan(np.asarray(label.numbers))
        labelled = np.flatnonzero(known)
        if len(labelled) < 2:
            return dataset
        parts = max(1, min(self._partitions, len(labelled) // _LEAST_ROWS))
        for place, feature in enumerate(self._features):
            if place == self._label:
                continue
            found = [self._adjusted(columns[place], label, labelled[part::parts]) for part in range(parts)]
            message = dataset.features.add()
            message.path.step.extend(feature["path"])
            for name, value in sorted(_summary(found).items()):
                message.custom_stats.add(name=name, num=value)
            message.custom_stats.add(name="mutual_information_sample_rows", num=float(len(labelled)))
        return dataset

    def _column(self, place: int) -> Column:
        if self._features[place]["kind"] == "number":
            return Column(numbers=self._sample.numbers[:, place])
        # Missing gets number 0: its code is appended so that it is always there, and sorts first.
        codes = np.unique(np.append(self._sample.codes[:, place], MISSING_CODE), return_inverse=True)[1]
        return Column(codes=codes.reshape(-1)[:-1].astype(np.int64))

    def _adjusted(self, x: Column, y: Column, rows: npt.NDArray[np.int64]) -> float:
        x, y = x.rows(rows), y.rows(rows)
        if x.codes is not None and len(np.unique(x.codes)) == len(rows):
            return 0.0
        shuffled = [
            mutual_information(x, y.rows(permutation(len(rows), self._seed + turn)), self._k)
            for turn in range(self._shuffles)
        ]
        return max(mutual_information(x, y, self._k) - (sum(shuffled) / len(shuffled) if shuffled else 0.0), 0.0)


def _summary(values: Sequence[float]) -> dict[str, float]:
    return {
        _NAME: statistics.fmean(values),
        f"min_{_NAME}": min(values),
        f"max_{_NAME}": max(values),
        f"mean_{_NAME}": statistics.fmean(values),
        f"median_{_NAME}": statistics.median(values),
        f"std_dev_{_NAME}": statistics.pstdev(values),
        f"num_partitions_{_NAME}": float(len(values)),
    }
