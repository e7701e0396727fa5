"""The rates of a group, and the criteria of fairness that compare them: tables of records.

Names of rates are TFMA's (its Fairness Indicators); criteria are those of Hardt, Price and Srebro 2016 (equal
opportunity, equalized odds), Chouldechova 2017 (predictive parity) and of the disparate impact rule (demographic
parity as a ratio, 0.8 being the "four-fifths rule" of the US guidelines of 1978).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from trueline.model_analysis.metrics.confusion import Confusion
from trueline.model_analysis.metrics.fairness import INDICATORS
from trueline.model_analysis.metrics.record import HIGHER, LOWER, NO_WEIGHT, Sums, over
from trueline.model_analysis.rows import Floats

__all__ = [
    "CALIBRATION_BINS", "CRITERIA", "DECISION_RATES", "OWN_RATES", "RATES", "Criteria", "Rate", "rate_key",
]  # fmt: skip

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Rate:
    """A number of a group.

    Attributes:
        undefined: why it may be undefined.
        of: from the counts of a decision, for rates of decisions.
        sums: from the sums of the group, for all others.
        better: the direction in which it is better for the people; None where neither is.
        signed: it may be negative, so that its ratios mean nothing.
    """

    undefined: str
    of: Callable[[Confusion], Floats] | None = None
    sums: Callable[[Sums], Floats] | None = None
    better: str | None = None
    signed: bool = False


# Of rates without a direction in a metric, the one that people wish for: to be given what a positive decision gives.
_WISHED = {"positive_rate": HIGHER, "negative_rate": LOWER}
DECISION_RATES: Mapping[str, Rate] = {
    **{name: Rate(why, formula, better=_WISHED.get(name, better)) for name, formula, better, why in INDICATORS},
    "accuracy": Rate(NO_WEIGHT, lambda c: over(c.tp + c.tn, c.total), better=HIGHER),
}
"""Rates of a decision between two classes, or of one class against the rest."""


def _calibration_error(s: Sums) -> Floats:
    """The weighted mean over bins of |labels - probabilities| (Guo et al. 2017, of the second class)."""
    weights = [s(f"bin_weight@{b}") for b in range(CALIBRATION_BINS)]
    gaps = [np.abs(s(f"bin_label@{b}") - s(f"bin_prediction@{b}")) for b in range(CALIBRATION_BINS)]
    return over(sum(gaps, np.zeros(())), sum(weights, np.zeros(())))


OWN_RATES: Mapping[str, Mapping[str, Rate]] = {
    "binary": {
        "label_rate": Rate(NO_WEIGHT, sums=lambda s: over(s("label"), s("weight"))),
        "mean_prediction": Rate(NO_WEIGHT, sums=lambda s: over(s("prediction"), s("weight"))),
        "calibration_gap": Rate(NO_WEIGHT, sums=lambda s: over(s("prediction") - s("label"), s("weight")), signed=True),
        "expected_calibration_error": Rate(NO_WEIGHT, sums=_calibration_error, better=LOWER),
    },
    "multiclass": {"accuracy": Rate(NO_WEIGHT, sums=lambda s: over(s("correct"), s("weight")), better=HIGHER)},
    "regression": {
        "mean_label": Rate(NO_WEIGHT, sums=lambda s: over(s("label"), s("weight")), signed=True),
        "mean_prediction": Rate(NO_WEIGHT, sums=lambda s: over(s("prediction"), s("weight")), signed=True),
        "mean_error": Rate(NO_WEIGHT, sums=lambda s: over(s("prediction") - s("label"), s("weight")), signed=True),
        "mean_absolute_error": Rate(NO_WEIGHT, sums=lambda s: over(s("abs_error"), s("weight")), better=LOWER),
        "root_mean_squared_error": Rate(
            NO_WEIGHT, sums=lambda s: np.sqrt(over(s("square_error"), s("weight"))), better=LOWER
        ),
    },
}
"""Rates that are of no decision, by task."""
RATES: Mapping[str, Rate] = {**DECISION_RATES, **{n: r for rates in OWN_RATES.values() for n, r in rates.items()}}


@dataclass(frozen=True)
class Criteria:
    """A criterion of fairness: groups must not differ in some rates; of several the worst gap counts.

    Attributes:
        rates: names of the rates.
        title: what it is called in sentences.
        tasks: what it is defined for.
        decision: its rates are of a decision: it is measured at each threshold, and for each class.
    """

    rates: tuple[str, ...]
    title: str
    tasks: tuple[str, ...]
    decision: bool = True


_BOTH = ("binary", "multiclass")
CRITERIA: Mapping[str, Criteria] = {
    "demographic_parity": Criteria(("positive_rate",), "demographic parity", _BOTH),
    "equal_opportunity": Criteria(("true_positive_rate",), "equal opportunity", _BOTH),
    "equalized_odds": Criteria(("true_positive_rate", "false_positive_rate"), "equalized odds", _BOTH),
    "equal_accuracy": Criteria(("accuracy",), "equal accuracy", _BOTH),
    "predictive_parity": Criteria(("precision",), "predictive parity", _BOTH),
    "false_positive_rate_parity": Criteria(("false_positive_rate",), "parity of false positive rates", _BOTH),
    "false_negative_rate_parity": Criteria(("false_negative_rate",), "parity of false negative rates", _BOTH),
    "calibration": Criteria(("calibration_gap",), "calibration within groups", ("binary",), False),
    "mean_prediction_parity": Criteria(("mean_prediction",), "parity of mean predictions", ("regression",), False),
    "mean_error_parity": Criteria(("mean_error",), "parity of mean errors", ("regression",), False),
    "mean_absolute_error_parity": Criteria(
        ("mean_absolute_error",), "parity of absolute errors", ("regression",), False
    ),
    "root_mean_squared_error_parity": Criteria(
        ("root_mean_squared_error",), "parity of squared errors", ("regression",), False
    ),
}
"""The criteria by name."""


def rate_key(rate: str, at: str) -> str:
    """``precision``, ``precision@0.5`` or ``precision[class_id=1]``; `at` is ``own``, a threshold or ``class_id=1``."""
    if at == "own":
        return rate
    return f"{rate}[{at}]" if at.startswith("class_id=") else f"{rate}@{at}"
