"""Object detection: precision and recall over all scores, COCO's averages, and counts at one score.

COCO's rules (Lin and others 2014; pycocotools): precision at recall r is the best precision at any recall of r or more,
averaged over 101 recalls, over overlap thresholds 0.5 to 0.95, and over the classes that labels have. One difference:
detections of equal scores are one point of the curve, so that the order of images does not matter. Scores are kept
exactly up to a cap for each class and overlap, then as a histogram (`rank.py`): memory does not grow with rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.curves import Curve
from trueline.model_analysis.metrics.boxes import Boxes, Matched, boxes_of, match_boxes
from trueline.model_analysis.metrics.record import Options, Undefined, over
from trueline.model_analysis.rank import RankStore, pack_ranks, unpack_ranks
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["COCO_IOUS", "Detections", "Problem", "matched_by_class"]

COCO_IOUS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
EXACT_SCORES = 20_000
ANY_CLASS = -1.0
"""Stands for all classes where a metric does not tell them apart."""


@dataclass(frozen=True)
class Problem:
    """What is matched.

    Attributes:
        ious: overlap thresholds.
        classes: these classes; None: all that labels have.
        together: boxes of all classes are matched as if they had one.
        area: areas that count.
        most: predictions of an image and class that count.
    """

    ious: tuple[float, ...]
    classes: tuple[float, ...] | None = None
    together: bool = False
    area: tuple[float, float] | None = None
    most: int | None = None

    @staticmethod
    def of(options: Options) -> Problem:
        """From a metric's options ``iou_threshold(s)``, ``class_id(s)``, ``area_range``, ``max_num_detections``."""
        ious = options.get("iou_thresholds") or [options.get("iou_threshold", 0.5)]
        single = "class_ids" not in options
        chosen = options.get("class_id") if single else options.get("class_ids")
        classes = (
            None
            if chosen is None
            else tuple(float(c) for c in (chosen if isinstance(chosen, (list, tuple)) else [chosen]))
        )
        area = options.get("area_range")
        most = options.get("max_num_detections")
        return Problem(
            tuple(float(i) for i in ious),
            classes,
            single and classes is None,
            None if area is None else (float(area[0]), float(area[1])),
            None if most is None else int(most),
        )


def matched_by_class(boxes: Boxes, problem: Problem) -> dict[float, Matched]:
    """The matches of one row, class by class."""
    if problem.together:
        return {ANY_CLASS: match_boxes(boxes.labels, boxes.predictions, problem.ious, problem.area, problem.most)}
    seen = np.unique(np.concatenate([boxes.labels[:, 4], boxes.predictions[:, 4]])).tolist()
    return {
        c: match_boxes(
            boxes.labels[boxes.labels[:, 4] == c],
            boxes.predictions[boxes.predictions[:, 4] == c],
            problem.ious,
            problem.area,
            problem.most,
        )
        for c in seen
        if problem.classes is None or c in problem.classes
    }


class Detections:
    """Scores of right and wrong detections of one model on one slice, by class and overlap threshold.

    Args:
        options: see `Problem.of`; ``recalls`` and what `value` reads.
        value: a curve, and the weight of the labelled boxes ``[R]``, to values ``[R]``.
    """

    def __init__(self, options: Options, value: Any) -> None:
        self._options, self._value = options, value
        self._problem = Problem.of(options)
        self._groups = int(options.get("__groups__", 1))
        self._stores: dict[float, list[RankStore]] = {}
        self._wanted: dict[float, Floats] = {}
        self._bad = 0

    def _class(self, number: float) -> list[RankStore]:
        if number not in self._stores:
            self._stores[number] = [RankStore(self._groups, EXACT_SCORES) for _ in self._problem.ious]
            self._wanted[number] = np.zeros(self._groups)
        return self._stores[number]

    def update(self, rows: Rows) -> None:
        """Takes in rows of boxes."""
        groups = np.zeros(len(rows), dtype=np.int64) if rows.group is None else rows.group
        parts: dict[float, list[tuple[Matched, float, int]]] = {}
        for boxes, weight, group in zip(boxes_of(rows), rows.weight.tolist(), groups.tolist(), strict=True):
            if boxes is not None:
                self._bad += boxes.bad
                for number, matched in matched_by_class(boxes, self._problem).items():
                    parts.setdefault(number, []).append((matched, weight, group))
        for number, found in sorted(parts.items()):
            self._take(number, found)

    def _take(self, number: float, found: list[tuple[Matched, float, int]]) -> None:
        stores = self._class(number)
        for matched, weight, group in found:
            self._wanted[number][group] += weight * matched.wanted
        lengths = [len(m.scores) for m, _, _ in found]
        weights, groups = (np.repeat([part[i] for part in found], lengths) for i in (1, 2))
        scores = np.concatenate([m.scores for m, _, _ in found])
        for t, store in enumerate(stores):
            hit = np.concatenate([m.hit[t] for m, _, _ in found])
            kept = ~np.concatenate([m.ignored[t] for m, _, _ in found])
            right, wrong = weights * hit, weights * ~hit
            store.add(right[kept], wrong[kept], scores[kept], groups[kept].astype(np.int64))

    def merge(self, other: Detections) -> None:
        """Takes in the detections of the blocks that follow."""
        self._bad += other._bad
        for number, stores in sorted(other._stores.items()):
            for mine, theirs in zip(self._class(number), stores, strict=True):
                mine.merge(theirs)
            self._wanted[number] += other._wanted[number]

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Classes in order, their labelled boxes by group, and the scores."""
        classes = sorted(self._stores)
        arrays = pack_ranks([store for c in classes for store in self._stores[c]]) if classes else {}
        wanted = {"wanted": np.stack([self._wanted[c] for c in classes])} if classes else {}
        return {"classes": classes, "bad": self._bad}, {**arrays, **wanted}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes back what `state` gave."""
        self._bad = int(header["bad"])
        held = iter(unpack_ranks(arrays) if header["classes"] else ())
        for place, number in enumerate(header["classes"]):
            for store in self._class(float(number)):
                store.restore(next(held))
            self._wanted[float(number)] = arrays["wanted"][place].copy()

    def finish(self) -> Any:
        """The mean over overlaps and classes with labelled boxes."""
        if self._bad:
            return Undefined(f"{self._bad} boxes are not usable: NaN, turned round, or of other than 5 or 6 numbers")
        value = float(self._mean(None)[0])
        return Undefined("no labelled box counts") if np.isnan(value) and not self._labelled() else value

    def variants(self, multiplicity: Floats) -> Floats:
        """The same with each noise group taken so many times."""
        return np.full(multiplicity.shape[1], np.nan) if self._bad else self._mean(multiplicity)

    def _labelled(self) -> bool:
        return any(w.sum() > 0 for w in self._wanted.values())

    def _mean(self, multiplicity: Floats | None) -> Floats:
        count = 1 if multiplicity is None else multiplicity.shape[1]
        total, weight = np.zeros(count), np.zeros(count)
        for number in sorted(self._stores):
            wanted = self._wanted[number]
            positives = wanted.sum(keepdims=True) if multiplicity is None else wanted @ multiplicity
            each = [self._value(curve, positives, store, self._options)
                    for store, curve in self._curves(number, multiplicity)]  # fmt: skip
            there = positives > 0
            total = total + np.where(there, np.mean(each, axis=0), 0.0)
            weight = weight + there
        return over(total, weight)

    def _curves(self, number: float, multiplicity: Floats | None) -> list[tuple[RankStore, Curve]]:
        stores = self._stores[number]
        return [(s, s.curve()[0] if multiplicity is None else s.variants(multiplicity)) for s in stores]
