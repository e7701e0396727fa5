"""Metrics of one's own: a function, a class or a record in an importable module, named by `MetricConfig.module`.

Three forms, the later the better (and a class of ``keras.metrics``, which holds a slice's rows like a function):

* a function ``(y_true, y_pred, sample_weight, **options) -> float``: it is called once for every slice, with all rows
  of the slice held in memory;
* a class with ``update(rows)``, ``merge``, ``state``, ``restore`` and ``finish`` (see `record.OwnState`), made with the
  options as keywords: its memory is its own affair;
* a `Metric` record of moments, with its own moment functions in `Metric.functions`: it has intervals, changes and
  differences between slices like every metric here.

Workers import the module by its name. Its code runs with the rights of the evaluation: name only modules you trust.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.metrics.held import DEFAULT, MAX_ROWS, HeldRows, given
from trueline.model_analysis.metrics.record import TASKS, Metric, Options, Sums
from trueline.model_analysis.rows import Floats

if TYPE_CHECKING:
    from trueline.model_analysis.moments import Moment

__all__ = ["find_own_metric", "find_own_moment", "own_metric_problem"]

_STATE = ("update", "merge", "state", "restore", "finish")
_KERAS = ("update_state", "result")
_NO_VALUE = "the metric gives no number"


def find_own_metric(class_name: str, module: str, task: str | None = None) -> Metric | None:
    """The metric that a module's function, class or record stands for; None where it is not defined for the task.

    Raises:
        ConfigError: the module cannot be imported, or has no such function, class or record.
    """
    if module == "sklearn.metrics":
        from trueline.model_analysis.metrics.sklearn_functions import sklearn_metric

        metric = sklearn_metric(class_name, task)
    else:
        metric = _metric(_load(class_name, module), class_name, module, task)
    return metric if task is None or task in metric.tasks else None


def own_metric_problem(class_name: str, module: str) -> str | None:
    """Why a module has no such metric, or None where it has."""
    try:
        find_own_metric(class_name, module)
    except ConfigError as error:
        return error.message
    return None


def find_own_moment(name: str) -> Moment:
    """The moment of a record's own, by ``module:class:moment``.

    Raises:
        KeyError: there is no such moment.
    """
    module, _, rest = name.partition(":")
    class_name, _, moment = rest.partition(":")
    record = _load(class_name, module) if moment else None
    if not isinstance(record, Metric) or moment not in record.functions:
        raise KeyError(name)
    return record.functions[moment]


def _load(class_name: str, module: str) -> Any:
    where = f"metric {class_name!r} of module {module!r}"
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{where}: the module cannot be imported: {error}",
            hint="workers import it by this name; it must be installed or lie on PYTHONPATH.",
        ) from error
    if not hasattr(found, class_name):
        public = [n for n in vars(found) if not n.startswith("_")]
        raise ConfigError(f"{where}: the module has no such name. {did_you_mean(class_name, public)}")
    return getattr(found, class_name)


def _metric(found: Any, class_name: str, module: str, task: str | None) -> Metric:
    if isinstance(found, Metric):
        return _of_record(found, class_name, module)
    if inspect.isclass(found) and all(callable(getattr(found, name, None)) for name in _STATE):
        return _of_class(found, class_name)
    if inspect.isclass(found) and all(callable(getattr(found, name, None)) for name in _KERAS):
        return _of_keras(found, class_name, task)
    if callable(found) and not inspect.isclass(found):
        return _of_function(found, class_name, task)
    raise ConfigError(
        f"metric {class_name!r} of module {module!r} is a {type(found).__name__}",
        hint=f"give a function (y_true, y_pred, sample_weight), a class with {', '.join(_STATE)}, or a Metric record.",
    )


def _of_record(record: Metric, class_name: str, module: str) -> Metric:
    """The record with its own moments under names that workers find them by."""
    if not record.functions:
        return replace(record, class_name=class_name)
    own, finish, data = f"{module}:{class_name}:", record.finish, record.data

    def placed(name: str) -> str:
        return own + name if name.partition("@")[0] in record.functions else name

    def with_own(function: Callable[[Sums, Options], Any]) -> Callable[[Sums, Options], Any]:
        return lambda sums, options: function(lambda name: sums(placed(name)), options)

    return replace(
        record,
        class_name=class_name,
        moments=tuple(placed(name) for name in record.moments),
        finish=with_own(finish) if finish else None,
        data=with_own(data) if data else None,
    )


def _of_class(found: Any, class_name: str) -> Metric:
    """Class attributes `name`, `tasks`, `better`, `reads`, `undefined` and `needs_baseline` are taken where given."""
    options = _keywords(found, ())

    def make(given_options: Options) -> Any:
        return found(**given(given_options, options))

    return Metric(
        class_name,
        str(getattr(found, "name", None) or snake_case(class_name)),
        tuple(getattr(found, "tasks", TASKS)),
        str(getattr(found, "undefined", _NO_VALUE)),
        better=getattr(found, "better", None),
        reads=frozenset(getattr(found, "reads", ("label", "prediction"))),
        options=options,
        own=make,
        needs_baseline=bool(getattr(found, "needs_baseline", False)),
    )


def _of_keras(found: Any, class_name: str, task: str | None) -> Metric:
    """A metric of Keras, fed with all rows of a slice at once; labels are one-hot unless its name says ``Sparse``."""
    options = {n: d for n, d in _keywords(found, ()).items() if n not in ("self", "name", "dtype")}

    def value(label: Floats, prediction: Floats, weight: Floats, given_options: Options) -> Any:
        metric = found(**given(given_options, options))
        shown = prediction if prediction.ndim == 2 else prediction[:, None]
        wanted = label if label.ndim == 2 else label[:, None]
        if prediction.ndim == 2 and label.ndim == 1 and not class_name.startswith("Sparse"):
            wanted = (label[:, None] == np.arange(prediction.shape[1])).astype(np.float64)
        metric.update_state(wanted, shown, sample_weight=weight)
        return as_plain(metric.result())

    tasks = ("binary", "regression", "multiclass", "multilabel")
    return Metric(
        class_name,
        snake_case(class_name),
        tasks,
        _NO_VALUE,
        options={**options, "max_rows": MAX_ROWS},
        own=lambda o: HeldRows(class_name, value, o, task == "multilabel"),
        holds_slice=True,
    )


def as_plain(tensor: Any) -> Any:
    """A tensor of any back end of Keras as a number or lists."""
    if isinstance(tensor, Mapping):
        return {name: as_plain(value) for name, value in tensor.items()}
    return tensor.tolist() if hasattr(tensor, "tolist") else np.asarray(tensor).tolist()


def _of_function(found: Callable[..., Any], class_name: str, task: str | None) -> Metric:
    options = _keywords(found, ("y_true", "y_pred", "sample_weight"))

    def value(label: Floats, prediction: Floats, weight: Floats, given_options: Options) -> Any:
        return found(label, prediction, weight, **given(given_options, options))

    return Metric(
        class_name,
        snake_case(class_name),
        tuple(task for task in TASKS if task != "objects"),
        _NO_VALUE,
        better=getattr(found, "better", None),
        options={**options, "max_rows": MAX_ROWS},
        own=lambda o: HeldRows(class_name, value, o, task == "multilabel"),
        holds_slice=True,
    )


def _keywords(found: Callable[..., Any], taken: tuple[str, ...]) -> Mapping[str, Any]:
    """Parameters that are options, all with `DEFAULT`: those after the ones that the rows fill."""
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):  # a function of C without a signature
        return {}
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: DEFAULT for p in parameters[len(taken) :] if p.kind in plain and p.name not in taken}


def snake_case(name: str) -> str:
    """``MeanPinballLoss`` as ``mean_pinball_loss``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
