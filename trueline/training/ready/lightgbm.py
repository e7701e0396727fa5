"""LightGBM without a module file.

Defaults: 31 leaves, learning rate 0.05, 80 % of rows and columns a tree, at least 20 rows a leaf (fewer in tables
below 2,000 rows), and up to 1,000 trees with early stopping after 50 without a gain on the split that is watched; 300
where none is watched. Features with a domain of 3 to 1,000 categories are split as categories, wider ones as numbers;
a missing float goes the way that training learnt. The model keeps the trees up to the best one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.models.contract import Fitted
from trueline.training.ready.rows import Rows
from trueline.training.ready.trees import BoosterPlan, booster_plan, fitted_trees, log_iterations

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["run_fn"]

_SMALL = 2000
_OBJECTIVES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "binary": ("binary", ("binary_logloss", "auc")),
    "multiclass": ("multiclass", ("multi_logloss", "multi_error")),
    "regression": ("regression", ("rmse", "l1")),
    "ranking": ("lambdarank", ("ndcg",)),
}
"""By task: the objective, and what is logged; the first one decides on early stopping."""
_ELSEWHERE = ("n_estimators", "early_stopping_rounds", "threads")


def run_fn(fn_args: FnArgs) -> Fitted:
    """Trains on the rows of `fn_args`.

    Raises:
        ConfigError: options that cannot be.
        ModelError: a label, class weights or features that do not fit.
    """
    import lightgbm

    plan = booster_plan(fn_args, "lightgbm")
    parameters = _parameters(fn_args, plan)
    train = _dataset(plan.rows, plan.categorical, parameters)
    history: dict[str, Any] = {}
    callbacks = [lightgbm.record_evaluation(history)]
    sets, names = [train], ["train"]
    if plan.watched is not None:
        sets.append(_dataset(plan.watched, plan.categorical, parameters, train))
        names.append("eval")
        callbacks.append(lightgbm.early_stopping(plan.patience, first_metric_only=True, verbose=False))
    booster = lightgbm.train(parameters, train, plan.rounds, valid_sets=sets, valid_names=names, callbacks=callbacks)
    log_iterations(fn_args, history)
    best = booster.best_iteration if booster.best_iteration > 0 else plan.rounds
    return fitted_trees(fn_args, lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best)), plan.task)


def _parameters(fn_args: FnArgs, plan: BoosterPlan) -> dict[str, Any]:
    (objective, metrics), rows = _OBJECTIVES[plan.task.task], len(plan.rows.y)
    chosen: dict[str, Any] = {
        "objective": objective,
        "metric": list(metrics),
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_child_samples": 20 if rows >= _SMALL else max(3, rows // 100),
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.8,
        "num_threads": plan.options.get("threads", 1),
        "seed": fn_args.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if plan.task.task == "multiclass":
        chosen["num_class"] = len(plan.task.classes)
    if plan.task.task == "ranking":
        chosen["eval_at"] = [10]
    return chosen | {name: value for name, value in plan.options.items() if name not in _ELSEWHERE}


def _dataset(rows: Rows, categorical: Sequence[int], parameters: Mapping[str, Any], reference: Any = None) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        rows.x,
        rows.y,
        reference=reference,
        weight=rows.w,
        group=rows.groups,
        categorical_feature=list(categorical),
        params=dict(parameters),
        free_raw_data=False,
    )
