"""What columns of labels, predictions and weights must hold, told from their types before any pass over the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import did_you_mean
from trueline.model_analysis.metrics import TASKS, find_metric

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.engine.base import Dataset
    from trueline.model_analysis.config import EvalConfig

__all__ = ["column_kind", "guessed_task_problems", "table_problems"]

_LISTED = ("multiclass", "multilabel")
_SAID = {"number": "numbers", "list": "lists of numbers", "text": "texts", "nothing": "no value at all"}
_SHOWN = 6


def column_kind(dataset: Dataset, name: str) -> str:
    """``number``, ``list`` (of numbers), ``text``, ``object``, ``nothing`` (no value at all) or ``absent``."""
    index = dataset.arrow_schema.get_field_index(name)
    return "absent" if index < 0 else _kind(dataset.arrow_schema.field(index).type)


def _kind(of: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_dictionary(of):
        return _kind(of.value_type)
    if pt.is_list(of) or pt.is_large_list(of) or pt.is_fixed_size_list(of):
        return "list" if _kind(of.value_type) == "number" else "object"
    if pt.is_null(of):
        return "nothing"
    if pt.is_string(of) or pt.is_large_string(of) or pt.is_string_view(of):
        return "text"
    number = pt.is_floating(of) or pt.is_integer(of) or pt.is_boolean(of) or pt.is_decimal(of)
    return "number" if number else "object"


def guessed_task_problems(dataset: Dataset, prediction: str, config: EvalConfig) -> list[str]:
    """Where predictions are no numbers and a metric needs them: the column is the mistake, not the metrics."""
    asked = [m for spec in config.metrics_specs for m in spec.metrics]
    names = [m.class_name for m in asked if find_metric(m.class_name, "objects", m.module) is None]
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [
        f"column {prediction!r} holds {_held(dataset, prediction)}, and {', '.join(names[:3])}{more} "
        f"{'needs' if len(names) == 1 else 'need'} predictions that are numbers. {_numeric(dataset, 'number')}"
    ]


def table_problems(
    dataset: Dataset, outputs: Iterable[Any], task: str, classes: Sequence[Any] | None = None
) -> list[str]:
    """All that is wrong with the columns for this task.

    Args:
        dataset: the rows.
        outputs: a `TableColumns` for each output.
        task: one of `metrics.TASKS`.
        classes: the classes' values, where labels are such values.
    """
    if task not in TASKS:
        return [f"there is no task {task!r}. {did_you_mean(task, TASKS)}"]
    problems = []
    for columns in outputs:
        if columns.weight:
            problems += _wrong(dataset, columns.weight, ("number", "text"), "a weight is a number a row", "number")
        if task == "objects":
            continue
        kind, said = ("list", "a prediction is a list of numbers a row, one for each class") if task in _LISTED else (
            "number", f"a prediction of the task {task!r} is a number a row")  # fmt: skip
        for column in columns.predictions.values():
            problems += _wrong(dataset, column, (kind,), said, kind)
        problems += _label_problems(dataset, columns.label, task, classes)
    return problems


def _label_problems(dataset: Dataset, name: str, task: str, classes: Sequence[Any] | None) -> list[str]:
    kind = column_kind(dataset, name)
    if kind != "text" or classes is not None:
        allowed = ("number", "text", "list") if task in _LISTED or classes is not None else ("number",)
        return _wrong(dataset, name, allowed, "a label is a number a row", "number")
    values = _texts(dataset, name)
    if not values or all(_is_number(value) for value in values):
        return []
    shown = ", ".join(map(repr, values[:_SHOWN])) + (" ..." if len(values) > _SHOWN else "")
    if task == "regression" or task == "ranking":
        return [f"label column {name!r} holds texts ({shown}); a label of the task {task!r} is a number a row"]
    order = "the positive class last" if task == "binary" else "in the order of the predictions"
    return [f"label column {name!r} holds texts ({shown}): give their values as classes, {order}"]


def _wrong(dataset: Dataset, name: str, allowed: Sequence[str], said: str, wanted: str) -> list[str]:
    kind = column_kind(dataset, name)
    if kind in (*allowed, "absent"):  # what is absent is told elsewhere
        return []
    return [f"column {name!r} holds {_held(dataset, name)}; {said}. {_numeric(dataset, wanted)}"]


def _held(dataset: Dataset, name: str) -> str:
    of = dataset.arrow_schema.field(name).type
    return _SAID.get(_kind(of), f"values of the type {of}")


def _numeric(dataset: Dataset, wanted: str) -> str:
    """Which columns would do."""
    kinds: Mapping[str, str] = {c: column_kind(dataset, c) for c in dataset.columns if not c.startswith("__")}
    found = sorted(c for c, kind in kinds.items() if kind == wanted)
    if not found:
        return f"No column holds {_SAID[wanted]}."
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"Columns of {_SAID[wanted]}: {', '.join(found[:_SHOWN])}{more}."


def _texts(dataset: Dataset, name: str) -> list[str]:
    """Values of the first block that has any."""
    for batch in dataset.batches([name]):
        found = {str(v) for v in batch.column(0).to_pylist() if v is not None}
        if found:
            return sorted(found)
    return []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
