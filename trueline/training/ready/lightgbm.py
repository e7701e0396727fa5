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
from trueline.training.ready.columns import columns_of, select
from trueline.training.ready.options import checked_options
from trueline.training.ready.rows import Rows, eval_rows, train_rows
from trueline.training.ready.task import ReadyTask, ready_config, task_of
from trueline.training.ready.trees import fitted_trees, log_iterations

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["run_fn"]

_CATEGORIES = (3, 1000)
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

    options = checked_options("lightgbm", {**ready_config(fn_args).get("options", {}), **fn_args.hyperparameters})
    task, columns = task_of(fn_args), columns_of(fn_args)
    rows, by_class = train_rows(fn_args, task)
    watched = eval_rows(fn_args, task, by_class)
    categorical = [c.index for c in select(rows.x, columns, *_CATEGORIES)]
    parameters = _parameters(fn_args, task, options, len(rows.y))
    train = _dataset(rows, categorical, parameters)
    history: dict[str, Any] = {}
    callbacks = [lightgbm.record_evaluation(history)]
    sets, names = [train], ["train"]
    if watched is not None:
        sets.append(_dataset(watched, categorical, parameters, train))
        names.append("eval")
        patience = options.get("early_stopping_rounds", 50)
        callbacks.append(lightgbm.early_stopping(patience, first_metric_only=True, verbose=False))
    rounds = fn_args.train_steps or options.get("n_estimators") or (1000 if watched is not None else 300)
    booster = lightgbm.train(parameters, train, rounds, valid_sets=sets, valid_names=names, callbacks=callbacks)
    log_iterations(fn_args, history)
    best = booster.best_iteration if booster.best_iteration > 0 else rounds
    return fitted_trees(fn_args, lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best)), task)


def _parameters(fn_args: FnArgs, task: ReadyTask, options: Mapping[str, Any], rows: int) -> dict[str, Any]:
    objective, metrics = _OBJECTIVES[task.task]
    chosen: dict[str, Any] = {
        "objective": objective,
        "metric": list(metrics),
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_child_samples": 20 if rows >= _SMALL else max(3, rows // 100),
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.8,
        "num_threads": options.get("threads", 1),
        "seed": fn_args.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if task.task == "multiclass":
        chosen["num_class"] = len(task.classes)
    if task.task == "ranking":
        chosen["eval_at"] = [10]
    return chosen | {name: value for name, value in options.items() if name not in _ELSEWHERE}


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
