"""Residuals, prediction minus label: how they are spread, and how they hang together with the prediction.

Nothing is known of the range of a regression before the pass, so values are counted in buckets of constant relative
width: each power of two from 2^-30 to 2^50 is cut into 256, of either sign; what is nearer to 0 counts as 0. A value is
within 1/256 of its bucket's ends. Only buckets that hold rows are kept, so the state has at most 40,961 of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from trueline.model_analysis.plots.fields import number_list
from trueline.model_analysis.plots.scores import Floats, Ints

__all__ = ["ResidualPlot", "ResidualSums", "residual_plot_data"]

_PARTS, _LEAST, _GREATEST = 256, -30, 50
_LAST = (_GREATEST - _LEAST) * _PARTS


def value_codes(values: Floats) -> Ints:
    """The bucket of each value ``[n]``: 0 for 0, else its sign times a number that grows with its size."""
    parts, powers = np.frexp(np.abs(values))  # value = part 2^power, part in [0.5, 1)
    code = (powers.astype(np.int64) - 1 - _LEAST) * _PARTS + ((parts - 0.5) * (2 * _PARTS)).astype(np.int64) + 1
    code = np.where((values == 0) | (code < 1), 0, np.minimum(code, _LAST))
    return np.asarray(np.sign(values) * code, dtype=np.int64)


def code_ends(codes: Ints) -> tuple[Floats, Floats]:
    """Low and high ends of buckets ``[n]``."""
    place = np.maximum(np.abs(codes) - 1, 0)
    size = np.exp2(place // _PARTS + _LEAST)
    near = size * (1 + (place % _PARTS) / _PARTS)
    far = near + size / _PARTS
    near, far = np.where(codes == 0, 0.0, near), np.where(codes == 0, 0.0, far)
    return np.where(codes < 0, -far, near), np.where(codes < 0, -near, far)


@dataclass(frozen=True)
class ResidualSums:
    """The state of a slice and a model.

    Attributes:
        residual_codes, residual_weight: buckets of the residual that hold rows, ascending, and their weight.
        prediction_codes: buckets of the prediction that hold rows, ascending, int64 ``[b]``.
        prediction_sums: for each the sums of w, w p, w r and w r r, float64 ``[b, 4]``.
    """

    residual_codes: Ints
    residual_weight: Floats
    prediction_codes: Ints
    prediction_sums: Floats

    @classmethod
    def empty(cls) -> ResidualSums:
        """The state of no rows."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 4)))

    @classmethod
    def of(cls, label: Floats, prediction: Floats, weight: Floats) -> ResidualSums:
        """The state of a batch; rows without a finite label and prediction are left out. All float64 ``[n]``."""
        kept = np.isfinite(label) & np.isfinite(prediction) & np.isfinite(weight)
        p, w = prediction[kept], weight[kept]
        r = p - label[kept]
        columns = np.stack([w, w * p, w * r, w * r * r], axis=1)
        one, weights = _grouped(value_codes(r), w[:, None])
        two, sums = _grouped(value_codes(p), columns)
        return cls(one, weights[:, 0], two, sums)

    def merge(self, other: ResidualSums) -> ResidualSums:
        """The state of the rows of both."""
        one, weights = _grouped(
            np.concatenate([self.residual_codes, other.residual_codes]),
            np.concatenate([self.residual_weight, other.residual_weight])[:, None],
        )
        two, sums = _grouped(
            np.concatenate([self.prediction_codes, other.prediction_codes]),
            np.concatenate([self.prediction_sums, other.prediction_sums]),
        )
        return ResidualSums(one, weights[:, 0], two, sums)


