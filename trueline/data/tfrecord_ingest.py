"""TFRecord files become Examples: `ingest` with a `TfRecordSource`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline.data.ingestion import ingest
from trueline.data.params import known_options
from trueline.data.report import IngestReport
from trueline.data.source import SourceSpec

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["TFRECORD_SOURCE", "ingest_tfrecord", "tfrecord_spec"]

TFRECORD_SOURCE = "trueline.data.tfrecord_source:TfRecordSource"


def tfrecord_spec(
    input_base: str,
    *,
    pattern: str = "*",
    payload: str = "example",
    schema: schema_pb2.Schema | None = None,
) -> SourceSpec:
    """The source of `ingest_tfrecord`, as data, for `ingest` with a source for each split."""
    from trueline.data.inputs import list_inputs
    from trueline.data.tf_example_types import fixed_example_types

    params: dict[str, Any] = {"input_base": input_base, "pattern": pattern, "payload": payload}
    params["fixed"] = fixed_example_types(schema)
    params["files"] = list_inputs(input_base, pattern)
    return SourceSpec(TFRECORD_SOURCE, params)


@known_options(ingest)
def ingest_tfrecord(
    input_base: str,
    uri: str,
    *,
    pattern: str = "*",
    payload: str = "example",
    schema: schema_pb2.Schema | None = None,
    **options: Any,
) -> IngestReport:
    """Writes the records of TFRecord files (plain, gzip or zlib) as Examples; `TfRecordSource` says which types.

    Args:
        input_base: a TFRecord file, or a folder of them.
        uri: the folder of the Examples.
        pattern: which files of the folder, as in a shell.
        payload: ``example`` (tf.Example) or ``sequence_example`` (tf.SequenceExample).
        schema: fixes type and shape of its features: INT int64, FLOAT float64, BYTES utf8 (bytes for images); a plain
            value when the shape is that of one value or at most one is allowed, else a list. Features that it does not
            name, or gives no shape, are guessed.
        options: further options of `ingest`: ``splits``, ``where``, ``sample``, ``shuffle``, ``max_rejects`` and so on.

    Raises:
        DataError: no file, a damaged file, more rejects than allowed: with file, record and byte.
        ConfigError: an option that is wrong.
    """
    return ingest(tfrecord_spec(input_base, pattern=pattern, payload=payload, schema=schema), uri, **options)
