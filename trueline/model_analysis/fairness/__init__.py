"""Fairness: rates of groups of people beside each other, criteria with intervals and gates, and what mitigates gaps.

May import what `trueline.model_analysis` may, and `trueline.models`. A number here says how a model treats groups of
the rows that it was given; whether that is just or lawful it does not say. The criteria contradict each other where
groups differ in their share of positives (Kleinberg, Mullainathan and Raghavan 2016): choose before you look.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "CRITERIA": "rates",
    "Criterion": "spec",
    "FairThresholds": "optimise",
    "FairnessResult": "result",
    "FairnessSpec": "spec",
    "Reweighing": "reweighing",
    "CriterionCurve": "what_if",
    "ThresholdWhatIf": "what_if",
    "criterion_curves": "what_if",
    "evaluate_fairness": "api",
    "fairness_of_table": "api",
    "judge_fairness": "judge",
    "optimise_thresholds": "optimise",
    "reweighing_weights": "reweighing",
    "threshold_what_if": "what_if",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
