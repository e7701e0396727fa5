"""A text file as blocks of whole records: opened, unpacked, turned to UTF-8 and cut where records end.

Blocks are small enough to stay in a processor's cache and as long as a record needs. They are bytes of Python, read
from the operating system or from Arrow's own file, so no parser holds an open file object.
"""

from __future__ import annotations

import codecs
import contextlib
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trueline._core import store
from trueline._core.errors import DataError, TruelineError
from trueline.data.csv_format import CsvFormat, Grammar

__all__ = ["CODECS", "TextBlock", "TextStream", "count_lines", "csv_blocks", "record_starts"]

CODECS = ((".gz", "gzip"), (".bz2", "bz2"), (".zst", "zstd"))
"""Endings of packed files, and Arrow's names for what packed them."""
_MAX_RECORD = 1 << 30
_READ_ERRORS = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class TextBlock:
    """Whole records.

    Attributes:
        data: UTF-8 text.
        line: the physical line of the file, from 1, on which it begins.
        open_quote: whether this is the file's last record, and it ends inside a quoted cell.
    """

    data: bytes
    line: int
    open_quote: bool = False


class TextStream:
    """A file's text as UTF-8 bytes, in pieces of any length; a context manager.

    Args:
        uri: the file; unpacked where its name says that it is packed.
        encoding: a name that Python's codecs know; a byte order mark is dropped.

    Raises:
        DataError: for an unknown encoding, undecodable bytes (with their line), or a file that cannot be read.
    """

    def __init__(self, uri: str, encoding: str) -> None:
        self.uri = uri
        self._encoding, self._line, self._begun = encoding, 1, False
        try:
            name = codecs.lookup(encoding).name
            decoder = codecs.getincrementaldecoder(encoding)
        except LookupError as error:
            raise DataError(f"no encoding has the name {encoding!r}", where=uri, hint="such as 'latin1'.") from error
        self._utf8 = name in ("utf-8", "utf-8-sig")
        self._decoder = decoder("strict")
        self._left = b""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> TextStream:
        try:
            self._file = self._open()
        except TruelineError:
            raise
        except _READ_ERRORS as error:
            raise self._unreadable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> Any:
        codec = next((c for ending, c in CODECS if self.uri.lower().endswith(ending)), None)
        if codec is None:
            return self._stack.enter_context(store.open_uri(self.uri))
        import pyarrow as pa

        if store.is_local(self.uri):
            raw = self._stack.enter_context(pa.OSFile(str(store.local_path(self.uri)), "rb"))
        else:
            handle = self._stack.enter_context(store.open_uri(self.uri))
            raw = self._stack.enter_context(pa.PythonFile(handle, "r"))
        return self._stack.enter_context(pa.CompressedInputStream(raw, codec))

    def _unreadable(self, error: BaseException) -> DataError:
        what = str(error).partition("\n")[0] or type(error).__name__
        return DataError(f"the file cannot be read: {what}", where=f"{self.uri} line {self._line}")

    def read(self, size: int) -> bytes:
        """About so many bytes more; empty at the end."""
        while True:
            try:
                raw = bytes(self._file.read(size))
            except _READ_ERRORS as error:
                raise self._unreadable(error) from error
            text = self._utf8_text(raw) if self._utf8 else self._decoded(raw)
            if text or not raw:
                return text

    def _utf8_text(self, raw: bytes) -> bytes:
        """Whole characters, checked; a character that is cut waits for its rest."""
        data = self._left + raw if self._left else raw
        self._left = b""
        if not self._begun:
            if raw and len(data) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(data):
                self._left = data
                return b""
            self._begun = True
            data = data.removeprefix(codecs.BOM_UTF8)
        if not data.isascii():
            try:
                _, used = codecs.utf_8_decode(data, "strict", not raw)
            except UnicodeDecodeError as error:
                raise self._undecodable(data[: error.start].count(b"\n"), error) from error
            self._left, data = data[used:], data[:used]
        self._line += data.count(b"\n")
        return data

    def _decoded(self, raw: bytes) -> bytes:
        try:
            text = self._decoder.decode(raw, final=not raw)
            data = text.encode()
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start]).decode(self._encoding, "replace").count("\n")
            raise self._undecodable(before, error) from error
        except UnicodeError as error:
            raise self._undecodable(0, error) from error
        if not self._begun and data:
            self._begun, data = True, data.removeprefix(codecs.BOM_UTF8)
        self._line += data.count(b"\n")
        return data

    def _undecodable(self, lines: int, error: UnicodeError) -> DataError:
        return DataError(
            f"the bytes are not {self._encoding}: {getattr(error, 'reason', error)}",
            where=f"{self.uri} line {self._line + lines}",
            hint="pass encoding=, such as 'latin1' or 'utf16'.",
        )


