"""Every problem of an evaluation configuration, found at once and before any data is read."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from trueline._core.errors import TruelineError
from trueline.model_analysis.check_metrics import metric_problems
from trueline.model_analysis.check_options import model_spec_problems, option_problems
from trueline.model_analysis.check_slices import cross_problems, slice_problems
from trueline.model_analysis.check_specs import Known, spec_problems
from trueline.model_analysis.check_thresholds import threshold_problems
from trueline.model_analysis.config import EvalConfig, MetricConfig, MetricsSpec
from trueline.model_analysis.config_json import encode
from trueline.model_analysis.gates_rules import gate_rules
from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.metrics import find_metric
from trueline.model_analysis.rules import metric_key, part_name

__all__ = ["config_problems"]


def config_problems(
    config: EvalConfig,
    task: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    classes: int | None = None,
    has_baseline: bool | None = None,
    has_weight: bool | None = None,
    models: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> list[str]:
    """All problems as sentences. What is None is not known, and nothing is held against it.

    Args:
        config: what to check.
        task: the model's task: a metric that is not defined for it is a problem.
        columns: the data's columns: a slice by another column is a problem.
        classes: number of classes: a sub key beyond them is a problem.
        has_baseline: whether there is one: without, metrics that compare two models are a problem.
        has_weight: whether rows have weights: without, a metrics spec that asks for weighted values is a problem.
        models: names of the models: others in `model_names` are a problem.
        outputs: names of the outputs: others in `output_names` are a problem.
    """
    known = Known(task, columns, classes, has_baseline, has_weight, models, outputs)
    entries = [entry for spec in config.metrics_specs for entry in spec.metrics]
    problems = [] if entries else ["metrics_specs name no metric, so nothing would be measured"]
    problems += model_spec_problems(config)
    for spec in config.metrics_specs:
        problems += [p for entry in spec.metrics for p in metric_problems(entry, spec, known)]
        problems += spec_problems(spec, config, known)
    problems += _same_keys(config)
    problems += _thresholds(config, entries)
    problems += slice_problems(config, columns)
    problems += cross_problems(config)
    return list(dict.fromkeys(problems + option_problems(config.options)))


def _thresholds(config: EvalConfig, entries: Sequence[MetricConfig]) -> list[str]:
    try:
        names, rules = _names(entries), gate_rules(config)
    except TruelineError:  # a module that cannot be read: said of its metric
        return []
    return [p for rule in rules for p in threshold_problems(rule, names, config)]


def _names(entries: Sequence[MetricConfig]) -> list[str]:
    """Names that thresholds may use."""
    names = []
    for entry in entries:
        record = find_metric(entry.class_name, module=entry.module)
        parts = record.parts if record is not None else ()
        names += [part_name(entry, record, part) for part in parts if record is not None] or [metric_key(entry)]
    return names


def _name(entry: MetricConfig) -> str:
    try:
        return metric_key(entry)
    except TruelineError:  # a module that cannot be read
        return entry.class_name


def _same_keys(config: EvalConfig) -> list[str]:
    """Metrics whose values would stand under one key, unless they are the same metric in two specs."""
    found: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for number, spec in enumerate(config.metrics_specs):
        for entry in spec.metrics:
            what = json.dumps([entry.class_name, entry.module, encode(entry.config)], sort_keys=True, default=str)
            for model in spec.model_names or ("",):
                for key in dict.fromkeys(_keys(spec, _name(entry))):
                    found[model, key.text].append((number, what))
    many: dict[str, int] = {}
    for (_, text), places in found.items():
        if len({what for _, what in places}) > 1 or max(Counter(n for n, _ in places).values()) > 1:
            many[text] = max(len(places), many.get(text, 0))
    return [
        f"{n} metrics have the key {text!r}: give them distinct names in config={{'name': ...}}"
        for text, n in many.items()
    ]


def _keys(spec: MetricsSpec, name: str) -> Iterator[MetricKey]:
    """The keys that a metrics spec makes of one metric, the parts that tell them apart."""
    binarize, aggregate = spec.binarize, spec.aggregate
    subs: list[tuple[SubKey, str]] = []
    if binarize is not None:
        subs += [(SubKey(class_id=c), "") for c in binarize.class_ids]
        subs += [(SubKey(k=k), "") for k in binarize.k_list]
        subs += [(SubKey(top_k=k), "") for k in binarize.top_k_list]
    if aggregate is not None:
        kinds = ("micro_average", "macro_average", "weighted_macro_average")
        kind = next((n for n in kinds if getattr(aggregate, n)), "")
        subs += [(SubKey(top_k=k), kind) for k in aggregate.top_k_list] or [(SubKey(), kind)]
    if binarize is None and aggregate is None:
        subs = [(SubKey(), "")]
    said = spec.example_weights
    marks = (False, True) if said is not None and said.weighted and said.unweighted else (False,)
    for output in spec.output_names or ("",):
        for sub, kind in subs:
            for mark in marks:
                yield MetricKey(name, output, sub, kind, mark)
