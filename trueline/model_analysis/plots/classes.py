"""Confusion of many classes at thresholds: of one class a row, and of rows that may hold several.

Of one class a row, the predicted class is the one with the highest score where that is greater than the threshold, else
none (-1). Of several, for every class that a row holds, each class counts as found or not. Both are TFMA's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trueline._core.errors import ArtifactError
from trueline.model_analysis.plots.fields import number_list
from trueline.model_analysis.plots.scores import Floats, Ints

__all__ = [
    "MultiClassPlot",
    "MultiLabelPlot",
    "class_counts",
    "label_counts",
    "multi_class_plot_data",
    "multi_label_plot_data",
]

_COUNTS = ("falseNegatives", "trueNegatives", "falsePositives", "truePositives")


def class_counts(label: Ints, prediction: Floats, weight: Floats, thresholds: Sequence[float]) -> Floats:
    """Weight by threshold, actual and predicted class, float64 ``[t, c, c + 1]``; the last column is no class.

    Args:
        label: class numbers, int64 ``[n]``; rows with one outside 0..c-1 are left out.
        prediction: scores, float64 ``[n, c]``.
        weight: ``[n]``.
        thresholds: ``[t]``.
    """
    classes = prediction.shape[1]
    kept = (label >= 0) & (label < classes) & np.isfinite(prediction).all(axis=1) & np.isfinite(weight)
    label, prediction, weight = label[kept], prediction[kept], weight[kept]
    best = prediction.argmax(axis=1)
    score = prediction[np.arange(len(best)), best]
    counts = []
    for threshold in thresholds:
        predicted = np.where(score > threshold, best, classes)
        places = label.astype(np.int64) * (classes + 1) + predicted
        counts.append(np.bincount(places, weights=weight, minlength=classes * (classes + 1)))
    return np.asarray(np.stack(counts), dtype=np.float64).reshape(len(thresholds), classes, classes + 1)


def label_counts(label: Floats, prediction: Floats, weight: Floats, thresholds: Sequence[float]) -> Floats:
    """Weight by threshold, held class, other class, and outcome (fn, tn, fp, tp) of the other, ``[t, c, c, 4]``.

    Args:
        label: 0 or 1 by row and class, float64 ``[n, c]``.
        prediction: scores, float64 ``[n, c]``.
        weight: ``[n]``.
        thresholds: ``[t]``.
    """
    kept = np.isfinite(label).all(axis=1) & np.isfinite(prediction).all(axis=1) & np.isfinite(weight)
    held, weight = (label[kept] > 0).astype(np.float64), weight[kept]
    holders = held * weight[:, None]
    counts = []
    for threshold in thresholds:
        found = (prediction[kept] > threshold).astype(np.float64)
        outcomes = (held * (1 - found), (1 - held) * (1 - found), (1 - held) * found, held * found)
        counts.append(np.stack([np.einsum("ni,nj->ij", holders, o) for o in outcomes], axis=-1))
    return np.stack(counts)


@dataclass(frozen=True)
class MultiClassPlot:
    """Weight by threshold, actual class and predicted class; the last predicted class is none.

    Attributes:
        thresholds: ``[t]``.
        counts: ``[t, c, c + 1]``.
    """

    KIND: ClassVar[str] = "multiClassConfusionMatrixAtThresholds"

    thresholds: Floats
    counts: Floats

    def to_json(self) -> dict[str, Any]:
        """JSON values: cells that hold something."""
        return {"plot": self.KIND, "thresholds": self.thresholds.tolist(), **_cells(self.counts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MultiClassPlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, or cells outside the matrix.
        """
        return cls(number_list(data, "thresholds")[0], _counts(data, 3))

    def to_tfma(self) -> dict[str, Any]:
        """The JSON of TFMA's ``MultiClassConfusionMatrixAtThresholds``; no class is -1."""
        none = self.counts.shape[2] - 1
        matrices = []
        for threshold, counts in zip(self.thresholds, self.counts, strict=True):
            entries = [
                {
                    "actualClassId": int(a),
                    "predictedClassId": -1 if p == none else int(p),
                    "numWeightedExamples": float(counts[a, p]),
                }
                for a in range(none)
                for p in (none, *range(none))
                if counts[a, p]
            ]
            matrices.append({"threshold": float(threshold), "entries": entries})
        return {"matrices": matrices}


@dataclass(frozen=True)
class MultiLabelPlot:
    """Outcomes of every class among the rows that hold a class.

    Attributes:
        thresholds: ``[t]``.
        counts: ``[t, c, c, 4]``: held class, other class, and fn, tn, fp, tp of the other.
    """

    KIND: ClassVar[str] = "multiLabelConfusionMatrixAtThresholds"

    thresholds: Floats
    counts: Floats

    def to_json(self) -> dict[str, Any]:
        """JSON values: cells that hold something."""
        return {"plot": self.KIND, "thresholds": self.thresholds.tolist(), **_cells(self.counts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MultiLabelPlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, or cells outside the matrix.
        """
        return cls(number_list(data, "thresholds")[0], _counts(data, 4))

    def to_tfma(self) -> dict[str, Any]:
        """The JSON of TFMA's ``MultiLabelConfusionMatrixAtThresholds``."""
        matrices = []
        for threshold, counts in zip(self.thresholds, self.counts, strict=True):
            entries = [
                {
                    "actualClassId": a,
                    "predictedClassId": p,
                    **{name: float(v) for name, v in zip(_COUNTS, counts[a, p], strict=True)},
                }
                for a in range(counts.shape[0])
                for p in range(counts.shape[1])
                if counts[a, p].any()
            ]
            matrices.append({"threshold": float(threshold), "entries": entries})
        return {"matrices": matrices}


def multi_class_plot_data(counts: Floats, thresholds: Sequence[float]) -> MultiClassPlot:
    """The plot of what `class_counts` summed."""
    return MultiClassPlot(np.asarray(thresholds, dtype=np.float64), counts)


def multi_label_plot_data(counts: Floats, thresholds: Sequence[float]) -> MultiLabelPlot:
    """The plot of what `label_counts` summed."""
    return MultiLabelPlot(np.asarray(thresholds, dtype=np.float64), counts)


def _cells(counts: Floats) -> dict[str, Any]:
    places = np.flatnonzero(counts)
    return {"shape": list(counts.shape), "places": places.tolist(), "values": counts.ravel()[places].tolist()}


_MOST_CELLS = 50_000_000


def _counts(data: Mapping[str, Any], dimensions: int) -> Floats:
    (shape,) = number_list(data, "shape", length=dimensions)
    places, values = number_list(data, "places", "values")
    size = float(np.prod(shape))
    if (shape < 0).any() or size > _MOST_CELLS or (places < 0).any() or (places >= size).any():
        raise ArtifactError(f"the plot's cells do not fit into its shape {shape.tolist()}")
    counts = np.zeros(int(size))
    counts[places.astype(np.int64)] = values
    return counts.reshape(shape.astype(np.int64))
