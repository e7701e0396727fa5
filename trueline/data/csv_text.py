"""Reading a CSV file as text: header, batches of string columns, and where in the file a record or a bad byte stands.

The parser is Arrow's, one thread a file. Quoted cells may hold newlines; blank lines are skipped; an empty cell without
quotes is null, ``""`` is the empty string. Rows with another number of cells than the header has are set apart.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CsvFormat", "Ragged", "TextBatch", "physical_lines", "read_header", "text_batches"]

_MAX_READ_BLOCK = 1 << 30
_FIELD_LIMIT = threading.Lock()


@dataclass(frozen=True)
class CsvFormat:
    """How the text stands in the files.

    Attributes:
        delimiter: one character between cells.
        encoding: a name that Python's codecs know.
        null_values: cells that are missing besides the empty one, quoted or not.
        read_bytes: how much is parsed at a time; no setting that changes a result.
    """

    delimiter: str = ","
    encoding: str = "utf8"
    null_values: tuple[str, ...] = ("",)
    read_bytes: int = 4 << 20


@dataclass(frozen=True)
class Ragged:
    """A record with another number of cells than the header has; records count from 0 after the header."""

    record: int
    cells: int
    text: str


@dataclass(frozen=True)
class TextBatch:
    """String columns (none in a last batch without rows), each row's record number, and ragged records before it."""

    columns: list[pa.Array]
    records: np.ndarray[Any, np.dtype[np.int64]]
    ragged: list[Ragged]


def _open_bytes(uri: str) -> IO[bytes]:
    """The file's bytes, unpacked where its name says that it is packed."""
    import pyarrow as pa

    raw = store.open_uri(uri)
    for ending, codec in ((".gz", "gzip"), (".bz2", "bz2"), (".zst", "zstd")):
        if uri.endswith(ending):
            stream: IO[bytes] = pa.CompressedInputStream(pa.PythonFile(raw, "r"), codec)
            return stream
    return raw


def _text_lines(uri: str, file_format: CsvFormat) -> io.TextIOWrapper:
    encoding = "utf-8-sig" if codecs.lookup(file_format.encoding).name == "utf-8" else file_format.encoding
    return io.TextIOWrapper(io.BufferedReader(_Readable(_open_bytes(uri))), encoding=encoding, newline="")


