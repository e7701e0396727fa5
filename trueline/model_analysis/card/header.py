"""The header of the Markdown that Hugging Face reads: its names of tasks, libraries, licences and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueline.model_analysis.card.data import ModelCardData
from trueline.model_analysis.card.parts_judged import MetricFacts
from trueline.model_analysis.keys import MetricKey

__all__ = ["card_header"]

_LIBRARIES = {"torch": "pytorch", "xgboost": "xgboost", "lightgbm": "lightgbm", "sklearn": "sklearn", "keras": "keras"}
_LICENCES = frozenset({
    "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1",
    "lgpl-3.0", "agpl-3.0", "mpl-2.0", "epl-1.0", "epl-2.0", "eupl-1.1", "isc", "zlib", "unlicense", "wtfpl", "cc",
    "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "ms-pl", "artistic-2.0", "afl-3.0",
    "bsl-1.0", "odbl", "odc-by", "openrail", "bigscience-openrail-m", "pddl", "unknown", "other",
})  # fmt: skip
_CLASSES = {"bytes": "image-classification", "utf8": "text-classification"}
_TAGS = {"regression": "tabular-regression", "ranking": "text-ranking", "embedding": "feature-extraction"}
_METRICS = {
    "auc": "roc_auc",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "f1_score": "f1",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "brier_score": "brier_score",
}
_COUNTS = frozenset({"example_count", "weighted_example_count"})


def card_header(data: ModelCardData) -> dict[str, Any]:
    """The header as JSON values, in Hugging Face's order; what is not known is left out.

    A metric that is undefined has no result: it is never a 0.
    """
    task = _task(data)
    header: dict[str, Any] = {}
    if data.texts.language:
        header["language"] = list(data.texts.language)
    header |= _licence(data.texts.licence)
    if data.model.framework:
        header["library_name"] = _LIBRARIES.get(data.model.framework, data.model.framework)
    family = [] if task is None else [task.partition("-")[0]]
    tags = ["trueline", "onnx", *([data.model.framework] if data.model.framework else []), *family, *data.texts.tags]
    header["tags"] = list(dict.fromkeys(tags))
    if data.texts.datasets:
        header["datasets"] = list(data.texts.datasets)
    metrics = _results(data)
    if metrics:
        header["metrics"] = list(dict.fromkeys(m["type"] for m in metrics))
    if task is not None:
        header["pipeline_tag"] = task
    if metrics:
        header["model-index"] = [{"name": data.model.name, "results": [_result(data, task, metrics)]}]
    return header


def _licence(text: str) -> dict[str, Any]:
    """Hugging Face knows a list of licences; any other is ``other`` with its name."""
    if not text:
        return {}
    name = text.strip().lower().replace(" ", "-")
    return {"license": name} if name in _LICENCES else {"license": "other", "license_name": " ".join(text.split())}


def _task(data: ModelCardData) -> str | None:
    """Hugging Face's name of the task: a model of one text or one file is no model of tables."""
    if data.texts.pipeline_tag:
        return data.texts.pipeline_tag
    if data.model.task not in ("binary", "multiclass"):
        return _TAGS.get(data.model.task)
    alone = data.model.inputs[0].dtype if len(data.model.inputs) == 1 else ""
    return _CLASSES.get(alone, "tabular-classification")


def _results(data: ModelCardData) -> list[dict[str, Any]]:
    found = () if data.evaluation is None else data.evaluation.overall
    return [_metric(m) for m in found if m.value is not None and MetricKey.parse(m.name).name not in _COUNTS]


def _metric(m: MetricFacts) -> dict[str, Any]:
    """A result: the type is Hugging Face's name where the key is plain, the name is our own key."""
    return {"type": _METRICS.get(m.name, m.name), "value": m.value, "name": m.name}


def _result(data: ModelCardData, task: str | None, metrics: list[dict[str, Any]]) -> Mapping[str, Any]:
    sources = [s.name for s in data.data.sources]
    own = data.texts.datasets[0] if data.texts.datasets else ""
    name = own or (", ".join(sources[:3]) if sources else "evaluated rows")
    dataset = {"type": own or "tabular", "name": name}
    return {"task": {"type": task or data.model.task}, "dataset": dataset, "metrics": metrics}
