"""CSV and TSV files as a source: types are guessed on what is read first, and grow as values ask for it."""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypeVar

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.data.cells import FIXED_TYPES, join
from trueline.data.csv_blocks import TextBlock
from trueline.data.csv_format import CsvFormat, delimiter_of
from trueline.data.csv_text import TextRows, named_blocks, parse_block
from trueline.data.csv_values import Columns, Values, classes_of_schema
from trueline.data.file_source import FileParts
from trueline.data.source import Reject, SchemaGrew, SourceBatch
from trueline.data.widening import check_same_names

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CsvSource"]

_GUESS_BYTES = 4 << 20
_T = TypeVar("_T")
_R = TypeVar("_R")


class CsvSource(FileParts):
    """Rows of CSV or TSV files; a part is a file.

    Args:
        input_base: a file, or a folder of them (``.gz``, ``.bz2`` and ``.zst`` are unpacked).
        pattern: which files of the folder, as in a shell.
        delimiter: one character; None: a tab for files named ``.tsv`` or ``.tab``, else a comma.
        encoding: a name that Python's codecs know.
        null_values: cells that are missing, quoted or not. The empty cell is always missing; ``""`` in quotes is text.
        read_bytes: how much is parsed at a time; the result does not depend on it.
        column_types: fixed types by column: ``utf8``, ``int64``, ``float64``, ``bool`` or ``timestamp``. A cell that
            does not convert makes its row a reject. All other columns are guessed.
        schema_types: fixed types of columns that may be there or not, as a schema gives them.
        column_names: the names, for files without a header.
        quote: the character around cells that hold delimiters or line ends; None: quotes are text.
        escape: a character that takes the meaning from the one after it; None: there is none.
        trim: take blanks and tabs around unquoted cells and names away.
        skip_rows: physical lines to pass over at the start of each file.
        multivalent_columns: columns whose cells are lists.
        secondary_delimiter: what stands between a list's values.
        dictionaries: give text columns as dictionary arrays, which further counting likes.
        threads: how many threads parse one file; None: two where there are fewer files than processors.
        files: the files' names relative to `input_base`, where they are known already.

    Raises:
        ConfigError: options that are wrong, all of them at once.
    """

    def __init__(
        self,
        input_base: str,
        *,
        pattern: str = "*",
        delimiter: str | None = None,
        encoding: str = "utf8",
        null_values: Sequence[str] = ("",),
        read_bytes: int = 2 << 20,
        column_types: Mapping[str, str] | None = None,
        schema_types: Mapping[str, str] | None = None,
        column_names: Sequence[str] | None = None,
        quote: str | None = '"',
        escape: str | None = None,
        trim: bool = False,
        skip_rows: int = 0,
        multivalent_columns: Sequence[str] = (),
        secondary_delimiter: str | None = None,
        dictionaries: bool = False,
        threads: int | None = None,
        files: Sequence[str] | None = None,
    ) -> None:
        names = None if column_names is None else tuple(column_names)
        self._delimiter = delimiter
        self._form = CsvFormat(",", encoding, tuple(null_values), read_bytes, quote, escape, trim, skip_rows, names)
        self._asked = dict(column_types or {})
        self._types = {**(schema_types or {}), **self._asked}
        self._lists = frozenset(multivalent_columns)
        self._separator, self._dictionaries, self._threads = secondary_delimiter, dictionaries, threads
        form = replace(self._form, read_bytes=1)  # what does not change a result is no part of the fingerprint
        options = [delimiter, asdict(form), self._types, sorted(self._lists), secondary_delimiter]
        super().__init__(input_base, pattern, files, json.dumps(options, sort_keys=True))
        problems = [
            *replace(self._form, delimiter="," if delimiter is None else delimiter).problems(),
            *self._option_problems(),
        ]
        if problems:
            raise ConfigError("the CSV options are wrong", problems=problems)

    def _option_problems(self) -> Iterator[str]:
        for name, kind in self._types.items():
            if kind not in FIXED_TYPES:
                yield f"column_types[{name!r}] is {kind!r}. {did_you_mean(str(kind), FIXED_TYPES)}"
        if bool(self._lists) != bool(self._separator):
            yield "multivalent_columns and secondary_delimiter belong together, give both"
        if self._threads is not None and self._threads < 1:
            yield f"threads is {self._threads}, give 1 or more"

    def _shaped(self) -> CsvFormat:
        names = [name or self.input_base for name in self.files()]
        return replace(self._form, delimiter=delimiter_of(self._delimiter, names))

    def schema(self) -> pa.Schema:
        """The columns, with the types of what is read first of every file.

        Raises:
            DataError: no file, an empty one, headers that differ, undecodable bytes.
            ConfigError: options that name columns which do not exist.
        """
        guesses = [self._guess(part) for part in range(len(self.files()))]
        names = guesses[0][0]
        check_same_names([(label, found) for label, (found, _) in zip(self.parts(), guesses, strict=True)])
        unknown = [n for n in [*self._asked, *sorted(self._lists)] if n not in names]
        if unknown:
            problems = [f"there is no column {n!r}. {did_you_mean(n, names)}" for n in unknown]
            raise ConfigError("the CSV options name columns that do not exist", problems=problems)
        classes = guesses[0][1]
        for _, found in guesses[1:]:
            classes = {n: join(c, found[n]) for n, c in classes.items()}
        return self._columns(names).schema(classes)

    def _columns(self, names: Sequence[str]) -> Columns:
        fixed = {n: t for n, t in self._types.items() if n in names}
        return Columns(list(names), fixed, self._lists, self._separator, self._dictionaries)

    def _blocks(self, part: int) -> Generator[tuple[list[str], TextBlock], None, None]:
        return named_blocks(self.uri(part), self._shaped())

    def _guess(self, part: int) -> tuple[list[str], dict[str, str]]:
        """A file's names, and the classes of what is read first."""
        form, size = self._shaped(), 0
        classes: dict[str, str] = {}
        with contextlib.closing(self._blocks(part)) as blocks:
            for names, block in blocks:
                columns = self._columns(names)
                if not block.open_quote:
                    with self._placed(part):
                        found = columns.guess(parse_block(block, names, form))
                    classes = {n: join(classes.get(n, "null"), c) for n, c in found.items()}
                size += block.end
                if size >= min(_GUESS_BYTES, 4 * form.read_bytes):
                    break
        return names, classes

    @contextlib.contextmanager
    def _placed(self, part: int) -> Iterator[None]:
        """Puts the file's name into errors that tell a line alone."""
        try:
            yield
        except DataError as error:
            uri, told = self.uri(part), error.where or ""
            if told.startswith(uri):
                raise
            raise DataError(error.message, where=f"{uri} {told}", problems=error.problems, hint=error.hint) from error

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The file's rows; record numbers count from 0 behind the header, rejects included.

        Raises:
            DataError: for bytes that are not of the encoding, or text that is no CSV: with file and line.
            SchemaGrew: after the last row, when some values ask for wider types.
        """
        import pyarrow as pa

        columns = self._columns(schema.names)
        classes, fits, record = classes_of_schema(schema), True, 0
        for rows, values in self._values(part, columns, classes):
            if dict(values.classes) != classes or values.arrays is None:
                values = columns.values(rows, classes)
                classes, fits = dict(values.classes), fits and values.arrays is not None
            if fits and values.records:
                batch = pa.RecordBatch.from_arrays(values.arrays, names=columns.names)
                numbered = [Reject(r.record + record, r.column, r.reason, r.text, r.line) for r in values.rejects]
                yield SourceBatch(batch, values.positions + record, numbered)
            record += values.records
        if not fits:
            raise SchemaGrew(columns.schema(classes))

    def _values(
        self, part: int, columns: Columns, classes: Mapping[str, str]
    ) -> Generator[tuple[TextRows, Values], None, None]:
        """Each block's cells and values, in order."""
        form = self._shaped()

        def work(found: tuple[list[str], TextBlock]) -> tuple[TextRows, Values]:
            names, block = found
            check_same_names([("the header when the types were guessed", columns.names), (self.parts()[part], names)])
            rows = parse_block(block, names, form)
            return rows, columns.values(rows, classes)

        threads = self._threads or (2 if len(self.files()) < (os.cpu_count() or 1) else 1)
        with contextlib.closing(self._blocks(part)) as blocks, self._placed(part):
            yield from _in_order(work, blocks, threads)


def _in_order(work: Callable[[_T], _R], items: Iterator[_T], threads: int) -> Iterator[_R]:
    """The results in the items' order; with more than one thread the next items are at work meanwhile."""
    if threads == 1:
        yield from map(work, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(threads, thread_name_prefix="trueline-csv")
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # not waited for: a generator that was let go of may be collected in any thread, under any lock
        pool.shutdown(wait=False, cancel_futures=True)
