"""Fairness, explanations, robustness and operation as parts of a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.card.parts_judged import (
    CriterionFacts,
    ExplanationFacts,
    FairnessFacts,
    GroupRate,
    ImportanceFacts,
    MetricFacts,
    OperationsFacts,
    RobustnessFacts,
    RobustnessLoss,
)

if TYPE_CHECKING:
    from trueline.model_analysis.explain.explanation import Explanation
    from trueline.model_analysis.fairness.records import CriterionResult
    from trueline.model_analysis.fairness.result import FairnessResult
    from trueline.model_analysis.operational.records import ModelOperations, Operations
    from trueline.model_analysis.robustness.result import RobustnessResult

__all__ = ["explanation_facts", "fairness_facts", "operations_facts", "robustness_facts"]

_FIRST_RATES = ("positive_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
_MOST_RATES, _MOST_FEATURES, _MOST_LOSSES = 200, 30, 40
_SUBJECTS = {
    "permutation_importance": "Permutation importance",
    "shap_values": "Mean absolute Shapley value",
}


def fairness_facts(result: FairnessResult) -> FairnessFacts:
    """Rates of groups and what their criteria found."""
    groups = result.groups[:_MOST_RATES]
    names = list(dict.fromkeys(name for group in groups for name in group.rates))
    # Every group keeps its rates, however many groups there are; those that criteria are of come first.
    names = sorted(_own(names), key=lambda n: _FIRST_RATES.index(n) if n in _FIRST_RATES else len(_FIRST_RATES))
    shown = names[: max(_MOST_RATES // max(len(groups), 1), 1)]
    keys = _own([c.key for c in result.criteria])
    rates = [
        GroupRate(
            "All rows" if not group.columns else group.name,
            group.rows,
            name,
            e.value,
            e.low,
            e.high,
            "" if e.value is not None else e.undefined or "no reason is known",
        )
        for name in shown
        for group in groups
        if (e := group.rates.get(name)) is not None
    ]
    left = sum(len(group.rates) for group in result.groups) - len(rates)
    notes = [*result.notes, *([f"Rates that are in the fairness result alone: {left:,}."] if left > 0 else [])]
    return FairnessFacts(
        tuple(rates),
        tuple(_criterion(c) for c in result.criteria if c.key in keys),
        (*notes, *(f.sentence for f in result.failures)),
        not result.failures if getattr(result.spec, "criteria", ()) else None,
    )


def _own(keys: Sequence[str]) -> list[str]:
    """Those of the model's own decision; where there are none, those at thresholds."""
    return [key for key in keys if "@" not in key] or list(keys)


def _criterion(c: CriterionResult) -> CriterionFacts:
    """A criterion in a sentence: whose rates are farthest apart, and by how much."""
    gap, ratio = c.difference, c.ratio
    where = " and ".join(c.columns)
    if gap.value is None:
        return CriterionFacts(f"{c.key} by {where}", "undefined", gap.undefined or "no reason is known")
    interval = "" if gap.low is None or gap.high is None else f" ({gap.low:.4g} to {gap.high:.4g})"
    whose = f", {gap.greater} above {gap.lesser}" if gap.greater and gap.lesser else ""
    part = "" if ratio.value is None else f"; the least divided by the greatest is {ratio.value:.4g}"
    of = f" in {gap.rate}" if gap.rate else ""
    return CriterionFacts(f"{c.key} by {where}", "measured", f"greatest gap{of} {gap.value:.4g}{interval}{whose}{part}")


def explanation_facts(explanation: Explanation) -> ExplanationFacts:
    """How much each feature counts on all rows, the greatest first.

    Raises:
        ConfigError: an explanation of single rows, which says nothing of the model as a whole.
    """
    from trueline.model_analysis.explain.importance import PermutationImportance
    from trueline.model_analysis.explain.shapley_values import ShapValues

    if isinstance(explanation, PermutationImportance):
        entries = [e for e in explanation.entries if e.slice == "Overall"]
        found = [ImportanceFacts(e.name, e.value, e.low, e.high, e.undefined or "") for e in entries]
        of = f"by how much {explanation.metric} gets worse when the feature's values are dealt anew"
    elif isinstance(explanation, ShapValues):
        found = [ImportanceFacts(name, value) for name, value in explanation.importance().items()]
        of = f"mean absolute attribution over {len(explanation.rows):,} rows"
    else:
        raise ConfigError(
            f"a {type(explanation).__name__} cannot stand in a model card: it is of single rows or features",
            hint="give what permutation_importance or shap_values made.",
        )
    return ExplanationFacts(
        _SUBJECTS[explanation.KIND], of, tuple(found[:_MOST_FEATURES]), max(len(found) - _MOST_FEATURES, 0)
    )


def robustness_facts(result: RobustnessResult) -> RobustnessFacts:
    """Losses under disturbance, the greatest first; undefined ones before all."""
    losses = sorted(result.losses, key=lambda x: (x.loss is not None, -(x.loss or 0.0)))
    return RobustnessFacts(
        result.metric,
        result.rows,
        tuple(
            RobustnessLoss(x.perturbation, x.slice, x.rows, x.loss, x.low, x.high, x.undefined or "")
            for x in losses[:_MOST_LOSSES]
        ),
        max(len(losses) - _MOST_LOSSES, 0),
        result.gated,
        tuple(f.sentence for f in result.failures),
        tuple(result.notes),
    )


_FIGURES: tuple[tuple[str, str], ...] = (
    ("model_bytes", "size of all files, bytes"),
    ("onnx_bytes", "size of model.onnx, bytes"),
    ("latency_us", "median time of one row, µs"),
    ("latency_p99_us", "99th percentile of the time of one row, µs"),
    ("cpu_us", "CPU time of one row, µs"),
    ("batch_rows_per_s", "rows a second in batches"),
    ("peak_memory_bytes", "peak of memory, bytes"),
)


def operations_facts(found: Operations) -> OperationsFacts:
    """What the model costs to run, of the candidate and of the baseline where there is one."""
    return OperationsFacts(tuple(_figure(found.candidate, found.baseline, *named) for named in _FIGURES))


def _figure(candidate: ModelOperations, baseline: ModelOperations | None, field: str, name: str) -> MetricFacts:
    value: Any = getattr(candidate, field)
    theirs: Any = None if baseline is None else getattr(baseline, field)
    why = "" if value is not None else candidate.memory_undefined or "not measured"
    return MetricFacts(
        name, None if value is None else float(value), why, baseline=None if theirs is None else float(theirs)
    )
