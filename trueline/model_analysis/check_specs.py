"""Problems of metrics specs apart from their metrics: classes, aggregates, outputs, models, weights, queries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trueline._core.errors import did_you_mean
from trueline.model_analysis.config import AggregationOptions, BinarizationOptions, EvalConfig, MetricsSpec

__all__ = ["Known", "spec_problems"]

CLASS_TASKS = ("multiclass", "multilabel")
_AGGREGATES = ("micro_average", "macro_average", "weighted_macro_average")


@dataclass(frozen=True)
class Known:
    """What is known of model and data; None is not known. See `config_problems`."""

    task: str | None = None
    columns: Sequence[str] | None = None
    classes: int | None = None
    has_baseline: bool | None = None
    has_weight: bool | None = None
    models: Sequence[str] | None = None
    outputs: Sequence[str] | None = None


def spec_problems(spec: MetricsSpec, config: EvalConfig, known: Known) -> list[str]:
    """The problems of one metrics spec."""
    problems = _class_problems(spec, known)
    if spec.aggregate is not None:
        problems += _aggregate_problems(spec.aggregate, known.classes)
    names = known.models if known.models is not None else _configured_models(config)
    problems += _unknown("model_names", spec.model_names, names, "model")
    problems += _unknown("output_names", spec.output_names, known.outputs, "output")
    problems += _output_weights(spec, known.outputs)
    problems += _weight_problems(spec, known.has_weight)
    if spec.query_key and known.columns is not None and spec.query_key not in known.columns:
        shown = [c for c in known.columns if not c.startswith("__")]
        problems.append(f"query_key: the data has no column {spec.query_key!r}. {did_you_mean(spec.query_key, shown)}")
    return problems


def _configured_models(config: EvalConfig) -> list[str] | None:
    """Names in the model specs, where there are several; the name of a single one means nothing."""
    names = [spec.name for spec in config.model_specs]
    return names if len(names) > 1 else None


def _unknown(field: str, given: Iterable[str], names: Sequence[str] | None, what: str) -> list[str]:
    if names is None:
        return []
    return [f"{field}: there is no {what} {name!r}. {did_you_mean(name, names)}" for name in given if name not in names]


def _class_problems(spec: MetricsSpec, known: Known) -> list[str]:
    """binarize and aggregate need classes; which of them exist is known with the model alone."""
    problems = [
        f"{field} makes binary problems out of classes, which a {known.task} model does not have"
        for field in ("binarize", "aggregate")
        if getattr(spec, field) is not None and known.task is not None and known.task not in CLASS_TASKS
    ]
    if spec.binarize is None:
        return problems
    lists = {name: getattr(spec.binarize, name) for name in ("class_ids", "k_list", "top_k_list")}
    if not any(lists.values()):
        problems.append("binarize gives none of class_ids, k_list, top_k_list, so its metrics would have no value")
    return problems + _range_problems("binarize", spec.binarize, known.classes)


def _range_problems(where: str, options: BinarizationOptions | AggregationOptions, classes: int | None) -> list[str]:
    problems = []
    for name, low in (("class_ids", 0), ("k_list", 1), ("top_k_list", 1)):
        values = getattr(options, name, ())
        high = math.inf if classes is None else classes - 1 + low
        beyond = [v for v in values if isinstance(v, bool) or not isinstance(v, int) or not low <= v <= high]
        if beyond:
            limit = (
                f"from {low} to {high}, since there are {classes} classes" if classes is not None else f"{low} or more"
            )
            problems.append(f"{where}.{name} has {', '.join(map(repr, beyond))}; whole numbers are expected, {limit}")
        if len(set(values)) < len(values):
            problems.append(f"{where}.{name} names one number twice")
    return problems


def _aggregate_problems(aggregate: AggregationOptions, classes: int | None) -> list[str]:
    chosen = [name for name in _AGGREGATES if getattr(aggregate, name)]
    problems = []
    if len(chosen) != 1:
        found = f"found {' and '.join(chosen)}" if chosen else "found none"
        problems.append(f"aggregate takes exactly one of {', '.join(_AGGREGATES)}, {found}")
    elif chosen[0] != "micro_average" and not aggregate.class_weights and not aggregate.top_k_list:
        problems.append(
            f"aggregate.{chosen[0]} needs class_weights, whose keys are the classes that are averaged, or top_k_list"
        )
    weights = aggregate.class_weights
    beyond = [c for c in weights if c < 0 or (classes is not None and c >= classes)]
    if beyond:
        limit = "class numbers start at 0" if classes is None else f"there are the classes 0 to {classes - 1}"
        problems.append(f"aggregate.class_weights has {', '.join(map(str, beyond))}; {limit}")
    problems += _number_problems("aggregate.class_weights", {str(c): w for c, w in weights.items()})
    return problems + _range_problems("aggregate", aggregate, classes)


def _number_problems(where: str, weights: dict[str, float]) -> list[str]:
    problems = [
        f"{where}[{name!r}] is {weight!r}, a finite number of at least 0 is expected"
        for name, weight in weights.items()
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf
    ]
    if weights and not problems and not any(weights.values()):
        problems.append(f"{where} are all 0, so that their mean has no value")
    return problems


def _output_weights(spec: MetricsSpec, outputs: Sequence[str] | None) -> list[str]:
    names = spec.output_names or outputs
    return [
        *_unknown("output_weights", spec.output_weights, names or None, "output"),
        *_number_problems("output_weights", dict(spec.output_weights)),
    ]


def _weight_problems(spec: MetricsSpec, has_weight: bool | None) -> list[str]:
    """Asking for weighted values where rows have no weight; counts are the same then, and may."""
    said = spec.example_weights
    counts = all(entry.class_name in ("ExampleCount", "WeightedExampleCount") for entry in spec.metrics)
    if said is None or not said.weighted or has_weight is not False or counts:
        return []
    return ["example_weights asks for weighted values, but rows have no weight: name its column, or leave this out"]
