"""Does anything leak from one split into another: a group, a later time, the same row?

All three are answered exactly. Groups and rows are compared by 64-bit hashes, in as many slices of the hash space as it
takes to hold no more than `max_hashes` of a split at a time: memory is bounded, and more groups cost more passes over
their columns, never a weaker answer (a check for equal rows takes a pass over all columns for every four million rows
of a split). Two different values share a hash with a chance of n**2 / 2**65: for a million groups
less than one in 30 million, and then a leak is told that is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, GateError, did_you_mean
from trueline.data.splits import check_filled, columns_of
from trueline.engine.base import AccumulatorSpec, Engine

if TYPE_CHECKING:
    from trueline.data.examples import Examples
    from trueline.data.report import IngestReport
    from trueline.data.splits_rules import Rule

__all__ = ["GroupLeak", "LeakReport", "TimeLeak", "check_leakage", "checked_report"]

_JOBS = "trueline.data.leaks_scan"
_SHOWN = 5
MAX_HASHES = 4_000_000


@dataclass(frozen=True)
class GroupLeak:
    """Groups that two splits share.

    Attributes:
        splits: the two.
        groups: how many groups are in both.
        examples: some of them, as text.
    """

    splits: tuple[str, str]
    groups: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class TimeLeak:
    """Rows of a later split that are earlier than the latest row of an earlier split.

    Attributes:
        splits: the earlier and the later split.
        rows: how many rows of the later split.
        latest: the latest time of the earlier split.
        earliest: the earliest time of the later split.
    """

    splits: tuple[str, str]
    rows: int
    latest: str
    earliest: str


@dataclass(frozen=True)
class LeakReport:
    """What a leak check found.

    Attributes:
        splits: the splits that were compared, in the order of time.
        checked: what was looked for: ``group user``, ``time ts``, ``rows``.
        groups: shared groups, by pair of splits.
        times: rows that are too early, by pair of splits.
        duplicates: different rows (by their values) that two splits share, by pair; information, not a leak.
        group_counts: how many groups each split has.
    """

    splits: tuple[str, ...]
    checked: tuple[str, ...]
    groups: tuple[GroupLeak, ...] = ()
    times: tuple[TimeLeak, ...] = ()
    duplicates: Mapping[tuple[str, str], int] = field(default_factory=dict)
    group_counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no group and no later row leaks."""
        return not self.groups and not self.times

    def to_json(self) -> dict[str, Any]:
        """The report as JSON."""
        pairs = [{"splits": list(pair), "rows": rows} for pair, rows in self.duplicates.items()]
        return {**asdict(self), "duplicates": pairs, "ok": self.ok}

    @property
    def sentences(self) -> tuple[str, ...]:
        """The leaks for people."""
        found = [
            f"{g.groups} groups are in {g.splits[0]} and in {g.splits[1]}, among them {', '.join(g.examples)}"
            for g in self.groups
        ]
        found += [
            f"{t.rows} rows of {t.splits[1]} are earlier than the latest of {t.splits[0]} ({t.latest}); "
            f"the earliest is {t.earliest}"
            for t in self.times
        ]
        return tuple(found)


def check_leakage(
    examples: Examples | str,
    *,
    group: str | Sequence[str] | None = None,
    time: str | None = None,
    splits: Sequence[str] | None = None,
    duplicates: bool = True,
    gate: bool = False,
    engine: Engine | None = None,
    max_hashes: int = MAX_HASHES,
) -> LeakReport:
    """Looks for what is in two splits and should not be.

    Args:
        examples: the Examples, or their folder.
        group: no value of this column (or of these together) may be in two splits; missing values are no group.
        time: no row of a later split may be earlier than the latest row of an earlier one; missing times are skipped.
        splits: the splits, earliest first; all, in their order, by default.
        duplicates: count different rows that are in two splits, as information.
        gate: raise when something leaks.
        engine: threads of this machine by default.
        max_hashes: how many hashes of one split are held at a time, at least 1,000.

    Raises:
        GateError: with `gate`, when a group or a later row leaks: every pair of splits, with numbers and examples.
        ConfigError: a split or column that does not exist, all problems at once.
        DataError: when the column of times holds no times.
    """
    from trueline.data.examples import Examples

    opened = Examples.open(examples) if isinstance(examples, str) else examples
    names, by = tuple(splits or opened.splits), columns_of(group)
    _check(opened, names, by, time, max_hashes)
    if engine is None:
        from trueline.engine.local import default_engine

        engine = default_engine()
    scan = _Scan(opened, names, engine, max_hashes)
    report = LeakReport(names, ())
    if by:
        report = replace(scan.groups(by, report), checked=(f"group {', '.join(by)}",))
    if time is not None:
        report = replace(report, times=scan.times(time), checked=(*report.checked, f"time {time}"))
    if duplicates:
        shared = scan.shared((), None)[0]
        counts = {pair: len(found) for pair, found in shared.items() if len(found)}
        report = replace(report, duplicates=counts, checked=(*report.checked, "rows"))
    if gate and not report.ok:
        raise GateError(
            "rows leak from one split into another",
            where=opened.uri,
            problems=report.sentences,
            hint="split by group (group_by) or by time (split_by), or leave these rows out.",
        )
    return report


