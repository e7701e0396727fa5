"""The rows of one batch as the search sees them: a loss, a weight and a half for each row that can be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.noise import row_groups
from trueline.model_analysis.slice_finder.losses import LOSSES, Floats
from trueline.model_analysis.table_columns import class_places, column_matrix, numbers_and_presence

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COUNTERS", "JudgedRows", "judge"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
COUNTERS = ("missing_label", "bad_label", "bad_prediction", "bad_weight")
"""Why a row cannot be judged, the first reason that holds."""
_TOLERANCE = 1e-6
_NUMBERS = {"regression": "prediction", "binary": "probabilities", "multiclass": "probabilities"}


@dataclass(frozen=True)
class JudgedRows:
    """The rows that have a loss.

    Attributes:
        keep: which rows of the batch these are, ``[N]``; all other arrays are of kept rows alone.
        loss: the loss, of the candidate minus the baseline where there is one.
        weight: the weight, None where all are 1.
        half: 0 for the search half, 1 for the other; all 0 where nothing is confirmed.
        left_out: how many rows are not judged, by `COUNTERS`.
    """

    keep: Bools
    loss: Floats
    weight: Floats | None
    half: Ints
    left_out: Ints


@dataclass(frozen=True)
class _Read:
    label: Floats
    predictions: list[Floats]
    weight: Floats | None
    present: Bools


def judge(source: Mapping[str, Any], batch: pa.RecordBatch) -> JudgedRows:
    """Losses of the rows of a batch.

    Args:
        source: JSON: ``kind`` ("models" or "table"), ``task``, ``classes`` (their number), ``loss``, ``halves`` (1 or
            2), ``seed``; of models ``models`` (name -> uri, fingerprint, allow_host), of tables ``label``, ``weight``
            and ``predictions`` (name -> column). Names are ``candidate`` and perhaps ``baseline``.
        batch: rows with all columns that the source reads.
    """
    read = (_from_models if source["kind"] == "models" else _from_table)(source, batch)
    task, n = source["task"], batch.num_rows
    label, weight = read.label, read.weight
    bad_label = ~np.isfinite(label) | _outside(task, int(source["classes"]), label)
    bad_prediction = np.zeros(n, dtype=bool)
    for values in read.predictions:
        bad_prediction |= ~np.isfinite(values).reshape(n, -1).all(axis=1)
        if task != "regression":
            bad_prediction |= ((values < -_TOLERANCE) | (values > 1 + _TOLERANCE)).reshape(n, -1).any(axis=1)
    bad_weight = np.zeros(n, dtype=bool) if weight is None else ~(np.isfinite(weight) & (weight >= 0))
    keep = np.ones(n, dtype=bool)
    left_out = []
    for flag in (~read.present, bad_label, bad_prediction, bad_weight):
        left_out.append(int((keep & flag).sum()))
        keep &= ~flag
    lossy = LOSSES[source["loss"]].tasks[task]
    losses = [lossy(label[keep], values[keep]) for values in read.predictions]
    loss = losses[0] - losses[1] if len(losses) > 1 else losses[0]
    half = row_groups(batch, int(source["halves"]), int(source["seed"]))[keep]
    return JudgedRows(keep, loss, None if weight is None else weight[keep], half, np.array(left_out, dtype=np.int64))


def _outside(task: str, classes: int, label: Floats) -> Bools:
    """Labels that the task does not know; a class number is a whole one."""
    outside: Bools = np.zeros(len(label), dtype=bool)
    with np.errstate(invalid="ignore"):
        if task == "binary":
            outside = (label < -_TOLERANCE) | (label > 1 + _TOLERANCE)
        if task == "multiclass":
            outside = (label < 0) | (label >= classes) | (label != np.floor(label))
    return outside


def _from_models(source: Mapping[str, Any], batch: pa.RecordBatch) -> _Read:
    """The candidate's own targets give label and weight."""
    from trueline.model_analysis.sources import load_runtime

    task, n = source["task"], batch.num_rows
    named = {k: load_runtime(m["uri"], m["fingerprint"], m["allow_host"]) for k, m in source["models"].items()}
    first = named["candidate"]
    targets, names = first.targets.predict_arrow(batch), first.info["targets"]["outputs"]
    label = targets[names["label"]].reshape(n)
    present = targets[names["present"]].astype(bool).reshape(n)
    weight = targets[names["weight"]].astype(np.float64).reshape(n) if "weight" in names else None
    classes = list(first.classes or [])
    predictions = []
    for runtime in named.values():
        values = runtime.predict_arrow(batch)[_NUMBERS[task]].astype(np.float64)
        if task != "regression":
            values = values.reshape(n, -1)[:, [list(runtime.classes or []).index(c) for c in classes]]
            values = values[:, 1] if task == "binary" else values
        predictions.append(values if task == "multiclass" else values.reshape(n))
    numbers = label.astype(np.float64) if task == "regression" else class_places(label, classes)
    return _Read(numbers, predictions, weight, present)


def _from_table(source: Mapping[str, Any], batch: pa.RecordBatch) -> _Read:
    label, present = numbers_and_presence(batch, source["label"])
    weight = None
    if source["weight"] is not None:
        weight, there = numbers_and_presence(batch, source["weight"])
        weight = np.where(there, weight, 1.0)
    read = column_matrix if source["task"] == "multiclass" else lambda b, name, _: numbers_and_presence(b, name)[0]
    predictions = [read(batch, column, int(source["classes"])) for column in source["predictions"].values()]
    return _Read(label, predictions, weight, present)
