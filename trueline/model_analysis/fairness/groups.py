"""The groups of each grouping, made of cells, and which of them is the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import DataError
from trueline.model_analysis.fairness.spec import FairnessSpec
from trueline.model_analysis.fairness.sums import FairnessSums
from trueline.model_analysis.slice_buckets import bucket_names

__all__ = ["MISSING", "Group", "family_name", "group_name", "groups_of", "key_text_of"]

MISSING = "(missing)"
OVERALL = "Overall"


@dataclass(frozen=True)
class Group:
    """Some cells together.

    Attributes:
        columns: the grouping; empty for all rows.
        values: one a column, None where it is missing.
        cells: numbers of its cells.
    """

    columns: tuple[str, ...]
    values: tuple[Any, ...]
    cells: tuple[int, ...]

    @property
    def name(self) -> str:
        """How it is called in sentences."""
        return group_name(self.columns, self.values)


def key_text_of(value: Any) -> str:
    """A value as it is written in names and mappings."""
    if value is None:
        return MISSING
    return str(value).lower() if isinstance(value, bool) else str(value)


def group_name(columns: Sequence[str], values: Sequence[Any]) -> str:
    """``sex=F``, ``race=White, sex=F``, ``Overall``."""
    return ", ".join(f"{c}={key_text_of(v)}" for c, v in zip(columns, values, strict=True)) or OVERALL


def family_name(columns: Sequence[str]) -> str:
    """``sex``, ``race × sex``."""
    return " × ".join(columns)


def groups_of(sums: FairnessSums, spec: FairnessSpec) -> list[Group]:
    """All rows first, then every group of every grouping, in the order of its values.

    Raises:
        DataError: more than `FairnessSpec.max_groups`.
    """
    made = [Group((), (), tuple(range(len(sums.cells))))]
    for columns in spec.families:
        at = [sums.shape.columns.index(c) for c in columns]
        found: dict[str, tuple[tuple[Any, ...], list[int]]] = {}
        for number, cell in enumerate(sums.cells):
            values = tuple(cell[i] for i in at)
            if None in values and spec.missing == "leave_out":
                continue
            found.setdefault(json.dumps(values), (values, []))[1].append(number)
        if len(found) > spec.max_groups:
            raise DataError(
                f"{family_name(columns)} makes {len(found)} groups, more than max_groups={spec.max_groups}",
                hint="name columns with fewer values, lower intersections, or raise max_groups.",
            )
        bounds = [bucket_names(spec.buckets[c]) if c in spec.buckets else () for c in columns]
        ordered = sorted(found.values(), key=lambda item: tuple(map(_order, item[0], bounds)))
        made += [Group(columns, values, tuple(cells)) for values, cells in ordered]
    return made


def _order(value: Any, buckets: Sequence[str]) -> tuple[int, float, str]:
    """Numbers and buckets by size, texts by letters, what is missing last."""
    if value is None:
        return 2, 0.0, ""
    if value in buckets:
        return 0, float(buckets.index(value)), ""
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def named_reference(groups: Sequence[Group], reference: Mapping[str, Any]) -> Group | None:
    """The group of a grouping that a mapping names; None where it does not name all its columns.

    Raises:
        DataError: the data has no such group.
    """
    columns = groups[0].columns
    if not set(columns) <= set(reference):
        return None
    wanted = [key_text_of(reference[c]) for c in columns]
    for group in groups:
        if [key_text_of(v) for v in group.values] == wanted:
            return group
    raise DataError(
        f"the reference {group_name(columns, [reference[c] for c in columns])} is no group of the data",
        hint=f"there is: {', '.join(g.name for g in groups[:12])}.",
    )
