"""How well one feature alone predicts the label, measured on rows that it was not fitted on, with a lower bound.

The label decides the measure, which is 1 for a perfect prediction:

* two classes: the area under the ROC curve; 0.5 is chance;
* more classes: (accuracy - share of the greatest class) / (1 - that share); 0 is chance;
* a number: R squared; 0 is chance.

A category, or a bin of a number (its distinct values, or 64 quantiles), predicts by what its rows in the other four
fifths of the sample say; a category that is new there predicts what all rows together do. So a column whose values are
all different predicts nothing, however well it "explains" the rows it was fitted on. Numbers are tried as they are too:
by their order for two classes, by linear and by rank correlation for numbers.

Lower bounds (95 %, one-sided): of the area after Hanley and McNeil (1982), of accuracy after Wilson, of a correlation
after Fisher; never above 1 - 3 / n, n being the rows of the smaller class (or outside the greatest class, or all),
because n rows without an error leave a true error rate of 3 / n possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Label", "Score", "best_score", "category_score", "label_of"]

FOLDS, _BINS, _MOST_DISTINCT, _MOST_CLASSES = 5, 64, 256, 64
_Z = 1.645
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Label:
    """The labels of the sampled rows that have one.

    Attributes:
        task: ``binary``, ``multiclass`` or ``regression``.
        values: 0 or 1, the class, or the number.
        minority: rows of the smaller class, rows outside the greatest class, or all rows.
    """

    task: str
    values: Floats
    minority: int

    @property
    def measure(self) -> str:
        """The name of the score."""
        return {"binary": "AUC", "multiclass": "accuracy above chance", "regression": "R squared"}[self.task]


@dataclass(frozen=True)
class Score:
    """A score, its lower bound, and by what the feature predicts: ``value`` or ``order``."""

    value: float
    lower: float
    by: str = "value"


def label_of(codes: npt.NDArray[np.uint64] | None, numbers: Floats | None) -> Label | None:
    """The label from codes of classes, or from numbers; None where it does not vary."""
    given: npt.NDArray[Any] = np.empty(0) if numbers is None else numbers
    given = given if codes is None else codes
    distinct, places = np.unique(given, return_inverse=True)
    places = places.reshape(-1)
    if len(distinct) < 2:
        return None
    if numbers is not None and len(distinct) > 2:
        return Label("regression", numbers, len(numbers))
    counts = np.bincount(places)
    if len(distinct) > _MOST_CLASSES:  # the rarest classes become one
        rank = np.empty(len(counts), np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        places = np.minimum(rank[places], _MOST_CLASSES - 1)
        counts = np.bincount(places)
    task = "binary" if len(distinct) == 2 else "multiclass"
    return Label(task, places.astype(np.float64), int(len(places) - counts.max()))


def category_score(categories: Ints, label: Label) -> Score:
    """The score of a feature of categories, numbered from 0."""
    if label.task == "multiclass":
        return _accuracy_score(categories, label)
    predicted = _out_of_fold_means(categories, label.values)
    if label.task == "binary":
        return _auc_score(predicted, label)  # fitted, so a side below 0.5 is noise and not turned round
    spread = float(((label.values - label.values.mean()) ** 2).sum())
    error = float(((label.values - predicted) ** 2).sum())
    return _r2_score(1.0 - error / spread if 0.0 < spread < math.inf else 0.0, len(predicted))


def best_score(numbers: Floats, label: Label) -> Score:
    """The score of a numeric feature; NaN is missing, and a bin of its own."""
    missing = np.isnan(numbers)
    found: list[Score] = []
    share = 1.0 - float(missing.mean())
    if share > 0.0 and label.task != "multiclass":
        values, there = numbers[~missing], label.values[~missing]
        found = [_shrunk(score, share, label.task) for score in _by_order(values, there, label.task)]
    found.append(category_score(_bins(numbers, missing), label))
    return max(found, key=lambda score: score.value)


def _by_order(values: Floats, labels: Floats, task: str) -> list[Score]:
    if len(np.unique(labels)) < 2 or len(np.unique(values)) < 2:
        return []
    if task == "binary":
        part = Label(task, labels, int(min(labels.sum(), len(labels) - labels.sum())))
        score = max((_auc_score(side, part) for side in (values, -values)), key=lambda found: found.value)
        return [Score(score.value, score.lower, "order")]
    found = []
    for x, y in ((values, labels), (_ranks(values), _ranks(labels))):
        if np.isfinite(x).all() and np.isfinite(y).all():
            score = _r2_score(_correlation(x, y) ** 2, len(x))
            found.append(Score(score.value, score.lower, "order"))
    return found


def _shrunk(score: Score, share: float, task: str) -> Score:
    """A score over the rows that have the feature, taken as chance on the others."""
    chance = 0.5 if task == "binary" else 0.0
    return Score(chance + share * (score.value - chance), chance + share * (score.lower - chance), score.by)


def _bins(numbers: Floats, missing: npt.NDArray[np.bool_]) -> Ints:
    """Bin 0 for missing ones, a bin a distinct value where there are few, else quantiles and each frequent value."""
    bins = np.zeros(len(numbers), np.int64)
    values = numbers[~missing]
    cuts, often = np.unique(values), np.empty(0)
    if len(cuts) > _MOST_DISTINCT:
        ordered = np.sort(values)
        cuts, times = np.unique(ordered[np.arange(_BINS) * len(ordered) // _BINS], return_counts=True)
        often = cuts[times > 1]
    bins[~missing] = 2 * np.searchsorted(cuts, values, side="right") + 1 - np.isin(values, often)
    return np.unique(bins, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _folds(rows: int) -> Ints:
    """Rows of a sample stand in random order, so every fifth one is a fold."""
    return np.arange(rows, dtype=np.int64) % FOLDS


def _out_of_fold_means(categories: Ints, labels: Floats) -> Floats:
    """The mean label of each row's category in the other folds; the mean of all where there is none."""
    folds, kinds = _folds(len(labels)), int(categories.max()) + 1
    cells = folds * kinds + categories
    sums = np.bincount(cells, labels, FOLDS * kinds)
    counts = np.bincount(cells, minlength=FOLDS * kinds)
    other = counts.reshape(FOLDS, kinds).sum(axis=0)[categories] - counts[cells]
    total = sums.reshape(FOLDS, kinds).sum(axis=0)[categories] - sums[cells]
    return np.asarray(np.where(other > 0, total / np.maximum(other, 1), labels.mean()), np.float64)


