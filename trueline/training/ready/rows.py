"""Rows for trainers that hold them in memory: x, class numbers or values, and weights that count classes too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline.training.ready.columns import feature_names
from trueline.training.ready.task import ReadyTask, label_of, ready_config

if TYPE_CHECKING:
    from trueline.engine.base import Dataset
    from trueline.training.fn_args import FnArgs
    from trueline.training.split_data import SplitData

__all__ = ["INPUT", "Rows", "class_weights", "eval_rows", "row_weights", "train_rows"]

INPUT = "x"


@dataclass(frozen=True)
class Rows:
    """A split in memory.

    Attributes:
        x: float32 ``[N, F]``.
        y: class numbers int64 ``[N]``, or float32.
        w: float32 ``[N]``, or None.
        groups: sizes of the groups of a ranking, in order, or None.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]
    w: npt.NDArray[np.float32] | None
    groups: npt.NDArray[np.int64] | None = None


def class_weights(asked: Any, task: ReadyTask, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float32] | None:
    """A weight for each class, or None.

    Args:
        asked: None; ``"balanced"``: rows / (classes * rows of the class), 1 on average; or weights by the class's text.
        task: with the classes.
        counts: rows of each class in the training split.

    Raises:
        ModelError: weights of unknown classes, or for a task without classes.
    """
    if asked is None:
        return None
    if not task.classes:
        raise ModelError(f"class_weight={asked!r} for a {task.task} task, which has no classes")
    if asked == "balanced":
        return np.asarray(counts.sum() / (len(counts) * np.maximum(counts, 1)), np.float32)
    known = [str(c) for c in task.classes]
    problems = [f"no class {c!r}. {did_you_mean(str(c), known)}" for c in asked if str(c) not in known]
    if not isinstance(asked, Mapping) or problems:
        raise ModelError("class_weight does not fit the label", problems=problems)
    return np.asarray([float(asked.get(c, 1.0)) for c in known], np.float32)


def row_weights(
    w: npt.NDArray[np.float32] | None, y: npt.NDArray[Any], by_class: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32] | None:
    """The rows' own weights times those of their classes; None where all are 1."""
    if by_class is None:
        return w
    mine = np.asarray(by_class[np.maximum(y, 0)], np.float32)
    return mine if w is None else mine * w


def train_rows(fn_args: FnArgs, task: ReadyTask) -> tuple[Rows, npt.NDArray[np.float32] | None]:
    """The training split, and the weights of classes that the other split must use too."""
    rows = _rows(fn_args, fn_args.train, task, fn_args.raw_train)
    counts = np.bincount(rows.y, minlength=len(task.classes)).astype(np.float64) if task.classes else np.zeros(0)
    by_class = class_weights(ready_config(fn_args).get("class_weight"), task, counts)
    return Rows(rows.x, rows.y, row_weights(rows.w, rows.y, by_class), rows.groups), by_class


def eval_rows(fn_args: FnArgs, task: ReadyTask, by_class: npt.NDArray[np.float32] | None) -> Rows | None:
    """The split to watch, without rows whose class the training split does not have; None where there are none."""
    if fn_args.eval is None or fn_args.eval.num_rows == 0:
        return None
    rows = _rows(fn_args, fn_args.eval, task, fn_args.raw_eval)
    w = row_weights(rows.w, rows.y, by_class)
    if task.classes and (rows.y < 0).any():
        kept = rows.y >= 0
        return Rows(rows.x[kept], rows.y[kept], None if w is None else w[kept]) if kept.any() else None
    return Rows(rows.x, rows.y, w, rows.groups)


def _rows(fn_args: FnArgs, split: SplitData, task: ReadyTask, raw: Dataset | None) -> Rows:
    names = feature_names(fn_args)
    if names == tuple(f.name for f in split.features):
        x, y, w = split.arrays()
    else:
        parts, y, w = split.arrays({INPUT: list(names)})
        x = parts[INPUT].astype(np.float32, copy=False)
    targets = task.targets(y)
    query = ready_config(fn_args).get("query")
    if query is None:
        return Rows(x, targets, w)
    keys = _query_keys(split, label_of(fn_args).name, query, raw)
    order = np.argsort(keys, kind="stable")
    sizes = np.bincount(keys)
    return Rows(x[order], targets[order], None if w is None else w[order], sizes[sizes > 0].astype(np.int64))


def _query_keys(split: SplitData, label: str, query: str, raw: Dataset | None) -> npt.NDArray[np.int64]:
    """A number for each labelled row: rows of a query have the same, queries are counted as they first come."""
    import pyarrow as pa
    import pyarrow.compute as pc

    source = split.dataset if query in split.dataset.columns else raw
    if source is None or query not in source.columns:
        raise ModelError(
            f"there is no feature {query!r} to group rows by",
            hint="name a transform output, or wire raw_examples and name a column of theirs. "
            + did_you_mean(query, split.dataset.columns if source is None else source.columns),
        )
    labels = pa.chunked_array([b.column(0) for b in split.dataset.batches([label])])
    values = pa.chunked_array([b.column(0) for b in source.batches([query])])
    if len(values) != len(labels):
        raise ModelError(f"raw_examples has {len(values)} rows, the transformed examples have {len(labels)}")
    kept = values.filter(pc.is_valid(labels)).combine_chunks()
    if isinstance(kept, pa.ChunkedArray):
        kept = pa.concat_arrays(kept.chunks)
    if kept.null_count:
        raise ModelError(f"query {query!r} is missing in {kept.null_count} rows", hint="every row belongs to a group.")
    return np.asarray(kept.dictionary_encode().indices.to_numpy(zero_copy_only=False), np.int64)
