"""What a model says of a row and what is true of it, as people read both: a class and its probability, or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError
from trueline.model_analysis.explain.explanation import plain
from trueline.model_analysis.explain.losses import labels_of

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["label_columns", "predicted", "true_labels"]


def predicted(runtime: ModelRuntime, outputs: dict[str, Any]) -> list[tuple[Any, float | None]]:
    """(class, its probability), or (number, None), of each row."""
    if runtime.classes is None:
        name = "prediction" if runtime.info["task"] == "regression" else "score"
        return [(plain(float(v)), None) for v in outputs[name].reshape(-1).tolist()]
    labels, p = outputs["label"].reshape(-1).tolist(), outputs["probabilities"]
    places = [runtime.classes.index(v) if v in runtime.classes else int(np.argmax(p[i])) for i, v in enumerate(labels)]
    return [(plain(v), float(p[i, c])) for i, (v, c) in enumerate(zip(labels, places, strict=True))]


def label_columns(runtime: ModelRuntime) -> tuple[str, ...]:
    """The raw columns that the label is made of; none where the model has no label."""
    try:
        return tuple(f.name for f in runtime.targets.raw.features)
    except ModelError:
        return ()


def true_labels(runtime: ModelRuntime, batch: pa.RecordBatch) -> list[Any]:
    """The label of each row, None where it is missing or the data lack its columns."""
    columns = label_columns(runtime)
    if not columns or any(n not in batch.schema.names for n in columns):
        return [None] * int(batch.num_rows)
    labels, _ = labels_of(runtime, batch)
    if runtime.classes is None:
        return [plain(float(v)) for v in labels]
    return [plain(runtime.classes[int(v)]) if np.isfinite(v) else None for v in labels]
