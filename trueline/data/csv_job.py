"""The work on one CSV file: guess its types, or write its rows, typed and split, as blocks of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import DataError
from trueline._core.rowid import ROW_COLUMN, row_ids
from trueline.data.cells import FIXED_TYPES, arrow_type_of_class, classify, convert, convert_fixed, join
from trueline.data.csv_text import CsvFormat, Ragged, TextBatch, physical_lines, read_header, text_batches
from trueline.data.splits import SplitRule
from trueline.data.writer import PartWriter
from trueline.engine.base import Block

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Reject", "guess_file", "ingest_file"]

_SHOWN = 10
_TEXT_SHOWN = 120


@dataclass(frozen=True)
class Reject:
    """A row that is not taken in: its record number, the column (None: the whole row), why, and its text."""

    record: int
    column: str | None
    reason: str
    text: str

    def to_json(self, source: str, line: int | None) -> dict[str, Any]:
        """A line of the rejects file."""
        return {
            "source": source,
            "line": line,
            "record": self.record,
            "column": self.column,
            "reason": self.reason,
            "text": self.text,
        }

    def sentence(self, source: str, line: int | None) -> str:
        """The reject for people."""
        column = f", column {self.column!r}" if self.column is not None else ""
        shown = self.text if len(self.text) <= _TEXT_SHOWN else self.text[:_TEXT_SHOWN] + "..."
        place = f"record {self.record + 1}" if line is None else f"line {line}"
        return f"{source} {place}{column}: {self.reason}: {shown!r}"


@dataclass
class _Columns:
    """How the text of each column becomes values; classes widen as values are met that do not fit."""

    names: Sequence[str]
    fixed: Mapping[str, str]
    classes: dict[str, str]
    misfit: bool = field(default=False)

    def reject(self, batch: TextBatch, limit: int) -> tuple[TextBatch, list[Reject], dict[str, pa.Array]]:
        """The batch without the rows that break a fixed type, those rows, and the values of the fixed columns."""
        import pyarrow as pa

        rejects = [_ragged_reject(r, len(self.names)) for r in batch.ragged]
        values: dict[str, pa.Array] = {}
        bad: set[int] = set()
        for name, column in zip(self.names, batch.columns, strict=True):
            if name not in self.fixed:
                continue
            converted, positions = convert_fixed(column, self.fixed[name], limit + 1)
            if converted is not None:
                values[name] = converted
            for position in positions:
                if position not in bad:
                    reason = f"no {self.fixed[name]}"
                    rejects.append(Reject(int(batch.records[position]), name, reason, column[position].as_py()))
            bad.update(positions)
        if not bad:
            return batch, rejects, values
        keep = np.setdiff1d(np.arange(len(batch.records)), list(bad))
        columns = [column.take(pa.array(keep)) for column in batch.columns]
        values = {}
        if len(rejects) <= limit:
            texts = dict(zip(self.names, columns, strict=True))
            values = {n: convert_fixed(texts[n], t, 1)[0] for n, t in self.fixed.items() if n in texts}
        return TextBatch(columns, batch.records[keep], []), rejects, values

    def values(self, batch: TextBatch, fixed: Mapping[str, pa.Array]) -> list[pa.Array]:
        """All columns' values; a value that does not fit widens its column's class and sets `misfit`."""
        arrays = []
        for name, text in zip(self.names, batch.columns, strict=True):
            if name in fixed:
                arrays.append(fixed[name])
                continue
            values = convert(text, self.classes[name])
            if values is None:
                before = arrow_type_of_class(self.classes[name])
                self.classes[name] = join(self.classes[name], classify(text))
                values = convert(text, self.classes[name])
                self.misfit |= arrow_type_of_class(self.classes[name]) != before
            arrays.append(values)
        return arrays

    def schema(self) -> pa.Schema:
        """The types as they are now, with ``__row__``."""
        import pyarrow as pa

        found = {n: FIXED_TYPES[self.fixed[n]] if n in self.fixed else self.classes[n] for n in self.names}
        fields = [pa.field(n, arrow_type_of_class(c)) for n, c in found.items()]
        return pa.schema([*fields, pa.field(ROW_COLUMN, pa.int64())])


def _ragged_reject(row: Ragged, expected: int) -> Reject:
    return Reject(row.record, None, f"{row.cells} cells, the header has {expected}", row.text)


def guess_file(block: Block, *, file_format: Mapping[str, Any], fixed: Mapping[str, str]) -> dict[str, Any]:
    """The header, and the classes of the columns in what is read first; ``fixed`` columns have none.

    Raises:
        DataError: as `read_header` and `text_batches`.
    """
    form = _format(file_format)
    names = read_header(block.uri, form)
    columns = _Columns(names, {n: t for n, t in fixed.items() if n in names}, {})
    classes = {n: "null" for n in names if n not in columns.fixed}
    for batch in text_batches(block.uri, names, form):
        if batch.columns:
            kept, _, _ = columns.reject(batch, len(batch.records))
            texts = dict(zip(names, kept.columns, strict=True))
            classes = {n: classify(texts[n]) for n in classes}
        break
    return {"names": names, "classes": classes}


def _format(data: Mapping[str, Any]) -> CsvFormat:
    return CsvFormat(data["delimiter"], data["encoding"], tuple(data["null_values"]), data["read_bytes"])


def ingest_file(
    block: Block,
    *,
    uri: str,
    labels: Mapping[str, str],
    names: Sequence[str],
    classes: Mapping[str, str],
    fixed: Mapping[str, str],
    file_format: Mapping[str, Any],
    splits: Sequence[tuple[str, int]],
    block_rows: int,
    max_rejects: int,
) -> dict[str, Any]:
    """Writes one file's rows. ``block.uri`` is the file, ``block.number`` its source number.

    Returns:
        ``complete``: whether every value fitted `classes` (else nothing was written); ``classes``: as all values ask
        for; ``rows``, ``rejects``, ``first`` (sentences), ``rejects_file``, ``parts``: blocks' rows by split.

    Raises:
        DataError: more than `max_rejects` rows that are none, or a file that cannot be read.
    """
    form, source_name = _format(file_format), labels[str(block.number)]
    columns = _Columns(names, {n: t for n, t in fixed.items() if n in names}, dict(classes))
    rejects: list[Reject] = []
    output = _Output(uri, block.number, SplitRule.of([(n, b) for n, b in splits]), columns.schema(), block_rows)
    rows = 0
    try:
        for batch, arrays in _values(block.uri, columns, form, rejects, max_rejects):
            rows += len(batch.records)
            if not columns.misfit:
                output.write(arrays, batch.records)
        if len(rejects) > max_rejects:
            raise _too_many(block.uri, source_name, rejects, max_rejects, form)
        if columns.misfit:
            output.abort()
            return {"complete": False, "classes": columns.classes}
        parts = output.close()
    except BaseException:
        output.abort()
        raise
    lines = physical_lines(block.uri, [r.record for r in rejects], form) if rejects else {}
    rejects.sort(key=lambda r: r.record)
    return {
        "complete": True,
        "classes": columns.classes,
        "rows": rows,
        "rejects": len(rejects),
        "first": [r.sentence(source_name, lines.get(r.record)) for r in rejects[:_SHOWN]],
        "rejects_file": _write_rejects(uri, block.number, source_name, rejects, lines),
        "parts": parts,
    }


def _values(
    place: str, columns: _Columns, form: CsvFormat, rejects: list[Reject], max_rejects: int
) -> Iterator[tuple[TextBatch, list[pa.Array]]]:
    """Batches and their values; stops when there are too many rejects."""
    for text in text_batches(place, columns.names, form):
        if not text.columns:
            rejects.extend(_ragged_reject(r, len(columns.names)) for r in text.ragged)
            return
        batch, found, fixed = columns.reject(text, max_rejects)
        rejects.extend(found)
        if len(rejects) > max_rejects:
            return
        if len(batch.records):
            yield batch, columns.values(batch, fixed)


def _too_many(place: str, source: str, rejects: list[Reject], max_rejects: int, form: CsvFormat) -> DataError:
    first = sorted(rejects, key=lambda r: r.record)[:_SHOWN]
    lines = physical_lines(place, [r.record for r in first], form)
    return DataError(
        f"more than {max_rejects} rows cannot be taken in" if max_rejects else "a row cannot be taken in",
        where=place,
        problems=[r.sentence(source, lines.get(r.record)) for r in first],
        hint="mend the rows, or allow some with max_rejects: they are then kept in rejects/ and counted.",
    )


def _write_rejects(
    uri: str, number: int, source: str, rejects: Sequence[Reject], lines: Mapping[int, int]
) -> str | None:
    if not rejects:
        return None
    name = f"rejects/part-{number:05d}.jsonl"
    text = "".join(json.dumps(r.to_json(source, lines.get(r.record)), ensure_ascii=False) + "\n" for r in rejects)
    store.write_text(store.join(uri, name), text)
    return name


class _Output:
    """The Parquet files of one source, one a split."""

    def __init__(self, uri: str, source: int, rule: SplitRule, schema: pa.Schema, block_rows: int) -> None:
        self._source, self._rule, self._schema = source, rule, schema
        self._parts = {
            name: PartWriter(uri, f"Split-{name}/part-{source:05d}.parquet", schema, block_rows) for name in rule.names
        }

    def write(self, arrays: Sequence[pa.Array], records: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        import pyarrow as pa

        first = row_ids(self._source, int(records[0]), 1)[0].as_py()
        ids = pa.array(records - records[0] + first)
        batch = pa.RecordBatch.from_arrays([*arrays, ids], schema=self._schema)
        for name, part in self._rule.parts(batch):
            self._parts[name].write(part)

    def close(self) -> dict[str, list[int]]:
        return {name: part.close() for name, part in self._parts.items()}

    def abort(self) -> None:
        for part in self._parts.values():
            part.abort()
