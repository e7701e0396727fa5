"""Sources of the tests of the ingestion: rows of JSON, with types that grow, rejects, faults and deaths."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from trueline.data.source import Reject, SchemaGrew, SourceBatch, SourceSpec
from trueline.engine.base import resolve

TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_(), bytes: pa.binary()}


class RowsSource:
    """Parts of rows given as values; the type of a column starts as null and grows as its values come.

    ``{"reject": "why"}`` in place of a row is a reject, ``{"raise": ...}`` an exception, ``{"die": mark}`` ends the
    process unless the file ``mark`` is there already.
    """

    def __init__(self, parts: dict[str, list[Any]], names: Sequence[str], batch: int = 3) -> None:
        self._parts, self._names, self._batch = parts, list(names), batch

    def parts(self) -> Sequence[str]:
        return list(self._parts)

    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(n, pa.null()) for n in self._names])

    def fingerprint(self) -> str | None:
        return None

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        rows = list(self._parts.values())[part]
        for start in range(0, len(rows), self._batch):
            good, records, bad = [], [], []
            for record, row in enumerate(rows[start : start + self._batch], start):
                if isinstance(row, dict) and "reject" in row:
                    bad.append(Reject(record, None, row["reject"], "text", record + 1))
                    continue
                if isinstance(row, dict):
                    act(row)
                    continue
                good.append(row)
                records.append(record)
            yield SourceBatch(typed(good, schema), records, bad)


class OpenSource:
    """Holds something open while it is read, and numbers its records wrongly."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def parts(self) -> Sequence[str]:
        return ["a"]

    def schema(self) -> pa.Schema:
        return pa.schema([("x", pa.int64())])

    def fingerprint(self) -> str | None:
        return None

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        try:
            for records in ([0, 1], [1, 2]):
                yield SourceBatch(pa.record_batch({"x": [1, 2]}), records)
        finally:
            Path(self._mark).touch()


def act(row: dict[str, Any]) -> None:
    if "raise" in row:
        raise RuntimeError(row["raise"])
    if "die" in row and not Path(row["die"]).exists():
        Path(row["die"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def typed(rows: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """The rows in the schema's types.

    Raises:
        SchemaGrew: when a value is of another type.
    """
    grown, columns = schema, []
    for number, field in enumerate(schema):
        values = [row[number] for row in rows]
        for value in values:
            kind = pa.null() if value is None else TYPES[type(value)]
            fits = kind in (pa.null(), field.type) or field.type == pa.string()
            if not fits and (field.type, kind) != (pa.float64(), pa.int64()):
                grown = grown.set(number, pa.field(field.name, kind))
        if pa.types.is_string(field.type):
            values = [v if v is None or isinstance(v, str) else str(v) for v in values]
        if grown is schema:
            columns.append(pa.array(values, field.type))
    if grown is not schema:
        raise SchemaGrew(grown)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def rows_spec(parts: dict[str, list[Any]], names: Sequence[str], batch: int = 3) -> SourceSpec:
    """The source as data."""
    return SourceSpec("spine_sources:RowsSource", {"parts": parts, "names": list(names), "batch": batch})


def killed_second(block: Any, *, real: str, mark: str, **params: Any) -> Any:
    """Does a second pass's job on block 0 and dies before it can answer, the first time."""
    result = resolve(real)(block, **params)
    if block.number == 0 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return result
