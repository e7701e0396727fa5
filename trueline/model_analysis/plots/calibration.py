"""Reliability: what was predicted against what came true, by bucket of the prediction, with an interval each.

The interval of a share is Wilson's score interval (Wilson 1927) at Kish's effective number of rows, (sum w)^2 / sum w^2
(Kish 1965), so that weights widen it; of labels beyond 0..1 it is the mean plus and minus normal quantiles of its
standard error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np

from trueline.model_analysis.plots.fields import number_list, tfma_number
from trueline.model_analysis.plots.scores import BucketSums, Floats, ScoreBuckets

__all__ = ["CalibrationBin", "CalibrationPlot", "calibration_plot_data"]


@dataclass(frozen=True)
class CalibrationBin:
    """Some neighbouring buckets together.

    Attributes:
        low, high: predictions from, up to.
        weight: weight of its rows.
        prediction, label: their weighted means.
        lower, upper: interval of the mean label.
        rows: effective number of rows, (sum w)^2 / sum w^2.
    """

    low: float
    high: float
    weight: float
    prediction: float
    label: float
    lower: float
    upper: float
    rows: float


@dataclass(frozen=True)
class CalibrationPlot:
    """Sums by bucket of the prediction; the first bucket lies left of the edges, the last right of them.

    Attributes:
        edges: ``[b + 1]``.
        weight, label, prediction, weight_square, label_square: ``[b + 2]``.
    """

    KIND: ClassVar[str] = "calibrationHistogramBuckets"

    edges: Floats
    weight: Floats
    label: Floats
    prediction: Floats
    weight_square: Floats
    label_square: Floats

    @property
    def shares(self) -> bool:
        """Whether the labels look like shares of 1: no bucket's sum of squares is above its sum of labels."""
        tiny = 1e-9 * np.maximum(np.abs(self.label), 1e-300)
        return bool((self.label >= -tiny).all() and (self.label_square <= self.label + tiny).all())

    def bins(self, most: int = 10, confidence: float = 0.95) -> tuple[CalibrationBin, ...]:
        """At most so many bins of equal width that hold rows; what lies beyond the edges is in the outer ones."""
        count = len(self.edges) - 1
        most = min(most, count)
        places = np.minimum(np.arange(count) * most // count, most - 1)
        places = np.concatenate([[0], places, [most - 1]])
        sums = [np.bincount(places, weights=getattr(self, f.name), minlength=most) for f in fields(self)[1:]]
        width = (self.edges[-1] - self.edges[0]) / most
        shares = self.shares
        found = []
        for i, (w, y, p, ww, yy) in enumerate(zip(*sums, strict=True)):
            if w <= 0 or ww <= 0:
                continue
            rows, mean = w * w / ww, y / w
            reach = _wilson(mean, rows, confidence) if shares else _normal(mean, yy / w, rows, confidence)
            low = float(self.edges[0] + i * width)
            found.append(CalibrationBin(low, low + float(width), w, p / w, mean, *reach, rows))
        return tuple(CalibrationBin(*(float(v) for v in vars(b).values())) for b in found)

    @property
    def error(self) -> float:
        """Mean distance of label and prediction over 10 bins, weighted by their rows: the expected calibration error
        (Naeini, Cooper, Hauskrecht 2015). NaN without rows."""
        bins = self.bins()
        total = sum(b.weight for b in bins)
        return sum(b.weight * abs(b.label - b.prediction) for b in bins) / total if total else math.nan

    def to_json(self) -> dict[str, Any]:
        """JSON values, by column."""
        return {"plot": self.KIND, **{f.name: getattr(self, f.name).tolist() for f in fields(self)}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CalibrationPlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, not numbers or not of one length.
        """
        (edges,) = number_list(data, "edges")
        return cls(edges, *number_list(data, *(f.name for f in fields(cls)[1:]), length=len(edges) + 1))

    def to_tfma(self) -> dict[str, Any]:
        """The JSON of TFMA's ``CalibrationHistogramBuckets``."""
        ends = [-math.inf, *self.edges.tolist(), math.inf]
        return {
            "buckets": [
                {
                    "lowerThresholdInclusive": tfma_number(ends[i]),
                    "upperThresholdExclusive": tfma_number(ends[i + 1]),
                    "numWeightedExamples": float(self.weight[i]),
                    "totalWeightedLabel": float(self.label[i]),
                    "totalWeightedRefinedPrediction": float(self.prediction[i]),
                }
                for i in range(len(self.weight))
            ]
        }


def calibration_plot_data(state: Floats, buckets: ScoreBuckets) -> CalibrationPlot:
    """The plot of sums by the rows of `ScoreBuckets.within`, float64 ``[buckets + 2, COLUMNS]``."""
    return CalibrationPlot(buckets.edges, *vars(BucketSums.of(state)).values())


def _wilson(share: float, rows: float, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = min(max(share, 0.0), 1.0)
    scale = 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _normal(mean: float, mean_square: float, rows: float, confidence: float) -> tuple[float, float]:
    if rows < 2:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    error = math.sqrt(max(mean_square - mean * mean, 0.0) / (rows - 1))
    return mean - z * error, mean + z * error
