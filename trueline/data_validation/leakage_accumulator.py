"""The pass behind the leakage report: a sample of rows, and an exact count of rows in which a feature is the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline._core.errors import ConfigError, EngineError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import HIDDEN_PREFIX
from trueline.data_validation.generators.leaves import leaf_at
from trueline.data_validation.generators.sample import RowSample
from trueline.data_validation.leakage_findings import LeakageReport, report_of
from trueline.engine.base import AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["SAMPLE_ROWS", "LeakagePass", "LeakageStatistics", "check_leakage", "leakage_plan"]

SAMPLE_ROWS = 8192
_KIND, _VERSION = "leakage", 1


class LeakagePass:
    """The accumulator of `leakage_report`.

    Args:
        features: see `RowSample`; the label is one of them.
        label: its place among them.
        threshold: see `trueline.data_validation.leakage.leakage_report`.
        sample_rows: rows of the sample.
        seed: of the sample.
    """

    def __init__(
        self,
        features: Sequence[Mapping[str, Any]],
        label: int,
        threshold: float,
        sample_rows: int = SAMPLE_ROWS,
        seed: int = 0,
    ) -> None:
        self._paths = [tuple(feature["path"]) for feature in features]
        self._kinds = [str(feature["kind"]) for feature in features]
        self._label, self._threshold = label, threshold
        order = {"path": [ROW_COLUMN], "kind": "number"}
        self._sample = RowSample([*features, order], sample_rows, self._paths[label][0], seed)
        self._rows = self._labelled = 0
        # Columns: rows with a single value of feature and label, and those of them in which both are equal.
        self._equal = np.zeros((len(features), 2), np.int64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        self._rows += batch.num_rows
        self._sample.update(batch)
        label, known = _hashes(batch, self._paths[self._label])
        self._labelled += int(known.sum())
        for place, path in enumerate(self._paths):
            if place != self._label:
                found, present = _hashes(batch, path)
                both = present & known
                self._equal[place] += int(both.sum()), int((found[both] == label[both]).sum())

    def merge(self, other: Self) -> None:
        """Takes in the blocks that follow."""
        self._rows += other._rows
        self._labelled += other._labelled
        self._equal += other._equal
        self._sample.merge(other._sample)

    def state(self) -> bytes:
        """The state; `load` is its inverse."""
        header = {"rows": self._rows, "labelled": self._labelled}
        return pack_state(_KIND, _VERSION, header, {"equal": self._equal, **self._sample.parts()})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other features.
        """
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        made = cls(**params)
        try:
            if arrays["equal"].shape != made._equal.shape:
                raise ValueError("counts of other features")
            made._rows, made._labelled = int(header["rows"]), int(header["labelled"])
            made._equal = arrays["equal"]
            made._sample.restore(arrays)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EngineError(f"the state has another form: {error!r}", where="leakage") from error
        return made

    def finish(self) -> Any:
        """The `LeakageReport`."""
        return self.report()

    def report(self) -> LeakageReport:
        """The report over what was seen."""
        return report_of(
            paths=self._paths,
            kinds=self._kinds,
            label=self._label,
            threshold=self._threshold,
            rows=self._rows,
            sample=self._sample,
            equal=[(int(both), int(same)) for both, same in self._equal],
        )


class LeakageStatistics(LeakagePass):
    """The same pass with custom statistics as its result.

    ``leakage_score`` of every feature, and ``leakage``, a sentence, of those that leak.
    """

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The partial statistics."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        report = self.report()
        sentences = {finding.feature: finding.sentence for finding in report.findings}
        dataset = statistics_pb2.DatasetFeatureStatistics()
        for feature, score in report.scores:
            message = dataset.features.add()
            message.path.step.extend(feature)
            message.custom_stats.add(name="leakage_score", num=score)
            if feature in sentences:
                message.custom_stats.add(name="leakage", str=sentences[feature])
        return dataset


def leakage_plan(
    features: Sequence[Mapping[str, Any]],
    label: str,
    threshold: float,
    *,
    sample_rows: int = SAMPLE_ROWS,
    statistics: bool = False,
) -> AccumulatorSpec[Any]:
    """The accumulator over these features.

    Raises:
        ConfigError: when the label is none of them, or an option is out of range.
    """
    check_leakage([f["path"][0] for f in features if len(f["path"]) == 1], label, threshold, sample_rows)
    place = next(i for i, feature in enumerate(features) if list(feature["path"]) == [label])
    params = {"features": list(features), "label": place, "threshold": threshold, "sample_rows": sample_rows}
    return AccumulatorSpec(f"{__name__}:{'LeakageStatistics' if statistics else 'LeakagePass'}", params)


def check_leakage(
    columns: Sequence[str], label: str, threshold: float, sample_rows: int, features: Sequence[str] = ()
) -> None:
    """Checks the arguments of a leakage report.

    Raises:
        ConfigError: naming every one that is wrong.
    """
    names = [name for name in columns if not name.startswith(HIDDEN_PREFIX)]
    wanted = [("label", label), *(("feature", name) for name in features)]
    problems = [f"{what} {n!r} is no column: {did_you_mean(n, names)}" for what, n in wanted if n not in names]
    if not 0.5 < threshold <= 1.0:
        problems.append(f"threshold is {threshold!r}, it must lie above 0.5 and up to 1")
    if sample_rows < 100:
        problems.append(f"sample_rows is {sample_rows!r}, it must be at least 100")
    if problems:
        raise ConfigError("the leakage report cannot be made", problems=problems)


def _hashes(batch: pa.RecordBatch, path: Sequence[str]) -> tuple[Any, Any]:
    """A hash of each row's single value, and which rows have exactly one; true counts as 1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from trueline._core.hash import hash_array

    found, single = np.zeros(batch.num_rows, np.uint64), np.zeros(batch.num_rows, np.bool_)
    leaf = leaf_at(batch, path)
    if leaf is not None:
        values = pc.cast(leaf.values, pa.int8()) if leaf.kind == "bool" else leaf.values
        if leaf.kind == "float":
            nan = pc.is_nan(values).to_numpy(zero_copy_only=False)
        else:
            nan = np.zeros(len(values), np.bool_)
        found[leaf.rows] = hash_array(values)
        single = np.bincount(leaf.rows, minlength=batch.num_rows) == 1
        single[leaf.rows[nan]] = False
    return found, single
