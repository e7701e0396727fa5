"""What is compared between which groups, and what must hold: `FairnessSpec` and `Criterion`, JSON both ways."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.config_json import decode, encode, freeze, parse_json
from trueline.model_analysis.fairness.rates import CRITERIA
from trueline.model_analysis.multiplicity import MULTIPLICITY
from trueline.model_analysis.slice_buckets import bucket_problems

__all__ = ["Criterion", "FairnessSpec", "spec_of"]

TESTS = ("value", "worse", "non_inferior")
REFERENCES = ("overall", "largest", "best")
_MAX_COLUMNS = 6


@dataclass(frozen=True)
class Criterion:
    """A gate: how far apart the groups may be.

    Attributes:
        name: a key of `CRITERIA`.
        max_difference: the greatest rate minus the least one may be this much.
        min_ratio: the least rate divided by the greatest one must be this much; 0.8 is the four-fifths rule.
        max_increase: the difference may be this much greater than the baseline's; the bare numbers are compared.
        at: None judges the model's own decision, a number that threshold of the spec, ``"all"`` everything.
        groups: columns whose groups are judged, ``("sex",)`` or ``("race", "sex")`` for an intersection; empty judges
            every grouping of the spec.
        class_ids: for more than two classes, the places of the classes that are judged; empty means all.
        to: ``"groups"`` compares every group with every other, ``"reference"`` each with the spec's reference.
        test: what sampling noise does. ``"value"``: the bare number is compared with the bound (it is biased towards a
            gap, for the greatest minus the least of several noisy rates is never 0). ``"worse"``: refused only where
            some pair of groups lies beyond the bound and beyond noise (the benefit of the doubt is the model's).
            ``"non_inferior"``: passes only where every pair is shown to lie within the bound.
        confidence: of this check; None takes the spec's.
        undefined: ``"fail"`` closes the gate where the rate of a group is undefined, ``"pass"`` judges the others.
        small: the same for groups below the spec's `min_group_size`.
    """

    name: str
    max_difference: float | None = None
    min_ratio: float | None = None
    max_increase: float | None = None
    at: Any = None
    groups: tuple[str, ...] = ()
    class_ids: tuple[int, ...] = ()
    to: str = "groups"
    test: str = "value"
    confidence: float | None = None
    undefined: str = "fail"
    small: str = "fail"

    def __post_init__(self) -> None:
        freeze(self)

    def problems(self) -> list[str]:
        """What is wrong with it, without data in view."""
        where = f"criterion {self.name!r}"
        if self.name not in CRITERIA:
            return [f"there is no {where}. {did_you_mean(self.name, CRITERIA, limit=20)}"]
        found = []
        bounds = {n: getattr(self, n) for n in ("max_difference", "min_ratio", "max_increase")}
        if all(b is None for b in bounds.values()):
            found.append(f"{where} has no bound: give max_difference, min_ratio or max_increase")
        for name, bound in bounds.items():
            if bound is not None and not _at_least_zero(bound):
                found.append(f"{where}: {name} is {bound!r}, a number of 0 or more is expected")
        if _at_least_zero(self.min_ratio) and (self.min_ratio or 0) > 1:
            found.append(f"{where}: min_ratio is {self.min_ratio}, no ratio of the least to the greatest is above 1")
        chosen = {
            "test": TESTS,
            "to": ("groups", "reference"),
            "undefined": ("fail", "pass"),
            "small": ("fail", "pass"),
        }
        for name, allowed in chosen.items():
            if getattr(self, name) not in allowed:
                found.append(f"{where}: {name} is {getattr(self, name)!r}, none of {', '.join(allowed)}")
        if self.confidence is not None and not _confidence(self.confidence):
            found.append(f"{where}: confidence is {self.confidence!r}, write a number between 0.5 and 1")
        if self.at is not None and self.at != "all" and not _threshold(self.at):
            found.append(f"{where}: at is {self.at!r}; write None, a threshold from 0 to 1, or 'all'")
        if not CRITERIA[self.name].decision and self.at is not None:
            found.append(f"{where} is of no decision, so it is measured at no threshold")
        return found


@dataclass(frozen=True)
class FairnessSpec:
    """What is measured.

    Attributes:
        groups: columns with sensitive features; each value is a group. A column of numbers with a fraction needs
            `buckets`. The columns may be ones that the model does not read.
        intersections: the most columns that are crossed: 0 or 1 for none, 2 for pairs, True for all of them.
        thresholds: of the score of the second class, beside the model's own decision; a row is said to be positive
            where its score is greater, as in TFMA. A decision of more than two classes has none.
        reference: what groups are compared with beside each other: ``"overall"`` (all rows), ``"largest"`` (most
            rows), ``"best"`` (the best rate, for each rate), or a mapping from column to value: in a grouping whose
            columns are not all named it is ``"overall"``.
        min_group_size: groups with fewer labelled rows are reported, marked, and left out of differences and ratios.
        missing: rows without a value are a ``"group"`` of their own, or ``"leave_out"``.
        criteria: gates; also a mapping from name to the greatest difference, or to fields of `Criterion`.
        confidence: of intervals and checks.
        multiplicity: how the level is shared by the checks with the test ``worse``, see `multiplicity`.
        buckets: numeric column -> ascending boundaries of its groups, as in `SlicingSpec`.
        weighted: whether rows have their example weights; a model that was trained with weights that balance groups
            must be judged without them.
        noise_groups: random groups of rows for the delete-a-group jackknife.
        seed: of the hash of ``__row__`` that deals rows into noise groups.
        max_groups: more groups than this are refused.
    """

    groups: tuple[str, ...]
    intersections: int = 0
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    reference: Any = "overall"
    min_group_size: int = 30
    missing: str = "group"
    criteria: tuple[Criterion, ...] = ()
    confidence: float = 0.95
    multiplicity: str = "holm"
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    weighted: bool = True
    noise_groups: int = 32
    seed: int = 0
    max_groups: int = 200

    def __post_init__(self) -> None:
        if isinstance(self.criteria, Mapping):
            object.__setattr__(self, "criteria", _criteria(self.criteria))
        freeze(self)
        if isinstance(self.intersections, bool):
            object.__setattr__(self, "intersections", len(self.groups) if self.intersections else 0)
        object.__setattr__(self, "buckets", {k: tuple(float(x) for x in v) for k, v in self.buckets.items()})
        if isinstance(self.reference, Mapping):
            object.__setattr__(self, "reference", dict(self.reference))
        if problems := self._problems():
            raise ConfigError("this fairness spec cannot be used", problems=problems)

    @property
    def families(self) -> tuple[tuple[str, ...], ...]:
        """The groupings: each column alone, then crosses of columns; columns of a cross are sorted."""
        from itertools import combinations

        crosses = [
            tuple(sorted(names))
            for size in range(2, min(self.intersections, len(self.groups)) + 1)
            for names in combinations(self.groups, size)
        ]
        return (*((name,) for name in self.groups), *crosses)

    def _problems(self) -> list[str]:
        names = list(self.groups)
        found = [] if names else ["there are no groups: name one or more columns"]
        found += [f"column {n!r} is named twice" for n in sorted({n for n in names if names.count(n) > 1})]
        if len(names) > _MAX_COLUMNS:
            found.append(f"{len(names)} columns are crossed, at most {_MAX_COLUMNS} can be")
        found += [f"groups[{i}] is {n!r}, a column's name is expected" for i, n in enumerate(names) if not _text(n)]
        found += [f"threshold {t!r} is no number from 0 to 1" for t in self.thresholds if not _threshold(t)]
        if self.missing not in ("group", "leave_out"):
            found.append(f"missing is {self.missing!r}, none of group, leave_out")
        if self.multiplicity not in MULTIPLICITY:
            found.append(
                f"there is no multiplicity {self.multiplicity!r}. {did_you_mean(self.multiplicity, MULTIPLICITY)}"
            )
        if not _confidence(self.confidence):
            found.append(f"confidence is {self.confidence!r}, write a number between 0.5 and 1")
        for name, least, most in (("min_group_size", 0, 10**12), ("noise_groups", 2, 1024), ("max_groups", 1, 2000),
                                  ("intersections", 0, _MAX_COLUMNS), ("seed", 0, 2**63 - 1)):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                found.append(f"{name} is {value!r}, a whole number from {least} to {most} is expected")
        for name, bounds in self.buckets.items():
            found += [f"buckets of {name!r}: {p}" for p in bucket_problems(bounds)]
            if name not in names:
                found.append(f"buckets are given for {name!r}, which is no group column. {did_you_mean(name, names)}")
        return found + self._reference_problems(names) + self._criterion_problems(names)

    def _reference_problems(self, names: Sequence[str]) -> list[str]:
        if isinstance(self.reference, Mapping):
            return [
                f"the reference names {n!r}, which is no group column. {did_you_mean(str(n), names)}"
                for n in self.reference
                if n not in names
            ] + ([] if self.reference else ["the reference is an empty mapping"])
        if self.reference in REFERENCES:
            return []
        return [f"reference is {self.reference!r}; write {', '.join(REFERENCES)}, or a mapping from column to value"]

    def _criterion_problems(self, names: Sequence[str]) -> list[str]:
        found = []
        given: tuple[Any, ...] = self.criteria
        for criterion in given:
            if not isinstance(criterion, Criterion):
                found.append(f"criteria holds {criterion!r}, a Criterion is expected")
                continue
            found += criterion.problems()
            absent = [n for n in criterion.groups if n not in names]
            where = f"criterion {criterion.name!r}"
            found += [f"{where} judges {n!r}, which is no group column. {did_you_mean(n, names)}" for n in absent]
            if criterion.groups and not absent and tuple(sorted(criterion.groups)) not in _sorted(self.families):
                found.append(f"{where} judges the cross of {', '.join(criterion.groups)}: raise intersections")
            own = criterion.at is None or criterion.at == "all"
            if not own and _threshold(criterion.at) and float(criterion.at) not in self.thresholds:
                found.append(f"{where} judges threshold {criterion.at}, which is none of the spec's")
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON values; fields that hold their default are left out."""
        made: dict[str, Any] = encode(self)
        return made

    def to_json(self) -> str:
        """JSON text; `from_json` is its inverse."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FairnessSpec:
        """The spec that `to_json` described; all problems of it at once.

        Raises:
            ConfigError: no JSON, or another structure.
        """
        return spec_of(parse_json(text))


def spec_of(given: FairnessSpec | Mapping[str, Any]) -> FairnessSpec:
    """A spec, or the one that JSON values describe.

    Raises:
        ConfigError: every unknown field and every value that cannot be used.
    """
    if isinstance(given, FairnessSpec):
        return given
    data = dict(given)
    if isinstance(data.get("criteria"), Mapping):
        data["criteria"] = [encode(c) | {"name": c.name} for c in _criteria(data["criteria"])]
    if isinstance(data.get("intersections"), bool):
        data["intersections"] = len(data.get("groups", ())) if data["intersections"] else 0
    return decode(FairnessSpec, data)


def _criteria(given: Mapping[str, Any]) -> tuple[Criterion, ...]:
    known, made = {f.name for f in fields(Criterion)}, []
    problems: list[str] = []
    for name, bound in given.items():
        if isinstance(bound, Criterion):
            made.append(replace(bound, name=name))
        elif isinstance(bound, Mapping):
            problems += [
                f"criterion {name!r} has no field {k!r}. {did_you_mean(str(k), known)}" for k in bound if k not in known
            ]
            made += [Criterion(**{**bound, "name": name})] if set(bound) <= known else []
        else:
            made.append(Criterion(name, max_difference=bound))
    if problems:
        raise ConfigError("this fairness spec cannot be used", problems=problems)
    return tuple(made)


def _sorted(families: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [tuple(sorted(f)) for f in families]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _at_least_zero(value: Any) -> bool:
    return _number(value) and value >= 0


def _confidence(value: Any) -> bool:
    return _number(value) and 0.5 < value < 1


def _threshold(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
