"""Which split a row belongs to by a stable hash, so that a row never changes its split.

Rule "row hash v1": ``bucket = hash_rows(row over all raw columns) mod total buckets``; the splits own the buckets in
the order given. It depends on the row's values alone: not on its file, its place, or how the reading was cut up.
Rule "feature hash v1": the same with ``hash_array`` of one column, or ``hash_rows`` over several, in place of the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline._core.rowid import ROW_COLUMN, describe_row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DEFAULT_SPLITS",
    "SPLIT_RULE",
    "GroupSplit",
    "HashSplit",
    "SplitRule",
    "check_filled",
    "check_shares",
    "check_split_name",
    "columns_of",
    "missing_value",
    "rows_by_split",
]

SPLIT_RULE = "row hash v1"
DEFAULT_SPLITS = (("train", 2), ("eval", 1))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")
_SHOWN = 5
Index = np.ndarray[Any, np.dtype[np.intp]]
_EXAMPLE = 'shares are whole numbers of hash buckets, for example {"train": 8, "eval": 2}.'


def check_split_name(name: str) -> str | None:
    """What is wrong with a split's name, or None. It becomes part of a folder's name."""
    if _NAME.fullmatch(name):
        return None
    return f"split name {name!r}: use letters, digits, '_', '-' and '.', beginning with a letter or digit"


def check_names(names: Sequence[str]) -> list[str]:
    """What is wrong with the names of splits."""
    problems = [p for name in names if (p := check_split_name(name))]
    problems += [f"split {n!r} is named twice" for n in sorted({n for n in names if names.count(n) > 1})]
    return problems if names else ["there is no split"]


def check_shares(splits: Sequence[tuple[str, int]]) -> list[str]:
    """What is wrong with pairs of split and share."""
    problems = [p for name, _ in splits if (p := check_split_name(name))]
    problems += [f"split {n!r} has {b!r} buckets" for n, b in splits if not isinstance(b, int) or b < 1]
    names = [name for name, _ in splits]
    problems += [f"split {n!r} is named twice" for n in sorted({n for n in names if names.count(n) > 1})]
    return problems if splits else ["there is no split"]


def pairs_of(splits: Any) -> tuple[tuple[str, int], ...]:
    """Names and shares as a caller gave them: pairs, or a mapping.

    Raises:
        ConfigError: for anything else.
    """
    try:
        return tuple((str(name), share) for name, share in (splits.items() if isinstance(splits, Mapping) else splits))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the splits are {splits!r}, each needs a name and a share", hint=_EXAMPLE) from error


def columns_of(by: str | Sequence[str] | None) -> tuple[str, ...]:
    """One name, several, or none, as names."""
    return () if by is None else (by,) if isinstance(by, str) else tuple(by)


def missing_value(batch: pa.RecordBatch, column: str, mask: Any, use: str, sources: Sequence[str] | None) -> DataError:
    """The error for rows whose value of a column is missing where a split needs it."""
    found = np.flatnonzero(mask)
    ids = batch.column(ROW_COLUMN).to_numpy()[found[:_SHOWN]] if ROW_COLUMN in batch.schema.names else found[:_SHOWN]
    names = list(sources) if sources is not None else None
    rows = [describe_row(int(i), names) for i in ids]
    return DataError(
        f"column {column!r} is missing in {len(found)} rows or more, and {use}",
        where=rows[0],
        problems=rows[1:],
        hint=f"leave such rows out with where='{column} is not None', or split by something else.",
    )


@dataclass(frozen=True)
class HashSplit:
    """Splits by hash, e.g. ``HashSplit((("train", 2), ("eval", 1)))`` for two to one.

    Args:
        splits: names and shares, in the order in which they own the buckets.
        by: the columns whose values decide; without any, the whole row does. Rows with equal values are never parted.
        missing: what happens to a row with a missing value in `by`: an ``"error"`` naming the row (as in TFX), or
            ``"bucket"``: missing is a value like any other.

    Raises:
        ConfigError: for no split, a bad or repeated name, or a share below one; all problems at once.
    """

    splits: tuple[tuple[str, int], ...]
    by: tuple[str, ...] = ()
    missing: str = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", columns_of(self.by))
        object.__setattr__(self, "splits", pairs_of(self.splits))
        problems = check_shares(self.splits)
        if self.missing not in ("error", "bucket"):
            problems.append(f"missing is {self.missing!r}, give 'error' or 'bucket'")
        if problems:
            raise ConfigError("the splits are wrong", problems=problems, hint=_EXAMPLE)

    @classmethod
    def of(cls, splits: Sequence[tuple[str, int]]) -> HashSplit:
        """The rule for pairs of name and number of buckets."""
        return cls(pairs_of(splits))

    @property
    def names(self) -> tuple[str, ...]:
        """The splits' names, in order."""
        return tuple(name for name, _ in self.splits)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be there."""
        return self.by

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON; `trueline.data.splits_rules.rule_from_json` is the inverse."""
        splits = [list(s) for s in self.splits]
        return {"kind": "hash", "splits": splits, "by": list(self.by), "missing": self.missing}

    def describe(self) -> dict[str, Any]:
        """What ``examples.json`` says of the rule."""
        from trueline._core.hash import HASH_NAME

        found: dict[str, Any] = {"name": SPLIT_RULE, "hash": HASH_NAME, "splits": [list(s) for s in self.splits]}
        return found if not self.by else {**found, "name": "feature hash v1", "by": list(self.by)}

    def assign(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> Index:
        """The index of each row's split: shape ``[num_rows]``.

        Raises:
            DataError: for a missing value in `by`, naming the row (`sources` are the names of the row ids' sources).
        """
        ends = np.cumsum([buckets for _, buckets in self.splits])
        bucket = self._hashes(batch, sources) % np.uint64(ends[-1])
        return np.searchsorted(ends, bucket.astype(np.int64), side="right")

    def _hashes(self, batch: pa.RecordBatch, sources: Sequence[str] | None) -> np.ndarray[Any, np.dtype[np.uint64]]:
        from trueline._core.hash import hash_array, hash_rows

        for name in self.by if self.missing == "error" else ():
            if batch.column(name).null_count:
                mask = batch.column(name).is_null().to_numpy(zero_copy_only=False)
                raise missing_value(batch, name, mask, "the rows are split by it", sources)
        if len(self.by) == 1:
            return hash_array(batch.column(self.by[0]))
        return hash_rows(batch, list(self.by) or None)

    def parts(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The batch's rows by split, in their order; splits without rows are left out."""
        yield from rows_by_split(self.names, self, batch)


SplitRule = HashSplit
"""The rule by its first name."""


@dataclass(frozen=True)
class GroupSplit:
    """Whole groups go to a split, by hash of the group's value: no group is in two splits.

    Args:
        by: the column (or columns together) that names the group, such as a patient, a user, a device.
        splits: names and shares of the *groups*; rows follow their group.
        missing: as in `HashSplit`.
    """

    by: tuple[str, ...]
    splits: tuple[tuple[str, int], ...] = DEFAULT_SPLITS
    missing: str = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", columns_of(self.by))
        object.__setattr__(self, "splits", pairs_of(self.splits))
        if not self.by:
            raise ConfigError("a split by group needs a column", hint='for example: GroupSplit("user").')
        HashSplit(self.splits, self.by, self.missing)

    @property
    def names(self) -> tuple[str, ...]:
        """The splits' names, in order."""
        return tuple(name for name, _ in self.splits)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be there."""
        return self.by

    @property
    def leak_check(self) -> dict[str, Any]:
        """What must be checked afterwards."""
        return {"group": list(self.by)}

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON."""
        return {**HashSplit(self.splits, self.by, self.missing).to_json(), "kind": "group"}

    def describe(self) -> dict[str, Any]:
        """What ``examples.json`` says of the rule."""
        return {**HashSplit(self.splits, self.by).describe(), "name": "group hash v1"}

    def assign(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> Index:
        """The index of each row's split; see `HashSplit.assign`."""
        return HashSplit(self.splits, self.by, self.missing).assign(batch, sources)


def rows_by_split(
    names: Sequence[str], rule: Any, batch: pa.RecordBatch, sources: Sequence[str] | None = None
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The batch's rows by the rule's splits, in their order; splits without rows are left out."""
    import pyarrow as pa

    if len(names) == 1 and not rule.columns:
        yield names[0], batch
        return
    index = rule.assign(batch, sources)
    for number, name in enumerate(names):
        rows = np.flatnonzero(index == number)
        if len(rows):
            yield name, batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))


def shares_from_json(data: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """The shares in a rule's JSON form."""
    return pairs_of(data["splits"])


def check_filled(splits: Mapping[str, int], by: Sequence[str], uri: str) -> None:
    """Refuses a split without a row where groups go by their hash: a few groups may all go elsewhere.

    Raises:
        DataError: with the rows of every split.
    """
    empty = [name for name, rows in splits.items() if not rows]
    if empty:
        raise DataError(
            f"split {empty[0]!r} would get no row: no group by {', '.join(by)} goes there",
            where=uri,
            problems=[f"split {name!r} would get {rows:,} rows" for name, rows in splits.items()],
            hint="a group is never parted, and its value alone says where it goes: there are too few groups for these "
            "shares; give greater shares or fewer splits, or split by rows.",
        )
