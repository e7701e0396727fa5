"""`FnArgs`: everything that a user's `run_fn` is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline.engine.base import Dataset
from trueline.models.inputs import select_features
from trueline.training.split_data import SplitData
from trueline.training.tracking import MetricLog

if TYPE_CHECKING:
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
        working_dir: a folder for checkpoints and logs.
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
        )

    def log(self, metric: str, value: float, step: int | None = None) -> None:
        """Notes a value during training, such as the loss of an epoch, in ``metrics.jsonl`` of `working_dir`."""
        MetricLog(self.working_dir).log(metric, value, step)
