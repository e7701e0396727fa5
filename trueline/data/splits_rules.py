"""Choosing a split rule: from a rule, pairs or friendly keywords, and back from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trueline._core.errors import ConfigError
from trueline.data.splits import DEFAULT_SPLITS, GroupSplit, HashSplit, Index, pairs_of, shares_from_json

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.rows import Keep
    from trueline.engine.base import Dataset, Engine

__all__ = ["FixedSplit", "Rule", "SplitSpec", "choose_rule", "rule_from_json"]


class Rule(Protocol):
    """A frozen, JSON-able rule that gives each row its split."""

    @property
    def names(self) -> tuple[str, ...]:
        """The splits, in order."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads by name."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON; `rule_from_json` is the inverse."""
        ...

    def describe(self) -> dict[str, Any]:
        """What ``examples.json`` says of it."""
        ...

    def assign(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> Index:
        """The index of each row's split."""
        ...


SplitSpec = Rule | Sequence[tuple[str, int]] | Mapping[str, Any]
"""How a caller may say it: a rule, pairs of name and share, a mapping of name to share, or a rule's JSON form."""


class FixedSplit:
    """Every row goes to one split: an input split, or rows that wait for their split."""

    columns: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.names = (name,)

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON."""
        return {"kind": "fixed", "split": self.names[0]}

    def describe(self) -> dict[str, Any]:
        """What ``examples.json`` says of it."""
        return {"name": "input splits v1"}

    def assign(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> Index:
        """All zeros."""
        import numpy as np

        return np.zeros(batch.num_rows, np.intp)


def _hash(data: Mapping[str, Any]) -> Rule:
    return HashSplit(shares_from_json(data), tuple(data.get("by", ())), data.get("missing", "error"))


def _group(data: Mapping[str, Any]) -> Rule:
    return GroupSplit(tuple(data["by"]), shares_from_json(data), data.get("missing", "error"))


def _time(data: Mapping[str, Any]) -> Rule:
    from trueline.data.splits_time import time_split_from_json

    return time_split_from_json(data)


def _strata(data: Mapping[str, Any]) -> Rule:
    from trueline.data.splits_strata import stratified_from_json

    return stratified_from_json(data)


_KINDS: dict[str, Callable[[Mapping[str, Any]], Rule]] = {
    "hash": _hash,
    "group": _group,
    "time": _time,
    "stratified": _strata,
    "fixed": lambda data: FixedSplit(str(data["split"])),
}


def rule_from_json(data: Mapping[str, Any]) -> Rule:
    """The rule that its `to_json` described.

    Raises:
        ConfigError: when it is none.
    """
    kind = data.get("kind")
    if kind not in _KINDS:
        raise ConfigError(f"{kind!r} is no kind of split", hint=f"there is: {', '.join(sorted(_KINDS))}.")
    try:
        return _KINDS[kind](data)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the split of kind {kind!r} is described wrongly: {error!r}") from error


def _shares(splits: SplitSpec | None) -> tuple[tuple[str, int], ...]:
    return DEFAULT_SPLITS if splits is None else pairs_of(splits)


def choose_rule(
    splits: SplitSpec | None = None,
    *,
    partition_feature: str | Sequence[str] | None = None,
    split_by: str | None = None,
    group_by: str | Sequence[str] | None = None,
    stratify_by: str | Sequence[str] | None = None,
    seed: int = 0,
) -> Rule:
    """The rule that a caller means; two thirds train and one third eval by row hash when nothing is said.

    Raises:
        ConfigError: for keywords that exclude each other, or wrong splits; all problems at once.
    """
    named = {"partition_feature": partition_feature, "split_by": split_by, "group_by": group_by}
    given = {k: v for k, v in {**named, "stratify_by": stratify_by}.items() if v is not None}
    whole = splits is not None and (hasattr(splits, "assign") or (isinstance(splits, Mapping) and "kind" in splits))
    problems = []
    if len(given) > 1:
        problems.append(f"{', '.join(given)} exclude each other: a row's split has one reason")
    if whole and given:
        problems.append(f"splits is a rule of its own, {', '.join(given)} cannot change it")
    problems += [f"{name} names no column" for name, by in given.items() if not by]
    if problems:
        raise ConfigError(
            "the rows cannot be split so",
            problems=problems,
            hint="give one of partition_feature, split_by (time), group_by, stratify_by, with splits as shares.",
        )
    if whole:
        return rule_from_json(splits) if isinstance(splits, Mapping) else splits  # type: ignore[return-value]
    return _by_keyword(_shares(splits), given, seed)


def _by_keyword(shares: tuple[tuple[str, int], ...], given: Mapping[str, Any], seed: int) -> Rule:
    if "partition_feature" in given:
        return HashSplit(shares, given["partition_feature"])
    if "group_by" in given:
        return GroupSplit(given["group_by"], shares)
    if "split_by" in given:
        from trueline.data.splits_time import TimeSplit

        return TimeSplit(given["split_by"], shares)
    if "stratify_by" in given:
        from trueline.data.splits_strata import StratifiedSplit

        return StratifiedSplit(given["stratify_by"], shares, seed=seed)
    return HashSplit(shares)


def planned(rule: Rule, dataset: Dataset, keep: Keep, engine: Engine, sources: Sequence[str]) -> Rule:
    """The rule ready to assign rows: time and strata look at all rows first."""
    plan = getattr(rule, "plan", None)
    found: Rule = rule if plan is None else plan(dataset, keep, engine, sources)
    return found


def needs_plan(rule: Rule) -> bool:
    """Whether the rule must see all rows before it can assign one."""
    return bool(getattr(rule, "unplanned", False))
