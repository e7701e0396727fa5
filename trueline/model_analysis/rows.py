"""The rows of one batch as a view shows them to metrics: labels, predictions, weights, and the batch itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EPSILON", "Bools", "Floats", "Ints", "Rows"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [EPSILON, 1 - EPSILON] in logarithms, as scikit-learn does for float64."""


@dataclass(frozen=True)
class Rows:
    """n rows of one model. Three forms: scalar, classes (`prediction` ``[n, C]``), objects.

    Values that cannot be used (missing labels, NaN) stand here as 0 and weigh 0: the slice's metrics are undefined
    with the reason, or the rows are left out and counted.

    Attributes:
        label: scalar ``[n]`` float64; for class rows the class number ``[n]``, -1 where a row has none.
        prediction: ``[n]``, or ``[n, C]`` float64.
        weight: ``[n]``, 0 for rows that do not count.
        baseline: the baseline model's predictions in the same shape, None without one.
        row: ``[n]`` ascending place of each row in the batch, None where each row of the batch is one.
        label_matrix: ``[n, C]`` where labels are several classes at once (multi-label), or were given one-hot.
        batch: the batch, with the feature columns that metrics named (`Metric.columns`).
        objects: the Arrow columns ``label`` and ``prediction`` as they are, for text, boxes, sets, images.
        group: ``[n]`` noise group of each row; for metrics with a state of their own, else None.
        threshold: the model's own decision threshold.
        cut: what does not stand among the top k has the prediction minus infinity.
    """

    label: Floats
    prediction: Floats
    weight: Floats
    baseline: Floats | None = None
    row: Ints | None = None
    label_matrix: Floats | None = None
    batch: pa.RecordBatch | None = None
    objects: Mapping[str, pa.Array] = field(default_factory=dict)
    group: Ints | None = None
    threshold: float = 0.5
    cut: bool = False

    def __len__(self) -> int:
        return len(self.weight)

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What several moments need of these rows and is dear to make, by a name of their own."""
        return {}

    @cached_property
    def score(self) -> Floats:
        """The prediction kept within 0..1; minus infinity stays, no threshold reaches it."""
        kept: Floats = np.clip(self.prediction, 0.0, 1.0)
        return np.where(np.isneginf(self.prediction), -np.inf, kept) if self.cut else kept

    @cached_property
    def classes(self) -> Ints:
        """Class numbers as integers ``[n]``."""
        return self.label.astype(np.int64)

    @cached_property
    def predicted(self) -> Ints:
        """The class with the highest probability, the first of equal ones."""
        best: Ints = np.argmax(self.prediction, axis=1).astype(np.int64)
        return best

    @cached_property
    def one_hot(self) -> Floats:
        """Labels ``[n, C]``: as given, or a 1 at the class number (all 0 for -1)."""
        if self.label_matrix is not None:
            return self.label_matrix
        made: Floats = (self.classes[:, None] == np.arange(self.prediction.shape[1])[None]).astype(np.float64)
        return made

    @cached_property
    def label_probability(self) -> Floats:
        """The label's probability after division by the row's sum, kept within EPSILON..1 - EPSILON."""
        total = np.maximum(self.prediction.sum(axis=1), EPSILON)
        own = np.take_along_axis(self.prediction, np.maximum(self.classes, 0)[:, None], axis=1)[:, 0]
        clipped: Floats = np.clip(own / total, EPSILON, 1 - EPSILON)
        return clipped