def _accuracy_score(categories: Ints, label: Label) -> Score:
    classes, codes = label.values.astype(np.int64), np.unique(categories, return_inverse=True)[1].reshape(-1)
    kinds, n_classes, folds = int(codes.max()) + 1, int(classes.max()) + 1, _folds(len(classes))
    whole = np.bincount(codes * n_classes + classes, minlength=kinds * n_classes).reshape(kinds, n_classes)
    usual = int(np.bincount(classes).argmax())
    right = 0
    for fold in range(FOLDS):
        chosen = folds == fold
        own = np.bincount(codes[chosen] * n_classes + classes[chosen], minlength=kinds * n_classes)
        rest = whole - own.reshape(kinds, n_classes)
        guess = np.where(rest.sum(axis=1) > 0, rest.argmax(axis=1), usual)
        right += int(np.count_nonzero(guess[codes[chosen]] == classes[chosen]))
    n = len(classes)
    base = 1.0 - label.minority / n
    value, lower = right / n, _wilson(right / n, n)
    return Score((value - base) / (1.0 - base), _capped((lower - base) / (1.0 - base), label.minority))


def _wilson(share: float, n: int) -> float:
    square = _Z * _Z
    middle = share + square / (2 * n)
    reach = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return (middle - reach) / (1 + square / n)


def _auc_score(predicted: Floats, label: Label) -> Score:
    """The area under the ROC curve, at least chance."""
    positive = label.values > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return Score(0.5, 0.5)
    area = (float(_ranks(predicted)[positive].sum()) - ones * (ones + 1) / 2) / (ones * zeros)
    area = max(area, 0.5)
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (ones - 1) * (q1 - area**2) + (zeros - 1) * (q2 - area**2)
    lower = area - _Z * math.sqrt(max(variance, 0.0) / (ones * zeros))
    return Score(area, _capped(lower, min(ones, zeros)))


def _r2_score(value: float, n: int) -> Score:
    value = max(value, 0.0)
    if value >= 1.0 or n <= 3:
        return Score(min(value, 1.0), _capped(1.0, n))
    r = math.tanh(math.atanh(math.sqrt(value)) - _Z / math.sqrt(n - 3))
    return Score(value, _capped(max(r, 0.0) ** 2, n))


def _capped(lower: float, n: int) -> float:
    return max(0.0, min(lower, 1.0 - 3.0 / n)) if n else 0.0


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean."""
    ordered = np.sort(values)
    low = np.searchsorted(ordered, values, side="left")
    return (low + np.searchsorted(ordered, values, side="right") + 1) / 2.0


def _correlation(x: Floats, y: Floats) -> float:
    dx, dy = x - x.mean(), y - y.mean()
    with np.errstate(over="ignore", invalid="ignore"):
        spread = math.sqrt(float(np.einsum("i,i->", dx, dx))) * math.sqrt(float(np.einsum("i,i->", dy, dy)))
        found = float(np.einsum("i,i->", dx, dy)) / spread if spread > 0.0 else 0.0
    return max(-1.0, min(1.0, found)) if math.isfinite(found) else 0.0
