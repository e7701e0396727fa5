"""Problems of single metrics: their class, their options, and what they need from data and models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from trueline._core.errors import TruelineError, did_you_mean
from trueline.model_analysis.check_specs import CLASS_TASKS, Known
from trueline.model_analysis.config import MetricConfig, MetricsSpec
from trueline.model_analysis.curves import CURVE_AREAS
from trueline.model_analysis.metrics import TASKS, Metric, find_metric, metric_names
from trueline.model_analysis.metrics.bleu import SMOOTHING
from trueline.model_analysis.metrics.record import REQUIRED
from trueline.model_analysis.metrics.rouge import ROUGE_TYPES
from trueline.model_analysis.metrics.tokens import TOKENIZERS

__all__ = ["metric_problems"]

_CHOICES = {
    "curve": sorted({curve for curve, _ in CURVE_AREAS}),
    "summation_method": sorted({method for _, method in CURVE_AREAS}),
    "average": ["macro", "micro", "samples", "weighted"],
    "ties": ["average", "last"],
    "weighting": ["linear", "quadratic"],
    "tokenize": sorted(TOKENIZERS),
    "smooth_method": list(SMOOTHING),
    "rouge_type": list(ROUGE_TYPES),
    "convert_to": ["", "json"],
}
_NUMBERS = frozenset(
    {"threshold", "thresholds", "specificity", "sensitivity", "recall", "precision", "false_positive_rate", "left",
     "right", "label_smoothing", "quantile", "delta", "power", "iou_threshold", "class_id"}
)  # fmt: skip
_COUNTS = frozenset({"k", "top_k", "num_thresholds", "num_buckets", "num_bins", "size", "sample_size",
                     "max_num_detections", "num_recalls"})  # fmt: skip
_LISTS = frozenset({"class_ids", "iou_thresholds", "area_range", "recalls"})
_CELLS = frozenset({"num_thresholds", "num_buckets", "num_bins"})
MAX_CELLS = 1_000_000
_SHARE: tuple[str, Callable[[Any], bool]] = ("a number from 0 to 1", lambda v: 0 <= v <= 1)
_DOMAINS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        ("specificity", "sensitivity", "recall", "precision", "false_positive_rate", "label_smoothing", "quantile"),
        _SHARE,
    ),
    "delta": ("a number above 0", lambda v: v > 0),
    "power": ("a number that does not lie between 0 and 1, where no distribution exists,", lambda v: not 0 < v < 1),
}
"""Option -> what its values are, and which are allowed."""


def metric_problems(entry: MetricConfig, spec: MetricsSpec, known: Known) -> list[str]:
    """The problems of one metric of a metrics spec."""
    try:
        found = _variants(entry, spec, known.task)
    except TruelineError as error:
        where = error.where or f"metric {entry.class_name!r}"
        return [f"{where}: {error.message}" + (f". {error.hint}" if error.hint else ""), *error.problems]
    if isinstance(found, str):
        return [found]
    where = f"metric {entry.class_name!r}"
    problems = _needs(where, entry, found[0], spec, known)
    if entry.module and (spec.binarize is not None or spec.aggregate is not None):
        problems.append(
            f"{where} of module {entry.module!r} sees rows as they are: binarize and aggregate do not apply to it; "
            "give it a metrics spec of its own"
        )
    problems += _option_names(where, entry, found)
    if not entry.module:  # somebody else's options have values of their own
        problems += [p for option, value in entry.config.items() for p in _value(where, option, value)]
        if entry.config.get("average") == "samples" and known.task not in (None, "multilabel"):
            problems.append(f"{where}, option 'average': samples is for rows of several classes (multilabel)")
    k = entry.config.get("k")
    if known.classes and isinstance(k, int) and "k" in found[0].options and k > known.classes:
        problems.append(f"{where}, option 'k': {k} is more than the {known.classes} classes")
    return problems


def _variants(entry: MetricConfig, spec: MetricsSpec, task: str | None) -> list[Metric] | str:
    """The records that may be meant, one for each task, or what is wrong."""
    name = entry.class_name
    binary = spec.binarize is not None or spec.aggregate is not None
    rows = "binary" if binary and task in CLASS_TASKS else task
    found = [m for t in (TASKS if rows is None else (rows,)) if (m := find_metric(name, t, entry.module))]
    if found:
        return found
    if entry.module:
        wanted = f" for a {task} model" if find_metric(name, module=entry.module) and task else ""
        return f"there is no metric {name!r} in {entry.module!r}{wanted}"
    if find_metric(name) is None:
        return f"there is no metric {name!r}. {_names(name)}"
    if binary and rows == "binary":
        return (
            f"metric {name!r} is not defined for the binary problems that binarize and aggregate make. "
            f"{_names(name, 'binary')}"
        )
    return f"metric {name!r} is not defined for a {task} model. {_names(name, task)}"


def _names(name: str, task: str | None = None) -> str:
    """What may be meant: where anything is near, that alone; all names are told by `metric_names`."""
    there = metric_names(task)
    said = name.lower()
    near = [n for n in there if len(said) > 1 and n.lower().startswith(said)]
    if close := [*dict.fromkeys([*near, *get_close_matches(name, there, n=3, cutoff=0.7)])][:3]:
        of = f" of the task {task!r}" if task else ""
        return (
            f"Did you mean {' or '.join(map(repr, close))}? "
            f"trueline.model_analysis.metric_names() has all {len(there)}{of}."
        )
    return did_you_mean(name, there, limit=30)


def _needs(where: str, entry: MetricConfig, metric: Metric, spec: MetricsSpec, known: Known) -> list[str]:
    """What a metric needs and does not have: a baseline, a query's column, a column of its own."""
    problems = []
    if metric.needs_baseline and known.has_baseline is False:
        problems.append(f"{where} compares a candidate with a baseline, and there is no baseline")
    if metric.query and not spec.query_key:
        problems.append(f"{where} is measured on queries: name the query's column in query_key of its metrics spec")
    if known.columns is None:
        return problems
    shown = [c for c in known.columns if not c.startswith("__")]
    for option in metric.columns:
        column = entry.config.get(option, metric.options.get(option))
        if isinstance(column, str) and column.endswith("*"):
            if not any(c.startswith(column[:-1]) for c in known.columns):
                problems.append(f"{where}: the data has no column {column[:-1]}<feature>")
        elif isinstance(column, str) and column and column not in known.columns:
            problems.append(f"{where}, option {option!r}: the data has no column {column!r}. "
                            f"{did_you_mean(column, shown)}")  # fmt: skip
    return problems


