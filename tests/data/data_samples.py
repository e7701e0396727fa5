"""What the data tests share: reading Examples back in row order, and hashing what was written."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pyarrow as pa

from trueline.data import Examples
from trueline.data.ingest_part import ingest_part


def rows_of(uri: str) -> pa.Table:
    """All rows of all splits, in the order of the input, without ``__row__``."""
    examples = Examples.open(uri)
    table = pa.concat_tables([examples.table(split) for split in examples.splits])
    return table.sort_by("__row__").drop_columns(["__row__"])


def bits_of(uri: str) -> dict[str, str]:
    """The sha256 of every file below a folder."""
    root = Path(uri)
    files = (p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def killed_once(block, *, mark: str, **params):
    """Writes a file's rows, then dies before it can answer, the first time."""
    result = ingest_part(block, **params)
    if block.number == 1 and not Path(mark).exists():
        Path(mark).touch()
        (Path(params["uri"]) / "Split-train" / ".part-00001.parquet.left").write_bytes(b"half a file")
        os.kill(os.getpid(), signal.SIGKILL)
    return result
