"""Records of a fairness evaluation: groups with rates, gaps to the reference, criteria on a grouping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trueline.model_analysis.config_json import freeze
from trueline.model_analysis.fairness.gaps import Gap
from trueline.model_analysis.fairness.rates import rate_key
from trueline.model_analysis.measured import Estimate

__all__ = ["CriterionResult", "FairnessGroup", "GroupGap", "LeftOut"]


@dataclass(frozen=True)
class FairnessGroup:
    """A group with its rates.

    Attributes:
        columns: the grouping; empty for all rows.
        key: column -> value as text; ``(missing)`` where there is none.
        name: how it is called in sentences.
        rows: its labelled rows.
        missing_labels: rows without a label.
        weight: sum of the weights of labelled rows.
        small: whether it is below `FairnessSpec.min_group_size`.
        rates: by key: ``positive_rate`` (the model's own decision), ``positive_rate@0.5``, ``accuracy[class_id=1]``.
        baseline: the baseline's, empty without one.
    """

    columns: tuple[str, ...]
    key: Mapping[str, str]
    name: str
    rows: int
    missing_labels: int
    weight: float
    small: bool
    rates: Mapping[str, Estimate] = field(default_factory=dict)
    baseline: Mapping[str, Estimate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class GroupGap:
    """One group beside the reference, in one rate.

    Attributes:
        group: its name.
        rate: the rate's name.
        reference: the name of what it is compared with.
        value: the group's rate.
        difference: the group's minus the reference's; paired, with its interval at the spec's confidence.
        p_value: two-sided, of no difference; `p_adjusted` after the control of multiplicity over the groups.
        ratio: the smaller of both divided by the greater; None where it means nothing.
    """

    group: str
    rate: str
    reference: str
    value: float
    difference: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class LeftOut:
    """A group that takes no part in differences and ratios: its name, why, and whether that is its size."""

    group: str
    reason: str
    small: bool = False


@dataclass(frozen=True)
class CriterionResult:
    """One criterion on one grouping.

    Attributes:
        criterion: a key of `CRITERIA`.
        columns: the grouping.
        at: ``own`` for the model's own decision, a threshold, or ``class_id=1``.
        difference: the greatest rate minus the least; of several rates the worst.
        ratio: the least rate divided by the greatest; of several rates the worst.
        difference_to_reference: the greatest distance of a group from the reference.
        ratio_to_reference: the least ratio of a group and the reference, the smaller of both above.
        groups: each group beside the reference.
        left_out: groups that take no part, with the reason.
        baseline_difference: the baseline's difference, None where there is none.
    """

    criterion: str
    columns: tuple[str, ...]
    at: str
    difference: Gap
    ratio: Gap
    difference_to_reference: Gap
    ratio_to_reference: Gap
    groups: tuple[GroupGap, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    baseline_difference: float | None = None

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def key(self) -> str:
        """``demographic_parity``, ``demographic_parity@0.5``."""
        return rate_key(self.criterion, self.at)
