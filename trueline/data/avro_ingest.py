"""Avro files become Examples: `ingest` with an `AvroSource`."""

from __future__ import annotations

from typing import Any

from trueline.data.ingestion import ingest
from trueline.data.params import known_options
from trueline.data.report import IngestReport
from trueline.data.source import SourceSpec

__all__ = ["AVRO_SOURCE", "avro_spec", "ingest_avro"]

AVRO_SOURCE = "trueline.data.avro_source:AvroSource"


def avro_spec(input_base: str, *, pattern: str = "*") -> SourceSpec:
    """The source of `ingest_avro`, as data, for `ingest` with a source for each split."""
    from trueline.data.inputs import list_inputs

    files = list_inputs(input_base, pattern)
    return SourceSpec(AVRO_SOURCE, {"input_base": input_base, "pattern": pattern, "files": files})


@known_options(ingest)
def ingest_avro(input_base: str, uri: str, *, pattern: str = "*", **options: Any) -> IngestReport:
    """Writes the records of Avro files as Examples; `AvroSource` says which types. Needs ``trueline[avro]``.

    Args:
        input_base: an Avro file, or a folder of them; codecs null, deflate, bzip2, xz, snappy, zstandard.
        uri: the folder of the Examples.
        pattern: which files of the folder, as in a shell.
        options: further options of `ingest`: ``splits``, ``where``, ``sample``, ``shuffle``, ``max_rejects`` and so on.

    Raises:
        DataError: no file, a damaged file, more rejects than allowed: with file, block and record.
        SchemaError: columns outside the value contract.
        ConfigError: an option that is wrong, or fastavro is not installed.
    """
    return ingest(avro_spec(input_base, pattern=pattern), uri, **options)
