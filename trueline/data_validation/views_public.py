"""Views of statistics for users: find a slice, a feature or a custom statistic without walking protos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError
from trueline.data_validation import views
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["CrossFeatureView", "DatasetListView", "DatasetView", "FeatureView"]

PathLike = FeaturePath | str | Sequence[str]


@dataclass(frozen=True)
class FeatureView:
    """One feature's statistics; what it does not have is None."""

    message: statistics_pb2.FeatureNameStatistics
    path: FeaturePath

    def proto(self) -> statistics_pb2.FeatureNameStatistics:
        """The statistics as they are."""
        return self.message

    def feature_path(self) -> FeaturePath:
        """Where the feature is."""
        return self.path

    @property
    def type(self) -> str:
        """INT, FLOAT, STRING, BYTES or STRUCT."""
        return str(self.message.Type.Name(self.message.type))

    def common_statistics(self) -> statistics_pb2.CommonStatistics | None:
        """Presence and numbers of values, of whatever kind the statistics are."""
        which = self.message.WhichOneof("stats")
        return None if which is None else getattr(self.message, which).common_stats

    def numeric_statistics(self) -> statistics_pb2.NumericStatistics | None:
        """Of numbers."""
        return self._stats("num_stats")

    def string_statistics(self) -> statistics_pb2.StringStatistics | None:
        """Of text, and of categorical numbers."""
        return self._stats("string_stats")

    def bytes_statistics(self) -> statistics_pb2.BytesStatistics | None:
        """Of bytes."""
        return self._stats("bytes_stats")

    def struct_statistics(self) -> statistics_pb2.StructStatistics | None:
        """Of structs."""
        return self._stats("struct_stats")

    def _stats(self, which: str) -> Any:
        return getattr(self.message, which) if self.message.WhichOneof("stats") == which else None

    def num_present(self) -> int:
        """Rows that hold it, not weighted."""
        common = self.common_statistics()
        return 0 if common is None else int(common.num_non_missing)

    def num_missing(self) -> int:
        """Rows that lack it, not weighted."""
        common = self.common_statistics()
        return 0 if common is None else int(common.num_missing)

    def custom_statistic(self, name: str) -> statistics_pb2.CustomStatistic | None:
        """A custom statistic by name, or None.

        Raises:
            SchemaError: if there are several of the name.
        """
        found = [stat for stat in self.message.custom_stats if stat.name == name]
        if len(found) > 1:
            raise SchemaError(f"feature {str(self.path)!r} has {len(found)} custom statistics {name!r}")
        return found[0] if found else None


@dataclass(frozen=True)
class CrossFeatureView:
    """The statistics of two features together."""

    message: statistics_pb2.CrossFeatureStatistics

    def proto(self) -> statistics_pb2.CrossFeatureStatistics:
        """The statistics as they are."""
        return self.message


