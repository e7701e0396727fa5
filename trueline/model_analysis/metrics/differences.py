"""Differences by nature: what changes row by row from the baseline's prediction to the candidate's.

TFMA's definitions. Both models must be measured; weights are the rows' own (TFMA: the baseline's). All values are means
over rows, so they have noise like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from trueline.model_analysis.metrics.record import LOWER, SCALAR, Metric, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Bools, Floats, Rows

__all__ = ["DIFFERENCE_METRICS", "DIFFERENCE_MOMENTS"]

EPSILON = 1e-8
"""Two predictions whose absolute sum lies below are both 0 and do not differ."""


def _baseline(rows: Rows) -> Floats:
    """The baseline's predictions; NaN where there is none: no difference is ever measured against nothing."""
    return np.full_like(rows.prediction, np.nan) if rows.baseline is None else rows.baseline


def _flip(holds: Callable[[Bools, Bools], Bools]) -> Moment:
    """1 where the pair of decisions (baseline's, candidate's) at the threshold is the wanted one."""

    def moment(rows: Rows, threshold: str) -> Floats:
        base = _baseline(rows)
        before, after = (p > float(threshold) for p in (base, rows.prediction))
        return np.where(np.isnan(base), np.nan, holds(before, after))

    return moment


def _symmetric_difference(rows: Rows, _: str) -> Floats:
    base, mine = _baseline(rows), rows.prediction
    both = np.abs(base + mine)
    apart = 2.0 * np.abs(base - mine)
    zero = (np.abs(base) < EPSILON) & (np.abs(mine) < EPSILON)
    return np.where(zero | (rows.weight == 0), 0.0, over(apart, both))


def _cosine(rows: Rows, _: str) -> Floats:
    base, mine = (p.reshape(len(rows), -1) for p in (_baseline(rows), rows.prediction))
    lengths = np.sqrt((base * base).sum(axis=1) * (mine * mine).sum(axis=1))
    return np.where(rows.weight > 0, over((base * mine).sum(axis=1), lengths), 0.0)


DIFFERENCE_MOMENTS: Mapping[str, Moment] = {
    "flip": _flip(lambda before, after: before != after),
    "neg_to_neg": _flip(lambda before, after: ~before & ~after),
    "neg_to_pos": _flip(lambda before, after: ~before & after),
    "pos_to_neg": _flip(lambda before, after: before & ~after),
    "pos_to_pos": _flip(lambda before, after: before & after),
    "symmetric_difference": _symmetric_difference,
    "baseline_cosine": _cosine,
}

_BOTH = frozenset({"prediction"})
_NONE = "there is no baseline, or the weights add up to 0"


def _flip_rate(cls: str, name: str, moment: str, better: str | None = None) -> Metric:
    return Metric(cls, name, ("binary", "regression"), _NONE, (moment + "@{threshold}", "weight"),
                  lambda s, o: over(s(f"{moment}@{o['threshold']}"), s("weight")), better=better, reads=_BOTH,
                  options={"threshold": 0.5}, needs_baseline=True)  # fmt: skip


_FLIPS = (
    _flip_rate("SymmetricFlipRate", "symmetric_flip_rate", "flip", LOWER),
    _flip_rate("NegToNegFlipRate", "neg_to_neg_flip_rate", "neg_to_neg"),
    _flip_rate("NegToPosFlipRate", "neg_to_pos_flip_rate", "neg_to_pos"),
    _flip_rate("PosToNegFlipRate", "pos_to_neg_flip_rate", "pos_to_neg"),
    _flip_rate("PosToPosFlipRate", "pos_to_pos_flip_rate", "pos_to_pos"),
)
_PART_NAMES = {f"{metric.name}_name": "" for metric in _FLIPS}
DIFFERENCE_METRICS = (
    *_FLIPS,
    Metric("BooleanFlipRates", "boolean_flip_rates", ("binary", "regression"), _NONE, reads=_BOTH,
           options={"threshold": 0.5, **_PART_NAMES}, needs_baseline=True,
           parts=tuple(replace(metric, options={"threshold": 0.5}) for metric in _FLIPS)),
    Metric("SymmetricPredictionDifference", "symmetric_prediction_difference", SCALAR,
           f"the predictions of a row add up to 0, or {_NONE}", ("symmetric_difference", "weight"),
           lambda s, o: over(s("symmetric_difference"), s("weight")), better=LOWER, reads=_BOTH, needs_baseline=True),
    Metric("ModelCosineSimilarity", "model_cosine_similarity", ("multiclass", "multilabel", *SCALAR),
           f"a model's predictions of a row are all 0, or {_NONE}", ("baseline_cosine", "weight"),
           lambda s, o: over(s("baseline_cosine"), s("weight")), reads=_BOTH, needs_baseline=True),
)  # fmt: skip
