"""What an ingestion tells its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["IngestReport"]


@dataclass(frozen=True)
class IngestReport:
    """Counts of one ingestion.

    Attributes:
        rows: rows that went into a split.
        rejects: rows that went into ``rejects/`` instead.
        splits: rows of each split.
        files: how many input files were read.
        columns: each raw column's Arrow type, as text.
        first_rejects: the first rejected rows, one sentence each.
    """

    rows: int
    rejects: int
    splits: Mapping[str, int]
    files: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    first_rejects: tuple[str, ...] = ()