@dataclass(frozen=True)
class DatasetView:
    """One dataset's, or one slice's, statistics."""

    message: statistics_pb2.DatasetFeatureStatistics

    def proto(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The statistics as they are."""
        return self.message

    @property
    def name(self) -> str:
        """The slice's name; empty where there are no slices."""
        return str(self.message.name)

    @property
    def num_examples(self) -> int:
        """Rows, not weighted."""
        return int(self.message.num_examples)

    @cached_property
    def _features(self) -> dict[FeaturePath, list[Any]]:
        found: dict[FeaturePath, list[Any]] = {}
        inner = views.DatasetView(self.message)
        for view in (*inner.features.values(), *inner.extras.values()):
            found.setdefault(view.path, []).append(view.proto)
        if sum(map(len, found.values())) < len(self.message.features):  # some share a path
            found = {}
            for proto in self.message.features:
                steps = tuple(proto.path.step) if proto.WhichOneof("field_id") == "path" else (proto.name,)
                found.setdefault(FeaturePath(steps), []).append(proto)
        return found

    def list_features(self) -> Iterator[FeaturePath]:
        """The paths of all features, fields of structs among them."""
        return iter(self._features)

    def get_feature(self, path: PathLike) -> FeatureView | None:
        """A feature by its column's name or its path, or None.

        Raises:
            SchemaError: if there are several of the path.
        """
        wanted = FeaturePath.of(path)
        found = self._features.get(wanted, [])
        if len(found) > 1:
            raise SchemaError(f"the statistics have {len(found)} features {str(wanted)!r}")
        return FeatureView(found[0], wanted) if found else None

    def get_derived_feature(self, deriver_name: str, source_paths: Sequence[PathLike]) -> FeatureView | None:
        """The feature that a deriver made of some features, or None.

        Raises:
            SchemaError: if there are several.
        """
        sources = [FeaturePath.of(path) for path in source_paths]
        found = [
            FeatureView(proto, path)
            for path, protos in self._features.items()
            for proto in protos
            if proto.validation_derived_source.deriver_name == deriver_name
            and [FeaturePath.from_proto(p) for p in proto.validation_derived_source.source_path] == sources
        ]
        if len(found) > 1:
            raise SchemaError(f"the statistics have {len(found)} features derived so", hint=f"deriver {deriver_name!r}")
        return found[0] if found else None

    def list_cross_features(self) -> Iterator[tuple[FeaturePath, FeaturePath]]:
        """The pairs of features that have statistics together."""
        for cross in self.message.cross_features:
            yield FeaturePath.from_proto(cross.path_x), FeaturePath.from_proto(cross.path_y)

    def get_cross_feature(self, x_path: PathLike, y_path: PathLike) -> CrossFeatureView | None:
        """The statistics of a pair of features, in this order, or None.

        Raises:
            SchemaError: if there are several.
        """
        wanted = FeaturePath.of(x_path), FeaturePath.of(y_path)
        found = [
            cross
            for cross in self.message.cross_features
            if (FeaturePath.from_proto(cross.path_x), FeaturePath.from_proto(cross.path_y)) == wanted
        ]
        if len(found) > 1:
            raise SchemaError(f"the statistics have the pair {str(wanted[0])!r}, {str(wanted[1])!r} twice")
        return CrossFeatureView(found[0]) if found else None


@dataclass(frozen=True)
class DatasetListView:
    """All datasets, or slices, of one list of statistics."""

    message: statistics_pb2.DatasetFeatureStatisticsList

    def __post_init__(self) -> None:
        from tensorflow_metadata.proto.v0 import statistics_pb2

        if not isinstance(self.message, statistics_pb2.DatasetFeatureStatisticsList):
            given: Any = type(self.message).__name__
            raise SchemaError(f"a DatasetFeatureStatisticsList is needed, got {given}")

    def proto(self) -> statistics_pb2.DatasetFeatureStatisticsList:
        """The statistics as they are."""
        return self.message

    def list_slices(self) -> Iterator[str]:
        """The names of the slices."""
        return (dataset.name for dataset in self.message.datasets)

    def get_slice(self, slice_key: str) -> DatasetView | None:
        """A slice by name, or None.

        Raises:
            SchemaError: if there are several of the name.
        """
        found = [dataset for dataset in self.message.datasets if dataset.name == slice_key]
        if len(found) > 1:
            raise SchemaError(f"the statistics have {len(found)} slices {slice_key!r}")
        return DatasetView(found[0]) if found else None

    def get_default_slice(self) -> DatasetView | None:
        """The only dataset, or the slice of all examples; None where there is neither."""
        if len(self.message.datasets) == 1:
            return DatasetView(self.message.datasets[0])
        return self.get_slice(views.DEFAULT_SLICE)

    def get_default_slice_or_die(self) -> DatasetView:
        """The default slice.

        Raises:
            SchemaError: naming the slices, where there is none.
        """
        found = self.get_default_slice()
        if found is None:
            names = list(self.list_slices())
            raise SchemaError("the statistics have no default slice", hint=f"there are: {names}.")
        return found
