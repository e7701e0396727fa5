"""What the two networks share: options with their defaults, scaling of columns, weights of classes; all in one pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.training.ready.columns import Column, columns_of
from trueline.training.ready.options import checked_options
from trueline.training.ready.rows import INPUT, class_weights, row_weights
from trueline.training.ready.task import ReadyTask, ready_config, task_of
from trueline.training.ready.trees import model_inputs_of

if TYPE_CHECKING:
    from trueline.training.batching import Batches
    from trueline.training.fn_args import FnArgs
    from trueline.training.split_data import SplitData

__all__ = ["Batch", "NetworkPlan", "network_plan"]

_STEPS = 3000
_LEAST_EPOCHS, _MOST_EPOCHS = 8, 200


@dataclass(frozen=True)
class Batch:
    """Rows: x float32 ``[N, F]``; y class numbers int64 or float32 ``[N]``; w float32 ``[N]``."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]
    w: npt.NDArray[np.float32]


@dataclass(frozen=True)
class NetworkPlan:
    """Everything that a network's training needs to know beforehand.

    Attributes:
        task: what is learnt.
        columns: the columns of x.
        mean, scale: of every column, over the training split; scale is 1 where a column does not vary.
        target: mean and scale of the label, (0, 1) for classes.
        by_class: weights of classes, or None.
        inputs: `Fitted.inputs`.
        options: options with their defaults.
        epochs: how often to see the data at most.
    """

    task: ReadyTask
    columns: tuple[Column, ...]
    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    target: tuple[float, float]
    by_class: npt.NDArray[np.float32] | None
    inputs: dict[str, list[str]] | None
    options: Mapping[str, Any]
    epochs: int

    @property
    def outputs(self) -> int:
        """Columns of the network's output: one logit for two classes, or one number."""
        return len(self.task.classes) if len(self.task.classes) > 2 else 1

    def fingerprint(self, fn_args: FnArgs) -> str:
        """What tells this training from another in the same folder: all that decides its weights."""
        facts: list[Any] = [
            self.task.task,
            self.task.classes,
            self.inputs,
            dict(self.options),
            self.epochs,
            self.target,
        ]
        facts += [fn_args.label, fn_args.weight, fn_args.features, fn_args.seed, fn_args.train_steps]
        facts += [fn_args.world_size, fn_args.train.num_rows, fn_args.eval.num_rows if fn_args.eval else None]
        arrays = [self.mean, self.scale, *([] if self.by_class is None else [self.by_class])]
        content = json.dumps(facts, sort_keys=True, default=str).encode() + b"".join(a.tobytes() for a in arrays)
        return hashlib.sha256(content).hexdigest()[:16]

    def batches(self, split: SplitData, rows: int, **order: Any) -> Batches:
        """Batches of (x, y, w) as `SplitData.batches` gives them, for `batch`."""
        return split.batches(rows, self.inputs, **order)

    def batch(self, found: Any) -> Batch:
        """The rows as the network takes them, without those whose class the training split does not have."""
        x = found.x if self.inputs is None else found.x[INPUT].astype(np.float32, copy=False)
        y = self.task.targets(found.y)
        w = row_weights(found.w, y, self.by_class)
        weight = np.ones(len(y), np.float32) if w is None else w
        if self.task.classes and (y < 0).any():
            kept = y >= 0
            return Batch(x[kept], y[kept], weight[kept])
        return Batch(x, y, weight)


def network_plan(fn_args: FnArgs, trainer: str) -> NetworkPlan:
    """The plan, from options, schema and one pass over the training split.

    Defaults: hidden layers of 128 and 64, dropout 0.1, learning rate 0.002, weight decay 1e-4, batches of a
    hundredth of the rows between 32 and 1,024 (a power of two), patience of 6 epochs, one thread, and so many epochs
    that about 3,000 steps are made: 8 at least, 200 at most. ``fn_args.epochs`` goes before the option.

    Raises:
        ConfigError: options that cannot be.
        ModelError: a label, class weights or features that do not fit.
    """
    given = checked_options(trainer, {**ready_config(fn_args).get("options", {}), **fn_args.hyperparameters})
    task, columns, inputs = task_of(fn_args), columns_of(fn_args), model_inputs_of(fn_args)
    rows = fn_args.train.num_rows
    options = {
        "hidden": [128, 64],
        "dropout": 0.1,
        "learning_rate": 0.002,
        "weight_decay": 1e-4,
        "batch_size": min(1024, max(32, 2 ** int(np.log2(max(rows // 100, 1))))),
        "patience": 6,
        "max_embedding": 50,
        "activation": "relu",
        "threads": 1,
        **given,
    }
    steps = -(-rows // options["batch_size"])
    default = min(_MOST_EPOCHS, max(_LEAST_EPOCHS, -(-_STEPS // steps)))
    mean, scale, target, counts = _measure(fn_args, task, columns, inputs)
    by_class = class_weights(ready_config(fn_args).get("class_weight"), task, counts)
    epochs = fn_args.epochs or given.get("epochs") or default
    return NetworkPlan(task, columns, mean, scale, target, by_class, inputs, options, epochs)


def _measure(
    fn_args: FnArgs, task: ReadyTask, columns: Sequence[Column], inputs: Mapping[str, Sequence[str]] | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], tuple[float, float], npt.NDArray[np.float64]]:
    """Mean and standard deviation of every column and of the label, rows of every class; missing ones left out."""
    width = len(columns)
    moments = np.zeros((3, width + 1))
    counts = np.zeros(len(task.classes))
    shift: npt.NDArray[np.float64] | None = None
    for found in fn_args.train.batches(inputs=inputs):
        x = found.x if inputs is None else found.x[INPUT]
        y = task.targets(found.y)
        if task.classes:
            counts += np.bincount(y, minlength=len(counts))
        values = np.concatenate([x.astype(np.float64), y[:, None].astype(np.float64)], axis=1)
        values[~np.isfinite(values)] = np.nan
        if shift is None:  # near the mean: sums of squares lose no digits
            shift = np.nan_to_num(np.array([_first(column) for column in values.T]))
        values -= shift
        moments += np.stack([(~np.isnan(values)).sum(axis=0), np.nansum(values, axis=0), np.nansum(values**2, axis=0)])
    n = np.maximum(moments[0], 1)
    mean = moments[1] / n
    deviation = np.sqrt(np.maximum(moments[2] / n - mean**2, 0))
    deviation[deviation < 1e-6] = 1.0
    mean += shift if shift is not None else 0.0
    target = (0.0, 1.0) if task.classes else (float(mean[-1]), float(deviation[-1]))
    return mean[:width].astype(np.float32), deviation[:width].astype(np.float32), target, counts


def _first(column: npt.NDArray[np.float64]) -> float:
    there = column[~np.isnan(column)]
    return float(there[0]) if len(there) else 0.0
