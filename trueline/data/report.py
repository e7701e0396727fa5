"""What an ingestion tells its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueline.data.leaks import LeakReport

__all__ = ["IngestReport"]


@dataclass(frozen=True)
class IngestReport:
    """Counts of one ingestion.

    Attributes:
        rows: rows that went into a split.
        rejects: rows that went into ``rejects/`` instead.
        splits: rows of each split.
        files: how many input files (parts of the source) were read.
        columns: each raw column's Arrow type, as text.
        first_rejects: the first rejected rows, one sentence each.
        filtered: rows that the filter left out.
        sampled_out: rows that passed the filter and were not drawn for the sample.
        leaks: what the leak check found; None where the split needs none.
    """

    rows: int
    rejects: int
    splits: Mapping[str, int]
    files: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    first_rejects: tuple[str, ...] = ()
    filtered: int = 0
    sampled_out: int = 0
    leaks: LeakReport | None = None
