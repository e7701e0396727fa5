"""TFMA's Fairness Indicators: ten rates at each of several thresholds, for slices of people beside each other.

Keys are TFMA's: ``fairness_indicators_metrics/false_positive_rate@0.5``. A score above a threshold counts as positive.
"""

from __future__ import annotations

from collections.abc import Callable

from trueline.model_analysis.metrics.confusion import CONFUSION_OPTIONS, Confusion
from trueline.model_analysis.metrics.record import HIGHER, LOWER, Finish, Metric, Options, Sums, over
from trueline.model_analysis.rows import Floats

__all__ = ["FAIRNESS_METRICS", "INDICATORS"]

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_NAME = "fairness_indicators_metrics"
_POSITIVE, _NEGATIVE = "no row is positive", "no row is negative"
_SAID, _DENIED, _EMPTY = "no row is predicted positive", "no row is predicted negative", "the weights add up to 0"
INDICATORS: tuple[tuple[str, Callable[[Confusion], Floats], str | None, str], ...] = (
    ("positive_rate", lambda c: over(c.tp + c.fp, c.total), None, _EMPTY),
    ("true_positive_rate", lambda c: c.tpr, HIGHER, _POSITIVE),
    ("false_positive_rate", lambda c: over(c.fp, c.fp + c.tn), LOWER, _NEGATIVE),
    ("negative_rate", lambda c: over(c.tn + c.fn, c.total), None, _EMPTY),
    ("true_negative_rate", lambda c: c.tnr, HIGHER, _NEGATIVE),
    ("false_negative_rate", lambda c: over(c.fn, c.fn + c.tp), LOWER, _POSITIVE),
    ("false_discovery_rate", lambda c: over(c.fp, c.fp + c.tp), LOWER, _SAID),
    ("false_omission_rate", lambda c: over(c.fn, c.fn + c.tn), LOWER, _DENIED),
    ("precision", lambda c: c.ppv, HIGHER, _SAID),
    ("recall", lambda c: c.tpr, HIGHER, _POSITIVE),
)
"""Name, formula, direction, and why it may be undefined."""


def _indicators() -> Metric:
    options = {**CONFUSION_OPTIONS, "thresholds": THRESHOLDS}
    needed = ("tp@{t}", "tn@{t}", "fp@{t}", "fn@{t}")
    reads = frozenset({"label", "prediction", "score"})
    parts = tuple(
        Metric("FairnessIndicators", f"{_NAME}/{name}", ("binary",), why, needed, _finish(i), None, better, reads,
               options, at_thresholds=True)
        for i, (name, _, better, why) in enumerate(INDICATORS)
    )  # fmt: skip
    return Metric("FairnessIndicators", _NAME, ("binary",), _EMPTY, needed, reads=reads, options=options, parts=parts,
                  at_thresholds=True)  # fmt: skip


def _finish(place: int) -> Finish:
    formula = INDICATORS[place][1]

    def finish(s: Sums, o: Options) -> Floats:
        t = o["thresholds"] if o["thresholds"] == "own" else float(o["thresholds"])
        return formula(Confusion(s(f"tp@{t}"), s(f"tn@{t}"), s(f"fp@{t}"), s(f"fn@{t}")))

    return finish


FAIRNESS_METRICS = (_indicators(),)
