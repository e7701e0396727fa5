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
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import DataError, TruelineError
from trueline.data.csv_format import CsvFormat, Grammar
from trueline.data.magic import check_text

__all__ = ["CODECS", "TextBlock", "TextStream", "count_lines", "csv_blocks", "record_starts"]

CODECS = ((".gz", "gzip"), (".bz2", "bz2"), (".zst", "zstd"))
"""Endings of packed files, and Arrow's names for what packed them."""
_MAX_RECORD = 128 << 20
_AT_ONCE = 1 << 18
"""How much text is compared at a time, so that what comes of it needs no fresh pages."""
_READ_ERRORS = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class TextBlock:
    """Whole records.

    Attributes:
        data: UTF-8 text; what stands behind `end` is of the next block.
        line: the physical line of the file, from 1, on which it begins.
        end: how many bytes belong to the block.
        open_quote: whether this is the file's last record, and it ends inside a quoted cell.
    """

    data: bytes | bytearray
    line: int
    end: int
    open_quote: bool = False

    @property
    def text(self) -> bytes:
        """The block's bytes, copied."""
        return bytes(memoryview(self.data)[: self.end])


class TextStream:
    """A file's text as UTF-8 bytes; a context manager.

    Args:
        uri: the file; unpacked where its name says that it is packed.
        encoding: a name that Python's codecs know; a byte order mark is dropped.

    Raises:
        DataError: for an unknown encoding, or a file that cannot be opened.
    """

    def __init__(self, uri: str, encoding: str) -> None:
        self.uri = uri
        self._encoding, self._begun, self._seen, self._left = encoding, False, False, b""
        try:
            name = codecs.lookup(encoding).name
            self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        except LookupError as error:
            raise DataError(f"no encoding has the name {encoding!r}", where=uri, hint="such as 'latin1'.") from error
        self._codec = name
        self._utf8 = name in ("utf-8", "utf-8-sig")
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> TextStream:
        try:
            self._file = self._open()
        except TruelineError:
            raise
        except _READ_ERRORS as error:
            raise self._unreadable(error, 1) from error
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

    def _unreadable(self, error: BaseException, line: int) -> DataError:
        what = str(error).partition("\n")[0] or type(error).__name__
        return DataError(f"the file cannot be read: {what}", where=f"{self.uri} line {line} or below")

    def fill(self, buffer: bytearray, at: int, line: int) -> bool:
        """Puts text behind what a buffer holds, up to about its length; the buffer is cut to what it then holds.

        Args:
            buffer: takes the text.
            at: how much of it is held already: whole characters.
            line: the physical line on which the buffer begins, for errors.

        Returns:
            False at the end of the file.

        Raises:
            DataError: for bytes that are not of the encoding (naming the line), a file of another kind (saying which),
                or one that cannot be read.
        """
        buffer[at:at] = self._left
        start, self._left = at + len(self._left), b""
        try:
            with memoryview(buffer) as whole, whole[start:] as room:
                got = int(self._file.readinto(room) or 0)
        except _READ_ERRORS as error:
            raise self._unreadable(error, line) from error
        del buffer[start + got :]
        if not self._seen:
            self._seen = True
            check_text(bytes(buffer[start : start + 16]), self._codec, self.uri)
        try:
            if self._utf8:
                self._check(buffer, final=not got)
            else:
                self._decode(buffer, at, final=not got)
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start])
            lines = (
                count_lines(before) if self._utf8 else count_lines(before.decode(self._encoding, "replace").encode())
            )
            held = 0 if self._utf8 else count_lines(bytes(buffer[:at]))
            raise self._undecodable(line + held + lines, error.reason) from error
        except UnicodeError as error:
            raise self._undecodable(line, str(error)) from error
        return bool(got)

    def _check(self, buffer: bytearray, *, final: bool) -> None:
        """Whole characters stay in the buffer; a character that is cut waits for its rest."""
        if not self._begun:
            if not final and len(buffer) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(buffer):
                self._left = bytes(buffer)
                buffer.clear()
                return
            self._begun = True
            if buffer.startswith(codecs.BOM_UTF8):
                del buffer[: len(codecs.BOM_UTF8)]
        if not buffer.isascii():
            _, used = codecs.utf_8_decode(buffer, "strict", final)
            self._left = bytes(buffer[used:])
            del buffer[used:]

    def _decode(self, buffer: bytearray, at: int, *, final: bool) -> None:
        data = self._decoder.decode(bytes(buffer[at:]), final).encode()
        if not self._begun and data:
            self._begun, data = True, data.removeprefix(codecs.BOM_UTF8)
        buffer[at:] = data

    def _undecodable(self, line: int, reason: str) -> DataError:
        return DataError(
            f"the bytes are not {self._encoding}: {reason}",
            where=f"{self.uri} line {line}",
            hint="pass encoding=, such as 'latin1' or 'utf16'.",
        )


