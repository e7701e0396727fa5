"""Estimators of scikit-learn without a module file.

Trees get the columns as they are; histogram gradient boosting splits features with a domain of 3 to 255 categories as
categories. Linear models and networks get numbers with mean 0 and standard deviation 1, a missing number as the mean
(``is_missing`` in preprocessing_fn gives them a column that says so), and categories (of at most 1,000) one-hot. All of
it is part of the model, and exported with it.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.models.contract import Fitted
from trueline.training.ready.columns import Column, columns_of, select
from trueline.training.ready.rows import Rows, eval_rows, train_rows
from trueline.training.ready.scores import scores
from trueline.training.ready.task import ReadyTask, ready_config, task_of
from trueline.training.ready.trees import model_inputs_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from trueline.training.fn_args import FnArgs

__all__ = ["ESTIMATORS", "run_fn", "sklearn_problems"]

_PAIR = tuple[str, str]
ESTIMATORS: Mapping[str, _PAIR] = {
    "hist_gradient_boosting": ("ensemble:HistGradientBoostingClassifier", "ensemble:HistGradientBoostingRegressor"),
    "linear": ("linear_model:LogisticRegression", "linear_model:Ridge"),
    "logistic_regression": ("linear_model:LogisticRegression", ""),
    "linear_regression": ("", "linear_model:LinearRegression"),
    "ridge": ("", "linear_model:Ridge"),
    "random_forest": ("ensemble:RandomForestClassifier", "ensemble:RandomForestRegressor"),
    "extra_trees": ("ensemble:ExtraTreesClassifier", "ensemble:ExtraTreesRegressor"),
    "gradient_boosting": ("ensemble:GradientBoostingClassifier", "ensemble:GradientBoostingRegressor"),
    "decision_tree": ("tree:DecisionTreeClassifier", "tree:DecisionTreeRegressor"),
    "mlp": ("neural_network:MLPClassifier", "neural_network:MLPRegressor"),
}
"""Short names: the classifier and the regressor that they stand for; "" where there is none."""
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "HistGradientBoosting": {"max_iter": 300, "learning_rate": 0.06, "early_stopping": True, "n_iter_no_change": 20},
    "LogisticRegression": {"max_iter": 1000},
    "RandomForest": {"n_estimators": 200, "min_samples_leaf": 3},
    "ExtraTrees": {"n_estimators": 200, "min_samples_leaf": 3},
    "MLP": {"max_iter": 200, "hidden_layer_sizes": [64, 32]},
}
"""By the beginning of the class's name."""
_TREES = ("HistGradientBoosting", "RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree")
_CATEGORIES = (3, 255)
_ONE_HOT = (3, 1000)
_ENOUGH = 2000


