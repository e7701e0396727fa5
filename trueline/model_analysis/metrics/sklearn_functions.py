"""Any function of ``sklearn.metrics`` that compares labels with predictions, by its name.

What the function is given is what its parameters ask for: predicted classes (``y_pred``), scores (``y_score``,
``pred_decision``) or probabilities (``y_proba``). It holds the rows of a slice, see `held.py`. Where the function warns
that its value is ill-defined the value is undefined, whatever number it falls back to.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.extras import missing_extra_hint
from trueline.model_analysis.metrics.held import DEFAULT, MAX_ROWS, HeldRows, given
from trueline.model_analysis.metrics.ranges import ANY, RANGES
from trueline.model_analysis.metrics.record import HIGHER, LOWER, Metric, Options
from trueline.model_analysis.rows import Floats

__all__ = ["sklearn_metric"]

_RESPONSES: Mapping[tuple[str, ...], str] = {
    ("y_true", "y_pred"): "predict",
    ("labels_true", "labels_pred"): "predict",
    ("y1", "y2"): "predict",
    ("y_true", "y_score"): "score",
    ("y_true", "y_proba"): "score",
    ("y_true", "y_prob"): "score",
    ("y_true", "pred_decision"): "score",
}
"""The first two parameters of a function -> what it is given; other functions compare no labels with predictions."""
_OLD_PROBABILITIES = {"log_loss", "d2_log_loss_score"}
"""They take probabilities, but scikit-learn before 1.8 called them ``y_pred``."""
_TASKS = ("binary", "regression", "multiclass", "multilabel")
_LOWER = ("_loss", "_error", "_deviance")


def sklearn_metric(name: str, task: str | None = None) -> Metric:
    """The metric of a function.

    Options are the function's keywords, and ours: ``threshold`` (binary: a score above it is class 1, default 0.5) and
    ``max_rows``.

    Raises:
        ConfigError: scikit-learn is missing, or has no such function of labels and predictions.
    """
    function = _function(name)
    parameters = inspect.signature(function).parameters
    response = "score" if name in _OLD_PROBABILITIES else _RESPONSES[_first_two(function)]
    weighted = "sample_weight" in parameters
    known: Mapping[str, Any] = {n: DEFAULT for n in list(parameters)[2:] if n not in ("sample_weight", "y_pred")}

    def value(label: Floats, prediction: Floats, weight: Floats, options: Options) -> Any:
        if not weighted and (weight != weight[0]).any():
            raise ValueError("the function takes no weights: ask for unweighted values in the metrics spec")
        said = {"sample_weight": weight} if weighted else {}
        score = response == "score" or task in ("regression", None)
        shown = prediction if score else _classes(prediction, label, float(options["threshold"]))
        return function(_whole(label), shown, **said, **given(options, known))

    better = LOWER if name.endswith(_LOWER) else HIGHER if name.endswith(("_score", "_corrcoef")) else None
    return Metric(
        name, name, _TASKS, f"{name} has no value here", better=better,
        options={**known, "threshold": 0.5, "max_rows": MAX_ROWS},
        own=lambda o: HeldRows(name, value, o, task == "multilabel"), holds_slice=True,
        range=RANGES.get(name, ANY),
    )  # fmt: skip


def _function(name: str) -> Callable[..., Any]:
    where = f"metric {name!r} of module 'sklearn.metrics'"
    try:
        module = importlib.import_module("sklearn.metrics")
    except ImportError as error:
        raise ConfigError(f"{where}: scikit-learn is not installed", hint=missing_extra_hint(error) or "") from error
    functions = {n: f for n in module.__all__ if inspect.isfunction(f := getattr(module, n))}
    usable = sorted(n for n, f in functions.items() if _first_two(f) in _RESPONSES)
    if name not in usable:
        what = "compares no labels with predictions" if name in functions else "does not exist"
        raise ConfigError(f"{where}: the function {what}. {did_you_mean(name, usable, limit=60)}")
    return functions[name]


def _first_two(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(list(inspect.signature(function).parameters)[:2])


def _classes(prediction: Floats, label: Floats, threshold: float) -> Any:
    """Predicted classes: the greatest probability's, or whether each score is above the threshold."""
    if prediction.ndim == 2 and label.ndim == 1:
        return prediction.argmax(axis=1)
    return (prediction > threshold).astype(np.int64)


def _whole(label: Floats) -> Any:
    """Class numbers as integers; other labels as they are."""
    return label.astype(np.int64) if (label == np.floor(label)).all() else label
