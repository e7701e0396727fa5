"""What the boosters share: rows and limits of a training, its history in the log, and the fitted model's meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline.models.contract import Fitted, Output
from trueline.training.ready.columns import Column, columns_of, feature_names, select
from trueline.training.ready.options import checked_options
from trueline.training.ready.rows import INPUT, Rows, eval_rows, train_rows
from trueline.training.ready.task import ReadyTask, ready_config, task_of

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["BoosterPlan", "booster_plan", "fitted_trees", "log_iterations", "model_inputs_of"]

_CATEGORIES = (3, 1000)
"""A column of at least and at most so many categories is split by sets of them."""

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


@dataclass(frozen=True)
class BoosterPlan:
    """What a booster is trained on, and for how long.

    Attributes:
        options: the trainer's own, checked.
        task: what is learnt.
        columns: of x.
        categorical: indices of the columns that are split by sets of categories.
        rows: to train on.
        watched: to stop early on; None: nothing is.
        rounds: iterations at the most.
        patience: iterations without a better score before it stops.
    """

    options: Mapping[str, Any]
    task: ReadyTask
    columns: Sequence[Column]
    categorical: tuple[int, ...]
    rows: Rows
    watched: Rows | None
    rounds: int
    patience: int


def booster_plan(fn_args: FnArgs, trainer: str) -> BoosterPlan:
    """Reads options and rows.

    Raises:
        ConfigError: options that cannot be.
        ModelError: a label, class weights or features that do not fit.
    """
    options = checked_options(trainer, {**ready_config(fn_args).get("options", {}), **fn_args.hyperparameters})
    task, columns = task_of(fn_args), columns_of(fn_args)
    rows, by_class = train_rows(fn_args, task)
    watched = eval_rows(fn_args, task, by_class)
    return BoosterPlan(
        options,
        task,
        columns,
        tuple(c.index for c in select(rows.x, columns, *_CATEGORIES)),
        rows,
        watched,
        rounds=fn_args.train_steps or options.get("n_estimators") or (1000 if watched is not None else 300),
        patience=options.get("early_stopping_rounds", 50),
    )


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