def count_lines(data: bytes | bytearray, end: int | None = None) -> int:
    """How many physical lines end in the first `end` bytes: at ``\\n``, ``\\r\\n`` and ``\\r``."""
    size = len(data) if end is None else end
    text = np.frombuffer(data, np.uint8, size)
    ends = sum(int(np.count_nonzero(text[at : at + _AT_ONCE] == 10)) for at in range(0, size, _AT_ONCE))
    if data.find(b"\r", 0, size) < 0:
        return ends
    return ends + data.count(b"\r", 0, size) - data.count(b"\r\n", 0, size)


def csv_blocks(uri: str, form: CsvFormat) -> Generator[TextBlock, None, None]:
    """The file's text, cut where records end; blank lines stay in it.

    Raises:
        DataError: as `TextStream.fill`; a record above 128 MiB.
    """
    line, left, skipped, more = 1, b"", 0, True
    with TextStream(uri, form.encoding) as stream:
        while more:
            data = bytearray(len(left) + max(form.read_bytes, len(left)))
            data[: len(left)] = left
            more = stream.fill(data, len(left), line)
            while skipped < form.skip_rows and (end := _line_end(data, final=not more)):
                del data[:end]
                skipped, line = skipped + 1, line + 1
            cut = _last_end(data, form, final=not more) if skipped >= form.skip_rows else 0
            if cut:
                yield TextBlock(data, line, cut)
                line += count_lines(data, cut)
            left = bytes(memoryview(data)[cut:])
            if len(left) > _MAX_RECORD:
                raise DataError(
                    "a record is longer than 128 MiB",
                    where=f"{uri} line {line}",
                    hint="a quote that is opened and never closed looks like that.",
                )
    if left and skipped >= form.skip_rows:
        yield TextBlock(left, line, len(left), open_quote=True)


def _line_end(data: bytearray, *, final: bool) -> int:
    """Where the first physical line ends; 0: not in this text."""
    ends = [p for p in (data.find(b"\n"), data.find(b"\r")) if p >= 0]
    if not ends:
        return len(data) if final else 0
    at = min(ends)
    if data[at : at + 2] == b"\r\n":
        return at + 2
    return 0 if data[at:] == b"\r" and not final else at + 1


def _last_end(data: bytearray, form: CsvFormat, *, final: bool) -> int:
    """Where the last whole record of the text ends; 0: there is none."""
    if form.escape is None and (form.quote is None or form.quote.encode() not in data):
        return len(data) if final else _last_newline(data, len(data) - 1) + 1
    found = None if form.escape is not None or form.trim else _end_by_parity(data, form, final=final)
    return _end_by_grammar(data, form, final=final) if found is None else found


def _last_newline(data: bytearray, before: int) -> int:
    """The last line end up to a position; a ``\\r`` as the very last byte waits for what follows; -1: none."""
    return max(data.rfind(b"\n", 0, before + 1), data.rfind(b"\r", 0, max(before, 0)))


def _end_by_parity(data: bytearray, form: CsvFormat, *, final: bool) -> int | None:
    """The end of the last record where every quote opens, closes or doubles; None where one does neither.

    An opening quote follows a delimiter or line end, or a closing one directly (a doubled quote); a closing quote is
    followed by one of them. Then a place is inside a quoted cell where an odd number of quotes stands before it.
    """
    array = np.frombuffer(data, np.uint8)
    quote = ord(form.quote or '"')
    places = np.flatnonzero(array == quote)
    opening, closing = places[0::2], places[1::2]
    begins = _between(array[opening - 1], form) | (opening == 0)
    begins[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    following = array[np.minimum(closing + 1, len(array) - 1)]
    ends = _between(following, form) | (following == quote) | (closing == len(array) - 1)
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


def _between(text: npt.NDArray[np.uint8], form: CsvFormat) -> npt.NDArray[np.bool_]:
    """Which bytes stand between cells; three comparisons take less time than a table of all bytes."""
    found: npt.NDArray[np.bool_] = (text == ord(form.delimiter)) | (text == 10) | (text == 13)
    return found


def _end_by_grammar(data: bytearray, form: CsvFormat, *, final: bool) -> int:
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
