"""TFMA's own configuration files -> `EvalConfig`.

What is read keeps TFMA's meaning: a change threshold compares the bare values (``test="value"``), a single model has no
name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis import config as c
from trueline.model_analysis.config_fields import Tree
from trueline.model_analysis.config_proto_json import read_proto_json
from trueline.model_analysis.config_text import read_text

__all__ = ["config_from_proto_json", "config_from_text", "with_tfma_defaults"]

_OWN_MODULES = ("tensorflow_model_analysis", "tfma", "tf_keras", "keras", "tensorflow")
_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "dtype": (None, "float32"),
    "reduction": (None, "auto", "sum_over_batch_size"),
    "multi_label": (False, None),
    "num_labels": (None,),
    "label_weights": (None,),
    "from_logits": (False,),
}


def config_from_text(text: str) -> c.EvalConfig:
    """The configuration of a text proto, not yet validated.

    Raises:
        ConfigError: with all problems, each with line and column.
    """
    return _made(read_text(text, "EvalConfig"), [])


def config_from_proto_json(data: Any) -> c.EvalConfig:
    """The configuration of a parsed JSON value, either of an ``EvalConfig`` or of TFMA's file ``eval_config.json``.

    Raises:
        ConfigError: with all problems, each with its path.
    """
    problems: list[str] = []
    run = isinstance(data, Mapping) and any(name in data for name in ("evalConfig", "eval_config"))
    tree = read_proto_json(data, "EvalRun" if run else "EvalConfig", "", problems)
    return _made(tree.get("eval_config", {}) if run else tree, problems)


def with_tfma_defaults(config: c.EvalConfig) -> c.EvalConfig:
    """TFMA's defaults for model specs: the name of a single model is erased, wherever it stands."""
    if len(config.model_specs) != 1 or not config.model_specs[0].name:
        return config
    only = dataclasses.replace(config.model_specs[0], name="")
    specs = tuple(
        dataclasses.replace(s, model_names=()) if s.model_names == (config.model_specs[0].name,) else s
        for s in config.metrics_specs
    )
    return dataclasses.replace(config, model_specs=(only,), metrics_specs=specs)


def _made(tree: Tree, problems: list[str]) -> c.EvalConfig:
    metrics = [m for spec in tree.get("metrics_specs", ()) for m in spec.get("metrics", ())]
    for metric in metrics:
        if isinstance(metric.get("config", ""), str):
            metric["config"] = _options(metric, problems)
    if problems:
        raise ConfigError("this is no EvalConfig of TFMA", problems=problems)
    return with_tfma_defaults(_eval_config(tree))


def _options(metric: Tree, problems: list[str]) -> dict[str, Any]:
    """The options of a metric out of their JSON text, whose outer braces may be missing."""
    text = metric.get("config", "").strip()
    where = f"config of metric {metric.get('class_name', '')!r}"
    try:
        options = json.loads(text if text.startswith("{") else f"{{{text}}}")
    except (ValueError, RecursionError) as error:
        problems.append(f"{where} is no JSON: {error}")
        return {}
    return {name: value for name, value in options.items() if value not in _HARMLESS.get(name, ())}


def _eval_config(t: Tree) -> c.EvalConfig:
    return c.EvalConfig(
        metrics_specs=tuple(map(_metrics_spec, t.get("metrics_specs", ()))),
        slicing_specs=tuple(map(_slicing, t.get("slicing_specs", ()))),
        options=_eval_options(t.get("options", {})),
        model_specs=tuple(map(_model_spec, t.get("model_specs", ()))),
        cross_slicing_specs=tuple(map(_cross_slicing, t.get("cross_slicing_specs", ()))),
    )


def _model_spec(t: Tree) -> c.ModelSpec:
    absent = {
        n: t.get(n) or None for n in ("label_key", "prediction_key", "example_weight_key", "inference_batch_size")
    }
    return c.ModelSpec(**{**t, **absent})


def _slicing(t: Tree) -> c.SlicingSpec:
    return c.SlicingSpec(**t)


def _cross_slicing(t: Tree) -> c.CrossSlicingSpec:
    return c.CrossSlicingSpec(_slicing(t.get("baseline_spec", {})), tuple(map(_slicing, t.get("slicing_specs", ()))))


def _metrics_spec(t: Tree) -> c.MetricsSpec:
    made: dict[str, Callable[[Any], Any]] = {
        "metrics": lambda v: tuple(map(_metric, v)),
        "binarize": lambda v: c.BinarizationOptions(**{n: tuple(x.get("values", ())) for n, x in v.items()}),
        "aggregate": _aggregate,
        "example_weights": lambda v: c.ExampleWeightOptions(**v),
        "thresholds": lambda v: {k: _threshold(x) for k, x in v.items()},
        "per_slice_thresholds": lambda v: {k: _per_slice(x.get("thresholds", ())) for k, x in v.items()},
        "cross_slice_thresholds": lambda v: {k: _per_cross_slice(x.get("thresholds", ())) for k, x in v.items()},
    }
    return c.MetricsSpec(**{name: made[name](value) if name in made else value for name, value in t.items()})


def _aggregate(t: Tree) -> c.AggregationOptions:
    return c.AggregationOptions(**{**t, "top_k_list": tuple(t.get("top_k_list", {}).get("values", ()))})


def _metric(t: Tree) -> c.MetricConfig:
    module = t.get("module", "")
    return c.MetricConfig(
        class_name=t.get("class_name", ""),
        config=t.get("config", {}),
        threshold=_threshold(t["threshold"]) if "threshold" in t else None,
        per_slice_thresholds=_per_slice(t.get("per_slice_thresholds", ())),
        cross_slice_thresholds=_per_cross_slice(t.get("cross_slice_thresholds", ())),
        module="" if module.split(".")[0] in _OWN_MODULES else module,
    )


def _per_slice(items: Any) -> tuple[c.PerSliceMetricThreshold, ...]:
    return tuple(
        c.PerSliceMetricThreshold(tuple(map(_slicing, t.get("slicing_specs", ()))), _threshold(t.get("threshold", {})))
        for t in items
    )


def _per_cross_slice(items: Any) -> tuple[c.CrossSliceMetricThreshold, ...]:
    return tuple(
        c.CrossSliceMetricThreshold(
            tuple(map(_cross_slicing, t.get("cross_slicing_specs", ()))), _threshold(t.get("threshold", {}))
        )
        for t in items
    )


def _threshold(t: Tree) -> c.MetricThreshold:
    value, change = t.get("value_threshold"), t.get("change_threshold")
    if change is not None:
        direction = change.get("direction")
        change = {**change, "direction": None if direction == "UNKNOWN" else direction}
    return c.MetricThreshold(
        None if value is None else c.GenericValueThreshold(**value),
        None if change is None else c.GenericChangeThreshold(**change, test="value"),
    )


def _eval_options(t: Tree) -> c.EvalOptions:
    given: dict[str, Any] = {**t}
    given["disabled_outputs"] = tuple(given.get("disabled_outputs", {}).get("values", ()))
    method = given.pop("confidence_intervals", {}).get("method")
    if method in ("JACKKNIFE", "POISSON_BOOTSTRAP"):
        given["confidence_intervals"] = c.ConfidenceIntervalOptions(method=method)
    return c.EvalOptions(**given)
