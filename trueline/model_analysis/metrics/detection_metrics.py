"""The records of object detection, see `detection.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from trueline.model_analysis.curves import Curve
from trueline.model_analysis.metrics.boxes import Matched, boxes_of
from trueline.model_analysis.metrics.detection import COCO_IOUS, Detections, Problem, matched_by_class
from trueline.model_analysis.metrics.record import HIGHER, Metric, Options, Sums, Table, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.plots.binary import binary_plot_data
from trueline.model_analysis.plots.scores import COLUMNS, ScoreBuckets
from trueline.model_analysis.rank import RankStore
from trueline.model_analysis.rows import Floats, Ints, Rows

__all__ = ["DETECTION_METRICS", "DETECTION_MOMENTS", "DETECTION_TABLES"]

TINY = 1e-12
"""Weighted sums may miss a recall by rounding."""


def _points(curve: Curve, positives: Floats) -> tuple[Floats, Floats]:
    """Recall ``[R, T]``, and the best precision at that recall or a greater one."""
    recall = over(curve.tp, positives[:, None])
    precision = np.nan_to_num(over(curve.tp, curve.tp + curve.fp))
    return recall, np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _average_precision(curve: Curve, positives: Floats, store: RankStore, options: Options) -> Floats:
    recalls = np.asarray(options["recalls"] or np.linspace(0.0, 1.0, int(options["num_recalls"])), dtype=np.float64)
    recall, best = _points(curve, positives)
    found = np.zeros(len(recall))
    for r in range(len(recall)):
        places = np.searchsorted(recall[r], recalls, side="left")  # without tolerance, as pycocotools
        found[r] = np.append(best[r], 0.0)[places].mean()  # a recall that is not reached counts 0
    return found


def _max_recall(curve: Curve, positives: Floats, store: RankStore, options: Options) -> Floats:
    return over(curve.tp[:, -1], positives)


def _precision_at_recall(curve: Curve, positives: Floats, store: RankStore, options: Options) -> Floats:
    recall, best = _points(curve, positives)
    reached = recall >= float(options["recall"]) - TINY
    first = reached.argmax(axis=1)
    return np.where(reached.any(axis=1), best[np.arange(len(best)), first], np.nan)


def _threshold_at_recall(curve: Curve, positives: Floats, store: RankStore, options: Options) -> Floats:
    """The greatest score such that boxes of it and above reach the recall."""
    held = store.arrays()
    steps = curve.tp.shape[1] - 1
    scores = np.unique(held["rows"][2]) if "rows" in held else np.arange(steps) / max(steps, 1)
    reached = over(curve.tp[:, 1:], positives[:, None]) >= float(options["recall"]) - TINY
    found = np.full(len(reached), np.nan)
    for r in np.flatnonzero(reached.any(axis=1)):
        found[r] = scores[::-1][reached[r].argmax()]
    return found


Value = Callable[[Curve, Floats, RankStore, Options], Floats]


def _own(cls: str, name: str, value: Value, options: Options, better: str | None = HIGHER) -> Metric:
    return Metric(cls, name, ("objects",), "the recall is not reached", better=better, options=options,
                  own=lambda o: Detections(o, value))  # fmt: skip


_LIMITS = {"area_range": None, "max_num_detections": None}
_ONE = {"iou_threshold": 0.5, "class_id": None, **_LIMITS}
_MANY = {"iou_thresholds": COCO_IOUS, "class_ids": None, **_LIMITS}
_RECALLS = {"recalls": None, "num_recalls": 101}


def _counted(rows: Rows, parameter: str) -> Floats:
    """Right or wrong boxes with a score above a threshold, or labelled boxes; NaN where boxes cannot be used."""
    what, threshold, rest = parameter.split("|", 2)
    found = np.zeros(len(rows))
    for i, matches in enumerate(_matches(rows, rest)):
        if matches is None:
            continue
        for matched in matches:
            above = (matched.scores > float(threshold)) & ~matched.ignored[0]
            hit = matched.hit[0]
            found[i] += matched.wanted if what == "wanted" else int((above & (hit if what == "tp" else ~hit)).sum())
    return np.where([b is not None and b.bad > 0 for b in boxes_of(rows)], np.nan, found)


def _matches(rows: Rows, parameter: str) -> list[list[Matched] | None]:
    """Matches of each row by the parameter ``iou|class|area|most``, made once."""
    key = f"matched|{parameter}"
    if key not in rows.memo:
        iou, number, area, most = (_numbers(text) for text in parameter.split("|"))
        limits = None if len(area) < 2 else (area[0], area[1])
        problem = Problem(tuple(iou), tuple(number) or None, not number, limits, int(most[0]) if most else None)
        rows.memo[key] = [None if b is None else list(matched_by_class(b, problem).values()) for b in boxes_of(rows)]
    found: list[list[Matched] | None] = rows.memo[key]
    return found


def _numbers(text: str) -> list[float]:
    return [float(t) for t in re.findall(r"-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf)", text)]


_SHAPE = "{iou_threshold}|{class_id}|{area_range}|{max_num_detections}"


def _at_threshold(cls: str, name: str, below: str, why: str) -> Metric:
    """True positives over all predictions above the threshold, or over all labelled boxes."""
    shape = "{t}|" + _SHAPE
    names = {what: f"boxes@{what}|{shape}" for what in ("tp", "fp", "wanted")}

    def finish(s: Sums, o: Options) -> Floats:
        get = {what: s(template.format(t=float(o["thresholds"]), **o)) for what, template in names.items()}
        return over(get["tp"], get["tp"] + get["fp"] if below == "predicted" else get["wanted"])

    return Metric(cls, name, ("objects",), f"{why}, or boxes are not usable", tuple(names.values()), finish,
                  better=HIGHER, options={"thresholds": 0.5, **_ONE})  # fmt: skip


def _width(parameter: str, _: int) -> int:
    return (int(parameter.split("|")[0]) + 2) * len(COLUMNS)


def _fill(rows: Rows, parameter: str) -> tuple[Ints, Ints, Floats]:
    """Each detection is a row of its score, right or wrong; labelled boxes that none took have no score at all."""
    count, rest = parameter.split("|", 1)
    parents: list[int] = []
    labels: list[float] = []
    scores: list[float] = []
    for i, (matches, boxes) in enumerate(zip(_matches(rows, rest), boxes_of(rows), strict=True)):
        if boxes is not None and boxes.bad:
            labels, scores, parents = [*labels, np.nan], [*scores, 0.0], [*parents, i]
        for matched in matches or ():
            kept = ~matched.ignored[0]
            hit = matched.hit[0][kept]
            missed = matched.wanted - int(hit.sum())
            labels += [*hit.astype(float).tolist(), *[1.0] * missed]
            scores += [*matched.scores[kept].tolist(), *[-1.0] * missed]
            parents += [i] * (len(hit) + missed)
    at, label, score = np.array(parents, dtype=np.int64), np.array(labels), np.array(scores)
    codes = ScoreBuckets(int(count)).above(score) * len(COLUMNS)
    counts = np.where(np.isnan(label), np.nan, 1.0)  # boxes that cannot be used leave no plot
    values = (counts, label, score, rows.weight[at], label * label)
    order = np.argsort(np.tile(at, len(COLUMNS)), kind="stable")
    cells = np.concatenate([codes + i for i in range(len(COLUMNS))])
    return np.tile(at, len(COLUMNS))[order], cells[order], np.concatenate(values)[order]


def _plot(sums: Sums, options: Options) -> object:
    count = int(options["num_thresholds"])
    state = sums(("box_scores@{num_thresholds}|" + _SHAPE).format(**options)).reshape(-1, len(COLUMNS))
    return binary_plot_data(state, ScoreBuckets(count)).to_json() if state[:, 0].sum() > 0 else None


DETECTION_MOMENTS: Mapping[str, Moment] = {"boxes": _counted}
DETECTION_TABLES: Mapping[str, Table] = {"box_scores": Table(_width, _fill)}
DETECTION_METRICS = (
    _own("COCOAveragePrecision", "coco_average_precision", _average_precision, {**_ONE, **_RECALLS}),
    _own("COCOMeanAveragePrecision", "coco_mean_average_precision", _average_precision, {**_MANY, **_RECALLS}),
    _own("COCOAverageRecall", "coco_average_recall", _max_recall,
         {"iou_thresholds": COCO_IOUS, "class_id": None, **_LIMITS}),
    _own("COCOMeanAverageRecall", "coco_mean_average_recall", _max_recall, _MANY),
    _own("ObjectDetectionPrecisionAtRecall", "object_detection_precision_at_recall", _precision_at_recall,
         {"recall": 0.5, **_ONE}),
    _own("ObjectDetectionMaxRecall", "object_detection_max_recall", _max_recall, _ONE),
    _own("ObjectDetectionThresholdAtRecall", "object_detection_threshold_at_recall", _threshold_at_recall,
         {"recall": 0.5, **_ONE}, None),
    _at_threshold("ObjectDetectionPrecision", "object_detection_precision", "predicted",
                  "no box has a score above the threshold"),
    _at_threshold("ObjectDetectionRecall", "object_detection_recall", "wanted", "no labelled box counts"),
    Metric("ObjectDetectionConfusionMatrixPlot", "object_detection_confusion_matrix_plot", ("objects",),
           "there are no boxes, or boxes are not usable", options={"num_thresholds": 1000, **_ONE},
           tables=("box_scores@{num_thresholds}|" + _SHAPE,), data=_plot),
)  # fmt: skip
