"""A fairness evaluation for people: the verdict, rates of groups, gaps of criteria, dots, and a slider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.display.fairness_threshold import ThresholdGrid, threshold_explorer
from trueline.display.html import Html, Safe, join, number, percent, table, tag, visible
from trueline.display.slice_charts import SliceDot, slice_dots
from trueline.model_analysis.fairness.gaps import Gap
from trueline.model_analysis.fairness.groups import family_name
from trueline.model_analysis.fairness.rates import CRITERIA, OWN_RATES, RATES, rate_key

if TYPE_CHECKING:
    from trueline.model_analysis.fairness.records import CriterionResult, FairnessGroup
    from trueline.model_analysis.fairness.result import FairnessResult
    from trueline.model_analysis.measured import Estimate

__all__ = ["fairness_view"]

_MAX_GROUPS, _MAX_FAILURES, _STEPS = 60, 100, 100
_SHOWN = {
    "binary": (
        "positive_rate",
        "true_positive_rate",
        "false_positive_rate",
        "precision",
        "accuracy",
        "calibration_gap",
    ),
    "multiclass": ("accuracy",),
    "regression": ("mean_prediction", "mean_error", "mean_absolute_error", "root_mean_squared_error"),
}
_SLID = ("positive_rate", "true_positive_rate", "false_positive_rate", "accuracy")
_CURVES = ("demographic_parity", "equal_opportunity", "equalized_odds", "equal_accuracy")


def fairness_view(result: FairnessResult) -> Html:
    """The result as one piece of HTML without outside resources."""
    parts: list[Safe] = [_verdict(result)]
    for columns in result.spec.families:
        groups = [g for g in result.groups if g.columns == columns]
        found = [c for c in result.criteria if c.columns == columns]
        parts.append(tag("h2", f"Groups of {visible(family_name(columns))}"))
        parts.append(_groups(result, groups))
        parts += [tag("h3", "Criteria at the model's own decision"), _criteria(found)]
        parts += _dots(result, groups, found)
    parts += _sliders(result)
    parts.append(_how(result))
    return join(parts)


def _verdict(result: FairnessResult) -> Html:
    state, kind = ("gate passed", "good") if result.ok else ("gate closed", "bad")
    badge = tag("span", *((state,) if result.spec.criteria else ("not gated",)),
                class_=f"badge {kind if result.spec.criteria else 'soft'}")  # fmt: skip
    reference = result.spec.reference
    named = reference if isinstance(reference, str) else ", ".join(f"{k}={v}" for k, v in reference.items())
    said = f" A {result.task} model on {result.rows:,} labelled rows; groups are compared with each other and with "
    parts: list[Safe] = [tag("p", badge, said, tag("b", visible(str(named))), ".")]
    if result.failures:
        shown = result.failures[:_MAX_FAILURES]
        parts.append(tag("ul", *(tag("li", visible(f.sentence)) for f in shown)))
        if more := len(result.failures) - len(shown):
            parts.append(tag("p", f"and {more} more.", class_="soft"))
    parts += [tag("p", visible(note), class_="soft") for note in result.notes]
    return join(parts)


def _groups(result: FairnessResult, groups: Sequence[FairnessGroup]) -> Html:
    rates = _SHOWN[result.task]
    if result.task == "multiclass":
        rates = (*rates, *(rate_key("positive_rate", f"class_id={c}") for c in range(min(len(result.classes), 6))))
    whole = result.groups[0]
    total = whole.weight or 1.0
    rows: list[list[Safe]] = []
    for g in (whole, *groups[:_MAX_GROUPS]):
        small = tag("span", "small", class_="badge warn", title="left out of differences and ratios") if g.small else ""
        share = percent(g.weight / total, 1)
        rows.append(
            [join([visible(g.name), " ", small]), number(g.rows), share, *(_estimate(g.rates[r]) for r in rates)]
        )
    head = ["group", "rows", "share of weight", *(_title(result, r) for r in rates)]
    parts: list[Safe] = [table(head, rows, numeric=range(1, len(head)))]
    if len(groups) > _MAX_GROUPS:
        parts.append(tag("p", f"{len(groups) - _MAX_GROUPS} more groups in ", tag("code", "to_table()"), "."))
    return join(parts)


def _title(result: FairnessResult, key: str) -> str:
    name, _, place = key.partition("[class_id=")
    words = name.replace("_", " ")
    return words if not place else f"{words} of {visible(str(result.classes[int(place.rstrip(']'))]))}"


def _estimate(e: Estimate) -> Html:
    if e.value is None:
        return tag("span", "undefined", title=visible(e.undefined or ""), class_="soft")
    noise = "" if e.low is None or e.high is None else f"{e.low:.4g} to {e.high:.4g}"
    return tag("span", f"{e.value:.3f}" if abs(e.value) < 100 else number(e.value), title=noise)


def _criteria(found: Sequence[CriterionResult]) -> Html:
    own = [c for c in found if c.at == "own" or c.at.startswith("class_id=")]
    rows: list[list[Safe]] = [
        [_name(c), _gap(c.difference), _gap(c.ratio), _p(c.difference), _pair(c.difference),
         _gap(c.difference_to_reference), "–" if c.baseline_difference is None else f"{c.baseline_difference:.3f}",
         _left_out(c)]
        for c in own
    ]  # fmt: skip
    head = ["criterion", "difference", "ratio", "p", "furthest apart", "to the reference", "baseline", "left out"]
    return table(head, rows, numeric=[1, 2, 3, 5, 6])


def _name(c: CriterionResult) -> str:
    place = f" ({c.at.replace('class_id=', 'class ')})" if c.at.startswith("class_id=") else ""
    return CRITERIA[c.criterion].title + place


def _gap(gap: Gap) -> Html:
    if gap.value is None:
        return tag("span", "undefined", title=visible(gap.undefined or ""), class_="soft")
    noise = "" if gap.low is None or gap.high is None else f" ({gap.low:.3f} to {gap.high:.3f})"
    return tag("span", f"{gap.value:.3f}{noise}")


def _p(gap: Gap) -> str:
    if gap.p_value is None:
        return "–"
    return "<0.001" if gap.p_value < 0.001 else f"{gap.p_value:.3f}"


def _pair(gap: Gap) -> Safe:
    if gap.value is None:
        return "–"
    return visible(f"{gap.greater} above {gap.lesser}, {gap.rate.replace('_', ' ')}")


def _left_out(c: CriterionResult) -> Safe:
    if not c.left_out:
        return "–"
    reasons = "; ".join(f"{left.group}: {left.reason}" for left in c.left_out)
    return tag("span", f"{len(c.left_out)} groups" if len(c.left_out) > 1 else "1 group", title=visible(reasons))


def _dots(result: FairnessResult, groups: Sequence[FairnessGroup], found: Sequence[CriterionResult]) -> list[Safe]:
    """A plot for each rate of the criteria, the judged ones open."""
    judged = {r for c in result.spec.criteria for r in CRITERIA[c.name].rates}
    made: list[Safe] = []
    drawn: set[str] = set()
    for c in found:
        if c.at != "own" and not c.at.startswith("class_id="):
            continue
        for rate in CRITERIA[c.criterion].rates:
            key = rate_key(rate, c.at)
            if key in drawn or len(drawn) >= 24:
                continue
            drawn.add(key)
            refused = any((f.metric, f.slice) == (c.key, family_name(c.columns)) for f in result.failures)
            far = {c.difference.greater, c.difference.lesser} if refused and c.difference.rate == rate else set()
            dots = [_dot(g, g.rates[key], g.name in far) for g in groups[:_MAX_GROUPS]]
            words = _title(result, key)
            label = f"{words} of the groups of {visible(family_name(c.columns))}"
            overall = result.groups[0].rates[key].value
            plot = slice_dots(dots, label=label, unit=words, reference=overall, reference_name="all rows",
                              shown=lambda v: f"{v:.3f}")  # fmt: skip
            opened = {"open": "open"} if rate in judged or (not judged and len(drawn) == 1) else {}
            made.append(tag("details", tag("summary", words), plot, **opened))
    return made


def _dot(group: FairnessGroup, e: Estimate, far: bool) -> SliceDot:
    note = e.undefined or ("fewer rows than the least size" if group.small else "")
    kind = "soft" if group.small else "bad" if far else ""
    name = f"{group.name} (small)" if group.small else group.name
    return SliceDot(name, e.value, e.low, e.high, group.rows, kind, note)


def _sliders(result: FairnessResult) -> list[Safe]:
    """Every grouping at any threshold, for two classes."""
    if result.task != "binary":
        return []
    from trueline.model_analysis.fairness.measure import Measure
    from trueline.model_analysis.fairness.what_if import count_grid, criterion_curves, rates_of

    measure = Measure(result.sums, result.spec)
    thresholds = np.arange(_STEPS + 1) / _STEPS
    grid = rates_of(measure, count_grid(measure, thresholds))
    curves = {(c.criterion, c.columns): c.difference for c in criterion_curves(result, _STEPS)}
    made: list[Safe] = [tag("h2", "At another threshold")]
    made.append(
        tag("p", "One threshold for all groups: a row is positive where its score is at least this.", class_="soft")
    )
    for columns in result.spec.families:
        own = measure.family(columns)[:_MAX_GROUPS]
        listed = {
            rate: [[float(v) if np.isfinite(v) else None for v in grid[rate][:, i]] for i in own] for rate in _SLID
        }
        names = [(measure.groups[i].name + (" (small)" if measure.small(i) else ""), int(measure.rows[i])) for i in own]
        gaps = {name: curves[name, columns] for name in _CURVES}
        shown = ThresholdGrid(family_name(columns), thresholds.tolist(), names, listed, gaps, _STEPS // 2)
        made += [tag("h3", visible(family_name(columns))), threshold_explorer(shown)]
    return made


def _how(result: FairnessResult) -> Html:
    """What the numbers mean."""
    level = percent(result.spec.confidence)
    ratios = "" if result.task == "regression" else " The four-fifths rule asks for a ratio of 0.8 of positive rates."
    known = sorted({n for n in OWN_RATES[result.task] if RATES[n].signed})
    signed = f" {', '.join(n.replace('_', ' ') for n in known)} may be negative and have no ratio." if known else ""
    return tag(
        "details",
        tag("summary", "How to read this"),
        tag(
            "p",
            "The difference is the greatest rate minus the least, the ratio the least divided by the greatest. "
            f"Intervals hold with {level} confidence for all pairs of groups at once (delete-a-group jackknife with "
            f"{result.spec.noise_groups} groups, paired, Bonferroni over the pairs). The difference of noisy rates is "
            "biased upwards: of several equal groups the greatest and the least measured rates differ. p is of all "
            f"groups being equal.{ratios}{signed} Criteria contradict each other where groups differ in their share "
            "of positives; which of them matters is no question of numbers.",
        ),
    )
