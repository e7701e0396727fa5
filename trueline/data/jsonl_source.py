"""JSON Lines as a source: one object a line, a column a key."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.data.cells import FIXED_TYPES
from trueline.data.csv_blocks import TextStream
from trueline.data.file_source import FileParts
from trueline.data.jsonl_fast import fast_batch
from trueline.data.jsonl_types import NULL, Shape, join_shapes, schema_of, shapes_of
from trueline.data.jsonl_values import array_of, exact_object, fixed_array, needs_digits, parse_object, shape_of
from trueline.data.source import Reject, SchemaGrew, SourceBatch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["JsonlSource"]

_GUESS_BYTES = 4 << 20
_MAX_LINE = 128 << 20
_TYPES = (*FIXED_TYPES, "json")


@dataclass(frozen=True)
class _Rows:
    """A block's lines that are objects, and those that are not; records are lines that are not blank."""

    texts: list[str]
    objects: list[dict[str, Any]]
    places: list[int]
    lines: list[int]
    rejects: list[Reject]
    records: int

    def without(self, bad: Mapping[int, Reject]) -> _Rows:
        keep = [n for n in range(len(self.texts)) if n not in bad]
        rejects = sorted([*self.rejects, *bad.values()], key=lambda r: r.record)
        texts, objects = [self.texts[n] for n in keep], [self.objects[n] for n in keep]
        places, lines = [self.places[n] for n in keep], [self.lines[n] for n in keep]
        return _Rows(texts, objects, places, lines, rejects, self.records)


