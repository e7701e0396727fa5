"""`FnArgs`: everything that a user's `run_fn` is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline.engine.base import Dataset
from trueline.models.inputs import select_features
from trueline.training.split_data import SplitData
from trueline.training.tracking import MetricLog

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.models.model import Model
    from trueline.transform import TransformOutput

__all__ = ["FnArgs"]


@dataclass(frozen=True)
class FnArgs:
    """The argument of ``run_fn(fn_args)``.

    Attributes:
        train: the split to fit on: ``arrays()``, ``table()``, or ``batches(...)`` in any order and of any framework.
        eval: the split to watch, or None.
        transform: the transform that made the features (vocabularies, sizes of domains).
        label: name of the label.
        weight: name of the weight, or None.
        features: names of the features in the order of x.
        hyperparameters: from the Tuner or the pipeline file.
        custom_config: from the pipeline file.
        seed: `run_training` seeds random, numpy and torch with it.
        working_dir: a folder of the run's own: what lies in it afterwards is kept as the artifact ``model_run``.
        checkpoint_dir: a folder that outlives a killed training: the next run of the same work (code, parameters, data)
            finds it as it was left; removed when the training has succeeded.
        serving_model_dir: TFX's style: a `run_fn` that returns None has written its model here.
        schema: the schema of the raw data, or None.
        raw_train: the raw rows of the training split, in the order of `train`, or None where they are not wired.
        raw_eval: those of the split to watch.
        train_steps: how many batches to train on, if the pipeline says so.
        eval_steps: how many batches to watch.
        epochs: how many times to see the data, if the pipeline says so.
        base_model: a model to start from, or None.
        device: where to compute: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; a resolved name, never ``auto``.
        rank: which of `world_size` training processes this is; 0 writes and logs.
        world_size: how many processes train together.
        on_log: called with metric, value and step after each `log`; what trueline itself listens with.
    """

    train: SplitData
    eval: SplitData | None
    transform: TransformOutput
    label: str
    weight: str | None
    features: tuple[str, ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    custom_config: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    working_dir: str = "."
    checkpoint_dir: str = ""
    serving_model_dir: str = ""
    schema: schema_pb2.Schema | None = None
    raw_train: Dataset | None = None
    raw_eval: Dataset | None = None
    train_steps: int | None = None
    eval_steps: int | None = None
    epochs: int | None = None
    base_model: Model | None = None
    device: str = "cpu"
    rank: int = 0
    world_size: int = 1
    on_log: list[Callable[[str, float, int | None], None]] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def create(
        cls,
        *,
        train: Dataset,
        eval: Dataset | None = None,
        transform: TransformOutput,
        label: str,
        weight: str | None = None,
        features: Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        custom_config: Mapping[str, Any] | None = None,
        seed: int = 0,
        working_dir: str = ".",
        checkpoint_dir: str = "",
        serving_model_dir: str = "",
        schema: schema_pb2.Schema | None = None,
        raw_train: Dataset | None = None,
        raw_eval: Dataset | None = None,
        train_steps: int | None = None,
        eval_steps: int | None = None,
        epochs: int | None = None,
        base_model: Model | None = None,
        device: str = "cpu",
        rank: int = 0,
        world_size: int = 1,
    ) -> FnArgs:
        """The arguments from transformed Examples.

        Args:
            train: transformed rows to fit on.
            eval: transformed rows to watch.
            transform: what made them.
            label: the label's output.
            weight: the weight's output.
            features: outputs in order; all but label and weight by default.
            hyperparameters: JSON values.
            custom_config: JSON values.
            seed: for determinism.
            working_dir: a folder for the run's own files.
            checkpoint_dir, serving_model_dir, schema, raw_train, raw_eval, train_steps, eval_steps, epochs, base_model,
                device, rank, world_size: see the attributes.

        Raises:
            ModelError: unknown names, or features that cannot enter a model; all at once.
        """
        chosen = select_features(transform.outputs, label, weight, features)
        known = {f.name: f for f in transform.outputs}
        weigh = known[weight] if weight else None
        return cls(
            SplitData(train, chosen, known[label], weigh),
            SplitData(eval, chosen, known[label], weigh) if eval is not None else None,
            transform,
            label,
            weight,
            tuple(f.name for f in chosen),
            dict(hyperparameters or {}),
            dict(custom_config or {}),
            seed,
            str(working_dir),
            checkpoint_dir=checkpoint_dir or store.join(str(working_dir), "checkpoints"),
            serving_model_dir=serving_model_dir or store.join(str(working_dir), "serving_model_dir"),
            schema=schema,
            raw_train=raw_train,
            raw_eval=raw_eval,
            train_steps=train_steps,
            eval_steps=eval_steps,
            epochs=epochs,
            base_model=base_model,
            device=device,
            rank=rank,
            world_size=world_size,
        )

    def log(self, metric: str, value: float, step: int | None = None) -> None:
        """Notes a value during training, such as the loss of an epoch, in ``metrics.jsonl`` of `working_dir`."""
        MetricLog(self.working_dir).log(metric, value, step)
        for listener in self.on_log:
            listener(str(metric), float(value), step)
