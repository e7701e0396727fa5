"""The rows that break a schema, as JSON lines: where each comes from, what is wrong with it, and the row itself."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any

from trueline.cli.data_files import DataFile

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data import Source
    from trueline.engine import Dataset

__all__ = ["write_rows"]

Block = tuple["pa.RecordBatch", list[dict[str, Any]]]
"""Rows with ``__row__``, and the lines of rows that cannot be read."""


_OF_COLUMNS = frozenset(
    {
        "DERIVED_FEATURE_BAD_LIFECYCLE",
        "DERIVED_FEATURE_INVALID_SOURCE",
        "DOMAIN_INVALID_FOR_TYPE",
        "FEATURE_MISSING_NAME",
        "FEATURE_MISSING_TYPE",
        "FEATURE_TYPE_NO_UNIQUE",
        "INVALID_SCHEMA_SPECIFICATION",
        "SCHEMA_MISSING_COLUMN",
        "SCHEMA_NEW_COLUMN",
        "SPARSE_FEATURE_NAME_COLLISION",
        "STATS_NOT_AVAILABLE",
        "UNEXPECTED_DATA_TYPE",
        "VALUE_NESTEDNESS_MISMATCH",
        "WEIGHTED_FEATURE_NAME_COLLISION",
    }
)
"""What is wrong with a column as it is typed, or with the schema: every row has it, so no row is told by it."""


def write_rows(data: DataFile, schema: Any, environment: str | None, out: str) -> int:
    """Writes one line for each row that breaks the schema, in the order of the data; whole or not at all.

    Text is read by the types of the schema, so that a cell which is no number is one bad row, not another type of the
    column. What every row has (a missing or a new column, another type) is left out.

    Args:
        data: the data.
        schema: what each row is held to, by itself.
        environment: one of the schema's environments.
        out: a file, or a URI.

    Returns:
        How many rows.
    """
    from trueline._core import store
    from trueline._core.rowid import ROW_COLUMN
    from trueline.data import SchemaGrew
    from trueline.engine import Dataset

    rows, names = data.rows_by(schema), data.source_names()
    if not isinstance(rows, Dataset) and ROW_COLUMN in rows.schema().names:
        names = []  # the rows' own numbers are those of other files
    grown: Any = None
    handle, draft = tempfile.mkstemp(prefix="trueline-rows-", suffix=".jsonl")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            while True:
                file.seek(0)
                file.truncate()
                blocks = _stored(rows) if isinstance(rows, Dataset) else _read(rows, grown)
                try:
                    count = _write(blocks, file, schema, environment, names)
                    break
                except SchemaGrew as found:  # a value did not fit the types that were guessed
                    grown = found.schema
        with open(draft, "rb") as file:
            store.write_bytes(out, file.read())
    finally:
        os.unlink(draft)
    return count


def _stored(dataset: Dataset) -> Iterator[Block]:
    for batch in dataset.batches():
        yield batch, []


def _read(source: Source, grown: pa.Schema | None) -> Iterator[Block]:
    """The rows of a source, numbered, in the types that all rows seen so far fit."""
    from trueline.data import SchemaGrew
    from trueline.data.widening import final_schema, join_schemas
    from trueline.data_validation.example_level_source import NumberedSource

    numbered = NumberedSource(source)
    raw = grown or numbered.schema()
    final = final_schema(raw)
    for part in range(len(numbered.parts())):
        try:
            with closing(numbered.read(part, raw)) as batches:  # type: ignore[type-var]
                for batch in batches:
                    rejects = [_reject(r.to_json(numbered.parts()[part])) for r in batch.rejects]
                    yield _typed(batch.batch, final), rejects
        except SchemaGrew as found:
            same = found.schema.names == raw.names
            wider = join_schemas(raw, found.schema, names=("the rows before", "a later row")) if same else found.schema
            raise SchemaGrew(wider) from None


def _typed(batch: pa.RecordBatch, final: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [c if c.type == f.type else c.cast(f.type) for c, f in zip(batch.columns, final, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=final)


def _reject(told: dict[str, Any]) -> dict[str, Any]:
    problem = {"feature": told["column"], "type": "REJECTED", "short": told["reason"]}
    return {
        "source": told["source"],
        "record": told["record"] + 1,
        "line": told["line"],
        "anomalies": [problem],
        "row": told["text"],
    }


def _write(blocks: Iterable[Block], file: IO[str], schema: Any, environment: str | None, names: list[str]) -> int:
    from trueline.data_validation import StatsOptions
    from trueline.data_validation.example_level_judge import RowJudge

    judge: RowJudge | None = None
    count = 0
    for batch, rejects in blocks:
        judge = judge or RowJudge(batch.schema, StatsOptions(schema=schema), environment)
        for line in (*rejects, *_lines(batch, judge, names)):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def _lines(batch: pa.RecordBatch, judge: Any, names: list[str]) -> Iterator[dict[str, Any]]:
    from trueline._core.rowid import ROW_COLUMN, split_row_ids
    from trueline.data_validation.arrow_numpy import from_numpy

    wrong: dict[int, list[dict[str, str]]] = {}
    for anomaly, places in judge.judge(batch).items():
        if anomaly.type in _OF_COLUMNS:
            continue
        told = {"feature": anomaly.feature, "type": anomaly.type, "short": anomaly.short}
        for place in places.tolist():
            wrong.setdefault(place, []).append(told)
    if not wrong:
        return
    import numpy as np

    places = sorted(wrong)
    for place, row in zip(places, batch.take(from_numpy(np.array(places, np.int64))).to_pylist(), strict=True):
        source, record = split_row_ids([row.pop(ROW_COLUMN)])
        yield {
            "source": names[int(source[0])] if int(source[0]) < len(names) else int(source[0]),
            "record": int(record[0]) + 1,
            "anomalies": wrong[place],
            "row": _plain(row),
        }


def _plain(value: Any) -> Any:
    """A value as JSON has it: bytes as text, times in ISO form, what is no finite number as its name."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)
