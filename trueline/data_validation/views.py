"""Reading tensorflow-metadata statistics: one place that knows weights, list levels and old field names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["DEFAULT_SLICE", "DatasetView", "FeatureView", "dataset_view"]

DEFAULT_SLICE = "All Examples"
_SCHEMA_TYPES = {"INT": "INT", "FLOAT": "FLOAT", "STRING": "BYTES", "BYTES": "BYTES", "STRUCT": "STRUCT"}


@dataclass(frozen=True)
class FeatureView:
    """One feature's statistics.

    Attributes:
        proto: its `FeatureNameStatistics`.
        path: where it is.
        weighted: whether weighted figures count instead of plain ones.
    """

    proto: Any
    path: FeaturePath
    weighted: bool

    @property
    def type(self) -> str:
        """The statistics' own type: INT, FLOAT, STRING, BYTES or STRUCT."""
        return str(self.proto.Type.Name(self.proto.type))

    @property
    def schema_type(self) -> str:
        """The type that a schema gives such a feature: INT, FLOAT, BYTES or STRUCT."""
        return _SCHEMA_TYPES[self.type]

    @cached_property
    def stats(self) -> Any:
        """The message of the `stats` oneof."""
        return getattr(self.proto, self.proto.WhichOneof("stats"))

    @property
    def common(self) -> Any:
        """The `CommonStatistics`."""
        return self.stats.common_stats

    @property
    def numeric(self) -> Any | None:
        """The `NumericStatistics`, if there are such."""
        return self.proto.num_stats if self.proto.WhichOneof("stats") == "num_stats" else None

    @property
    def string(self) -> Any | None:
        """The `StringStatistics`, if there are such."""
        return self.proto.string_stats if self.proto.WhichOneof("stats") == "string_stats" else None

    @property
    def num_present(self) -> float:
        """Rows that hold the feature, by weight where weights count."""
        return float(self._counted.num_non_missing)

    @property
    def num_missing(self) -> float:
        """Rows that lack it, by weight where weights count."""
        return float(self._counted.num_missing)

    @property
    def total_values(self) -> float:
        """All values, by weight where weights count."""
        counted = self._counted
        return float(counted.tot_num_values) or float(counted.num_non_missing * counted.avg_num_values)

    @property
    def _counted(self) -> Any:
        return self.common.weighted_common_stats if self.weighted else self.common

    @property
    def fraction_present(self) -> float:
        """The fraction of rows that hold it; exactly 1.0 where none lacks it."""
        rows = self.num_present + self.num_missing
        return 1.0 if self.num_missing == 0 or rows == 0 else self.num_present / rows

    @property
    def levels(self) -> list[tuple[float, Any]]:
        """Number missing, and the message with least and greatest number of values, at each list level."""
        nested = list(self.common.presence_and_valency_stats)
        if not nested:
            return [(self.num_missing, self.common)]
        counted = self.common.weighted_presence_and_valency_stats if self.weighted else nested
        return [(float(count.num_missing), level) for count, level in zip(counted, nested, strict=True)]

    @cached_property
    def counts(self) -> dict[str, float]:
        """Label -> count of the rank histogram; empty where there is none."""
        if self.string is None:
            return {}
        source = self.string.weighted_string_stats if self.weighted else self.string
        return {bucket.label: float(bucket.sample_count) for bucket in source.rank_histogram.buckets}

    @property
    def has_rank_histogram(self) -> bool:
        """Whether values were counted one by one."""
        if self.string is None:
            return False
        source = self.string.weighted_string_stats if self.weighted else self.string
        return bool(source.HasField("rank_histogram"))

    def histogram(self, kind: str) -> Any | None:
        """The STANDARD or QUANTILES histogram of numbers."""
        if self.numeric is None:
            return None
        source = self.numeric.weighted_numeric_stats if self.weighted else self.numeric
        found = (h for h in source.histograms if h.HistogramType.Name(h.type) == kind)
        return next(found, None)

    @property
    def num_nan(self) -> int:
        """How many numbers are NaN."""
        return max((int(h.num_nan) for h in self.numeric.histograms), default=0) if self.numeric is not None else 0

    def custom(self, name: str) -> list[Any]:
        """The custom statistics of this name."""
        return [stat for stat in self.proto.custom_stats if stat.name == name]