def estimator_class(name: Any, classifier: bool) -> Any:
    """The class that a short name or ``"sklearn.module:Class"`` stands for.

    Raises:
        ConfigError: an unknown name, a place outside scikit-learn, or no estimator of that kind.
    """
    text = str(name)
    if ":" not in text:
        if text not in ESTIMATORS:
            raise ConfigError(f"there is no estimator {text!r}", hint=did_you_mean(text, ESTIMATORS))
        place = ESTIMATORS[text][0 if classifier else 1]
        if not place:
            raise ConfigError(f"estimator {text!r} is no {'classifier' if classifier else 'regressor'}")
        text = "sklearn." + place
    module, _, attribute = text.partition(":")
    if module.split(".")[0] != "sklearn" or not attribute.isidentifier() or attribute.startswith("_"):
        raise ConfigError(
            f"estimator {text!r} is not taken: scikit-learn's own are",
            hint='write "sklearn.ensemble:ExtraTreesClassifier"; for others write a run_fn.',
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "sklearn" and error.name != "sklearn":
            raise ConfigError(f"estimator {text!r}: there is no module {module!r}") from error
        raise
    from sklearn.base import BaseEstimator

    if not (isinstance(found, type) and issubclass(found, BaseEstimator) and callable(getattr(found, "fit", None))):
        raise ConfigError(f"{text!r} is no estimator")
    return found


def sklearn_problems(estimator: Any, task: Any, options: Mapping[str, Any], known: Sequence[str] = ()) -> list[str]:
    """What is wrong with an estimator's name and its parameters; nothing where scikit-learn is not installed.

    The task is known when the node runs: a parameter is taken that either kind of a short name has.
    """
    try:
        kinds = [estimator_class(estimator, classifier) for classifier in _kinds(estimator, task)]
    except ConfigError as error:
        return [str(error)]
    except ModuleNotFoundError:
        return []
    names = {name for kind in kinds for name in inspect.signature(kind.__init__).parameters} - {"self", "threads"}
    return [
        f"{kinds[0].__name__} has no parameter {name!r}. {did_you_mean(name, [*sorted(names), *known])}"
        for name in options
        if name not in names and name != "threads"
    ]


def _kinds(estimator: Any, task: Any) -> tuple[bool, ...]:
    if task is None and estimator in ESTIMATORS:
        return tuple(
            classifier for classifier, place in zip((True, False), ESTIMATORS[estimator], strict=True) if place
        )
    return (task != "regression",)


def run_fn(fn_args: FnArgs) -> Fitted:
    """Fits the estimator on the rows of `fn_args`.

    Raises:
        ConfigError: an unknown estimator or parameters.
        ModelError: a label, class weights or features that do not fit.
    """
    config = ready_config(fn_args)
    options = {**config.get("options", {}), **fn_args.hyperparameters}
    task, columns = task_of(fn_args), columns_of(fn_args)
    name = config.get("estimator", "hist_gradient_boosting")
    problems = sklearn_problems(name, task.task, options)
    if problems:
        raise ConfigError("these options of sklearn cannot be", problems=problems)
    kind = estimator_class(name, task.is_classifier)
    rows, by_class = train_rows(fn_args, task)
    watched = eval_rows(fn_args, task, by_class)
    threads = int(options.pop("threads", 1))
    estimator = kind(**_parameters(kind, options, fn_args.seed, threads, select(rows.x, columns, *_CATEGORIES)))
    if kind.__name__.startswith("MLP") and "early_stopping" not in options:
        estimator.set_params(early_stopping=len(rows.y) >= _ENOUGH)  # a tenth of few rows says little
    model = estimator if kind.__name__.startswith(_TREES) else _prepared(estimator, columns)
    _fit(model, rows, watched, threads)
    _log(fn_args, task, model, rows, watched)
    return Fitted(model, inputs=model_inputs_of(fn_args), classes=_classes(model, task))


def _parameters(
    kind: Any, options: Mapping[str, Any], seed: int, threads: int, categorical: Sequence[Column]
) -> dict[str, Any]:
    takes = inspect.signature(kind.__init__).parameters
    chosen: dict[str, Any] = {"random_state": seed, "n_jobs": threads}
    for beginning, defaults in _DEFAULTS.items():
        if kind.__name__.startswith(beginning):
            chosen |= defaults
    if kind.__name__.startswith("HistGradientBoosting"):
        chosen["categorical_features"] = [c.index for c in categorical] or None
    kept = {name: value for name, value in chosen.items() if name in takes}
    if kind.__name__ == "LogisticRegression":
        kept.pop("n_jobs", None)
    return kept | dict(options)


def _prepared(estimator: Any, columns: Sequence[Column]) -> Any:
    """The estimator behind scaling, filling and one-hot columns."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    hot = {c.index for c in columns if _ONE_HOT[0] <= c.size <= _ONE_HOT[1]}
    gaps = [c.index for c in columns if c.optional and c.index not in hot]
    whole = [c.index for c in columns if not c.optional and c.index not in hot]
    parts: list[tuple[str, Any, list[int]]] = []
    if whole:
        parts.append(("numbers", StandardScaler(), whole))
    if gaps:
        parts.append(("gaps", make_pipeline(SimpleImputer(), StandardScaler()), gaps))
    if hot:
        ids = [list(map(float, range(c.least, c.least + c.size))) for c in columns if c.index in hot]
        parts.append(("categories", OneHotEncoder(categories=ids, handle_unknown="ignore"), sorted(hot)))
    return make_pipeline(ColumnTransformer(parts), estimator)


def _fit(model: Any, rows: Rows, watched: Rows | None, threads: int) -> None:
    """Fits with weights and the watched rows where the estimator takes them, on `threads` threads of OpenMP."""
    threadpool_limits = importlib.import_module("threadpoolctl").threadpool_limits  # scikit-learn brings it
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if steps else model
    takes = inspect.signature(last.fit).parameters
    more: dict[str, Any] = {}
    if rows.w is not None:
        if "sample_weight" not in takes:
            raise ConfigError(f"{type(last).__name__} takes no weights", hint="choose another estimator.")
        more["sample_weight"] = rows.w
    if watched is not None and "X_val" in takes and getattr(last, "early_stopping", False) is True:
        more |= {"X_val": watched.x, "y_val": watched.y}
        if rows.w is not None:
            more["sample_weight_val"] = watched.w
    prefix = f"{steps[-1][0]}__" if steps else ""
    from sklearn.exceptions import ConvergenceWarning

    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is a budget; the scores are in the log
        model.fit(rows.x, rows.y, **{prefix + name: value for name, value in more.items()})


def _log(fn_args: FnArgs, task: ReadyTask, model: Any, rows: Rows, watched: Rows | None) -> None:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    for split, values in (("train", "train_score_"), ("eval", "validation_score_")):
        for step, value in enumerate(_history(last, values)):
            fn_args.log(f"{split}_score", float(value), step)
    for split, data in (("train", rows), ("eval", watched)):
        if data is not None:
            for name, value in scores(task, data.y, _output(model, task, data), data.w).items():
                fn_args.log(f"{split}_{name}", value)


def _history(model: Any, name: str) -> Sequence[float]:
    if not type(model).__name__.startswith("HistGradientBoosting"):
        return ()
    return list(getattr(model, name, ()))


def _output(model: Any, task: ReadyTask, rows: Rows) -> npt.NDArray[np.float64]:
    import numpy as np

    found = model.predict_proba(rows.x) if task.is_classifier else model.predict(rows.x)
    return np.asarray(found, np.float64)


def _classes(model: Any, task: ReadyTask) -> list[Any] | None:
    """The label's values of the class numbers that the estimator saw."""
    return [task.classes[int(number)] for number in model.classes_] if task.is_classifier else None
