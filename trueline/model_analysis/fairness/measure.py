"""From sums to rates of groups ``[S, M, 1 + X]``, and from rates to the comparisons that criteria are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from trueline.model_analysis.checked import COUNTERS, MODEL_COUNTERS
from trueline.model_analysis.config import EvalOptions
from trueline.model_analysis.fairness.gaps import Comparisons, against, difference_gap, pairwise, ratio_gap
from trueline.model_analysis.fairness.groups import Group, groups_of, key_text_of, named_reference
from trueline.model_analysis.fairness.rates import CRITERIA, DECISION_RATES, OWN_RATES, RATES, Rate, rate_key
from trueline.model_analysis.fairness.records import CriterionResult, FairnessGroup, GroupGap, LeftOut
from trueline.model_analysis.fairness.spec import FairnessSpec
from trueline.model_analysis.fairness.sums import FairnessSums, above
from trueline.model_analysis.measured import Estimate
from trueline.model_analysis.metrics.confusion import Confusion
from trueline.model_analysis.metrics.record import HIGHER
from trueline.model_analysis.multiplicity import adjusted_p_values
from trueline.model_analysis.noise import upper_tail
from trueline.model_analysis.resample import resampling_of
from trueline.model_analysis.rows import Floats

__all__ = ["Measure", "Side"]


@dataclass(frozen=True)
class Side:
    """The comparisons of one criterion on one grouping: between groups, and with the reference."""

    between: tuple[Comparisons, ...]
    reference: tuple[Comparisons, ...]
    left_out: tuple[LeftOut, ...]


class Measure:
    """Rates and criteria of sums.

    Args:
        sums: what the pass kept.
        spec: what is asked for; groupings of the sums' columns.
        decisions: at -> counts ``[4, C, M, G]`` of further decisions, as `FairnessSums.cell_decisions` gives them.
    """

    def __init__(self, sums: FairnessSums, spec: FairnessSpec, decisions: Mapping[str, Floats] | None = None) -> None:
        self.sums, self.spec = sums, spec
        self.groups: list[Group] = groups_of(sums, spec)
        options = EvalOptions(noise_groups=sums.shape.groups, seed=spec.seed, confidence=spec.confidence)
        self.resampling = resampling_of(options, sums.shape.groups)
        self._members = [list(g.cells) for g in self.groups]
        by_group = np.stack([sums.rows[own].sum(axis=0) for own in self._members])
        self.rows, self.occupied = by_group.sum(axis=1), (by_group > 0).sum(axis=1)
        self._more = dict(decisions or {})

    @cached_property
    def values(self) -> dict[str, Floats]:
        """Rate key -> ``[S, M, 1 + X]``."""
        made: dict[str, Floats] = {}
        whole = self.resampling.of_sums(np.stack([self.sums.sums[own].sum(axis=0) for own in self._members]))
        look = {name: whole[:, :, k] for k, name in enumerate(self.sums.moments)}
        with np.errstate(all="ignore"):
            for name, rate in OWN_RATES[self.sums.shape.task].items():
                assert rate.sums is not None
                made[name] = rate.sums(lambda moment: look[moment])
            for at, counts in self._decisions(look).items():
                for name, rate in DECISION_RATES.items():
                    assert rate.of is not None
                    made[rate_key(name, at)] = rate.of(counts)
        return made

    @property
    def points(self) -> tuple[str, ...]:
        """The decisions: ``own``, thresholds, classes, and those given."""
        shape = self.sums.shape
        if shape.task == "multiclass":
            return ("own", *(f"class_id={c}" for c in range(shape.count)))
        if shape.task == "regression":
            return ("own",)
        return ("own", *(f"{t:g}" for t in self.spec.thresholds), *self._more)

    def _decisions(self, look: Mapping[str, Floats]) -> dict[str, Confusion]:
        shape = self.sums.shape
        if shape.task == "multiclass":
            return {f"class_id={c}": _one_class(look, c) for c in range(shape.count)}
        if shape.task == "regression":
            return {}
        made = {"own": Confusion(look["tp"], look["tn"], look["fp"], look["fn"])}
        for t in self.spec.thresholds:
            made[f"{t:g}"] = self._confusion(self.sums.cell_decisions(partial(above, threshold=t)))
        for at, own in self._more.items():
            made[at] = self._confusion(own)
        return made

    def _confusion(self, counts: Floats) -> Confusion:
        by_group = np.stack([counts[:, own].sum(axis=1) for own in self._members], axis=1)
        tp, fp, fn, tn = self.resampling.of_sums(by_group)
        return Confusion(tp, tn, fp, fn)

    def unusable(self, group: int, model: int) -> str | None:
        """Why no number of a group can be trusted, whatever its sums are; or None."""
        flags = self.sums.flags[self._members[group]].sum(axis=0)
        start = len(COUNTERS) + len(MODEL_COUNTERS) * model
        missing, weight, label, outside = (int(n) for n in flags[:4])
        bad, beyond = (int(n) for n in flags[start : start + 2])
        binary = self.sums.shape.task == "binary"
        causes = (
            (weight > 0, f"{weight} weights are negative, NaN or infinite"),
            (label > 0, f"{label} labels cannot be used"),
            (bad > 0, f"{bad} predictions are missing, NaN or infinite"),
            (binary and beyond > 0, f"{beyond} predictions lie outside 0..1"),
            (binary and outside > 0, f"{outside} labels lie outside 0..1"),
            (self.rows[group] == 0, f"no row has a label ({missing} are missing)"),
        )
        return next((reason for holds, reason in causes if holds), None)

    def undefined(self, key: str, rate: Rate, group: int, model: int) -> str | None:
        """Why a rate of a group is undefined, or None."""
        if reason := self.unusable(group, model):
            return reason
        if self.sums.sums[self._members[group], model, 0].sum() <= 0:
            return "the weights add up to 0"
        return None if math.isfinite(self.values[key][group, model, 0]) else rate.undefined

    def estimate(self, key: str, rate: Rate, group: int, model: int) -> Estimate:
        """A rate with its interval."""
        if reason := self.undefined(key, rate, group, model):
            return Estimate(None, reason)
        values = self.values[key][group, model]
        value, error = float(values[0]), float(self.resampling.errors(values[1:], self.occupied[group]))
        if not math.isfinite(error):
            return Estimate(value)
        reach = self.resampling.reach(int(self.occupied[group])) * error
        return Estimate(value, None, error, None, value - reach, value + reach)

    def fairness_groups(self) -> tuple[FairnessGroup, ...]:
        """All groups with all rates."""
        return tuple(self._group(i) for i in range(len(self.groups)))

    def _group(self, i: int) -> FairnessGroup:
        group, own = self.groups[i], self._members[i]
        found = [
            {key: self.estimate(key, RATES[_base(key)], i, m) for key in self.values}
            for m in range(len(self.sums.shape.models))
        ]
        return FairnessGroup(
            group.columns,
            {c: key_text_of(v) for c, v in zip(group.columns, group.values, strict=True)},
            group.name,
            int(self.rows[i]),
            int(self.sums.missing[own].sum()),
            float(self.sums.sums[own, 0, 0].sum()),
            self.small(i),
            found[0],
            found[1] if len(found) > 1 else {},
        )

    def small(self, group: int) -> bool:
        """Whether a group is below the least size; all rows together never are."""
        return bool(self.groups[group].columns) and int(self.rows[group]) < self.spec.min_group_size

    def family(self, columns: Sequence[str]) -> list[int]:
        """The numbers of a grouping's groups."""
        return [i for i, g in enumerate(self.groups) if g.columns == tuple(columns)]

    def side(self, criterion: str, columns: Sequence[str], at: str, model: int = 0) -> Side:
        """All comparisons of a criterion on a grouping, and the groups that take no part."""
        between, reference = [], []
        left: dict[str, LeftOut] = {}
        own = self.family(columns)
        for name in CRITERIA[criterion].rates:
            key, rate = rate_key(name, at), RATES[name]
            kept = []
            for i in own:
                why = self.undefined(key, rate, i, model)
                if self.small(i):
                    rows = int(self.rows[i])
                    few = "1 row is" if rows == 1 else f"{rows} rows are"
                    text = f"{few} fewer than min_group_size={self.spec.min_group_size}"
                    left.setdefault(self.groups[i].name, LeftOut(self.groups[i].name, text, True))
                elif why:
                    left.setdefault(self.groups[i].name, LeftOut(self.groups[i].name, f"{name} is undefined: {why}"))
                else:
                    kept.append(i)
            names = [self.groups[i].name for i in kept]
            values, occupied = self.values[key][kept, model], self.occupied[kept]
            between.append(pairwise(name, rate.signed, names, values, occupied))
            chosen = self._reference(key, rate, own, kept, model)
            if chosen is not None:
                others = [j for j, i in enumerate(kept) if i != chosen]
                found = (self.groups[chosen].name, self.values[key][chosen, model], int(self.occupied[chosen]))
                reference.append(
                    against(name, rate.signed, [names[j] for j in others], values[others], occupied[others], found)
                )
        return Side(tuple(between), tuple(reference), tuple(left.values()))

    def _reference(self, key: str, rate: Rate, own: list[int], kept: list[int], model: int) -> int | None:
        """The number of the group that others are compared with; None where its rate cannot be used."""
        wanted = self.spec.reference
        chosen: int | None = 0
        if isinstance(wanted, Mapping):
            named = named_reference([self.groups[i] for i in own], wanted) if own else None
            chosen = 0 if named is None else next(i for i in own if self.groups[i] is named)
        elif wanted != "overall" and not kept:
            return None
        elif wanted == "largest":
            chosen = max(kept, key=lambda i: (int(self.rows[i]), -i))
        elif wanted == "best":
            numbers = {i: float(self.values[key][i, model, 0]) for i in kept}
            way = 1.0 if rate.better == HIGHER else -1.0
            chosen = max(kept, key=lambda i: (-abs(numbers[i]) if rate.signed else way * numbers[i], -i))
        if chosen is None or self.undefined(key, rate, chosen, model):
            return None
        return chosen

    def criteria(self) -> tuple[CriterionResult, ...]:
        """Every criterion of the task on every grouping at every decision that it is defined at."""
        task = self.sums.shape.task
        made = []
        for columns in self.spec.families:
            for name, criterion in CRITERIA.items():
                if task not in criterion.tasks:
                    continue
                made += [
                    self.criterion(name, columns, at)
                    for at in (self.points if criterion.decision else ("own",))
                    if all(rate_key(r, at) in self.values for r in criterion.rates)
                ]
        return tuple(made)

    def criterion(self, name: str, columns: Sequence[str], at: str) -> CriterionResult:
        """One criterion on one grouping."""
        side, level = self.side(name, columns, at), self.spec.confidence
        base = None
        if len(self.sums.shape.models) > 1 and at not in self._more:
            base = difference_gap(self.side(name, columns, at, 1).between, level).value
        to = [difference_gap(side.reference, level), ratio_gap(side.reference, level)]
        if not side.reference:
            to = [replace(g, undefined="the rate of the reference is undefined") for g in to]
        return CriterionResult(
            name,
            tuple(columns),
            at,
            difference_gap(side.between, level),
            ratio_gap(side.between, level),
            to[0],
            to[1],
            self._group_gaps(side),
            side.left_out,
            base,
        )

    def _group_gaps(self, side: Side) -> tuple[GroupGap, ...]:
        made: list[GroupGap] = []
        for part in side.reference:
            reaches = part.reach(part.error, (1 - self.spec.confidence) / 2) if part.names else part.error
            for i, (group, reference) in enumerate(part.names):
                d, error, ratio = float(part.a[i] - part.b[i]), float(part.error[i]), float(part.ratio[i])
                known = math.isfinite(error)
                reach = float(reaches[i])
                made.append(
                    GroupGap(
                        group, part.rate, reference, float(part.a[i]), d,
                        d - reach if known else None, d + reach if known else None,
                        _two_sided(d, error, int(part.dof[i])) if known else None, None,
                        None if part.signed or not math.isfinite(ratio) else ratio,
                    )
                )  # fmt: skip
        at = [i for i, g in enumerate(made) if g.p_value is not None]
        adjusted = adjusted_p_values([made[i].p_value or 0.0 for i in at], self.spec.multiplicity)
        for i, p in zip(at, adjusted, strict=True):
            made[i] = replace(made[i], p_adjusted=p)
        return tuple(made)


def _two_sided(value: float, error: float, dof: int) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return min(1.0, 2 * upper_tail(abs(value) / error, dof))


def _one_class(look: Mapping[str, Floats], c: int) -> Confusion:
    """One class against the rest."""
    both, predicted, actual = (look[f"{name}@{c}"] for name in ("both", "predicted", "actual"))
    return Confusion(both, look["weight"] - predicted - actual + both, predicted - both, actual - both)


def _base(key: str) -> str:
    """A rate's name without its decision."""
    return key.partition("@")[0].partition("[")[0]