def count_lines(data: bytes) -> int:
    """How many physical lines end in the text: at ``\\n``, ``\\r\\n`` and ``\\r``."""
    ends = data.count(b"\n")
    return ends if b"\r" not in data else ends + data.count(b"\r") - data.count(b"\r\n")


def csv_blocks(uri: str, form: CsvFormat) -> Generator[TextBlock, None, None]:
    """The file's text, cut where records end; blank lines stay in it.

    Raises:
        DataError: as `TextStream`; a record above 1 GiB.
    """
    line, left, skipped = 1, b"", 0
    with TextStream(uri, form.encoding) as stream:
        while True:
            more = stream.read(max(form.read_bytes, len(left)))
            data = left + more if left else more
            while skipped < form.skip_rows and data:
                end = _line_end(data, final=not more)
                if not end:
                    break
                data, skipped, line = data[end:], skipped + 1, line + 1
            cut = _last_end(data, form, final=not more) if skipped >= form.skip_rows else 0
            if cut:
                yield TextBlock(data[:cut], line)
                line += count_lines(data[:cut])
            left = data[cut:]
            if not more:
                break
            if len(left) > _MAX_RECORD:
                raise DataError(
                    "a record is longer than 1 GiB",
                    where=f"{uri} line {line}",
                    hint="a quote that is opened and never closed looks like that.",
                )
    if left and skipped >= form.skip_rows:
        yield TextBlock(left, line, open_quote=True)


def _line_end(data: bytes, *, final: bool) -> int:
    """Where the first physical line ends; 0: not in this text."""
    ends = [p for p in (data.find(b"\n"), data.find(b"\r")) if p >= 0]
    if not ends:
        return len(data) if final else 0
    at = min(ends)
    if data[at : at + 2] == b"\r\n":
        return at + 2
    return 0 if data[at:] == b"\r" and not final else at + 1


def _last_end(data: bytes, form: CsvFormat, *, final: bool) -> int:
    """Where the last whole record of the text ends; 0: there is none."""
    if form.escape is None and (form.quote is None or form.quote.encode() not in data):
        return len(data) if final else _last_newline(data, len(data) - 1) + 1
    found = None if form.escape is not None or form.trim else _end_by_parity(data, form, final=final)
    return _end_by_grammar(data, form, final=final) if found is None else found


def _last_newline(data: bytes, before: int) -> int:
    """The last line end up to a position; a ``\\r`` as the very last byte waits for what follows; -1: none."""
    return max(data.rfind(b"\n", 0, before + 1), data.rfind(b"\r", 0, max(before, 0)))


def _end_by_parity(data: bytes, form: CsvFormat, *, final: bool) -> int | None:
    """The end of the last record where every quote opens, closes or doubles; None where one does neither.

    An opening quote follows a delimiter or line end, or a closing one directly (a doubled quote); a closing quote is
    followed by one of them. Then a place is inside a quoted cell where an odd number of quotes stands before it.
    """
    array = np.frombuffer(data, np.uint8)
    quote = ord(form.quote or '"')
    places = np.flatnonzero(array == quote)
    between = np.zeros(256, np.bool_)
    between[[ord(form.delimiter), 10, 13]] = True
    opening, closing = places[0::2], places[1::2]
    begins = between[array[opening - 1]] | (opening == 0)
    begins[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    following = np.minimum(closing + 1, len(array) - 1)
    ends = between[array[following]] | (array[following] == quote) | (closing == len(array) - 1)
    if not begins.all() or not ends.all():
        return None
    if final and len(places) % 2 == 0:
        return len(data)
    before = len(data) - 1
    while True:
        at = _last_newline(data, before)
        inside = int(np.searchsorted(places, at))
        if at < 0 or inside % 2 == 0:
            return at + 1
        before = int(places[inside - 1])


def _end_by_grammar(data: bytes, form: CsvFormat, *, final: bool) -> int:
    """The end of the last record, found record by record."""
    record, at = Grammar.of(form).record, 0
    while at < len(data):
        found = record.match(data, at)
        if found is None:
            return at
        if not final and (not found[1] or (found[1] == b"\r" and found.end() == len(data))):
            return at
        at = found.end()
    return at


def record_starts(data: bytes, form: CsvFormat) -> Iterator[tuple[int, int]]:
    """Begin and end of each record that is no blank line, its line end left out."""
    record, at = Grammar.of(form).record, 0
    while at < len(data):
        found = record.match(data, at)
        if found is None:
            return
        if found.start(1) > at:
            yield at, found.start(1)
        at = found.end()
