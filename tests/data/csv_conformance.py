"""Running upstream's golden CSV cases: lines and options in, columns out, compared in the types of this contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import TruelineError
from trueline.data.csv_ingest import fixed_types
from trueline.data.csv_source import CsvSource
from trueline.data.source import SchemaGrew
from trueline.data.widening import final_schema, join_schemas

TYPES = {"int64": "int64", "float32": "double", "large_binary": "string"}


def cases(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of CSV decoding, one a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            if case["op"] == "decode_csv":
                yield case


def decoded(lines: list[str], options: dict[str, Any], path: Path) -> pa.Table:
    """The rows of the lines in a file at this path, as this room reads them."""
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    known = {k: options[k] for k in options if k not in ("schema", "skip_blank_lines")}
    if not options.get("skip_blank_lines", True):
        raise TruelineError("blank lines are always skipped")
    if "schema" in options:
        schema = text_format.Parse(options["schema"]["pbtxt"], schema_pb2.Schema())
        known["schema_types"] = fixed_types(schema)
    source = CsvSource(str(path), **known)
    schema = source.schema()
    while True:
        try:
            batches = [found.batch for found in source.read(0, schema)]
            break
        except SchemaGrew as grown:
            schema = join_schemas(schema, grown.schema)
    final = final_schema(schema)
    columns = [[batch.column(i) for batch in batches] for i in range(len(final))]
    return pa.table([pa.chunked_array([c.cast(f.type) for c in found], f.type)
                     for found, f in zip(columns, final, strict=True)], schema=final)  # fmt: skip


def passes(case: dict[str, Any], path: Path) -> bool:
    """Whether every column has the expected values; a value alone in its cell is no list here."""
    options = case["options"]
    try:
        got = decoded(case["lines"], options, path)
    except TruelineError:
        return False
    lists = set(options.get("multivalent_columns", ()))
    expected = [column for batch in case["expected"]["batches"] for column in batch["columns"]]
    return sorted(c["name"] for c in expected) == sorted(got.schema.names) and all(
        _same(got[c["name"]], c, c["name"] in lists) for c in expected
    )


def _same(column: pa.ChunkedArray, expected: dict[str, Any], is_list: bool) -> bool:
    values = column.to_pylist()
    if expected["type"] == "null":
        return values == expected["values"]
    leaf = TYPES[expected["type"].removeprefix("large_list<").removesuffix(">")]
    kind = column.type.value_type if is_list else column.type
    if not is_list:
        values = [None if v is None else [v] for v in values]
    if leaf == "double":
        values = [v if v is None else [float(np.float32(x)) for x in v] for v in values]
    return str(kind) == leaf and values == expected["values"]