def _option_names(where: str, entry: MetricConfig, found: Sequence[Metric]) -> list[str]:
    allowed = {"name", *(option for m in found for option in m.options)}
    allowed |= {f"{part.name}_name" for m in found for part in m.parts}
    problems = [
        f"{where} has no option {option!r}. {did_you_mean(str(option), allowed)}"
        for option in entry.config
        if option not in allowed
    ]
    return problems + [
        f"{where} needs the option {option!r}"
        for option, default in found[0].options.items()
        if default is REQUIRED and entry.config.get(option) is None
    ]


def _value(where: str, option: str, value: Any) -> list[str]:
    where = f"{where}, option {option!r}"
    if value is None:
        return []
    if option in _CHOICES and value not in _CHOICES[option]:
        return [f"{where}: {value!r} is none of {', '.join(_CHOICES[option])}"]
    if option == "name" and not (isinstance(value, str) and value):
        return [f"{where}: a text is expected, not {value!r}"]
    if option in _COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        return [f"{where}: a positive integer is expected, not {value!r}"]
    if option in _CELLS and value > MAX_CELLS:
        return [f"{where}: {value} is more than {MAX_CELLS}, which every slice would keep in memory"]
    if option in _LISTS and not isinstance(value, (list, tuple)):
        return [f"{where}: a list of numbers is expected, not {value!r}"]
    if option == "area_range" and len(value) != 2:
        return [f"{where}: a least and a greatest area are expected, not {value!r}"]
    if option not in _NUMBERS | _LISTS:
        return []
    values = list(value) if option in {"thresholds", *_LISTS} and isinstance(value, (list, tuple)) else [value]
    if not values:
        return [f"{where}: a number or a list of numbers is expected, not an empty list"]
    wrong = [v for v in values if isinstance(v, bool) or not isinstance(v, (int, float)) or v != v]
    problems = [f"{where}: a number is expected, not {v!r}" for v in wrong]
    said, allowed = _DOMAINS.get(option, ("", lambda v: True))
    return problems or [f"{where}: {said} is expected, not {v!r}" for v in values if not allowed(v)]
