"""Chooses how a classifier decides, by what its decisions cost: calibration, threshold, cost rule.

May import what `trueline.model_analysis` may, and `trueline.models` for calibrations; the model that it writes answers
with the decision wherever it is loaded.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "ChosenDecision": "chosen",
    "Constraint": "cost",
    "Cost": "cost",
    "CostMatrix": "cost",
    "choose_decision": "choose",
    "decision_problems": "choose",
    "decision_threshold": "info",
    "served_cost": "choose",
    "split_warning": "info",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
