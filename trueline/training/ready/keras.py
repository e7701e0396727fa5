"""A network with embeddings in Keras 3, on whichever back end it runs, without a module file; this file imports keras.

The network, its defaults and its training are those of `torch_mlp`, with one table of vectors for all categories. It is
made of Keras' own layers and operations alone, so that its configuration can be kept beside the graph. Where the
environment names no back end (``KERAS_BACKEND``), the first of TensorFlow, torch and JAX that is installed is taken.
With TensorFlow on several devices the variables are mirrored on them, see `trueline.training.strategy`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.models.contract import Fitted
from trueline.training.ready.columns import Column, embedding_width
from trueline.training.ready.network import Batch, NetworkPlan, network_plan
from trueline.training.ready.scores import scores

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["run_fn"]

CUT = 10.0
_BACKENDS = ("tensorflow", "torch", "jax")
_EVAL_ROWS, _EVAL_BATCHES = 8192, 64
_LESS = 0.3


def run_fn(fn_args: FnArgs) -> Fitted:
    """Trains on the rows of `fn_args`.

    Raises:
        ConfigError: options that cannot be.
        ModelError: a label, class weights or features that do not fit.
    """
    _choose_backend()
    import keras

    plan = network_plan(fn_args, "keras")
    keras.utils.set_random_seed(fn_args.seed % 2**32)
    with _scope(fn_args):
        model = _network(plan)
        losses = {
            "binary": keras.losses.BinaryCrossentropy(from_logits=True),
            "multiclass": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "regression": keras.losses.MeanSquaredError(),
        }
        task = "regression" if not plan.task.classes else "binary" if plan.outputs == 1 else "multiclass"
        rate, decay = plan.options["learning_rate"], plan.options["weight_decay"]
        model.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=decay), loss=losses[task])
    _Training(fn_args, plan, model).run()
    output = "logits" if plan.task.classes else "prediction"
    return Fitted(model, inputs=plan.inputs, output=output, classes=plan.task.classes or None)  # type: ignore[arg-type]


def _choose_backend() -> None:
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ:
        found = [name for name in _BACKENDS if importlib.util.find_spec(name) is not None]
        if found:
            os.environ["KERAS_BACKEND"] = found[0]


def _scope(fn_args: FnArgs) -> AbstractContextManager[Any]:
    import keras

    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    from trueline.training.strategy import tensorflow_strategy

    scope: AbstractContextManager[Any] = tensorflow_strategy(fn_args.device, fn_args.world_size).scope()
    return scope


def _network(plan: NetworkPlan) -> Any:
    """Rows ``[N, F]`` to logits ``[N, K]`` or predictions ``[N, 1]``; the parts are those of `TableNetwork`."""
    import keras
    from keras import layers, ops

    x = keras.Input((len(plan.columns),), name="x")
    missing = ops.isnan(x)
    filled = ops.where(missing, 0.0, x)
    numbers = [c for c in plan.columns if not c.categorical]
    categories = [c for c in plan.columns if c.categorical]
    gaps = [c for c in numbers if c.optional]
    parts = []
    if numbers:
        places = [c.index for c in numbers]
        scaled = ops.clip((_taken(filled, numbers, plan) - plan.mean[places]) / plan.scale[places], -CUT, CUT)
        here = 1.0 - _taken(ops.cast(missing, "float32"), numbers, plan)
        parts.append(scaled * here)
    if gaps:
        parts.append(_taken(ops.cast(missing, "float32"), gaps, plan))
    if categories:
        parts.append(_categories(_taken(filled, categories, plan), categories, plan.options["max_embedding"]))
    out = ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    for width in plan.options["hidden"]:
        out = layers.Dense(width, activation=plan.options["activation"])(out)
        out = layers.Dropout(plan.options["dropout"])(out)
    out = layers.Dense(plan.outputs)(out)
    if not plan.task.classes:
        mean, scale = plan.target
        out = layers.Rescaling(scale, mean)(out)
    return keras.Model(x, out)


def _taken(x: Any, columns: Sequence[Column], plan: NetworkPlan) -> Any:
    """Some columns, by a product with ones and zeros: it is exact, and every converter to ONNX knows it."""
    from keras import ops

    chosen = np.zeros((len(plan.columns), len(columns)), np.float32)
    chosen[[c.index for c in columns], range(len(columns))] = 1.0
    return ops.matmul(x, chosen)


def _categories(ids: Any, categories: Sequence[Column], most: int) -> Any:
    """Vectors of all categories, looked up in one table; each column has rows of its own in it."""
    from keras import layers, ops

    sizes = np.array([c.size for c in categories], np.int32)
    least = np.array([c.least for c in categories], np.int32)
    begin = np.concatenate([[0], np.cumsum(sizes + 1)[:-1]]).astype(np.int32)
    number = ops.cast(ids, "int32") - least
    known = ops.logical_and(number >= 0, number < sizes)
    width = embedding_width(int(sizes.max()), most)
    found = layers.Embedding(int((sizes + 1).sum()), width)(ops.where(known, number, sizes) + begin)
    return layers.Reshape((len(categories) * width,))(found)


class _Training:
    """One training: steps, what the best epoch was, and when to end."""

    def __init__(self, fn_args: FnArgs, plan: NetworkPlan, model: Any) -> None:
        self.fn_args, self.plan, self.model = fn_args, plan, model
        self.steps = self.waited = 0
        self.best = float("inf")
        self.weights: list[npt.NDArray[Any]] | None = None

    def run(self) -> None:
        """All epochs, until steps or patience are used up."""
        for epoch in range(self.plan.epochs):
            self.fn_args.log("train_loss", self._epoch(epoch), epoch)
            if self._watch(epoch) or self._out_of_steps():
                break
        if self.weights is not None:
            self.model.set_weights(self.weights)

    def _out_of_steps(self) -> bool:
        return self.fn_args.train_steps is not None and self.steps >= self.fn_args.train_steps

    def _epoch(self, epoch: int) -> float:
        args, total, weight = self.fn_args, 0.0, 0.0
        for found in self.plan.batches(
            args.train, self.plan.options["batch_size"], shuffle=True, seed=args.seed, epoch=epoch
        ):
            batch = self.plan.batch(found)
            sum_w = max(float(batch.w.sum()), 1e-12)
            # Keras divides by rows; by weights it is a mean. A prediction's error is counted in standard deviations
            w = batch.w * np.float32(len(batch.w) / sum_w / self.plan.target[1] ** 2)
            y = batch.y.reshape(-1, 1).astype(np.float32 if self.plan.outputs == 1 else np.int64)
            total += float(self.model.train_on_batch(batch.x, y, sample_weight=w)) * sum_w
            weight += sum_w
            self.steps += 1
            if self._out_of_steps():
                break
            self.model.reset_metrics()
        return total / max(weight, 1e-12)

    def _watch(self, epoch: int) -> bool:
        found = self._evaluate()
        if found is None:
            return False
        for name, value in found.items():
            self.fn_args.log(f"eval_{name}", value, epoch)
        if found["loss"] < self.best:
            self.best, self.waited = found["loss"], 0
            self.weights = self.model.get_weights()
            return False
        self.waited += 1
        patience = self.plan.options["patience"]
        if self.waited == max(1, patience // 2):
            rate = self.model.optimizer.learning_rate
            rate.assign(np.float32(_LESS) * rate)
        return bool(self.waited >= patience)

    def _evaluate(self) -> dict[str, float] | None:
        watched = self.fn_args.eval
        if watched is None or watched.num_rows == 0:
            return None
        most, parts = self.fn_args.eval_steps or _EVAL_BATCHES, []
        for number, found in enumerate(self.plan.batches(watched, _EVAL_ROWS)):
            if number >= most:
                break
            batch: Batch = self.plan.batch(found)
            parts.append((batch, self._output(np.asarray(self.model.predict_on_batch(batch.x), np.float64))))
        y, w = (np.concatenate([getattr(batch, name) for batch, _ in parts]) for name in ("y", "w"))
        return scores(self.plan.task, y, np.concatenate([out for _, out in parts]), w) if len(y) else None

    def _output(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        from trueline.models.exporters.heads import probabilities_of

        return probabilities_of(raw, "logits") if self.plan.task.classes else raw[:, 0]
