"""What a search reads: losses of models that are run, or of predictions that stand in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, ModelError, did_you_mean
from trueline.engine.base import Dataset
from trueline.model_analysis.slice_finder.losses import find_loss

if TYPE_CHECKING:
    from trueline.model_analysis.api import HasRuntime

__all__ = ["Source", "check_columns", "model_source", "table_source"]


@dataclass(frozen=True)
class Source:
    """Where losses come from, and what is read for them."""

    params: dict[str, Any]
    reads: tuple[str, ...]
    features: tuple[str, ...]
    weighted: bool


def model_source(model: HasRuntime, baseline: HasRuntime | None, loss: str, keys: tuple[str | None, ...]) -> Source:
    if any(keys):
        raise ConfigError(
            "a model gives label, prediction, weight and task itself",
            hint="leave their keys out, or give None as the model to read predictions of a table.",
        )
    runtime = model.runtime
    task, classes = str(runtime.info["task"]), runtime.classes or []
    if task not in ("binary", "multiclass", "regression"):
        raise ModelError(f"a {task} model has no loss of one row", where=runtime.uri)
    named = {"candidate": runtime}
    if baseline is not None:
        other = baseline.runtime
        if other.info["task"] != task or sorted(map(repr, other.classes or [])) != sorted(map(repr, classes)):
            raise ModelError(
                f"the candidate is a {task} model of classes {classes}, the baseline a {other.info['task']} one of "
                f"{other.classes or []}",
                where=other.uri,
            )
        named["baseline"] = other
    models = {}
    for name, used in named.items():
        if used.manifest is None:
            raise ModelError("the model has no manifest, so it cannot be identified", where=used.uri)
        allowed = None if used.allow_host is None else list(used.allow_host)
        models[name] = {"uri": used.uri, "fingerprint": used.manifest.fingerprint, "allow_host": allowed}
    inputs = tuple(f.name for f in runtime.inputs)
    targets = runtime.targets
    reads = dict.fromkeys(
        [*(f.name for r in named.values() for f in r.inputs), *(f.name for f in targets.raw.features)]
    )
    params = {
        "kind": "models", "task": task, "classes": len(classes), "loss": find_loss(loss, task).name, "models": models
    }  # fmt: skip
    return Source(params, tuple(reads), inputs, "weight" in runtime.info["targets"]["outputs"])


def table_source(
    dataset: Dataset, label: str, names: dict[str, str], weight: str | None, task: str | None, loss: str
) -> Source:
    reads = [label, *names.values(), *([weight] if weight else [])]
    check_columns(dataset, reads, ())
    kind, classes = _prediction_kind(dataset, names["candidate"])
    errors = ("squared_error", "absolute_error")
    task = task or (kind if kind == "multiclass" else "regression" if loss in errors else "binary")
    if task not in ("binary", "multiclass", "regression"):
        raise ConfigError(f"no task {task!r}", hint="it is binary, multiclass or regression.")
    if (task == "multiclass") != (kind == "multiclass"):
        raise ConfigError(
            f"task {task!r} does not fit column {names['candidate']!r}: "
            f"{'it holds lists' if kind == 'multiclass' else 'it holds no lists'}"
        )
    features = tuple(c for c in dataset.columns if c not in reads and not c.startswith("__"))
    params = {
        "kind": "table", "task": task, "classes": classes, "loss": find_loss(loss, task).name, "label": label,
        "weight": weight, "predictions": names,
    }  # fmt: skip
    return Source(params, tuple(reads), features, weight is not None)


def _prediction_kind(dataset: Dataset, prediction: str) -> tuple[str, int]:
    """``multiclass`` and the number of classes for lists, else ``number``."""
    import pyarrow.types as t

    kind = dataset.arrow_schema.field(prediction).type
    if not (t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)):
        return "number", 0
    for batch in dataset.batches([prediction]):
        for value in batch.column(0):
            if value.is_valid:
                return "multiclass", len(value)
    return "multiclass", 0


def check_columns(dataset: Dataset, names: Sequence[str], searched: Sequence[str]) -> None:
    shown = [c for c in dataset.columns if not c.startswith("__")]
    problems = [
        f"the data has no column {name!r}. {did_you_mean(name, shown)}"
        for name in dict.fromkeys(names)
        if name not in dataset.columns
    ]
    problems += [f"column {name!r} is hidden and cannot be searched" for name in searched if name.startswith("__")]
    if problems:
        raise ConfigError("the search for slices cannot run", problems=problems)
