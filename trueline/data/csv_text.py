"""A block of CSV records as string columns: the header's names, the cells, and the records with too few or too many.

The parser is Arrow's. Quoted cells may hold line ends; blank lines are skipped; an empty cell without quotes is null,
``""`` is the empty string.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError
from trueline.data.csv_blocks import TextBlock, count_lines, csv_blocks, record_starts
from trueline.data.csv_format import CsvFormat, Grammar
from trueline.data.source import Reject

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TextRows", "named_blocks", "parse_block", "read_names"]

_HEADER = "the first line of every file must hold the columns' names, or pass column_names."
_INDEX = (
    "a table written with its index begins so: write it with index=False, "
    "or pass column_names and skip_rows=1 to name the columns."
)
_OPEN = "the file ends inside a quoted cell"


@dataclass(frozen=True)
class TextRows:
    """A block's rows as string columns.

    Attributes:
        columns: one string array a name.
        positions: each row's place among the block's records, from 0.
        records: how many records the block has, bad ones included.
        rejects: the bad ones; ``record`` is a place in the block until the reader numbers them.
        lines: tells the physical lines of records, by their places in the block.
    """

    columns: list[pa.Array]
    positions: np.ndarray[Any, np.dtype[np.int64]]
    records: int
    rejects: list[Reject]
    lines: Callable[[Sequence[int]], Mapping[int, int]]


def parse_block(block: TextBlock, names: Sequence[str], form: CsvFormat) -> TextRows:
    """The block's cells.

    Raises:
        DataError: for text that no CSV parser understands, naming its line.
    """
    import pyarrow as pa
    import pyarrow.csv as pcsv

    def lines(places: Sequence[int]) -> Mapping[int, int]:
        return _lines_of_records(block, places, form)

    if block.open_quote:
        return _unclosed(block, names)
    ragged: list[tuple[int, int, str]] = []

    def set_apart(row: Any) -> str:
        ragged.append((row.number - 1, row.actual_columns, row.text))
        return "skip"

    data = _plain(block, form)
    keys = [str(n) for n in range(len(names))]
    try:
        table = pcsv.read_csv(
            pa.BufferReader(data),
            pcsv.ReadOptions(use_threads=False, block_size=data.size + 1, column_names=keys),
            _parse_options(form, set_apart),
            pcsv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
                check_utf8=False,
            ),
        )
    except (pa.ArrowException, UnicodeError) as error:
        what = str(error).partition("\n")[0]
        raise DataError(f"the text cannot be read as CSV: {what}", where=f"line {block.line} or below") from error
    positions = np.arange(table.num_rows + len(ragged), dtype=np.int64)
    found = lines([r[0] for r in ragged]) if ragged else {}
    told = f"the header has {len(names)}{_other_delimiter(names, form)}"
    rejects = [Reject(n, None, f"{k} cells, {told}", t, found[n]) for n, k, t in ragged]
    positions = np.delete(positions, [r[0] for r in ragged]) if ragged else positions
    columns = [_with_nulls(_one_chunk(c), form.null_values) for c in table.columns]
    return TextRows(columns, positions, table.num_rows + len(ragged), rejects, lines)


def _unclosed(block: TextBlock, names: Sequence[str]) -> TextRows:
    """The file's last record, which ends inside a quoted cell.

    Raises:
        DataError: where it goes over more than one line: then it may have swallowed good rows.
    """
    import pyarrow as pa

    if count_lines(block.text.rstrip(b"\r\n")):
        raise DataError(
            "a quote is opened and never closed: what follows cannot be told from its cell",
            where=f"line {block.line}",
            hint="mend that line, or pass another quote= (None: quotes are text).",
        )
    reject = Reject(0, None, _OPEN, block.text.decode(errors="replace").rstrip("\r\n"), block.line)
    columns = [pa.nulls(0, pa.string()) for _ in names]
    return TextRows(columns, np.zeros(0, np.int64), 1, [reject], lambda _: {})


def _parse_options(form: CsvFormat, handler: Any = None) -> Any:
    import pyarrow.csv as pcsv

    return pcsv.ParseOptions(
        delimiter=form.delimiter,
        quote_char=form.quote if form.quote is not None else False,
        double_quote=True,
        escape_char=form.escape if form.escape is not None else False,
        newlines_in_values=True,
        ignore_empty_lines=True,
        invalid_row_handler=handler,
    )


def _plain(block: TextBlock, form: CsvFormat) -> pa.Buffer:
    """The block's text as Arrow's parser takes it."""
    import pyarrow as pa

    if block.end and not form.trim and not block.data.startswith(codecs.BOM_UTF8):
        return pa.py_buffer(block.data).slice(0, block.end)
    return pa.py_buffer(_trimmed(block.text, form) or b"\n")


def _trimmed(data: bytes, form: CsvFormat) -> bytes:
    """The text without blanks around its unquoted cells; a first U+FEFF is kept from Arrow, which would drop it."""
    if form.trim and (b" " in data or b"\t" in data):
        data = Grammar.of(form).cell.sub(rb"\1\2\3", data)
    return b"\n" + data if data.startswith(codecs.BOM_UTF8) else data


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, pa.string())


def _with_nulls(column: pa.Array, null_values: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    named = [v for v in null_values if v != ""]
    if not named:
        return column
    missing = pc.is_in(column, pa.array(named, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), column)


def _lines_of_records(block: TextBlock, places: Sequence[int], form: CsvFormat) -> dict[int, int]:
    """The physical line that each of these records of the block begins on."""
    wanted, text = set(places), block.text
    last, line, at = max(wanted, default=-1), block.line, 0
    found: dict[int, int] = {}
    for number, (begin, _) in enumerate(_starts(text, form)):
        if number > last:
            break
        if number in wanted:
            line += count_lines(text[at:begin])
            at, found[number] = begin, line
    return found


def _starts(data: bytes, form: CsvFormat) -> Iterator[tuple[int, int]]:
    """Records; with `trim` a line of nothing but blanks is none."""
    blanks = b" \t".replace(form.delimiter.encode(), b"")
    for begin, end in record_starts(data, form):
        if not form.trim or data[begin:end].strip(blanks):
            yield begin, end


def _split_header(block: TextBlock, form: CsvFormat) -> tuple[list[str] | None, TextBlock]:
    """The names in the block's first record, and what follows it; no names where there is no record."""
    text = block.text
    begin, end = next(_starts(text, form), (0, 0))
    if not end:
        return None, block
    found = Grammar.of(form).record.match(text, begin)
    after = found.end() if found is not None else end
    rest = text[after:]
    return _cells(text[begin:end], form), TextBlock(rest, block.line + count_lines(text[:after]), len(rest))


