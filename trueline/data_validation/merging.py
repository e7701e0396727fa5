"""Joining what several accumulators found about the same data: by feature path, as protos merge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, EngineError
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["custom_part", "merge_parts", "path_of"]


def path_of(feature: statistics_pb2.FeatureNameStatistics) -> tuple[str, ...]:
    """The steps of a feature's path, or its name."""
    return tuple(feature.path.step) or (feature.name,)


def merge_parts(parts: Iterable[statistics_pb2.DatasetFeatureStatistics]) -> statistics_pb2.DatasetFeatureStatistics:
    """One dataset of all parts: features in the order of their first mention, everything else merged as protos are.

    Fields that two parts set: the later wins; repeated ones are joined; a feature's type is its first part's.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    merged = statistics_pb2.DatasetFeatureStatistics()
    places: dict[tuple[str, ...], int] = {}
    for part in parts:
        rest = statistics_pb2.DatasetFeatureStatistics()
        rest.CopyFrom(part)
        rest.ClearField("features")
        merged.MergeFrom(rest)
        for feature in part.features:
            path = path_of(feature)
            if path not in places:
                places[path] = len(merged.features)
                merged.features.add().CopyFrom(feature)
                continue
            known = merged.features[places[path]]
            added = statistics_pb2.FeatureNameStatistics()
            added.CopyFrom(feature)
            for name in ("path", "name", "type"):
                added.ClearField(name)
            known.MergeFrom(added)
    return merged


def custom_part(found: Any, name: str) -> statistics_pb2.DatasetFeatureStatistics:
    """What a user's accumulator found, as a part: a proto as it is, or a dict of features and their statistics.

    Args:
        found: a ``DatasetFeatureStatistics``, or feature (a column's name, or a tuple of steps) -> statistic's name ->
            number, text, `Histogram`, `RankHistogram` or another message.
        name: the accumulator, for messages.

    Raises:
        EngineError: for anything else.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if isinstance(found, statistics_pb2.DatasetFeatureStatistics):
        return found
    if not isinstance(found, Mapping):
        raise _wrong(name, f"a {type(found).__name__}")
    part = statistics_pb2.DatasetFeatureStatistics()
    for path, statistics in found.items():
        if not isinstance(path, str | tuple | FeaturePath) or not isinstance(statistics, Mapping):
            raise _wrong(name, f"{path!r}: {statistics!r:.100}")
        feature = part.features.add()
        feature.path.step.extend(FeaturePath.of(path).steps)
        for statistic, value in statistics.items():
            _fill(feature.custom_stats.add(name=str(statistic)), value, f"{name}, statistic {statistic!r} of {path!r}")
    return part


def _fill(custom: Any, value: Any, place: str) -> None:
    from google.protobuf.message import Message
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if isinstance(value, statistics_pb2.Histogram):
        custom.histogram.CopyFrom(value)
    elif isinstance(value, statistics_pb2.RankHistogram):
        custom.rank_histogram.CopyFrom(value)
    elif isinstance(value, Message):
        custom.any.Pack(value)
    elif isinstance(value, str):
        custom.str = value
    elif _is_number(value):
        custom.num = float(value)
    else:
        raise EngineError(
            f"it is {value!r:.100}", where=place, hint="give a number, a text, a histogram or another message."
        )


def _is_number(value: Any) -> bool:
    """Whether it is one number, of Python or numpy."""
    return isinstance(value, int | float) or (hasattr(value, "__float__") and getattr(value, "ndim", 1) == 0)


def _wrong(name: str, what: str) -> ConfigError:
    return ConfigError(
        f"the accumulator {name} gives {what}",
        hint="its finish() must give a DatasetFeatureStatistics, or {feature: {statistic: number}}.",
    )
