"""Statistics and anomalies on disk, under TensorFlow Data Validation's names and in its formats.

Statistics: binary protobuf (``FeatureStats.pb``), text (``.pbtxt``), or TFRecord files that hold one serialized
`DatasetFeatureStatisticsList`. Anomalies (``SchemaDiff.pb``): binary or text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core import store
from trueline._core.errors import ArtifactError, DataError, SchemaError
from trueline.data_validation.attach import new_statistics
from trueline.schema import read_message, write_message

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

__all__ = [
    "load_anomalies_binary",
    "load_anomalies_text",
    "load_sharded_statistics",
    "load_statistics",
    "load_statistics_text",
    "load_stats_binary",
    "load_stats_text",
    "write_anomalies_binary",
    "write_anomalies_text",
    "write_statistics",
    "write_statistics_text",
    "write_stats_text",
]

_NAME = "FeatureStats.pb"
_TEXT_ENDINGS = (".pbtxt", ".textproto", ".txt")
_TEXT_STARTS = (b"datasets", b"#")
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\v")
_RECORD_ENDINGS = (".tfrecord", ".tfrecord.gz", ".tfrecords")


def load_statistics(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics from a file: binary, text, or a TFRecord file with one record; its content says which.

    Raises:
        SchemaError: naming the file, if it does not parse, or is a TFRecord file of more or fewer records.
        ArtifactError: naming the file, if it is not there.
    """
    if not store.exists(uri):
        raise ArtifactError("there is no DatasetFeatureStatisticsList here", where=uri)
    data = store.read_bytes(uri)
    if _is_records(data):  # first: a record's length may begin as text does
        return _one_record(uri)
    if _is_text(data):
        return load_statistics_text(uri)
    return load_stats_binary(uri)


def _is_text(data: bytes) -> bool:
    """Whether it begins as text does; a message that begins so too has control characters further on."""
    start = data[:4096]
    return start.lstrip().startswith(_TEXT_STARTS) and not _CONTROL & set(start)


def _is_records(data: bytes) -> bool:
    """Whether it begins as a TFRecord file does, packed or not; a message never begins as gzip does."""
    from trueline.data.tfrecord_stream import detect_compression

    if detect_compression(data[:16]) == "gzip":
        return True
    return len(data) >= 16 and _has_record_header(data)


def _has_record_header(data: bytes) -> bool:
    from trueline.data.tfrecord_crc import crc32c, masked_one

    return bool(masked_one(crc32c(data[:8])) == int.from_bytes(data[8:12], "little"))


def _one_record(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data.tfrecord import read_tfrecord

    try:
        records = list(read_tfrecord(uri))
    except DataError as error:
        raise SchemaError(error.message, where=error.where, hint=error.hint) from error
    if len(records) != 1:
        raise SchemaError(
            f"the file holds {len(records)} records, statistics are one",
            where=uri,
            hint="shards of one result are read by load_sharded_statistics.",
        )
    try:
        return statistics_pb2.DatasetFeatureStatisticsList.FromString(records[0])
    except DecodeError as error:
        raise SchemaError(f"its record is no DatasetFeatureStatisticsList: {error}", where=uri) from error


def load_stats_binary(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics from a binary file; raises as `load_statistics`."""

    return read_message(uri, new_statistics())


def write_statistics(statistics: statistics_pb2.DatasetFeatureStatisticsList, uri: str) -> None:
    """Writes statistics: as text to ``.pbtxt``, as a TFRecord file to ``.tfrecord`` (``.gz``: packed), else binary.

    Equal statistics give equal bytes. `load_statistics` reads all of them.

    Raises:
        SchemaError: for what is no statistics.
        ArtifactError: when `uri` is a folder.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if not isinstance(statistics, statistics_pb2.DatasetFeatureStatisticsList):
        raise SchemaError(f"statistics must be a DatasetFeatureStatisticsList, got {type(statistics).__name__}")
    if store.is_local(uri) and store.local_path(uri).is_dir():
        raise ArtifactError("this is a folder", where=uri, hint=f"name a file, such as {store.join(uri, _NAME)}.")
    if uri.endswith(_TEXT_ENDINGS):
        write_statistics_text(statistics, uri)
    elif uri.endswith(_RECORD_ENDINGS):
        from trueline.data.tfrecord_write import write_tfrecord

        packed = "gzip" if uri.endswith(".gz") else None
        write_tfrecord(uri, [statistics.SerializeToString(deterministic=True)], packed)
    else:
        write_message(statistics, uri)


def load_statistics_text(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics from a text file; raises as `load_statistics` does, naming line and column."""

    return read_message(uri, new_statistics(), binary=False)


def write_statistics_text(statistics: statistics_pb2.DatasetFeatureStatisticsList, uri: str) -> None:
    """Writes statistics as protobuf text."""
    write_message(statistics, uri, binary=False)


def load_stats_text(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """`load_statistics_text`, by upstream's name."""
    return load_statistics_text(uri)


def write_stats_text(statistics: statistics_pb2.DatasetFeatureStatisticsList, uri: str) -> None:
    """`write_statistics_text`, by upstream's name."""
    write_statistics_text(statistics, uri)


def load_sharded_statistics(uri: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics whose datasets and features lie in several files, joined by slice and feature.

    Args:
        uri: a prefix (files ``<prefix>-00000-of-00005`` and so on, all of them), a folder of such files, or a pattern
            such as ``/stats/*-of-*``.

    Raises:
        SchemaError: naming a file that does not parse, and shards that are missing.
        ArtifactError: when there is no such file.
    """
    from trueline.data_validation.shards import find_shards, join_statistics

    return join_statistics(load_statistics(shard) for shard in find_shards(uri))


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
