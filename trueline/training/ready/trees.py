"""What the boosters share: the history of a training in the log, and the fitted model's meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.models.contract import Fitted, Output
from trueline.training.ready.columns import feature_names
from trueline.training.ready.rows import INPUT
from trueline.training.ready.task import ReadyTask

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["fitted_trees", "log_iterations", "model_inputs_of"]

_METRICS = {
    "logloss": "loss",
    "mlogloss": "loss",
    "binary_logloss": "loss",
    "multi_logloss": "loss",
    "merror": "error",
    "multi_error": "error",
    "l2": "loss",
    "l1": "mae",
    "ndcg@10": "ndcg",
}
_OUTPUTS: Mapping[str, Output] = {"regression": "prediction", "ranking": "score"}


def log_iterations(fn_args: FnArgs, history: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Logs ``train_loss``, ``eval_loss``, ``eval_auc`` and their kin, a value for each iteration."""
    for split, metrics in history.items():
        for name, values in metrics.items():
            for step, value in enumerate(values, 1):
                fn_args.log(f"{split}_{_METRICS.get(name, name)}", float(value), step)


def model_inputs_of(fn_args: FnArgs) -> dict[str, list[str]] | None:
    """`Fitted.inputs`: None for all features, else those that are learnt from."""
    names = feature_names(fn_args)
    return None if names == fn_args.features else {INPUT: list(names)}


def fitted_trees(fn_args: FnArgs, model: Any, task: ReadyTask) -> Fitted:
    """A booster with what cannot be read off it."""
    return Fitted(
        model,
        inputs=model_inputs_of(fn_args),
        output=_OUTPUTS.get(task.task, "probabilities"),
        classes=task.classes or None,
    )