def _check(examples: Examples, names: Sequence[str], by: Sequence[str], time: str | None, max_hashes: int) -> None:
    columns = examples.arrow_schema.names
    problems = [
        f"there is no split {n!r}. {did_you_mean(n, examples.splits)}" for n in names if n not in examples.blocks
    ]
    wanted = [*by, *([time] if time is not None else [])]
    problems += [f"there is no column {c!r}. {did_you_mean(c, columns)}" for c in wanted if c not in columns]
    if len(set(names)) != len(names):
        problems.append("a split is named twice")
    if max_hashes < 1_000:
        problems.append(f"max_hashes is {max_hashes}, give at least 1000")
    if problems:
        raise ConfigError("the leak check is described wrongly", problems=problems)


@dataclass(frozen=True)
class _Scan:
    """The passes of one check."""

    examples: Examples
    names: tuple[str, ...]
    engine: Engine
    max_hashes: int

    def groups(self, by: tuple[str, ...], report: LeakReport) -> LeakReport:
        """The shared groups of every pair of splits."""
        shared, counts = self.shared(by, _SHOWN)
        found = tuple(
            GroupLeak(pair, len(hashes), self._values(pair[0], by, hashes[:_SHOWN]))
            for pair, hashes in shared.items()
            if len(hashes)
        )
        return replace(report, groups=found, group_counts=counts)

    def shared(self, by: tuple[str, ...], shown: int | None) -> tuple[dict[tuple[str, str], Any], dict[str, int]]:
        """The hashes that each pair of splits shares, and how many each split has."""
        slices = 1
        if not by:  # most rows differ: as many hashes as rows
            slices = max(1, *(-(-self.examples.num_rows(name) // self.max_hashes) for name in self.names))
        while True:
            found = self._shared_in(by, slices)
            if found is not None:
                return found
            slices *= 4

    def _shared_in(self, by: tuple[str, ...], slices: int) -> tuple[dict[tuple[str, str], Any], dict[str, int]] | None:
        """The same with the hash space cut into slices; None when one of them does not fit."""
        shared: dict[tuple[str, str], Any] = {pair: _Hits() for pair in combinations(self.names, 2)}
        counts = dict.fromkeys(self.names, 0)
        columns = list(by) or [n for n in self.examples.arrow_schema.names if not n.startswith("__")]
        for part in range(slices):
            params = {"by": list(by), "part": part, "slices": slices, "limit": self.max_hashes}
            spec = AccumulatorSpec[Any](f"{_JOBS}:HashSet", params)
            hashes = {}
            for name in self.names:
                hashes[name] = self.engine.run(spec, self.examples.dataset(name), columns)
                if hashes[name] is None:
                    return None
                counts[name] += len(hashes[name])
            for pair in shared:
                shared[pair].add(np.intersect1d(hashes[pair[0]], hashes[pair[1]], assume_unique=True))
        return shared, counts

    def _values(self, split: str, by: tuple[str, ...], hashes: Any) -> tuple[str, ...]:
        """The values behind some hashes."""
        params = {"by": list(by), "hashes": [int(h) for h in hashes]}
        spec = AccumulatorSpec[dict[int, str]](f"{_JOBS}:ValuesOf", params)
        found = self.engine.run(spec, self.examples.dataset(split), list(by))
        return tuple(found[h] for h in sorted(found))

    def times(self, column: str) -> tuple[TimeLeak, ...]:
        """The rows that are too early, for every pair of splits."""
        spans = {}
        spec = AccumulatorSpec[Any](f"{_JOBS}:TimeSpan", {"column": column})
        for name in self.names:
            spans[name] = self.engine.run(spec, self.examples.dataset(name), [column])
        found = []
        for earlier, later in combinations(self.names, 2):
            if spans[earlier] is None or spans[later] is None or spans[later][0] >= spans[earlier][1]:
                continue
            count = AccumulatorSpec[int](f"{_JOBS}:EarlierThan", {"column": column, "key": spans[earlier][1]})
            rows = self.engine.run(count, self.examples.dataset(later), [column])
            kind = self.examples.arrow_schema.field(column).type
            found.append(TimeLeak((earlier, later), rows, _text(spans[earlier][1], kind), _text(spans[later][0], kind)))
        return tuple(found)


class _Hits:
    """How many hashes were found in both, and the first of them."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[int] = []

    def add(self, hashes: Any) -> None:
        """Takes in what one slice gave."""
        self._count += len(hashes)
        self._first += [int(h) for h in hashes[: _SHOWN - len(self._first)]]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice) -> list[int]:
        return self._first[part]


def _text(key: int, kind: Any) -> str:
    from trueline.data.splits_time import value_of_key

    return str(value_of_key(key, kind))


def checked_report(report: IngestReport, uri: str, rule: Rule | None, engine: Engine) -> IngestReport:
    """The report of a write with the leak check that its rule asks for; when something leaks, nothing is finished.

    Raises:
        GateError, DataError: when a group or a later row leaks; when a split got none of the groups.
    """
    from trueline._core import store
    from trueline.data.examples import EXAMPLES_NAME, Examples

    check = getattr(rule, "leak_check", None)
    if check is None or not report.rows:
        return report
    try:
        if "group" in check:
            check_filled(report.splits, check["group"], uri)
        leaks = check_leakage(Examples.open(uri), **check, duplicates=False, gate=True, engine=engine)
    except BaseException:
        store.remove_tree(store.join(uri, EXAMPLES_NAME))
        raise
    return replace(report, leaks=leaks)