class JsonlSource(FileParts):
    """Rows of JSON Lines files; a part is a file, a row an object, a column a key. Columns are sorted by name.

    A missing key is null. Types are guessed on what is read first, and grow: see `trueline.data.jsonl_types`. A line
    that is no JSON object, names a key twice, or has a value that does not go into a fixed type, is a reject.

    Args:
        input_base: a file, or a folder of them (``.gz``, ``.bz2`` and ``.zst`` are unpacked).
        pattern: which files of the folder, as in a shell.
        encoding: a name that Python's codecs know; a byte order mark is dropped.
        read_bytes: how much is parsed at a time; the result does not depend on it.
        column_types: fixed types by column: ``utf8`` (numbers as they are written), ``int64``, ``float64``, ``bool``,
            ``timestamp`` (ISO 8601 text, or microseconds), or ``json``: any value as its JSON text.
        schema_types: fixed types of columns that may be there or not, as a schema gives them.
        files: the files' names relative to `input_base`, where they are known already.

    Raises:
        ConfigError: options that are wrong, all of them at once.
    """

    def __init__(
        self,
        input_base: str,
        *,
        pattern: str = "*",
        encoding: str = "utf8",
        read_bytes: int = 2 << 20,
        column_types: Mapping[str, str] | None = None,
        schema_types: Mapping[str, str] | None = None,
        files: Sequence[str] | None = None,
    ) -> None:
        types = {**(schema_types or {}), **(column_types or {})}
        super().__init__(input_base, pattern, files, json.dumps([encoding, types], sort_keys=True))
        self._encoding, self._read_bytes = encoding, read_bytes
        self._asked = tuple(column_types or {})
        self._quick = not {"json", "timestamp"} & set(types.values())
        self._fixed = {name: Shape("fixed", fixed=kind) for name, kind in types.items()}
        problems = [
            f"column_types[{name!r}] is {kind!r}. {did_you_mean(str(kind), _TYPES)}"
            for name, kind in types.items()
            if kind not in _TYPES
        ]
        if not 1 <= read_bytes <= _MAX_LINE:
            problems.append(f"read_bytes is {read_bytes}, give 1 to {_MAX_LINE}")
        if problems:
            raise ConfigError("the JSON Lines options are wrong", problems=problems)

    def schema(self) -> pa.Schema:
        """The columns, with the types of what is read first of every file.

        Raises:
            DataError: no file, or undecodable bytes.
        """
        shapes: dict[str, Shape] = {n: self._fixed[n] for n in self._asked}
        for part in range(len(self.files())):
            size = 0
            with closing(self._blocks(part)) as blocks:
                for data, line in blocks:
                    shapes = self._joined(shapes, _parsed(data, line))
                    size += len(data)
                    if shapes and size >= min(_GUESS_BYTES, 4 * self._read_bytes):
                        break
        return schema_of(shapes)

    def _joined(self, shapes: Mapping[str, Shape], rows: _Rows) -> dict[str, Shape]:
        """The shapes with what the rows ask for; a row that breaks a fixed type does not count."""
        rows, _ = self._take_fixed(rows, [])
        found = dict(shapes)
        for name in {n for one in rows.objects for n in one}:
            if name in self._fixed:
                found[name] = self._fixed[name]
            else:
                asked = shape_of([one[name] for one in rows.objects if name in one])
                found[name] = join_shapes(found.get(name, NULL), asked)
        return found

    def _take_fixed(self, rows: _Rows, names: Sequence[str]) -> tuple[_Rows, dict[str, pa.Array]]:
        """The rows that keep to the fixed types, and the fixed columns among `names`."""
        bad: dict[int, Reject] = {}
        for name in self._fixed:
            _, wrong = self._fixed_column(rows, name)
            for n in wrong:
                reason = f"no {self._fixed[name].fixed}"
                shown = json.dumps(rows.objects[n][name], ensure_ascii=False)
                bad.setdefault(n, Reject(rows.places[n], name, reason, shown, rows.lines[n]))
        kept = rows.without(bad) if bad else rows
        columns = {n: self._fixed_column(kept, n)[0] for n in names if n in self._fixed}
        return kept, {n: column for n, column in columns.items() if column is not None}

    def _fixed_column(self, rows: _Rows, name: str) -> tuple[pa.Array | None, list[int]]:
        shape = self._fixed[name]
        values = [one.get(name) for one in rows.objects]
        if needs_digits(values, shape):
            values = [exact_object(text).get(name) for text in rows.texts]
        return fixed_array(values, shape.fixed or "utf8")

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The file's rows; record numbers count lines that are not blank, rejects included.

        Raises:
            DataError: for bytes that are not of the encoding, naming file and line.
            SchemaGrew: after the last row, when some values ask for wider types or other columns.
        """
        import pyarrow as pa

        shapes, fits, record = shapes_of(schema), True, 0
        with closing(self._blocks(part)) as blocks:
            for data, line in blocks:
                quick = fast_batch(data, schema) if fits and self._quick else None
                if quick is not None:
                    yield SourceBatch(quick, np.arange(record, record + quick.num_rows, dtype=np.int64))
                    record += quick.num_rows
                    continue
                rows, columns = self._take_fixed(_parsed(data, line), schema.names)
                wider = self._joined(shapes, rows)
                if wider != shapes:
                    shapes = wider
                    fits = fits and schema_of(shapes).equals(schema, check_metadata=False)
                if fits and rows.records:
                    arrays = [columns[n] if n in columns else _column(rows, n, shapes[n]) for n in schema.names]
                    batch = pa.RecordBatch.from_arrays(arrays, names=schema.names)
                    rejects = [Reject(r.record + record, r.column, r.reason, r.text, r.line) for r in rows.rejects]
                    yield SourceBatch(batch, np.asarray(rows.places, np.int64) + record, rejects)
                record += rows.records
        if not fits:
            raise SchemaGrew(schema_of(shapes))

    def _blocks(self, part: int) -> Generator[tuple[bytes, int], None, None]:
        """The file's text cut behind line ends, and the line that each piece begins on."""
        line, left, more = 1, b"", True
        uri = self.uri(part)
        with TextStream(uri, self._encoding) as stream:
            while more:
                data = bytearray(len(left) + max(self._read_bytes, len(left)))
                data[: len(left)] = left
                more = stream.fill(data, len(left), line)
                cut = data.rfind(b"\n") + 1 if more else len(data)
                if cut:
                    yield bytes(data[:cut]), line
                    line += data.count(b"\n", 0, cut)
                left = bytes(data[cut:])
                if len(left) > _MAX_LINE:
                    raise DataError("a line is longer than 128 MiB", where=f"{uri} line {line}")


def _parsed(data: bytes, line: int) -> _Rows:
    """The block's objects and rejects; ``record`` counts within the block."""
    rows = _Rows([], [], [], [], [], 0)
    place = 0
    for number, text in enumerate(data.decode().split("\n"), line):
        if not text or text.isspace():
            continue
        try:
            found = parse_object(text)
        except ValueError as error:
            rows.rejects.append(Reject(place, None, _reason(error), text.rstrip("\r"), number))
        else:
            rows.texts.append(text)
            rows.objects.append(found)
            rows.places.append(place)
            rows.lines.append(number)
        place += 1
    return _Rows(rows.texts, rows.objects, rows.places, rows.lines, rows.rejects, place)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON: {error.msg}, column {error.pos + 1}"
    return str(error)


def _column(rows: _Rows, name: str, shape: Shape) -> pa.Array:
    values = [one.get(name) for one in rows.objects]
    if needs_digits(values, shape):
        values = [exact_object(text).get(name) for text in rows.texts]
    return array_of(values, shape)
