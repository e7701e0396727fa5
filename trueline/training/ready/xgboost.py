"""XGBoost without a module file.

Defaults: histograms, depth 6, learning rate 0.05, 80 % of rows and columns a tree, and up to 1,000 trees with
early stopping after 50 without a gain on the split that is watched; 300 trees where none is watched. Features with a
domain of 3 to 1,000 categories are split as categories, wider ones as numbers; a missing float goes the way that
training learnt. The model keeps the trees up to the best one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError
from trueline.models.contract import Fitted
from trueline.training.ready.columns import columns_of, select
from trueline.training.ready.options import checked_options
from trueline.training.ready.rows import Rows, eval_rows, train_rows
from trueline.training.ready.task import ReadyTask, ready_config, task_of
from trueline.training.ready.trees import fitted_trees, log_iterations

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["run_fn"]

_CATEGORIES = (3, 1000)
_OBJECTIVES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "binary": ("binary:logistic", ("auc", "logloss")),
    "multiclass": ("multi:softprob", ("merror", "mlogloss")),
    "regression": ("reg:squarederror", ("mae", "rmse")),
    "ranking": ("rank:ndcg", ("ndcg",)),
}
"""By task: the objective, and what is logged; the last one decides on early stopping."""
_NAMES = {"n_estimators": None, "early_stopping_rounds": None, "threads": "nthread"}


def run_fn(fn_args: FnArgs) -> Fitted:
    """Trains on the rows of `fn_args`.

    Raises:
        ConfigError: options that cannot be.
        ModelError: a label, class weights or features that do not fit.
    """
    import xgboost

    options = checked_options("xgboost", {**ready_config(fn_args).get("options", {}), **fn_args.hyperparameters})
    task, columns = task_of(fn_args), columns_of(fn_args)
    rows, by_class = train_rows(fn_args, task)
    watched = eval_rows(fn_args, task, by_class)
    categorical = {c.index for c in select(rows.x, columns, *_CATEGORIES)}
    types = ["c" if c.index in categorical else "float" for c in columns]
    train = _matrix(rows, types)
    evals = [(train, "train")]
    stop: list[Any] = []
    if watched is not None:
        evals.append((_matrix(watched, types), "eval"))
        patience = options.get("early_stopping_rounds", 50)
        stop = [xgboost.callback.EarlyStopping(rounds=patience, save_best=True)]
    history: dict[str, dict[str, Sequence[float]]] = {}
    rounds = fn_args.train_steps or options.get("n_estimators") or (1000 if watched is not None else 300)
    booster = xgboost.train(
        _parameters(fn_args, task, options),
        train,
        rounds,
        evals=evals,
        evals_result=history,
        callbacks=stop,
        verbose_eval=False,
    )
    log_iterations(fn_args, history)
    return fitted_trees(fn_args, booster, task)


def _parameters(fn_args: FnArgs, task: ReadyTask, options: Mapping[str, Any]) -> dict[str, Any]:
    objective, metrics = _OBJECTIVES[task.task]
    chosen: dict[str, Any] = {
        "objective": objective,
        "eval_metric": list(metrics),
        "tree_method": "hist",
        "learning_rate": 0.05,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "nthread": 1,
        "seed": fn_args.seed,
        "device": "cuda" if fn_args.device.startswith("cuda") else "cpu",
        "verbosity": 0,
    }
    if task.task == "multiclass":
        chosen["num_class"] = len(task.classes)
    given = {_NAMES.get(name, name): value for name, value in options.items()}
    return chosen | {name: value for name, value in given.items() if name is not None}


def _matrix(rows: Rows, types: Sequence[str]) -> Any:
    import xgboost

    weight = rows.w
    if rows.groups is not None and weight is not None:  # a ranking weighs groups
        starts = np.concatenate([[0], np.cumsum(rows.groups)[:-1]])
        weight = np.asarray(np.add.reduceat(weight, starts) / rows.groups, np.float32)
    if rows.groups is not None and (rows.y < 0).any():
        raise ModelError("the label of a ranking is a grade of relevance: 0 or more")
    return xgboost.DMatrix(
        rows.x,
        rows.y,
        weight=weight,
        group=rows.groups,
        feature_types=list(types),
        enable_categorical=True,
        nthread=1,
    )
