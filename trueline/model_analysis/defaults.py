"""TFMA's default metrics for a kind of problem, as metrics specs of metrics that exist here.

The lists are those of TFMA's ``default_regression_specs``, ``default_binary_classification_specs`` and
``default_multi_class_classification_specs``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.config import (
    AggregationOptions,
    BinarizationOptions,
    ExampleWeightOptions,
    MetricConfig,
    MetricsSpec,
)
from trueline.model_analysis.metrics import find_metric, metric_names

__all__ = [
    "default_binary_classification_specs",
    "default_multi_class_classification_specs",
    "default_regression_specs",
    "specs_from_metrics",
]

Metrics: TypeAlias = Sequence[MetricConfig | str]


def specs_from_metrics(
    metrics: Metrics | Mapping[str, Metrics] = (),
    *,
    unweighted_metrics: Metrics | Mapping[str, Metrics] = (),
    model_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    output_weights: Mapping[str, float] | None = None,
    binarize: BinarizationOptions | None = None,
    aggregate: AggregationOptions | None = None,
    query_key: str = "",
    include_example_count: bool = True,
    include_weighted_example_count: bool = True,
) -> tuple[MetricsSpec, ...]:
    """Metrics specs for metrics, with counts of rows before them.

    Args:
        metrics: metrics or their class names, weighted where rows have a weight; or output -> metrics.
        unweighted_metrics: the same without the weight.
        model_names: the models, all where none is given.
        output_names: the outputs; not with metrics by output.
        output_weights: output -> weight in the mean over outputs.
        binarize: binary problems out of classes.
        aggregate: one number out of all classes.
        query_key: the column of the query.
        include_example_count: adds the unweighted number of rows.
        include_weighted_example_count: adds the sum of weights, for each output.

    Raises:
        ConfigError: a class name that does not exist, or outputs given twice.
    """
    by_output = [m for m in (metrics, unweighted_metrics) if isinstance(m, Mapping)]
    if by_output and output_names:
        raise ConfigError("metrics by output and output_names exclude each other: the outputs are the metrics' keys")
    made: list[MetricsSpec] = []
    names: list[Sequence[str]] = [output_names]
    if by_output:
        names = [(name,) for name in sorted({name for m in by_output for name in m})]
    if include_example_count:
        count = MetricsSpec((_metric("ExampleCount"),), model_names=tuple(model_names),
                            example_weights=ExampleWeightOptions(unweighted=True))  # fmt: skip
        made.append(count)
    for outputs in names:
        base = MetricsSpec(
            model_names=tuple(model_names),
            output_names=tuple(outputs),
            output_weights={} if by_output else dict(output_weights or {}),
        )
        if include_weighted_example_count:
            weighted = ExampleWeightOptions(weighted=True)
            made.append(replace(base, metrics=(_metric("WeightedExampleCount"),), example_weights=weighted))
        base = replace(base, binarize=binarize, aggregate=aggregate, query_key=query_key)
        for given, weights in ((metrics, None), (unweighted_metrics, ExampleWeightOptions(unweighted=True))):
            own = given.get(outputs[0], ()) if isinstance(given, Mapping) else given
            if own:
                made.append(replace(base, metrics=tuple(map(_metric, own)), example_weights=weights))
    return tuple(made)


def default_regression_specs(
    model_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    output_weights: Mapping[str, float] | None = None,
    loss_functions: Metrics = (),
    min_value: float | None = None,
    max_value: float | None = None,
) -> tuple[MetricsSpec, ...]:
    """TFMA's metrics for regression: mean label and prediction, calibration and the loss.

    TFMA's list starts with the share of predictions that equal the label exactly, which says nothing about numbers and
    is left out.

    Args:
        model_names: the models, all where none is given.
        output_names: the outputs.
        output_weights: output -> weight in the mean over outputs.
        loss_functions: metrics or class names; mean squared error where none is given.
        min_value: left end of a calibration plot; only with `max_value`.
        max_value: right end of it.

    Raises:
        ConfigError: a class name that does not exist.
    """
    metrics: list[MetricConfig | str] = ["MeanLabel", "MeanPrediction", "Calibration"]
    metrics += loss_functions or [MetricConfig("MeanSquaredError", {"name": "mse"})]
    if min_value is not None and max_value is not None:
        metrics.append(MetricConfig("CalibrationPlot", {"left": min_value, "right": max_value}))
    return specs_from_metrics(
        metrics, model_names=model_names, output_names=output_names, output_weights=output_weights
    )


def default_binary_classification_specs(
    model_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    output_weights: Mapping[str, float] | None = None,
    binarize: BinarizationOptions | None = None,
    aggregate: AggregationOptions | None = None,
    include_loss: bool = True,
) -> tuple[MetricsSpec, ...]:
    """TFMA's metrics for binary classification: accuracy, areas, precision, recall, calibration, plots and the loss.

    The area under the precision-recall curve is named ``auc_precision_recall``.

    Args:
        model_names: the models, all where none is given.
        output_names: the outputs.
        output_weights: output -> weight in the mean over outputs.
        binarize: binary problems out of classes.
        aggregate: one number out of all classes.
        include_loss: adds binary cross-entropy as ``loss``.
    """
    metrics: list[MetricConfig | str] = [
        "BinaryAccuracy",
        "AUC",
        MetricConfig("AUC", {"name": "auc_precision_recall", "curve": "PR"}),
        "Precision",
        "Recall",
        "MeanLabel",
        "MeanPrediction",
        "Calibration",
        "ConfusionMatrixPlot",
        "CalibrationPlot",
    ]
    if include_loss:
        metrics.append(MetricConfig("BinaryCrossEntropy", {"name": "loss"}))
    return specs_from_metrics(
        metrics,
        model_names=model_names,
        output_names=output_names,
        output_weights=output_weights,
        binarize=binarize,
        aggregate=aggregate,
    )


def default_multi_class_classification_specs(
    model_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    output_weights: Mapping[str, float] | None = None,
    binarize: BinarizationOptions | None = None,
    aggregate: AggregationOptions | None = None,
    sparse: bool = True,
) -> tuple[MetricsSpec, ...]:
    """TFMA's metrics for several classes: loss, accuracy, the confusion matrix, and the binary ones over classes.

    Args:
        model_names: the models, all where none is given.
        output_names: the outputs.
        output_weights: output -> weight in the mean over outputs.
        binarize: binary problems out of classes; precision and recall alone are taken of its `top_k_list`.
        aggregate: how the binary metrics are made one; micro average where it is not given.
        sparse: labels are class numbers, which the metrics' names say; the values are the same.
    """
    prefix = "Sparse" if sparse else ""
    common: dict[str, Any] = {
        "model_names": model_names, "output_names": output_names, "output_weights": output_weights
    }  # fmt: skip
    metrics: list[MetricConfig | str] = [
        MetricConfig(f"{prefix}CategoricalCrossentropy", {"name": "loss"}),
        MetricConfig(f"{prefix}CategoricalAccuracy", {"name": "accuracy"}),
        "MultiClassConfusionMatrixPlot",
    ]
    made = list(specs_from_metrics(metrics, **common))
    common["include_example_count"] = common["include_weighted_example_count"] = False
    if binarize is not None and binarize.top_k_list:
        top = BinarizationOptions(top_k_list=binarize.top_k_list)
        made += specs_from_metrics(["Precision", "Recall"], **common, binarize=top)
        binarize = replace(binarize, top_k_list=())
    if binarize == BinarizationOptions():
        binarize = None
    aggregate = aggregate or AggregationOptions(micro_average=True)
    binary = default_binary_classification_specs(model_names, output_names, output_weights, binarize, aggregate)
    made += [spec for spec in binary if spec.aggregate is not None]  # the counts are there already
    return tuple(_renamed(spec) for spec in made)


def _renamed(spec: MetricsSpec) -> MetricsSpec:
    """The loss over binary problems beside the loss over classes has a name of its own."""
    if spec.binarize is None and spec.aggregate is None:
        return spec
    metrics = tuple(
        replace(m, config={**m.config, "name": "binary_loss"}) if m.config.get("name") == "loss" else m
        for m in spec.metrics
    )
    return replace(spec, metrics=metrics)


def _metric(metric: MetricConfig | str) -> MetricConfig:
    made = MetricConfig(metric) if isinstance(metric, str) else metric
    if not made.module and find_metric(made.class_name) is None:
        raise ConfigError(
            f"there is no metric {made.class_name!r}", hint=did_you_mean(made.class_name, metric_names(), limit=60)
        )
    return made
