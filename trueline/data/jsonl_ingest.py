"""JSON Lines files become Examples: `ingest` with a `JsonlSource`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline.data.csv_ingest import fixed_types
from trueline.data.ingestion import ingest
from trueline.data.inputs import list_inputs
from trueline.data.jsonl_source import JsonlSource
from trueline.data.params import known_options
from trueline.data.report import IngestReport
from trueline.data.source import SourceSpec
from trueline.data.splits import DEFAULT_SPLITS
from trueline.data.splits_rules import SplitSpec
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Engine

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["JSONL_SOURCE", "ingest_jsonl", "scalar_types"]

JSONL_SOURCE = "trueline.data.jsonl_source:JsonlSource"


@known_options(ingest)
def ingest_jsonl(
    input_base: str,
    uri: str,
    *,
    splits: SplitSpec = DEFAULT_SPLITS,
    max_rejects: int = 0,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    schema: schema_pb2.Schema | None = None,
    pattern: str = "*",
    encoding: str = "utf8",
    read_bytes: int = 2 << 20,
    column_types: Mapping[str, str] | None = None,
    **options: Any,
) -> IngestReport:
    """Writes the rows of JSON Lines files as Examples: one object a line, a column a key, sorted by name.

    A missing key is null; ``0``, ``0.0``, ``""`` and ``false`` are values. Objects become structs, arrays lists.
    Values of several types in one column make it text: strings as they are, others as their JSON text. Whole numbers
    beyond int64 are text, too. Times stay text unless a type is fixed.

    Args:
        input_base: a JSON Lines file, or a folder of them (``.gz``, ``.bz2`` and ``.zst`` are unpacked).
        uri: the folder of the Examples.
        splits: names and shares, or a rule; two thirds train and one third eval by default.
        max_rejects: how many lines may go to ``rejects/``; with one more the ingestion stops and names the first.
        block_rows: rows of a block.
        engine: runs the files; threads of this machine by default.
        schema: fixes the types of its features: BYTES utf8, INT int64, FLOAT float64; others are guessed.
        pattern: which files of the folder, as in a shell.
        encoding: a name that Python's codecs know.
        read_bytes: how much is parsed at a time; the result does not depend on it.
        column_types: fixed types by column, before those of `schema`; see `JsonlSource`.
        options: further options of `ingest`: ``where``, ``sample``, ``shuffle``, ``split_by`` and so on.

    Raises:
        DataError: no file, undecodable bytes, more rejects than allowed: with file and line.
        ConfigError: an option that is wrong.
    """
    params: dict[str, Any] = {
        "input_base": input_base,
        "pattern": pattern,
        "encoding": encoding,
        "read_bytes": read_bytes,
        "column_types": dict(column_types or {}),
        "schema_types": scalar_types(schema),
    }
    JsonlSource(**params)  # wrong options are told before the input is looked for
    params["files"] = list_inputs(input_base, pattern)
    spec = SourceSpec(JSONL_SOURCE, params)
    return ingest(spec, uri, splits=splits, max_rejects=max_rejects, block_rows=block_rows, engine=engine, **options)


def scalar_types(schema: schema_pb2.Schema | None) -> dict[str, str]:
    """The types that a schema fixes, without those of features that may be lists: these are guessed."""
    found = fixed_types(schema)
    for feature in schema.feature if schema is not None else ():
        one_value = all(d.size == 1 for d in feature.shape.dim) and feature.value_count.max <= 1
        if not one_value or (feature.HasField("value_count") and feature.value_count.max < 1):
            found.pop(feature.name, None)
    return found
