"""Semantic segmentation: pixels of labelled classes against pixels of predicted ones, pooled over the rows of a slice.

A mask is a list of class numbers, flat or row by row, or an encoded image of one channel (needs Pillow). Pixels whose
label is `ignore_ground_truth_id` are left out. Classes that are not among `class_ids` count as one other class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from trueline._core.errors import DataError
from trueline._core.extras import missing_extra_hint
from trueline.model_analysis.keys import SubKey
from trueline.model_analysis.metrics.record import HIGHER, LOWER, REQUIRED, Metric, Options, Sums, Table, over
from trueline.model_analysis.rows import Floats, Ints, Rows

__all__ = ["SEGMENTATION_METRICS", "SEGMENTATION_TABLES", "mask_pixels"]


_HOLE = np.iinfo(np.int64).min
"""Stands for null and NaN among the pixels."""


def mask_pixels(column: Any, row: int) -> tuple[Ints, tuple[int, ...]]:
    """One row's class numbers ``[pixels]``, and the mask's shape as far as it is known.

    Raises:
        DataError: a value that is no mask; Pillow is missing.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        image = _decoded(column[row].as_py())
        return image.ravel(), image.shape
    values, shape = column[row], []
    while hasattr(values, "type") and (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        values = values.values if isinstance(values, pa.Scalar) else values.flatten()
        shape.append(len(values))
    try:
        pixels = values.to_numpy(zero_copy_only=False).astype(np.float64)
        holes = ~np.isfinite(pixels)
        return np.where(holes, _HOLE, pixels).astype(np.int64), tuple(shape)
    except (AttributeError, ValueError, TypeError) as error:
        raise DataError(f"a mask of type {kind} holds no class numbers in row {row}: {error}") from error


def _decoded(data: bytes) -> Ints:
    try:
        import io

        from PIL import Image
    except ImportError as error:
        raise DataError("masks that are encoded images need Pillow", hint=missing_extra_hint(error) or "") from error
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image)
    except (OSError, ValueError) as error:
        raise DataError(f"a mask cannot be decoded: {error}") from error
    return (pixels if pixels.ndim == 2 else pixels[..., 0]).astype(np.int64)


def _numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"-?\d+", text)]


def _width(parameter: str, _: int) -> int:
    return (len(_numbers(parameter.split("|")[0])) + 1) ** 2


def _fill(rows: Rows, parameter: str) -> tuple[Ints, Ints, Floats]:
    """Each row's counts of pixels by labelled and predicted class; NaN where masks have holes or differ in size."""
    classes, ignored = (_numbers(text) for text in parameter.split("|"))
    size = len(classes) + 1
    parents, cells, counts = [], [], []
    for i in np.flatnonzero(rows.weight > 0).tolist():
        sides = [rows.objects[side] for side in ("label", "prediction")]
        if not all(side[i].is_valid for side in sides):
            continue
        (wanted, shape), (found, other) = (mask_pixels(side, i) for side in sides)
        holes = (wanted == _HOLE).any() or (found == _HOLE).any()
        if holes or len(wanted) != len(found) or (len(shape) == len(other) and shape != other):
            parents.append(np.array([i]))
            cells.append(np.array([0]))
            counts.append(np.array([np.nan]))
            continue
        kept = ~np.isin(wanted, ignored)
        counted = np.bincount(
            _codes(wanted[kept], classes) * size + _codes(found[kept], classes), minlength=size * size
        )
        cells.append(np.flatnonzero(counted))
        counts.append(counted[cells[-1]].astype(np.float64))
        parents.append(np.full(len(cells[-1]), i))
    if not parents:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(parents).astype(np.int64), np.concatenate(cells).astype(np.int64), np.concatenate(counts)


def _codes(pixels: Ints, classes: list[int]) -> Ints:
    """The place of each pixel's class among the classes; behind them for others."""
    codes = np.full(len(pixels), len(classes), dtype=np.int64)
    for place, number in enumerate(classes):
        codes[pixels == number] = place
    return codes


_NAME = "segmentation@{class_ids}|{ignore_ground_truth_id}"