def _cells(record: bytes, form: CsvFormat) -> list[str]:
    """One record's cells as text."""
    import pyarrow as pa
    import pyarrow.csv as pcsv

    data = _trimmed(record, form) + b"\n"
    options = pcsv.ReadOptions(use_threads=False, block_size=len(data) + 1)
    return list(pcsv.read_csv(pa.BufferReader(data), options, _parse_options(form)).schema.names)


def read_names(uri: str, form: CsvFormat) -> list[str]:
    """The names of the file's columns; reads no more than the first blocks.

    Raises:
        DataError: for an empty file, undecodable bytes, or names that cannot be columns (all of them at once).
    """
    blocks = named_blocks(uri, form)
    try:
        return next(blocks)[0]
    finally:
        blocks.close()


def named_blocks(uri: str, form: CsvFormat) -> Generator[tuple[list[str], TextBlock], None, None]:
    """The names, and each block behind the header: ``(names, block)``; a block without text where there is no row."""
    blocks = csv_blocks(uri, form)
    try:
        names = list(form.column_names) if form.column_names is not None else None
        if names is not None:
            _check_names(names, uri, "column_names")
            yield names, TextBlock(b"\n", 1, 0)
        for block in blocks:
            if names is None:
                if block.open_quote:
                    raise DataError(_OPEN, where=f"{uri} line {block.line}", hint="the header is not whole.")
                names, block = _split_header(block, form)
                if names is None:
                    continue
                _check_names(names, uri, "the header")
            yield names, block
    finally:
        blocks.close()
    if names is None:
        raise DataError("the file is empty, it has no header", where=uri)


def _other_delimiter(names: Sequence[str], form: CsvFormat) -> str:
    """What may be the delimiter where a header is a single name with another one in it."""
    found = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0] and mark != form.delimiter), None)
    return "" if found is None else f" (is {found!r} the delimiter? pass delimiter=)"


def _check_names(names: Sequence[str], uri: str, what: str) -> None:
    problems = [f"column {i} has no name" for i, name in enumerate(names, 1) if not name.strip()]
    problems += [
        f"{n!r} stands {times} times" for n, times in sorted(Counter(names).items()) if times > 1 and n.strip()
    ]
    problems += [f"{name!r} is a name of trueline's own" for name in names if name == "__row__"]
    if problems:
        raise DataError(
            f"{what} cannot name columns",
            where=f"{uri} line 1" if what == "the header" else uri,
            problems=problems,
            hint=_INDEX if what == "the header" and names and not names[0].strip() else _HEADER,
        )