def _grouped(codes: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Sums of the rows of ``values [n, c]`` by code."""
    unique, places = np.unique(codes, return_inverse=True)
    columns = [np.bincount(places.ravel(), weights=column, minlength=len(unique)) for column in values.T]
    return unique.astype(np.int64), np.stack(columns, axis=1) if len(unique) else np.zeros((0, values.shape[1]))


@dataclass(frozen=True)
class ResidualPlot:
    """What is drawn of residuals.

    Attributes:
        edges: ends of the histogram's buckets, ``[b + 1]``; empty without rows.
        weight: weight of rows by residual, ``[b]``; the outer buckets hold what lies beyond them too.
        prediction: mean prediction of rows in groups of about equal weight, in the order of the prediction, ``[g]``.
        mean, deviation: of the residual in each group: its mean and its standard deviation, ``[g]``.
        group_weight: each group's weight, ``[g]``.
    """

    KIND: ClassVar[str] = "residuals"

    edges: Floats
    weight: Floats
    prediction: Floats
    mean: Floats
    deviation: Floats
    group_weight: Floats

    def to_json(self) -> dict[str, Any]:
        """JSON values, by column."""
        return {"plot": self.KIND, **{f.name: getattr(self, f.name).tolist() for f in fields(self)}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ResidualPlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, not numbers or not of one length.
        """
        (edges,) = number_list(data, "edges")
        (weight,) = number_list(data, "weight", length=max(len(edges) - 1, 0))
        return cls(edges, weight, *number_list(data, "prediction", "mean", "deviation", "group_weight"))

    def to_tfma(self) -> dict[str, Any]:
        """TFMA has no such plot; a JSON of the same style."""
        buckets = [
            {"lowerThresholdInclusive": float(a), "upperThresholdExclusive": float(b), "numWeightedExamples": float(w)}
            for a, b, w in zip(self.edges, self.edges[1:], self.weight, strict=False)
        ]
        columns = (self.prediction, self.mean, self.deviation, self.group_weight)
        names = ("prediction", "meanResidual", "standardDeviation", "numWeightedExamples")
        groups = [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]
        return {"buckets": buckets, "byPrediction": groups}


def residual_plot_data(
    sums: ResidualSums, left: float | None = None, right: float | None = None, bins: int = 40, groups: int = 20
) -> ResidualPlot:
    """The plot of a state.

    Args:
        sums: the state.
        left, right: ends of the histogram; those of the residuals where None.
        bins: buckets of the histogram.
        groups: at most so many groups by prediction.
    """
    return ResidualPlot(*_histogram(sums, left, right, bins), *_by_prediction(sums, groups))


def _histogram(sums: ResidualSums, left: float | None, right: float | None, bins: int) -> tuple[Floats, Floats]:
    """Edges and weights; what a bucket of the state holds is spread evenly over it."""
    weight = sums.residual_weight
    if not weight.sum() > 0:
        return np.zeros(0), np.zeros(0)
    low, high = code_ends(sums.residual_codes)
    start = left if left is not None else float(low[weight > 0].min())
    end = right if right is not None else float(high[weight > 0].max())
    if not start < end:
        start, end = start - 0.5, start + 0.5
    edges = np.linspace(start, end, bins + 1)
    points = (high <= low)[:, None]
    shares = np.clip((edges[None, :] - low[:, None]) / np.where(points, 1.0, (high - low)[:, None]), 0.0, 1.0)
    shares = np.where(points, (edges[None, :] > low[:, None]).astype(np.float64), shares)
    shares[:, 0], shares[:, -1] = 0.0, 1.0
    return edges, weight @ np.diff(shares, axis=1)


def _by_prediction(state: ResidualSums, groups: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean prediction, mean residual, its standard deviation, and weight of each group."""
    sums = state.prediction_sums[state.prediction_sums[:, 0] > 0]
    if not len(sums):
        return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
    middle = np.cumsum(sums[:, 0]) - sums[:, 0] / 2
    places = np.minimum((middle / sums[:, 0].sum() * groups).astype(np.int64), groups - 1)
    _, joined = _grouped(places, sums)
    weight = joined[:, 0]
    mean = joined[:, 2] / weight
    deviation = np.sqrt(np.maximum(joined[:, 3] / weight - mean * mean, 0.0))
    return joined[:, 1] / weight, mean, deviation, weight
