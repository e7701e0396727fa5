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
from trueline.training.ready.rows import Rows
from trueline.training.ready.trees import BoosterPlan, booster_plan, fitted_trees, log_iterations

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["run_fn"]

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

    plan = booster_plan(fn_args, "xgboost")
    types = ["c" if c.index in plan.categorical else "float" for c in plan.columns]
    train = _matrix(plan.rows, types)
    evals = [(train, "train")]
    stop: list[Any] = []
    if plan.watched is not None:
        evals.append((_matrix(plan.watched, types), "eval"))
        stop = [xgboost.callback.EarlyStopping(rounds=plan.patience, save_best=True)]
    history: dict[str, dict[str, Sequence[float]]] = {}
    booster = xgboost.train(
        _parameters(fn_args, plan),
        train,
        plan.rounds,
        evals=evals,
        evals_result=history,
        callbacks=stop,
        verbose_eval=False,
    )
    log_iterations(fn_args, history)
    return fitted_trees(fn_args, booster, plan.task)


def _parameters(fn_args: FnArgs, plan: BoosterPlan) -> dict[str, Any]:
    objective, metrics = _OBJECTIVES[plan.task.task]
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
    if plan.task.task == "multiclass":
        chosen["num_class"] = len(plan.task.classes)
    given = {_NAMES.get(name, name): value for name, value in plan.options.items()}
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