@dataclass(frozen=True)
class DatasetView:
    """One dataset's statistics.

    Attributes:
        proto: its `DatasetFeatureStatistics`.
        weighted: whether weighted figures count: a weighted number of examples, and weights at every feature.
    """

    proto: Any
    weighted: bool = field(init=False)

    def __post_init__(self) -> None:
        found = [_stats_of(f) for f in self.proto.features]
        weighted = self.proto.weighted_num_examples != 0 and all(
            stats is None or _has_weights(stats) for stats in found
        )
        object.__setattr__(self, "weighted", bool(weighted))

    @property
    def num_examples(self) -> float:
        """Rows, by weight where weights count."""
        return float(self.proto.weighted_num_examples if self.weighted else self.proto.num_examples)

    def __iter__(self) -> Iterator[FeatureView]:
        return iter(self.features.values())

    @cached_property
    def features(self) -> dict[FeaturePath, FeatureView]:
        """All features that carry statistics of their own: columns in order, fields of a struct by name."""
        found = [f for f in self.proto.features if f.WhichOneof("stats") is not None]
        structs = [self._path(f, ()) for f in found if f.WhichOneof("stats") == "struct_stats"]
        views = [FeatureView(f, self._path(f, structs), self.weighted) for f in found]
        roots = {path: i for i, path in enumerate(dict.fromkeys(FeaturePath(v.path.steps[:1]) for v in views))}
        views.sort(key=lambda v: (roots[FeaturePath(v.path.steps[:1])], v.path.steps))
        return {view.path: view for view in views}

    @cached_property
    def extras(self) -> dict[FeaturePath, FeatureView]:
        """Entries with custom statistics alone: sparse and weighted features."""
        found = (f for f in self.proto.features if f.WhichOneof("stats") is None)
        return {(path := self._path(f, ())): FeatureView(f, path, self.weighted) for f in found}

    @staticmethod
    def _path(proto: Any, structs: Iterable[FeaturePath]) -> FeaturePath:
        """The path; an old `name` with dots belongs to the struct whose name it begins with."""
        if proto.WhichOneof("field_id") == "path":
            return FeaturePath.from_proto(proto.path)
        around = [s for s in structs if proto.name.startswith(f"{s}.")]
        if not around:
            return FeaturePath((proto.name,))
        parent = max(around, key=lambda s: len(str(s)))
        return parent.child(proto.name[len(str(parent)) + 1 :])


def dataset_view(statistics: statistics_pb2.DatasetFeatureStatisticsList, what: str = "statistics") -> DatasetView:
    """The only dataset of a list, or the one of all examples.

    Raises:
        SchemaError: if it is another thing, or holds several slices and none of all examples.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if not isinstance(statistics, statistics_pb2.DatasetFeatureStatisticsList):
        raise SchemaError(f"{what} must be a DatasetFeatureStatisticsList, got {type(statistics).__name__}")
    if len(statistics.datasets) == 1:
        return DatasetView(statistics.datasets[0])
    names = [dataset.name for dataset in statistics.datasets]
    if names.count(DEFAULT_SLICE) == 1:
        return DatasetView(statistics.datasets[names.index(DEFAULT_SLICE)])
    raise SchemaError(
        f"{what} hold {len(names)} datasets, one is needed",
        hint=f"give one of {names}, or the slice {DEFAULT_SLICE!r}." if names else "generate statistics first.",
    )


def _stats_of(feature: Any) -> Any | None:
    which = feature.WhichOneof("stats")
    return None if which is None else getattr(feature, which)


def _has_weights(stats: Any) -> bool:
    common = stats.common_stats
    levels = len(common.presence_and_valency_stats), len(common.weighted_presence_and_valency_stats)
    return bool(common.HasField("weighted_common_stats") and levels[0] == levels[1])
