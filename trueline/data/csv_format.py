"""How the text of CSV files stands: separators, quotes, encoding; and the grammar that follows from it."""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from trueline._core.errors import ConfigError

__all__ = ["CsvFormat", "Grammar", "delimiter_of"]

_MAX_READ_BYTES = 1 << 30


def delimiter_of(delimiter: str | None, names: Sequence[str]) -> str:
    """The delimiter that is given, or else the one that the files' names tell: a tab for ``.tsv`` and ``.tab``.

    Raises:
        ConfigError: for names of both kinds.
    """
    if delimiter is not None:
        return delimiter
    tabbed = [n for n in names if re.search(r"\.(tsv|tab)(\.(gz|bz2|zst))?$", n.lower())]
    if tabbed and len(tabbed) < len(names):
        raise ConfigError(
            "some files are tab-separated by their names and some are not",
            problems=[f"tab: {tabbed[0]}", f"comma: {next(n for n in names if n not in tabbed)}"],
            hint="pass delimiter=, or choose the files with pattern=.",
        )
    return "\t" if tabbed else ","


@dataclass(frozen=True)
class CsvFormat:
    """How the text stands in the files.

    Attributes:
        delimiter: one ASCII character between cells.
        encoding: a name that Python's codecs know; a byte order mark is dropped.
        null_values: cells that are missing besides the empty one, quoted or not.
        read_bytes: how much is parsed at a time; no setting that changes a result.
        quote: the character around cells that hold delimiters or line ends, doubled inside; None: there is none.
        escape: a character that takes the meaning from the one after it; None: there is none.
        trim: whether blanks and tabs around unquoted cells and names are no part of them.
        skip_rows: physical lines to pass over before the header.
        column_names: the names, for files that have no header.
    """

    delimiter: str = ","
    encoding: str = "utf8"
    null_values: tuple[str, ...] = ("",)
    read_bytes: int = 2 << 20
    quote: str | None = '"'
    escape: str | None = None
    trim: bool = False
    skip_rows: int = 0
    column_names: tuple[str, ...] | None = None

    def problems(self) -> list[str]:
        """What is wrong with the options."""
        found = []
        for name in ("delimiter", "quote", "escape"):
            value = getattr(self, name)
            if value is None and name != "delimiter":
                continue
            if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\r\n\0":
                found.append(f"{name} is {value!r}, give one ASCII character that is no line end")
        marks = [m for m in (self.delimiter, self.quote, self.escape) if m is not None]
        if len(set(marks)) < len(marks):
            found.append(f"delimiter, quote and escape are {marks}, give different characters")
        if self.trim and self.quote in (" ", "\t"):
            found.append("trim takes blanks away, so quote cannot be one")
        if not 1 <= self.read_bytes <= _MAX_READ_BYTES:
            found.append(f"read_bytes is {self.read_bytes}, give 1 to {_MAX_READ_BYTES}")
        if self.skip_rows < 0:
            found.append(f"skip_rows is {self.skip_rows}, give 0 or more")
        if self.column_names is not None and not self.column_names:
            found.append("column_names is empty, give every column's name")
        return found

    @property
    def utf8(self) -> bool:
        """Whether the bytes are UTF-8 as they stand.

        Raises:
            LookupError: when the encoding has no codec.
        """
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")


@dataclass(frozen=True)
class Grammar:
    """The records of a format as patterns over UTF-8 bytes: the rules by which Arrow's parser cuts records and cells.

    A quote counts only where a cell begins. What follows the closing quote belongs to the cell as it stands.

    Attributes:
        record: one record with its line end (or the end of the text); no match where a quote is never closed.
        cell: one cell with the delimiter before it, or an escaped character, for taking blanks away: what stays is in
            its three groups.
    """

    record: re.Pattern[bytes]
    cell: re.Pattern[bytes]

    @staticmethod
    @functools.lru_cache(maxsize=32)
    def of(form: CsvFormat) -> Grammar:
        """The grammar of a format."""
        delimiter = re.escape(form.delimiter.encode())
        escape = re.escape(form.escape.encode()) if form.escape is not None else b""
        escaped = b"|" + escape + b"." if escape else b""
        plain = b"(?:[^" + delimiter + b"\\r\\n" + escape + b"]++" + escaped + b")*+"
        quoted = nothing = b""
        if form.quote is not None:
            quote = re.escape(form.quote.encode())
            inside = b"(?:[^" + quote + escape + b"]++|" + quote + quote + escaped + b")*+"
            quoted, nothing = quote + inside + quote, b"(?!" + quote + b")"
        blanks = b"".join(re.escape(c) for c in (b" ", b"\t") if c != form.delimiter.encode())
        before = b"[" + blanks + b"]*+" if form.trim else b""
        field = before + b"(?:" + quoted + b"|" + nothing + b")" + plain if quoted else plain
        record = field + b"(?:" + delimiter + field + b")*+(\\r\\n?|\\n|\\Z)"
        ends = delimiter + b"|[\\r\\n]|\\Z"
        begins = b"(\\A|" + delimiter + b"|[\\r\\n])[" + blanks + b"]*+"
        kept = escape + b"." if escape else b"(?!)"
        cell = begins + b"(" + (quoted or b"") + b")?+|(" + kept + b")|[" + blanks + b"]++(?=" + ends + b")"
        return Grammar(re.compile(record, re.DOTALL), re.compile(cell, re.DOTALL))
