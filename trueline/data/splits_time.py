"""Splits in the order of time: the earliest rows to the first split, the latest to the last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline.data.splits import DEFAULT_SPLITS, Index, check_names, check_shares
from trueline.data.splits_ranks import Strata, order_keys
from trueline.data.splits_search import find_thresholds, next_keys, ranks_of

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.rows import Keep
    from trueline.engine.base import Dataset, Engine

__all__ = ["TimeSplit", "time_split_from_json", "value_of_key"]

_SIGN = 1 << 63
Boundary = str | int | float
_EXAMPLE = (
    'for example: TimeSplit("ts", (("train", 8), ("eval", 2))) or TimeSplit("ts", ("train", "eval"), ["2024-05-01"]).'
)


@dataclass(frozen=True)
class TimeSplit:
    """Rows by time: every row of a split is earlier than every row of the next one.

    With shares the boundaries are found on the rows themselves, exactly: as many rows lie before a boundary as the
    share asks for; rows of the same time are never parted (the nearer side takes them all).

    Args:
        by: a column of timestamps or numbers; a row without a value is an error.
        splits: names and shares, earliest first; with `boundaries` names alone will do.
        boundaries: where each split but the first begins, ascending (nothing lies between equal ones): ISO 8601 text,
            a datetime, or a number as in the column. A row of just that time belongs to the later split.

    Raises:
        ConfigError: for wrong splits or boundaries; all problems at once.
    """

    by: str
    splits: tuple[tuple[str, int], ...] = DEFAULT_SPLITS
    boundaries: tuple[Boundary, ...] | None = None

    def __post_init__(self) -> None:
        bare = any(isinstance(s, str) for s in self.splits)
        named = tuple((s, 1) if isinstance(s, str) else (s[0], s[1]) for s in self.splits)
        object.__setattr__(self, "splits", named)
        problems = check_shares(named) if self.boundaries is None else check_names([n for n, _ in named])
        if not isinstance(self.by, str) or not self.by:
            problems.append("by names no column")
        if self.boundaries is not None:
            given = tuple(self.boundaries)
            object.__setattr__(self, "boundaries", tuple(_plain(b) for b in given))
            if len(given) != len(named) - 1:
                problems.append(f"{len(given)} boundaries for {len(named)} splits, give one less than splits")
            problems += self._unordered()
        elif bare:
            problems.append("names without shares need boundaries")
        if problems:
            raise ConfigError("the splits by time are wrong", problems=problems, hint=_EXAMPLE)

    def _unordered(self) -> list[str]:
        texts = [b for b in self.boundaries or () if isinstance(b, str)]
        numbers = [b for b in self.boundaries or () if not isinstance(b, str)]
        if texts and numbers:
            return ["the boundaries are partly text and partly numbers"]
        try:
            keys = [_key(b, None) for b in self.boundaries or ()]
        except ValueError as error:
            return [str(error)]
        return ["the boundaries do not ascend"] if any(a > b for a, b in pairwise(numbers or keys)) else []

    @property
    def names(self) -> tuple[str, ...]:
        """The splits' names, earliest first."""
        return tuple(name for name, _ in self.splits)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of times."""
        return (self.by,)

    @property
    def unplanned(self) -> bool:
        """Whether the boundaries are still to be found."""
        return self.boundaries is None

    @property
    def leak_check(self) -> dict[str, Any]:
        """What must be checked afterwards."""
        return {"time": self.by, "splits": list(self.names)}

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON."""
        found = {"kind": "time", "by": self.by, "splits": [list(s) for s in self.splits]}
        return found if self.boundaries is None else {**found, "boundaries": list(self.boundaries)}

    def describe(self) -> dict[str, Any]:
        """What ``examples.json`` says of the rule: the boundaries too, once they are known."""
        found = {**self.to_json(), "name": "time v1"}
        del found["kind"]
        return found

    def plan(self, dataset: Dataset, keep: Keep, engine: Engine, sources: Sequence[str]) -> TimeSplit:
        """The rule with the boundaries that the shares ask for.

        Raises:
            DataError: for values that are missing, or when a split would get no row since too many have one time.
        """
        if self.boundaries is not None:
            return self
        strata = Strata(self.by, (), 0, keep.to_json())
        shares = [share for _, share in self.splits]
        ids, rows, found, span = find_thresholds(strata, shares, dataset, engine, sources)
        thresholds = [_SIGN] * (len(shares) - 1)  # without rows any boundaries will do
        if len(ids):
            thresholds = [min(max(t, span[0]), span[1] + 1, (1 << 64) - 1) for t in found[0]]
            self._check_filled(thresholds, span, ranks_of(int(rows[0]), shares))
            thresholds = next_keys(strata, thresholds, dataset, engine, sources)
        kind = dataset.arrow_schema.field(self.by).type
        return replace(self, boundaries=tuple(value_of_key(t, kind) for t in thresholds))

    def _check_filled(self, thresholds: Sequence[int], span: tuple[int, int], ranks: Sequence[int]) -> None:
        edges = pairwise([span[0], *thresholds, span[1] + 1])
        meant = [b - a for a, b in pairwise([0, *ranks])]
        found = zip(self.names, edges, meant, strict=True)
        empty = [(name, rows) for name, (a, b), rows in found if a >= b and rows]
        if empty:
            raise DataError(
                f"split {empty[0][0]!r} would get no row: too many rows have the same time in {self.by!r}",
                problems=[f"split {name!r} would get none of {rows} rows" for name, rows in empty],
                hint="rows of one time are never parted: give other shares, or boundaries.",
            )

    def assign(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> Index:
        """The index of each row's split.

        Raises:
            DataError: for a missing value, naming the row; for a boundary that is no value of the column's type.
        """
        if self.boundaries is None:
            raise ConfigError("the boundaries of a split by time are found by a pass over all rows first")
        kind = batch.schema.field(self.by).type
        keys = order_keys(batch, self.by, sources)
        try:
            starts = [_key(b, kind) for b in self.boundaries]
        except ValueError as error:
            raise DataError(f"column {self.by!r} is {kind}: {error}") from error
        return np.searchsorted(np.array(starts, np.uint64), keys, side="right")


def _plain(boundary: Any) -> Boundary:
    """A boundary as JSON holds it."""
    if isinstance(boundary, np.generic):
        boundary = boundary.item()
    if isinstance(boundary, dt.datetime) and boundary.tzinfo is not None:
        boundary = boundary.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(boundary, dt.datetime | dt.date):
        text: str = boundary.isoformat()
        return text
    if isinstance(boundary, bool) or not isinstance(boundary, str | int | float):
        raise ConfigError(f"boundary {boundary!r} is no time", hint=_EXAMPLE)
    return boundary


def _key(boundary: Boundary, kind: pa.DataType | None) -> int:
    """The boundary's key among those of `order_keys`; without a type only their order matters.

    Raises:
        ValueError: when it is no value of the type.
    """
    import pyarrow.types as t

    if isinstance(boundary, str):
        if kind is not None and not t.is_timestamp(kind):
            raise ValueError(f"the boundary {boundary!r} is text")
        try:
            parsed = dt.datetime.fromisoformat(boundary)
            whole = np.datetime64(parsed.astimezone(dt.UTC).replace(tzinfo=None) if parsed.tzinfo else parsed, "us")
        except ValueError:
            whole = np.datetime64(boundary, "us")  # years that datetime does not know; raises ValueError itself
        return int(whole.astype(np.int64)) + _SIGN
    if not np.isfinite(boundary):
        raise ValueError(f"the boundary {boundary!r} is no finite number")
    if kind is None or t.is_float64(kind):
        bits = int(np.array([boundary + 0.0], np.float64).view(np.uint64)[0])
        return (1 << 64) - 1 - bits if bits >> 63 else bits | _SIGN
    if boundary != int(boundary):
        raise ValueError(f"the boundary {boundary!r} is no whole number")
    return int(boundary) + _SIGN


def value_of_key(key: int, kind: pa.DataType) -> Boundary:
    """The value whose key this is."""
    import pyarrow.types as t

    if t.is_float64(kind):
        bits = key & (_SIGN - 1) if key & _SIGN else (1 << 64) - 1 - key
        return float(np.array([bits], np.uint64).view(np.float64)[0])
    if t.is_timestamp(kind):
        return str(np.datetime64(key - _SIGN, "us"))
    return key - _SIGN


def time_split_from_json(data: Mapping[str, Any]) -> TimeSplit:
    """What `TimeSplit.to_json` described."""
    boundaries = data.get("boundaries")
    splits = tuple((str(n), share) for n, share in data["splits"])
    return TimeSplit(str(data["by"]), splits, None if boundaries is None else tuple(boundaries))
