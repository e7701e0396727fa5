"""Confusion matrices at many thresholds, and the curves that follow from them: ROC, precision and recall, gain, lift.

A row counts as positive where its score is greater than the threshold, as everywhere. A label between 0 and 1 counts as
that share of a positive row. Curves: Fawcett, An introduction to ROC analysis (2006); gain and lift: the share of all
positives found, and the density of positives, among the rows with the highest scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from trueline.model_analysis.plots.fields import number_list, tfma_number
from trueline.model_analysis.plots.scores import BucketSums, Floats, ScoreBuckets

__all__ = ["BinaryPlot", "ScorePlot", "binary_plot_data", "score_plot_data"]

Curve: TypeAlias = list[tuple[float, float]]
_BELOW = 1e-6
"""So far below the first bucket, in its range, lies the threshold that every row passes; TFMA's."""


@dataclass(frozen=True)
class BinaryPlot:
    """Weighted counts at ascending thresholds.

    Attributes:
        thresholds: float64 ``[t]``; at the first every row is predicted positive.
        tp, fp: weight of positive and negative rows above each threshold, ``[t]``.
        positives, negatives: weight of all of them.
    """

    KIND: ClassVar[str] = "confusionMatrixAtThresholds"

    thresholds: Floats
    tp: Floats
    fp: Floats
    positives: float
    negatives: float

    @property
    def fn(self) -> Floats:
        """Weight of positive rows at or below each threshold."""
        return np.maximum(self.positives - self.tp, 0.0)

    @property
    def tn(self) -> Floats:
        """Weight of negative rows at or below each threshold."""
        return np.maximum(self.negatives - self.fp, 0.0)

    def roc(self) -> Curve:
        """(false positive rate, true positive rate), from (0, 0) to (1, 1); empty where a class is absent."""
        if not (self.positives > 0 and self.negatives > 0):
            return []
        points = zip(self.fp / self.negatives, self.tp / self.positives, strict=True)
        return [(0.0, 0.0), *((float(x), float(y)) for x, y in reversed(list(points)))]

    def precision_recall(self) -> Curve:
        """(recall, precision) from the highest threshold down, where something is predicted positive."""
        return [
            (float(r), float(p)) for r, p in reversed(list(zip(self.recall, self.precision, strict=True))) if p == p
        ]

    def gain(self) -> Curve:
        """(share of rows, share of positives found among them), the highest scores first."""
        total = self.positives + self.negatives
        if not self.positives > 0:
            return []
        points = zip((self.tp + self.fp) / total, self.tp / self.positives, strict=True)
        return [(0.0, 0.0), *((float(x), float(y)) for x, y in reversed(list(points)))]

    def lift(self) -> Curve:
        """(share of rows, how many times denser positives are among them than in all rows)."""
        return [(x, y / x) for x, y in self.gain() if x > 0]

    @property
    def precision(self) -> Floats:
        """By threshold; NaN where no row is predicted positive."""
        return _over(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Floats:
        """By threshold; NaN without positive rows."""
        return _over(self.tp, np.full_like(self.tp, self.positives))

    @property
    def f1(self) -> Floats:
        """By threshold; NaN where there is neither a positive row nor a positive prediction."""
        return _over(2 * self.tp, self.tp + self.fp + self.positives)

    @property
    def accuracy(self) -> Floats:
        """By threshold."""
        return _over(self.tp + self.tn, np.full_like(self.tp, self.positives + self.negatives))

    def at(self, threshold: float) -> tuple[float, float, float, float]:
        """(tn, fp, fn, tp) at the greatest of the thresholds that is not above the one given."""
        i = max(int(np.searchsorted(self.thresholds, threshold + 1e-12, side="right")) - 1, 0)
        return float(self.tn[i]), float(self.fp[i]), float(self.fn[i]), float(self.tp[i])

    def to_json(self) -> dict[str, Any]:
        """JSON values, by column."""
        columns = {name: getattr(self, name).tolist() for name in ("thresholds", "tp", "fp")}
        return {"plot": self.KIND, **columns, "positives": self.positives, "negatives": self.negatives}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BinaryPlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, not numbers or not of one length.
        """
        thresholds, tp, fp = number_list(data, "thresholds", "tp", "fp")
        ends = number_list({k: [data.get(k)] for k in ("positives", "negatives")}, "positives", "negatives")
        return cls(thresholds, tp, fp, float(ends[0][0]), float(ends[1][0]))

    def to_tfma(self) -> dict[str, Any]:
        """The JSON of TFMA's ``ConfusionMatrixAtThresholds``; 0/0 is 1 for precision and 0 for recall there."""
        rates = {
            "precision": np.nan_to_num(self.precision, nan=1.0),
            "recall": np.nan_to_num(self.recall),
            "falsePositiveRate": _over(self.fp, np.full_like(self.fp, self.negatives)),
            "f1": self.f1,
            "accuracy": self.accuracy,
            "falseOmissionRate": _over(self.fn, self.fn + self.tn),
        }
        counts = {"falseNegatives": self.fn, "trueNegatives": self.tn, "falsePositives": self.fp,
                  "truePositives": self.tp}  # fmt: skip
        every = {"threshold": self.thresholds, **counts, **rates}
        return {"matrices": [{k: tfma_number(v[i]) for k, v in every.items()} for i in range(len(self.thresholds))]}


@dataclass(frozen=True)
class ScorePlot:
    """The weight of positive and negative rows by score.

    Attributes:
        edges: ends of the buckets, ``[b + 1]``; the outer buckets hold what lies beyond them too.
        positive, negative: weight in each bucket, ``[b]``.
    """

    KIND: ClassVar[str] = "scoreDistribution"

    edges: Floats
    positive: Floats
    negative: Floats

    def merged(self, most: int = 40) -> ScorePlot:
        """The same with at most so many buckets: neighbours joined."""
        step = -(-len(self.positive) // most)
        starts = np.arange(0, len(self.positive), step)
        edges = np.append(self.edges[starts], self.edges[-1])
        return ScorePlot(edges, np.add.reduceat(self.positive, starts), np.add.reduceat(self.negative, starts))

    def to_json(self) -> dict[str, Any]:
        """JSON values, by column."""
        return {"plot": self.KIND, **{name: getattr(self, name).tolist() for name in ("edges", "positive", "negative")}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ScorePlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, not numbers or not of one length.
        """
        (edges,) = number_list(data, "edges")
        positive, negative = number_list(data, "positive", "negative", length=len(edges) - 1)
        return cls(edges, positive, negative)

    def to_tfma(self) -> dict[str, Any]:
        """As TFMA's ``ConfusionMatrixAtThresholds`` of a score distribution: all rows above a threshold are true
        positives there, all others true negatives."""
        total = self.positive + self.negative
        above = np.append(np.cumsum(total[::-1])[::-1], 0.0)
        rows = zip(self.edges, above, strict=True)
        return {
            "matrices": [
                {"threshold": float(t), "truePositives": float(a), "trueNegatives": float(total.sum() - a)}
                for t, a in rows
            ]
        }


def binary_plot_data(state: Floats, buckets: ScoreBuckets) -> BinaryPlot:
    """Confusion matrices at every edge, and at one below the first that every row passes.

    Args:
        state: sums by the rows of `ScoreBuckets.above`, float64 ``[buckets + 2, COLUMNS]``.
        buckets: the buckets.
    """
    sums = BucketSums.of(state)
    positive, negative = sums.label, np.maximum(sums.weight - sums.label, 0.0)
    above = [np.cumsum(column[::-1])[::-1] for column in (positive, negative)]  # [i]: rows from bucket i up
    edges = buckets.edges
    first = edges[0] - _BELOW * (buckets.right - buckets.left)
    return BinaryPlot(np.concatenate([[first], edges]), above[0], above[1], float(above[0][0]), float(above[1][0]))


def score_plot_data(state: Floats, buckets: ScoreBuckets) -> ScorePlot:
    """The weight of both classes by score; scores beyond the ends are in the outer buckets."""
    sums = BucketSums.of(state)
    inner = []
    for column in (sums.label, np.maximum(sums.weight - sums.label, 0.0)):
        inside = column[1:-1].copy()
        inside[0] += column[0]
        inside[-1] += column[-1]
        inner.append(inside)
    return ScorePlot(buckets.edges, inner[0], inner[1])


def _over(a: Floats, b: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b > 0, a / np.where(b > 0, b, 1.0), np.nan)
