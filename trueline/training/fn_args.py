"""`FnArgs`: everything that a user's `run_fn` is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline.engine.base import Dataset
from trueline.models.inputs import select_features
from trueline.training.checkpoints import Checkpoints
from trueline.training.fn_args_tfx import TfxNames
from trueline.training.forms import RawRows
from trueline.training.progress import Progress
from trueline.training.split_data import SplitData
from trueline.training.tracking import Tracker

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.models.model import Model
    from trueline.transform import TransformOutput

__all__ = ["FnArgs"]

T = TypeVar("T")


@dataclass(frozen=True)
class FnArgs(TfxNames):
    """The argument of ``run_fn(fn_args)``.

    What a TFX user knows stands here under its name too: `train_files`, `eval_files`, `transform_graph_path`,
    `transform_output`, `schema_path`, `model_run_dir`, `data_accessor`; see `TfxNames`.

    Attributes:
        train: the split to fit on: ``arrays()``, ``table()``, ``pandas()``, ``polars()``, ``batches(...)`` in any order
            and of any framework, ``torch_loader(...)``, ``tf_dataset(...)``.
        eval: the split to watch, or None.
        transform: the transform that made the features (vocabularies, sizes of domains).
        label: name of the label; None for a model that learns without one.
        weight: name of the weight, or None.
        features: names of the features in the order of x.
        hyperparameters: from the Tuner or the pipeline file.
        custom_config: from the pipeline file.
        seed: `run_training` seeds random, numpy, torch, TensorFlow and Keras with it; JAX's key is made of it by hand.
        working_dir: a folder of the run's own: what lies in it afterwards is kept as the artifact ``model_run``.
        checkpoint_dir: a folder that outlives a killed training: the next run of the same work (code, parameters, data)
            finds it as it was left; removed when the training has succeeded. `checkpoints` keeps order in it.
        serving_model_dir: TFX's style: a `run_fn` that returns None has written its model here.
        schema: the schema of the raw data, or None.
        raw_train: the raw rows of the training split, in the order of `train`, or None where they are not wired.
        raw_eval: those of the split to watch.
        train_steps: how many batches to train on, if the pipeline says so.
        eval_steps: how many batches to watch.
        epochs: how many times to see the data, if the pipeline says so.
        base_model: a model to start from, or None; ``base_model.native()`` gives the framework's own files.
        device: where to compute: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; a resolved name, never ``auto``.
        rank: which of `world_size` training processes this is; 0 writes and logs.
        world_size: how many processes train together.
        name: the model's name.
        transform_output: the transform's folder (TFX's name), or "".
        schema_path: the schema's file, or "".
        report: takes facts for the run's live table; None: there is no table.
    """

    train: SplitData
    eval: SplitData | None
    transform: TransformOutput
    label: str | None
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
    name: str = "model"
    transform_output: str = ""
    schema_path: str = ""
    report: Callable[[Mapping[str, Any]], None] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def create(
        cls,
        *,
        train: Dataset,
        eval: Dataset | None = None,
        transform: TransformOutput,
        label: str | None = None,
        weight: str | None = None,
        features: Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        custom_config: Mapping[str, Any] | None = None,
        seed: int = 0,
        working_dir: str = ".",
        checkpoint_dir: str = "",
        serving_model_dir: str = "",
        rank: int = 0,
        world_size: int = 1,
        **more: Any,
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
            checkpoint_dir, serving_model_dir: folders in `working_dir` by default.
            rank, world_size: which process of how many this is.
            more: any other attribute.

        Raises:
            ModelError: unknown names, or features that cannot enter a model; all at once.
        """
        chosen = select_features(transform.outputs, label, weight, features)
        known = {f.name: f for f in transform.outputs}
        about = (chosen, known[label] if label else None, known[weight] if weight else None, seed, rank, world_size)
        return cls(
            SplitData(train, *about),
            SplitData(eval, *about) if eval is not None else None,
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
            rank=rank,
            world_size=world_size,
            **more,
        )

    def raw(self, split: str = "train") -> RawRows:
        """The rows of `train` or `eval` before the transform: as many, in the same order.

        Raises:
            ConfigError: no such split, or no raw rows are wired.
        """
        if split not in ("train", "eval"):
            raise ConfigError(f"there are no raw rows of {split!r}", hint='say raw("train") or raw("eval").')
        raw, rows = (self.raw_train, self.train) if split == "train" else (self.raw_eval, self.eval)
        if raw is None or rows is None:
            raise ConfigError(
                f"the raw rows of {split} are not here",
                hint='give the Trainer raw_examples=gen.outputs["examples"], and an eval split if you read it.',
            )
        return RawRows(raw, rows)

    @cached_property
    def tracker(self) -> Tracker:
        """Where `log` notes values; only rank 0 writes."""
        return Tracker.of_run(self)

    def log(self, metric: str, value: float, step: int | None = None) -> None:
        """Notes a value during training, such as the loss of an epoch.

        It goes to ``metrics.jsonl`` of `working_dir`, to TensorBoard's files in ``tensorboard`` beside it, to the
        run's page, and to an MLflow server where ``MLFLOW_TRACKING_URI`` names one.

        Args:
            metric: its name; ``train/loss`` and ``eval/loss`` are drawn in one picture.
            value: any number, NaN and infinity too.
            step: the batch or epoch; without it, pictures count the values.

        Raises:
            ModelError: a value that is no number, or a step that is no integer.
        """
        self.tracker.log(metric, value, step)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints in `checkpoint_dir`; only rank 0 writes."""
        return Checkpoints(self.checkpoint_dir, writes=self.rank == 0, metrics_of=self.working_dir)

    def strategy(self) -> Any:
        """TensorFlow's distribution strategy over this process' devices: mirrored where there are several.

        ``with fn_args.strategy().scope(): model = ...``; see `trueline.training.strategy.tensorflow_strategy`.
        """
        from trueline.training.strategy import tensorflow_strategy

        return tensorflow_strategy(self.device, self.world_size)

    def progress(
        self, steps: Iterable[T] | None = None, *, total: int | None = None, name: str = "training", done: int = 0
    ) -> Progress[T]:
        """Shows how far the training is, its rate, and how long it will still take.

        ``for batch in fn_args.progress(loader)`` counts by itself; ``bar = fn_args.progress(total=100)`` counts with
        ``bar.update()``. A terminal shows a bar, a log a line every ten seconds, a run's table the rate and the rest.

        Args:
            steps: what to go through.
            total: how many steps there are; ``len(steps)`` where it has one.
            name: what is being done.
            done: steps that an earlier, killed run did.
        """
        report = self.report if self.rank == 0 else None
        return Progress(steps, total=total, name=name, done=done, report=report, shown=self.rank == 0)
