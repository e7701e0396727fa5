"""What a file is by its first bytes, for files that are read as text and are none."""

from __future__ import annotations

import re
from typing import NamedTuple

from trueline._core.errors import DataError

__all__ = ["Kind", "check_text"]


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: what it is called.
        hint: how such a file is read.
    """

    name: str
    hint: str


_UNPACK = "name it {ending}, then it is unpacked."
_KINDS = (
    (re.compile(rb"\x1f\x8b"), Kind("gzip", _UNPACK.format(ending=".gz"))),
    (re.compile(rb"BZh[1-9]1AY&SY"), Kind("bzip2", _UNPACK.format(ending=".bz2"))),
    (re.compile(rb"\x28\xb5\x2f\xfd"), Kind("zstandard", _UNPACK.format(ending=".zst"))),
    (re.compile(rb"PK\x03\x04"), Kind("a zip archive or a spreadsheet", "unpack it, or save the sheet as CSV.")),
    (re.compile(rb"PAR1\x15"), Kind("Parquet", "read it as Parquet: name it .parquet.")),
    (re.compile(rb"Obj\x01"), Kind("Avro", "read it as Avro: name it .avro.")),
    (re.compile(rb"ARROW1\x00\x00"), Kind("an Arrow file", "write it as Parquet.")),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def check_text(head: bytes, codec: str, uri: str) -> None:
    """Refuses what begins as a file of another kind does, before its bytes are taken for text.

    Args:
        head: the first 16 bytes, or all if there are fewer.
        codec: the own name of the encoding's codec.
        uri: the file.

    Raises:
        DataError: saying what the file is.
    """
    found = next((kind for begins, kind in _KINDS if begins.match(head)), None)
    if codec in ("utf-8", "utf-8-sig") and head.startswith(_UTF16):
        found = Kind("UTF-16", "pass encoding='utf16'.")
    if found is not None:
        raise DataError(f"the file is no {codec} text: it is {found.name}", where=f"{uri} line 1", hint=found.hint)
