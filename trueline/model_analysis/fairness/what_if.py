"""Other thresholds without another pass: rates and criteria from the histograms that an evaluation keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.fairness.groups import key_text_of
from trueline.model_analysis.fairness.measure import Measure
from trueline.model_analysis.fairness.rates import CRITERIA, DECISION_RATES, RATES
from trueline.model_analysis.fairness.records import CriterionResult, FairnessGroup
from trueline.model_analysis.fairness.result import FairnessResult
from trueline.model_analysis.fairness.sums import FairnessSums, at_least
from trueline.model_analysis.metrics.confusion import Confusion
from trueline.model_analysis.rows import Floats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CriterionCurve",
    "ThresholdWhatIf",
    "cell_thresholds",
    "count_grid",
    "criterion_curves",
    "rates_of",
    "threshold_what_if",
]

AT = "what_if"


@dataclass(frozen=True)
class ThresholdWhatIf:
    """What groups and criteria would be.

    Attributes:
        column: whose values have thresholds of their own.
        thresholds: value -> threshold; a row is said to be positive where its score is at least this.
        default: the threshold of all other rows.
        groups: groups with their rates; keys end in ``@what_if``.
        criteria: the criteria at these thresholds.
        before: the same at the model's own decision.
    """

    column: str
    thresholds: Mapping[str, float]
    default: float
    groups: tuple[FairnessGroup, ...]
    criteria: tuple[CriterionResult, ...]
    before: tuple[CriterionResult, ...]

    def __repr__(self) -> str:
        """Its thresholds, and how many groups and criteria it tells of."""
        own = ", ".join(f"{value}: {t:g}" for value, t in self.thresholds.items())
        counts = f"{len(self.groups)} groups, {len(self.criteria)} criteria"
        return f"ThresholdWhatIf({self.column}, {own}, others: {self.default:g}, {counts})"

    def group(self, **values: Any) -> FairnessGroup:
        """A group by its values, as `FairnessResult.group`."""
        wanted = {name: key_text_of(value) for name, value in values.items()}
        for found in self.groups:
            if dict(found.key) == wanted:
                return found
        raise KeyError(f"no group {wanted}. {did_you_mean(str(wanted), [g.name for g in self.groups])}")

    def criterion(self, name: str, columns: str | tuple[str, ...] | None = None) -> CriterionResult:
        """A criterion on a grouping, by default that of the column."""
        wanted = (columns or self.column,) if not isinstance(columns, tuple) else columns
        for found in self.criteria:
            if found.criterion == name and sorted(found.columns) == sorted(wanted):
                return found
        raise KeyError(f"no criterion {name!r} on {wanted}")

    def to_table(self) -> pa.Table:
        """A row for each criterion and grouping: before and after."""
        import pyarrow as pa

        known = {(c.criterion, c.columns): c for c in self.before}
        rows = [
            {"criterion": c.criterion, "grouping": " × ".join(c.columns),
             "difference_before": known[c.criterion, c.columns].difference.value, "difference": c.difference.value,
             "ratio_before": known[c.criterion, c.columns].ratio.value, "ratio": c.ratio.value}
            for c in self.criteria
        ]  # fmt: skip
        return pa.Table.from_pylist(rows)


@dataclass(frozen=True)
class CriterionCurve:
    """A criterion against one threshold for all rows.

    Attributes:
        criterion, columns: which.
        thresholds: ``T`` of them; a row is positive where its score is at least this.
        difference, ratio: at each; None where undefined.
    """

    criterion: str
    columns: tuple[str, ...]
    thresholds: tuple[float, ...]
    difference: tuple[float | None, ...]
    ratio: tuple[float | None, ...]


def threshold_what_if(
    result: FairnessResult, per_group: Mapping[Any, float], *, column: str | None = None, default: float = 0.5
) -> ThresholdWhatIf:
    """All rates and criteria of a two-class model if each group had a threshold of its own.

    Using a protected attribute at decision time may be unlawful where you are, however fair its effect: ask before you
    do it. This function only computes.

    Args:
        result: an evaluation.
        per_group: value of the column -> threshold; every thousandth and the spec's thresholds are exact.
        column: which of the spec's columns; needed where there are several.
        default: for all other values, and where the value is missing.

    Raises:
        ConfigError: no two-class model, another column, a value that no row has, or a threshold in between.
    """
    sums = _binary(result)
    name = column or (result.spec.groups[0] if len(result.spec.groups) == 1 else "")
    if name not in result.spec.groups:
        raise ConfigError(
            f"column {name!r} is none of the groups", hint=did_you_mean(name, result.spec.groups) + " Say column=..."
        )
    each = cell_thresholds(sums, name, per_group, default)
    counts = np.zeros((4, len(sums.cells), len(sums.shape.models), sums.shape.groups))
    for t in np.unique(each):
        own = each == t
        counts[:, own] = sums.cell_decisions(partial(at_least, threshold=float(t), float32=sums.shape.float32))[:, own]
    measure = Measure(sums, result.spec, {AT: counts})
    kept = {f"{rate}@{AT}" for rate in DECISION_RATES}
    groups = tuple(_only(g, kept) for g in measure.fairness_groups())
    names = [n for n, c in CRITERIA.items() if c.decision]
    made, before = (
        tuple(measure.criterion(n, f, at) for f in result.spec.families for n in names) for at in (AT, "own")
    )
    texts = {key_text_of(k): float(t) for k, t in per_group.items()}
    return ThresholdWhatIf(name, texts, float(default), groups, made, before)


def _only(group: FairnessGroup, kept: set[str]) -> FairnessGroup:
    from dataclasses import replace

    def pick(rates: Mapping[str, Any]) -> dict[str, Any]:
        return {k: e for k, e in rates.items() if k in kept}

    return replace(group, rates=pick(group.rates), baseline={})


def _binary(result: FairnessResult) -> FairnessSums:
    if result.task != "binary":
        raise ConfigError(f"a {result.task} model has no threshold", hint="thresholds are of two classes.")
    return result.sums


def cell_thresholds(sums: FairnessSums, column: str, per_group: Mapping[Any, float], default: float) -> Floats:
    """The threshold of each cell ``[C]``.

    Raises:
        ConfigError: a value that no row has, or a threshold at which counts are not exact.
    """
    at = sums.shape.columns.index(column)
    wanted = {key_text_of(k): float(t) for k, t in per_group.items()}
    known = {key_text_of(cell[at]) for cell in sums.cells}
    problems = [f"no row has {column}={k!r}. {did_you_mean(k, known)}" for k in wanted if k not in known]
    problems += [
        f"threshold {t} lies between two thousandths: its counts are not kept exactly; take {round(t, 3):g}"
        if 0 <= t <= 1
        else f"threshold {t} is no number from 0 to 1"
        for t in (*wanted.values(), default)
        if not sums.exact_at(t)
    ]
    if problems:
        raise ConfigError("these thresholds cannot be tried", problems=problems)
    return np.array([wanted.get(key_text_of(cell[at]), default) for cell in sums.cells], np.float64)


def count_grid(measure: Measure, thresholds: Floats) -> Confusion:
    """Counts of the candidate's decision at each threshold for each group ``[T, S]``."""
    sums = measure.sums
    cell, model, true, bins, _ = sums.parts()
    own = model == 0
    size = 2 * len(sums.cells) * sums.bins
    flat = (true[own] * len(sums.cells) + cell[own]) * sums.bins + bins[own]
    by_bin = np.bincount(flat, sums.weights[own], size).reshape(2, len(sums.cells), sums.bins)
    grouped = np.stack([by_bin[:, list(g.cells)].sum(axis=1) for g in measure.groups], axis=1)  # [2, S, bins]
    none = np.zeros((*grouped.shape[:2], 1))
    from_above = np.concatenate([np.cumsum(grouped[..., ::-1], axis=-1)[..., ::-1], none], -1)
    said = [at_least(sums.bin_scores, float(t), sums.shape.float32) for t in thresholds]
    starts = np.array([int(np.argmax(s)) if s.any() else sums.bins for s in said])
    negative, positive = np.moveaxis(from_above[..., starts], -1, 1)  # each [T, S]
    whole = from_above[..., 0]
    return Confusion(positive, whole[0] - negative, negative, whole[1] - positive)


