"""What a ready-made trainer learns: the task and the classes, from the label's type and values or as it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline._core.values import RawFeature
from trueline.models.contract import ClassValue, Task

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["FEW_VALUES", "ReadyTask", "label_of", "ready_config", "task_of"]

FEW_VALUES = 20
"""A whole-number label without a domain is a class where it has at most so many values."""
_TASKS = ("binary", "multiclass", "regression", "ranking")


@dataclass(frozen=True)
class ReadyTask:
    """What is learnt.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        classes: the label's values in order, for a classifier.
    """

    task: Task
    classes: tuple[ClassValue, ...] = ()

    @property
    def is_classifier(self) -> bool:
        """Whether classes are learnt."""
        return bool(self.classes)

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The label as a trainer takes it: class numbers int64 ``[N]``, -1 for a value that is no class; or float32."""
        if not self.classes:
            return y.astype(np.float32)
        if y.dtype == object:
            known = {value: number for number, value in enumerate(self.classes)}
            return np.fromiter((known.get(v, -1) for v in y.tolist()), np.int64, len(y))
        values = np.asarray(self.classes).astype(y.dtype)
        places = np.minimum(np.searchsorted(values, y), len(values) - 1)
        return np.where(values[places] == y, places, -1).astype(np.int64)


def ready_config(fn_args: FnArgs) -> dict[str, Any]:
    """``custom_config["ready"]``, empty where there is none."""
    found = fn_args.custom_config.get("ready", {})
    return dict(found) if isinstance(found, Mapping) else {}


def label_of(fn_args: FnArgs) -> RawFeature:
    """The label's output.

    Raises:
        ModelError: there is none: a ready-made trainer learns a label.
    """
    if fn_args.train.label is None:
        raise ModelError("a ready-made trainer needs a label", hint="say label=..., or write a run_fn.")
    return fn_args.train.label


def task_of(fn_args: FnArgs) -> ReadyTask:
    """The task: as ``custom_config["ready"]["task"]`` says, else by the label.

    A bool or a text is a class, and so is a whole number that has a domain (the index of a vocabulary, a bucket) or at
    most `FEW_VALUES` different values in the training split. Any other number is predicted. Two classes are a binary
    task. The classes are the values that the training split holds, in ascending order.

    Raises:
        ModelError: an unknown task, or a classifier whose label has fewer than two values.
    """
    asked = ready_config(fn_args).get("task")
    label = label_of(fn_args)
    if asked is not None and asked not in _TASKS:
        raise ModelError(f"there is no task {asked!r}", hint=did_you_mean(str(asked), _TASKS))
    if asked in ("regression", "ranking"):
        if label.dtype == "utf8":
            raise ModelError(
                f"label {label.name!r} is text, and task={asked!r} needs numbers",
                hint="leave task out: each text is a class then.",
            )
        return ReadyTask(cast(Task, asked))
    if asked is None and label.dtype in ("float32", "float64"):
        return ReadyTask("regression")
    if label.dtype == "bool":
        return ReadyTask("binary", (False, True))
    domain = label.name in fn_args.transform.transformed_domains()
    limit = FEW_VALUES if asked is None and label.dtype == "int64" and not domain else None
    values = _label_values(fn_args, limit)
    if values is None:
        return ReadyTask("regression")
    classes = tuple(sorted(int(v) if isinstance(v, float) and v.is_integer() else v for v in values))
    if len(classes) < 2 or (asked == "binary" and len(classes) > 2):
        raise ModelError(
            f"label {label.name!r} has {len(classes)} different values in the training split: {list(classes)[:10]!r}",
            hint="a binary task has two classes, a multi-class task two or more.",
        )
    return ReadyTask(cast(Task, asked) if asked else "binary" if len(classes) == 2 else "multiclass", classes)


def _label_values(fn_args: FnArgs, limit: int | None) -> set[Any] | None:
    """The different values of the label in the training split; None once there are more than `limit`."""
    import pyarrow.compute as pc

    found: set[Any] = set()
    for batch in fn_args.train.dataset.batches([label_of(fn_args).name]):
        found.update(v for v in pc.unique(batch.column(0)).to_pylist() if v is not None)
        if limit is not None and len(found) > limit:
            return None
    return found
