"""A metric of model_analysis on the eval split, by the framework's own predictions: nothing is exported for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.model_analysis.plan import EvalPlan
    from trueline.models import Fitted
    from trueline.models.contract import Head
    from trueline.training import FnArgs

__all__ = ["measured_value"]


def measured_value(fitted: Fitted, fn_args: FnArgs, metric: Mapping[str, Any]) -> float:
    """The metric of a model on ``fn_args.eval``, block by block; rows without a label are left out.

    Args:
        fitted: what `run_fn` returned.
        fn_args: what it was given.
        metric: ``{"class_name", "spec"}``: a `MetricsSpec` of one metric as JSON values.

    Raises:
        ConfigError: a metric that the model's task does not have.
        ModelError: there is no eval split, no label, or the metric is not defined on it.
    """
    from trueline.model_analysis import MetricAccumulator
    from trueline.models.exporters.registry import exporter_of
    from trueline.models.inputs import input_arrays, model_inputs

    if fn_args.eval is None or fn_args.label is None:
        raise ModelError("there is no eval split, or no label, to measure the model on")
    label = next(f for f in fn_args.transform.outputs if f.name == fn_args.label)
    exporter = exporter_of(fitted)
    inputs = exporter.inputs(model_inputs(fn_args.eval.features, fitted.inputs))
    head = exporter.head(label)
    plan = _plan(metric, head, fn_args.eval.dataset.columns, fn_args.weight is not None)
    core = MetricAccumulator(plan)
    for batch in fn_args.eval.dataset.batches():
        if batch.num_rows:
            scores = _scores(np.asarray(exporter.predict(input_arrays(batch, inputs))), head)
            labels, present = _labels(batch, fn_args.label, head)
            core.update_arrays(labels, {plan.models[0]: scores}, _weights(batch, fn_args.weight), batch, present)
    return _value(core.finish(), str(metric["class_name"]))


def _plan(metric: Mapping[str, Any], head: Head, columns: Sequence[str], weighted: bool) -> EvalPlan:
    from trueline.model_analysis import EvalConfig, EvalOptions, MetricsSpec
    from trueline.model_analysis.check import config_problems
    from trueline.model_analysis.config_json import decode
    from trueline.model_analysis.plan import make_plan

    # Rows are shuffled by splits: those of a query need not follow each other.
    config = EvalConfig((decode(MetricsSpec, metric["spec"]),), options=EvalOptions(hold_queries=True))
    classes = len(head.classes) if head.task == "multiclass" else 0
    problems = config_problems(config, head.task, columns, classes=classes, has_weight=weighted)
    if problems:
        raise ConfigError("the metric cannot be measured", problems=problems)
    return make_plan(config, head.task, classes, False)


def _scores(predicted: npt.NDArray[Any], head: Head) -> npt.NDArray[np.float64]:
    scores = predicted.astype(np.float64)
    return scores[:, 1] if head.task == "binary" else scores


def _labels(batch: pa.RecordBatch, name: str, head: Head) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Labels as numbers (of classes their places), and which of them are there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(name)
    present: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    if head.is_classifier:
        places = _places(head.classes)
        return np.array([places.get(v, -1.0) for v in column.to_pylist()], np.float64), present
    return pc.cast(column, pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False), present


def _places(classes: Sequence[Any]) -> dict[Any, float]:
    return {value: float(place) for place, value in enumerate(classes)}


def _weights(batch: pa.RecordBatch, name: str | None) -> npt.NDArray[np.float64] | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name is None:
        return None
    return np.asarray(pc.cast(batch.column(name), pa.float64()).fill_null(1.0).to_numpy(zero_copy_only=False))


def _value(measured: Any, name: str) -> float:
    """The one metric of the one slice."""
    whole = next((s for s in measured.slices if not s.key), None)
    found = whole.metrics if whole is not None else {}
    if len(found) > 1:
        raise ModelError(f"{name} has several values: {', '.join(found)}", hint="ask for one of them.")
    estimate = next(iter(found.values()), None)
    if estimate is None or estimate.value is None:
        why = getattr(estimate, "undefined", None)
        if estimate is not None and not why:
            raise ModelError(f"{name} is no number that could be made best")
        raise ModelError(f"{name} is not defined on the eval split{f': {why}' if why else ''}")
    return float(estimate.value)
