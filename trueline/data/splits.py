"""Which split a row belongs to: a stable hash of the row itself, so that a row never changes its split.

Rule "row hash v1": ``bucket = hash_rows(row over all raw columns) mod total buckets``; the splits own the buckets in
the order given. It depends on the row's values alone: not on its file, its place, or how the reading was cut up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DEFAULT_SPLITS", "SPLIT_RULE", "SplitRule", "check_split_name"]

SPLIT_RULE = "row hash v1"
DEFAULT_SPLITS = (("train", 2), ("eval", 1))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")


def check_split_name(name: str) -> str | None:
    """What is wrong with a split's name, or None. It becomes part of a folder's name."""
    if _NAME.fullmatch(name):
        return None
    return f"split name {name!r}: use letters, digits, '_', '-' and '.', beginning with a letter or digit"


@dataclass(frozen=True)
class SplitRule:
    """Splits and their shares, e.g. ``SplitRule((("train", 2), ("eval", 1)))`` for two to one.

    Raises:
        ConfigError: for no split, a bad or repeated name, or a share below one; all problems at once.
    """

    splits: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        problems = [p for name, _ in self.splits if (p := check_split_name(name))]
        problems += [f"split {n!r} has {b!r} buckets" for n, b in self.splits if not isinstance(b, int) or b < 1]
        names = [name for name, _ in self.splits]
        problems += [f"split {n!r} is named twice" for n in sorted({n for n in names if names.count(n) > 1})]
        if not self.splits:
            problems.append("there is no split")
        if problems:
            raise ConfigError(
                "the splits are wrong", problems=problems, hint='for example: (("train", 2), ("eval", 1)).'
            )

    @classmethod
    def of(cls, splits: Sequence[tuple[str, int]]) -> SplitRule:
        """The rule for pairs of name and number of buckets."""
        return cls(tuple((str(name), buckets) for name, buckets in splits))

    @property
    def names(self) -> tuple[str, ...]:
        """The splits' names, in order."""
        return tuple(name for name, _ in self.splits)

    def assign(self, batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.intp]]:
        """The index of each row's split: shape ``[num_rows]``."""
        from trueline._core.hash import hash_rows

        ends = np.cumsum([buckets for _, buckets in self.splits])
        bucket = hash_rows(batch) % np.uint64(ends[-1])
        return np.searchsorted(ends, bucket.astype(np.int64), side="right")

    def parts(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The batch's rows by split, in their order; splits without rows are left out."""
        import pyarrow as pa

        if len(self.splits) == 1:
            yield self.splits[0][0], batch
            return
        index = self.assign(batch)
        for number, name in enumerate(self.names):
            rows = np.flatnonzero(index == number)
            if len(rows):
                yield name, batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))
