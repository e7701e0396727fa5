"""Stratified splits: each value of a column is shared out alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline.data.splits import DEFAULT_SPLITS, Index, check_shares, columns_of, pairs_of
from trueline.data.splits_ranks import MAX_STRATA, Strata, draw_keys, strata_of
from trueline.data.splits_search import find_thresholds

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.rows import Keep
    from trueline.engine.base import Dataset, Engine

__all__ = ["StratifiedSplit", "stratified_from_json"]

_MAX = (1 << 64) - 1


@dataclass(frozen=True)
class StratifiedSplit:
    """Each stratum (rows with equal values in `by`; missing is a value) is shared out by itself.

    A split gets its share of a stratum's rows to within one row, whatever the number of rows: which rows is drawn by a
    hash of ``__row__`` and `seed`. A stratum of a single row goes where half of it would lie. Equal rows may be parted;
    `check_leakage` counts them.

    Args:
        by: a column, or columns together, of at most 10,000 different values.
        splits: names and shares.
        seed: another draw for another seed.

    Raises:
        ConfigError: for wrong splits or no column; all problems at once.
    """

    by: tuple[str, ...]
    splits: tuple[tuple[str, int], ...] = DEFAULT_SPLITS
    seed: int = 0
    plan_: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", columns_of(self.by))
        object.__setattr__(self, "splits", pairs_of(self.splits))
        problems = check_shares(self.splits)
        if not self.by:
            problems.append("by names no column")
        if problems:
            raise ConfigError(
                "the stratified splits are wrong",
                problems=problems,
                hint='for example: StratifiedSplit("label", (("train", 8), ("eval", 2))).',
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The splits' names, in order."""
        return tuple(name for name, _ in self.splits)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the strata."""
        return self.by

    @property
    def unplanned(self) -> bool:
        """Whether the strata are still to be counted."""
        return self.plan_ is None

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON."""
        splits = [list(s) for s in self.splits]
        found = {"kind": "stratified", "by": list(self.by), "splits": splits, "seed": self.seed}
        return found if self.plan_ is None else {**found, "plan": dict(self.plan_)}

    def describe(self) -> dict[str, Any]:
        """What ``examples.json`` says of the rule."""
        splits = [list(s) for s in self.splits]
        found: dict[str, Any] = {"name": "stratified v1", "by": list(self.by), "splits": splits, "seed": self.seed}
        return found if self.plan_ is None else {**found, "strata": len(self.plan_["strata"])}

    def plan(self, dataset: Dataset, keep: Keep, engine: Engine, sources: Sequence[str]) -> StratifiedSplit:
        """The rule with each stratum's boundaries.

        Raises:
            DataError: for more than 10,000 strata.
        """
        strata = Strata(None, self.by, self.seed, keep.to_json())
        ids, _, found, _ = find_thresholds(strata, [s for _, s in self.splits], dataset, engine, sources)
        return replace(self, plan_={"strata": ids.tolist(), "thresholds": found})

    def assign(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> Index:
        """The index of each row's split.

        Raises:
            DataError: for a stratum that the plan has not seen.
        """
        if self.plan_ is None:
            raise ConfigError("the strata of a split are counted by a pass over all rows first")
        ids = np.array(self.plan_["strata"], np.uint64)
        rows = strata_of(batch, self.by)
        place = np.minimum(np.searchsorted(ids, rows), max(len(ids) - 1, 0))
        if len(rows) and (not len(ids) or (ids[place] != rows).any()):
            raise DataError("a row belongs to a stratum that was not counted", hint="the rows changed meanwhile.")
        index = np.zeros(len(rows), np.intp)
        keys = draw_keys(batch, self.seed)
        for boundary in range(len(self.splits) - 1):
            starts = [t[boundary] for t in self.plan_["thresholds"]]
            later = np.array([min(s, _MAX) for s in starts], np.uint64)
            never = np.array([s > _MAX for s in starts], bool)
            if len(rows):
                index += (keys >= later[place]) & ~never[place]
        return index


def stratified_from_json(data: Mapping[str, Any]) -> StratifiedSplit:
    """What `StratifiedSplit.to_json` described."""
    splits = pairs_of(data["splits"])
    plan = data.get("plan")
    if plan is not None and len(plan["strata"]) > MAX_STRATA:
        raise ValueError("too many strata")
    return StratifiedSplit(tuple(data["by"]), splits, int(data.get("seed", 0)), plan)