class _Readable(io.RawIOBase):
    """An Arrow stream as a raw stream of Python's."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _records(uri: str, file_format: CsvFormat) -> Iterator[tuple[int, list[str]]]:
    """Records that are no blank lines, with the physical line (from 1) that each begins on."""
    with _text_lines(uri, file_format) as lines:
        reader = csv.reader(lines, delimiter=file_format.delimiter, strict=False)
        line = 1
        while True:
            with _FIELD_LIMIT:
                kept = csv.field_size_limit(_MAX_READ_BLOCK)
                try:
                    cells = next(reader, None)
                finally:
                    csv.field_size_limit(kept)
            if cells is None:
                return
            if cells:
                yield line, cells
            line = reader.line_num + 1


def read_header(uri: str, file_format: CsvFormat) -> list[str]:
    """The names in the file's first record.

    Raises:
        DataError: for an empty file, undecodable bytes, or names that cannot be columns (all of them at once).
    """
    try:
        _, names = next(_records(uri, file_format), (0, None))
    except (UnicodeError, csv.Error, OSError, ValueError, LookupError) as error:
        raise _reading_error(uri, file_format, error) from error
    if names is None:
        raise DataError("the file is empty, it has no header", where=uri)
    problems = [f"column {i} has no name" for i, name in enumerate(names, 1) if not name.strip()]
    problems += [f"{n!r} stands {names.count(n)} times" for n in sorted(set(names)) if names.count(n) > 1 and n.strip()]
    problems += [f"{name!r} is a name of trueline's own" for name in names if name == "__row__"]
    if problems:
        raise DataError(
            "the header cannot name columns",
            where=f"{uri} line 1",
            problems=problems,
            hint="the first line of every file must hold the columns' names.",
        )
    return names


def text_batches(uri: str, names: Sequence[str], file_format: CsvFormat) -> Iterator[TextBatch]:
    """The file's rows as string columns; a record longer than what is read at a time is read with more.

    Raises:
        DataError: for bytes that are not of the encoding (naming the line), or text that no CSV parser understands.
    """
    import pyarrow as pa

    read_bytes, done = file_format.read_bytes, 0
    while True:
        try:
            for batch in _arrow_batches(uri, names, file_format, read_bytes, done):
                yield batch
                done = int(batch.records[-1]) + 1 if len(batch.records) else done
            return
        except pa.ArrowInvalid as error:
            too_long = "straddl" in str(error) or "out of sync" in str(error)
            if too_long and read_bytes < _MAX_READ_BLOCK:
                read_bytes = min(read_bytes * 8, _MAX_READ_BLOCK)
                continue
            raise _reading_error(uri, file_format, error) from error
        except (UnicodeError, pa.ArrowException, OSError, LookupError) as error:
            raise _reading_error(uri, file_format, error) from error


def _arrow_batches(
    uri: str, names: Sequence[str], file_format: CsvFormat, read_bytes: int, skip: int
) -> Iterator[TextBatch]:
    """Batches from record `skip` on."""
    import pyarrow as pa
    import pyarrow.csv as pcsv

    ragged: list[Ragged] = []

    def set_apart(row: Any) -> str:
        ragged.append(Ragged(row.number - 2, row.actual_columns, row.text))
        return "skip"

    with _open_bytes(uri) as stream:
        try:
            reader = pcsv.open_csv(
                stream,
                read_options=pcsv.ReadOptions(use_threads=False, block_size=read_bytes, encoding=file_format.encoding),
                parse_options=pcsv.ParseOptions(
                    delimiter=file_format.delimiter, newlines_in_values=True, invalid_row_handler=set_apart
                ),
                convert_options=pcsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error) and "cannot infer number of columns" not in str(error):
                raise
            if len(list(itertools.islice(_records(uri, file_format), 2))) == 1:
                return  # a header alone
            raise pa.ArrowInvalid("the header straddles what is read first") from error
        if reader.schema.names != list(names):
            raise pa.ArrowException(f"its header reads {reader.schema.names}, and read again {list(names)}")
        yield from _numbered(reader, ragged, skip, file_format.null_values)


def _numbered(reader: Any, ragged: list[Ragged], skip: int, null_values: tuple[str, ...]) -> Iterator[TextBatch]:
    """Gives each row its record number: ragged records take numbers too."""
    record = passed = 0
    for batch in reader:
        records = np.arange(record, record + batch.num_rows, dtype=np.int64)
        fresh = []
        while passed < len(ragged) and len(records) and ragged[passed].record <= records[-1]:
            records[records >= ragged[passed].record] += 1
            fresh.append(ragged[passed])
            passed += 1
        record = int(records[-1]) + 1 if len(records) else record
        if len(records) and records[0] < skip:
            keep = int(np.searchsorted(records, skip))
            batch, records, fresh = batch.slice(keep), records[keep:], [r for r in fresh if r.record >= skip]
        if batch.num_rows:
            yield TextBatch([_with_nulls(c, null_values) for c in batch.columns], records, fresh)
    if passed < len(ragged):
        yield TextBatch([], np.zeros(0, np.int64), [r for r in ragged[passed:] if r.record >= skip])


def _with_nulls(column: pa.Array, null_values: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    named = [v for v in null_values if v != ""]
    if not named:
        return column
    missing = pc.is_in(column, pa.array(named, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), column)


def physical_lines(uri: str, records: Sequence[int], file_format: CsvFormat) -> Mapping[int, int]:
    """The physical line (from 1) that each of these records begins on; reads the file once."""
    wanted = set(records)
    last = max(wanted, default=-1)
    found: dict[int, int] = {}
    for number, (line, _) in enumerate(_records(uri, file_format), -1):
        if number in wanted:
            found[number] = line
        if number >= last:
            break
    return found


def _reading_error(uri: str, file_format: CsvFormat, error: BaseException) -> DataError:
    place = _undecodable(uri, file_format)
    if place is not None:
        line, what = place
        return DataError(
            f"the bytes are not {file_format.encoding}: {what}",
            where=f"{uri} line {line}",
            hint="pass encoding=, such as 'latin1' or 'utf16'.",
        )
    return DataError(f"the file cannot be read as CSV: {str(error).partition(chr(10))[0]}", where=uri)


def _undecodable(uri: str, file_format: CsvFormat) -> tuple[int, str] | None:
    """The line of the first byte that is not of the encoding, and what is wrong there."""
    try:
        decoder = codecs.getincrementaldecoder(file_format.encoding)()
    except LookupError:
        return 1, f"no encoding has the name {file_format.encoding!r}"
    line = 1
    try:
        with _open_bytes(uri) as stream:
            while True:
                piece = stream.read(1 << 20)
                try:
                    line += decoder.decode(piece, final=not piece).count("\n")
                except UnicodeDecodeError as error:
                    line += error.object[: error.start].decode(file_format.encoding, "replace").count("\n")
                    return line, error.reason
                if not piece:
                    return None
    except OSError:
        return None