def rates_of(measure: Measure, counts: Confusion) -> dict[str, Floats]:
    """Rate -> ``[T, S]``, NaN where undefined."""
    made = {}
    with np.errstate(all="ignore"):
        for name, rate in DECISION_RATES.items():
            assert rate.of is not None
            made[name] = rate.of(counts)
    bad = np.array([measure.unusable(i, 0) is not None for i in range(len(measure.groups))])
    return {name: np.where(bad, np.nan, values) for name, values in made.items()}


def criterion_curves(result: FairnessResult, steps: int = 100) -> tuple[CriterionCurve, ...]:
    """Each criterion of decisions on each grouping against one threshold for all rows, at 0, 1/steps, ..., 1.

    Small groups and undefined rates take no part, as in the result.

    Args:
        result: an evaluation of a two-class model.
        steps: a divisor of 1000.

    Raises:
        ConfigError: no two-class model, or other steps.
    """
    sums = _binary(result)
    if steps < 1 or 1000 % steps:
        raise ConfigError(f"steps is {steps!r}, a divisor of 1000 is expected")
    measure = Measure(sums, result.spec)
    thresholds = np.arange(steps + 1) / steps
    grid = rates_of(measure, count_grid(measure, thresholds))
    made = []
    for columns in result.spec.families:
        own = [i for i in measure.family(columns) if not measure.small(i)]
        for name, criterion in CRITERIA.items():
            if not criterion.decision:
                continue
            gaps = [_gaps(grid[rate][:, own]) for rate in criterion.rates if not RATES[rate].signed]
            difference = np.max([d for d, _ in gaps], axis=0)
            ratio = np.min([r for _, r in gaps], axis=0)
            made.append(CriterionCurve(name, columns, tuple(thresholds.tolist()), _listed(difference), _listed(ratio)))
    return tuple(made)


def _gaps(values: Floats) -> tuple[Floats, Floats]:
    """Greatest minus least, and least by greatest, over the groups with a value ``[T, n]``; NaN for fewer than two."""
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, values, -np.inf).max(axis=1, initial=-np.inf)
    enough = known.sum(axis=1) >= 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(enough, high - low, np.nan), np.where(enough & (high > 0), low / high, np.nan)


def _listed(values: Floats) -> tuple[float | None, ...]:
    return tuple(float(v) if np.isfinite(v) else None for v in values)