def _counts(sums: Sums, options: Options) -> Floats:
    """``[..., C + 1, C + 1]``: labelled by predicted class."""
    table = sums(_NAME.format(**options))
    size = len(options["class_ids"]) + 1
    if table.ndim > 1:  # [S, M, cells, 1 + X]
        table = np.moveaxis(table, -2, -1)
    made: Floats = table.reshape(*table.shape[:-1], size, size)
    return made


def _parts(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Pixels that are right, that are predicted and that are labelled, by class ``[..., C]``."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    broken = np.asarray(np.isnan(counts).any(axis=(-2, -1)))[..., None]
    sides = (right, counts.sum(axis=-2), counts.sum(axis=-1))
    right, predicted, labelled = (np.where(broken, np.nan, side)[..., :-1] for side in sides)
    return right, predicted, labelled


Value = Callable[[Floats, Floats, Floats], Floats]


def _iou(right: Floats, predicted: Floats, labelled: Floats) -> Floats:
    return over(right, predicted + labelled - right)


def _dice(right: Floats, predicted: Floats, labelled: Floats) -> Floats:
    return over(2 * right, predicted + labelled)


def _each_class(options: Options) -> Iterator[tuple[SubKey, Options]]:
    for number in options["class_ids"]:
        yield SubKey(class_id=int(number)), {**options, "class_id": int(number)}


def _of_class(cls: str, name: str, value: Value, better: str | None, why: str) -> Metric:
    def finish(sums: Sums, options: Options) -> Floats:
        place = list(options["class_ids"]).index(options["class_id"])
        return value(*_parts(_counts(sums, options)))[..., place]

    return Metric(cls, name, ("objects",), f"{why}, or the masks of a row differ in size or have holes", finish=finish,
                  better=better, tables=(_NAME,), options=_OPTIONS, expand=_each_class)  # fmt: skip


def _mean_iou(sums: Sums, options: Options) -> Floats:
    right, predicted, labelled = _parts(_counts(sums, options))
    each = _iou(right, predicted, labelled)
    there = np.isfinite(each)
    mean = over(np.where(there, each, 0.0).sum(axis=-1), there.sum(axis=-1).astype(np.float64))
    return np.where(np.isnan(right).any(axis=-1), np.nan, mean)


def _matrix(sums: Sums, options: Options) -> Any:
    counts = _counts(sums, options)
    if np.isnan(counts).any() or not counts.any():
        return None
    return {"class_ids": [*(int(c) for c in options["class_ids"]), None], "matrix": counts.tolist()}


_OPTIONS = {"class_ids": REQUIRED, "ignore_ground_truth_id": None}
_NO_PIXEL = "no pixel is of the class"
SEGMENTATION_TABLES: Mapping[str, Table] = {"segmentation": Table(_width, _fill, grouped=True)}
SEGMENTATION_METRICS = (
    Metric("SemanticSegmentationConfusionMatrix", "semantic_segmentation_confusion_matrix", ("objects",),
           "no pixel counts, or the masks of a row differ in size or have holes", tables=(_NAME,), data=_matrix,
           options=_OPTIONS),
    _of_class("SemanticSegmentationTruePositive", "semantic_segmentation_true_positive", lambda r, p, t: r, HIGHER,
              "there is no row"),
    _of_class("SemanticSegmentationFalsePositive", "semantic_segmentation_false_positive", lambda r, p, t: p - r, LOWER,
              "there is no row"),
    _of_class("SemanticSegmentationIoU", "semantic_segmentation_iou", _iou, HIGHER, _NO_PIXEL),
    _of_class("SemanticSegmentationDice", "semantic_segmentation_dice", _dice, HIGHER, _NO_PIXEL),
    Metric("SemanticSegmentationMeanIoU", "semantic_segmentation_mean_iou", ("objects",),
           "no pixel is of the classes, or the masks of a row differ in size or have holes", finish=_mean_iou,
           better=HIGHER, tables=(_NAME,), options=_OPTIONS),
)  # fmt: skip
