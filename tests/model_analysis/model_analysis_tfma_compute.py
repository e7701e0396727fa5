"""Golden cases of single metrics: examples become a table, the metric's arguments a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from model_analysis_tfma_cases import Reason, compare

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    AggregationOptions,
    BinarizationOptions,
    EvalConfig,
    MetricConfig,
    MetricsSpec,
    analyze_raw_data,
)
from trueline.model_analysis.metrics import find_metric, metric_names

__all__ = ["run_compute", "run_examples"]

_TEXTS = ("str", "bytes")
_WIDE = ("ModelCosineSimilarity",)
"""Metrics of whole vectors of predictions."""


def run_compute(case: dict[str, Any]) -> Reason:
    metrics = case.get("metrics") or [case["metric"]]
    unknown = [m["class"] for m in metrics if m["class"] not in metric_names()]
    if unknown:
        return f"metric {unknown[0]} is not implemented"
    if any(e is None for e in case["examples"]):
        return "the case's examples were not recorded"
    entries = [MetricConfig(m["class"], m["config"]) for m in metrics]
    return run_examples(case, entries)


def run_examples(case: dict[str, Any], entries: list[MetricConfig]) -> Reason:
    """Why the metrics of a case's examples differ, or None."""
    options, examples = case.get("eval_options", {}), case["examples"]
    if any(_values(e.get("labels")) is None and not isinstance(e.get("labels"), dict) for e in examples):
        return "rows without a label are left out here and counted as such; TFMA counts them as examples"
    task = task_of(examples, entries, options)
    columns = columns_of(examples, task)
    weight = "w" if options.get("example_weighted") else None
    try:
        result = analyze_raw_data(
            pa.table(columns),
            EvalConfig([spec_of(entries, options)]),
            baseline_prediction_key="baseline" if "baseline" in columns else None,
            example_weight_key=weight,
            task=task,
        )
    except ConfigError as error:
        return f"refused: {error.problems[0] if error.problems else error}"
    got = result.measured.slices[0].metrics
    for entry in case["expected"][0]["metrics"]:
        reason = compare(entry["key"], entry["value"], got, case["tolerance"]["absolute"])
        if reason:
            return reason
    return None


def spec_of(entries: list[MetricConfig], options: Mapping[str, Any]) -> MetricsSpec:
    """The arguments of a metric's computation as the fields of a metrics spec."""
    listed: dict[str, list[int]] = {"class_ids": [], "k_list": [], "top_k_list": []}
    extra: dict[str, Any] = {}
    for sub in options.get("sub_keys") or []:
        if options.get("query_key") or not sub:
            continue
        if "class_id" in sub and "top_k" in sub:
            extra["top_k"] = sub["top_k"]
        for name, field in (("class_id", "class_ids"), ("k", "k_list"), ("top_k", "top_k_list")):
            if name in sub and not (name == "top_k" and "class_id" in sub):
                listed[field].append(sub[name])
    if extra:
        entries = [MetricConfig(e.class_name, {**e.config, **extra}) for e in entries]
    weights = {int(c): w for c, w in options.get("class_weights") or []}
    aggregation = options.get("aggregation_type")
    return MetricsSpec(
        entries,
        binarize=BinarizationOptions(**listed) if any(listed.values()) else None,
        aggregate=AggregationOptions(**aggregation, class_weights=weights) if aggregation else None,
        query_key=options.get("query_key", ""),
    )


def task_of(examples: list[dict[str, Any]], entries: list[MetricConfig], options: Mapping[str, Any]) -> str:
    cls = entries[0].class_name
    kinds = {v.get("dtype") for e in examples if isinstance(v := e.get("labels"), dict)}
    if find_metric(cls, "objects") and find_metric(cls, "binary") is None:
        return "objects"
    if options.get("query_key"):
        return "ranking"
    wide = any(len(_values(scores_of(e)) or []) > 1 for e in examples)
    chosen = any(k in entries[0].config for k in ("class_id", "top_k")) or any(options.get("sub_keys") or [])
    if kinds & set(_TEXTS) or (wide and (chosen or cls in _WIDE or find_metric(cls, "binary") is None)):
        return "multiclass"
    labels = [v for e in examples for v in _values(e.get("labels")) or [] if v is not None]
    unit = all(isinstance(v, (int, float)) and 0 <= v <= 1 for v in labels)
    return "binary" if find_metric(cls, "binary") and (unit or not find_metric(cls, "regression")) else "regression"


def columns_of(examples: list[dict[str, Any]], task: str) -> dict[str, Any]:
    """Rows of a table; an example of several values is as many rows, unless these are classes."""
    made: dict[str, list[Any]] = {"label": [], "prediction": [], "w": []}
    for example in examples:
        names = example["predictions"].get("all_classes") if isinstance(example["predictions"], dict) else None
        labels, scores = _values(example.get("labels")), _values(scores_of(example))
        weights = _values(example.get("example_weights")) or [1.0]
        base = _values(example["predictions"].get("baseline")) if isinstance(example["predictions"], dict) else None
        if task in ("multiclass", "multilabel"):
            rows = [{"label": _class(labels, names, task), "prediction": scores, "w": weights[0]}]
        elif task == "objects":
            rows = [{"label": labels[0], "prediction": scores[0], "w": weights[0]}]
        else:
            count = len(scores or [])
            labels = labels if labels is not None else [0.0] * count
            labels = labels if len(labels) == count else labels * count
            weights = weights if len(weights) == count else weights * count
            rows = [{"label": y, "prediction": p, "w": w} for y, p, w in zip(labels, scores, weights, strict=True)]
        given = {**example.get("features", {}), **example.get("transformed_features", {})}
        for place, row in enumerate(rows):
            features = {k: found[min(place, len(found) - 1)] for k, v in given.items() if (found := _values(v))}
            own = {} if base is None else {"baseline": base[place] if task not in ("multiclass",) else base}
            for name, value in {**features, **row, **own}.items():
                made.setdefault(name, []).append(value)
    return {name: pa.array(values) for name, values in made.items()}


def _class(labels: Any, names: Any, task: str) -> Any:
    """A class number: as it is, of a name, or where the one stands."""
    if task == "multilabel":
        return labels
    if names is not None and isinstance(labels[0], str):
        return _values(names).index(labels[0])
    if labels is None:
        return 0
    return labels.index(max(labels)) if len(labels) > 1 else labels[0]


def scores_of(example: Mapping[str, Any]) -> Any:
    found = example.get("predictions")
    if isinstance(found, dict) and "values" not in found:
        return found.get("candidate", found.get("probabilities", found.get("scores")))
    return found


def _values(array: Any) -> Any:
    if isinstance(array, dict) and "values" in array:
        return array["values"]
    return array if isinstance(array, list) else None
