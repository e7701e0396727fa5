"""Boxes of objects in images: reading them from rows, and matching predicted with labelled ones.

A labelled box is ``[xmin, ymin, xmax, ymax, class]``, a predicted one has a score within 0..1 behind. The matching is
COCO's (pycocotools): boxes of the highest scores choose first, each takes the free labelled box that it overlaps most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.rows import Bools, Floats, Rows

__all__ = ["Area", "Boxes", "Matched", "boxes_of", "match_boxes", "overlaps"]

LABEL_WIDTH, PREDICTION_WIDTH = 5, 6
Area = tuple[float, float]
"""Least and greatest area of boxes that count."""


@dataclass(frozen=True)
class Boxes:
    """One row's boxes.

    Attributes:
        labels: ``[g, 5]``.
        predictions: ``[d, 6]``.
        bad: boxes that were left out: of another length, NaN, of negative size, or with a score outside 0..1.
    """

    labels: Floats
    predictions: Floats
    bad: int


def boxes_of(rows: Rows) -> list[Boxes | None]:
    """The boxes of each row, None for rows without weight."""
    if "boxes" not in rows.memo:
        sides = []
        for side in ("label", "prediction"):
            if side not in rows.objects:
                raise DataError(f"a metric of boxes needs a {side} column", hint="the task of boxes is 'objects'.")
            sides.append(rows.objects[side].to_pylist())
        rows.memo["boxes"] = [
            _boxes(label, predicted) if weight > 0 else None
            for label, predicted, weight in zip(*sides, rows.weight.tolist(), strict=True)
        ]
    found: list[Boxes | None] = rows.memo["boxes"]
    return found


def _boxes(label: Any, predicted: Any) -> Boxes:
    labels, bad = _usable(label, LABEL_WIDTH)
    predictions, worse = _usable(predicted, PREDICTION_WIDTH)
    return Boxes(labels, predictions, bad + worse)


def _usable(given: Any, width: int) -> tuple[Floats, int]:
    """The boxes that can be used, and how many cannot."""
    listed = given if isinstance(given, list) else []
    shaped = [box for box in listed if isinstance(box, list) and len(box) == width and None not in box]
    try:
        boxes = np.asarray(shaped, dtype=np.float64).reshape(-1, width)
    except (TypeError, ValueError) as error:
        raise DataError(f"a box holds something else than numbers: {error}") from error
    right = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])
    if width == PREDICTION_WIDTH:
        right &= (boxes[:, 5] >= 0) & (boxes[:, 5] <= 1)
    return boxes[right], len(listed) - int(right.sum())


def overlaps(one: Floats, two: Floats) -> Floats:
    """Intersection over union of boxes ``[d, 4]`` and ``[g, 4]``: ``[d, g]``; 0 where both have no area."""
    low, high = np.maximum(one[:, None, :2], two[None, :, :2]), np.minimum(one[:, None, 2:4], two[None, :, 2:4])
    both = np.clip(high - low, 0.0, None).prod(axis=2)
    union = areas(one)[:, None] + areas(two)[None] - both
    return np.where(union > 0, both / np.where(union > 0, union, 1.0), 0.0)


def areas(boxes: Floats) -> Floats:
    """``[n]``."""
    found: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return found


@dataclass(frozen=True)
class Matched:
    """The predicted boxes of one image and class, by falling score, for T overlap thresholds.

    Attributes:
        scores: ``[d]``.
        hit: ``[T, d]`` those that took a labelled box.
        ignored: ``[T, d]`` those that count neither as right nor as wrong.
        wanted: labelled boxes that count.
    """

    scores: Floats
    hit: Bools
    ignored: Bools
    wanted: int


def match_boxes(
    labels: Floats, predictions: Floats, ious: Sequence[float], area: Area | None, most: int | None
) -> Matched:
    """Matches greedily.

    Args:
        labels: ``[g, 5]``, of one class.
        predictions: ``[d, 6]``, of the same class.
        ious: least overlaps.
        area: labelled boxes outside are ignored, and so are predictions that take them or are outside and take none.
        most: only so many predictions of the highest scores.
    """
    order = np.argsort(-predictions[:, 5], kind="stable")[:most]
    predictions = predictions[order]
    outside = _outside(labels, area)
    overlap = overlaps(predictions, labels)
    hit = np.zeros((len(ious), len(order)), dtype=bool)
    ignored = np.zeros_like(hit)
    if len(labels):
        for t, iou in enumerate(ious):
            taken = _greedy(overlap, min(iou, 1 - 1e-10), outside)
            hit[t] = taken >= 0
            ignored[t] = hit[t] & outside[taken]
    ignored |= ~hit & _outside(predictions, area)[None]
    return Matched(predictions[:, 5], hit, ignored, int((~outside).sum()))


def _outside(boxes: Floats, area: Area | None) -> Bools:
    if area is None:
        return np.zeros(len(boxes), dtype=bool)
    size = areas(boxes)
    return (size < area[0]) | (size > area[1])


def _greedy(overlap: Floats, least: float, outside: Bools) -> npt.NDArray[np.int64]:
    """The labelled box that each prediction takes ``[d]``, -1 for none; ones that count are preferred."""
    taken = np.full(len(overlap), -1, dtype=np.int64)
    free = np.ones(overlap.shape[1], dtype=bool)
    for d, row in enumerate(overlap):
        fits = free & (row >= least)
        for group in (fits & ~outside, fits & outside):
            if group.any():
                best = np.where(group, row, -1.0)
                taken[d] = len(best) - 1 - int(best[::-1].argmax())  # of equal overlaps the last, as pycocotools
                free[taken[d]] = False
                break
    return taken
