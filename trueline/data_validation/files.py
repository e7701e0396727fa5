"""Statistics and anomalies on disk, as binary protobuf (``FeatureStats.pb``, ``SchemaDiff.pb``) or as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.schema import read_message, write_message

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

__all__ = [
    "load_anomalies_binary",
    "load_anomalies_text",
    "load_statistics",
    "load_statistics_text",
    "write_anomalies_binary",
    "write_anomalies_text",
    "write_statistics",
    "write_statistics_text",
]


def load_statistics(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics from a binary file.

    Raises:
        SchemaError: naming the file, if it does not parse.
        ArtifactError: naming the file, if it is not there.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return read_message(uri, statistics_pb2.DatasetFeatureStatisticsList())


def write_statistics(statistics: statistics_pb2.DatasetFeatureStatisticsList, uri: str) -> None:
    """Writes statistics as a binary file; equal statistics give equal bytes."""
    write_message(statistics, uri)


def load_statistics_text(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics from a text file; raises as `load_statistics` does, naming line and column."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return read_message(uri, statistics_pb2.DatasetFeatureStatisticsList(), binary=False)


def write_statistics_text(statistics: statistics_pb2.DatasetFeatureStatisticsList, uri: str) -> None:
    """Writes statistics as protobuf text."""
    write_message(statistics, uri, binary=False)


def load_anomalies_binary(uri: str) -> anomalies_pb2.Anomalies:
    """Anomalies from a binary file; raises as `load_statistics` does."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    return read_message(uri, anomalies_pb2.Anomalies())


def write_anomalies_binary(anomalies: anomalies_pb2.Anomalies, uri: str) -> None:
    """Writes anomalies as a binary file; equal anomalies give equal bytes."""
    write_message(anomalies, uri)


def load_anomalies_text(uri: str) -> anomalies_pb2.Anomalies:
    """Anomalies from a text file; raises as `load_statistics` does, naming line and column."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    return read_message(uri, anomalies_pb2.Anomalies(), binary=False)


def write_anomalies_text(anomalies: anomalies_pb2.Anomalies, uri: str) -> None:
    """Writes anomalies as protobuf text."""
    write_message(anomalies, uri, binary=False)
