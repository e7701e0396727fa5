"""The change within a box that hurts each row's loss most, by asking the model alone: greedy random search.

In every query each row tries one of its features: a number goes somewhere within ``epsilon`` standard deviations of its
clean value (in every second query to one of the two ends, where losses of smooth models are greatest), a text becomes
another value of its domain, a flag either of its two. What raises the row's loss stays. Numbers stay in their domain,
missing values missing. The search finds a lower bound of the worst loss, a tighter one the more queries it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.robustness.changes import moved_numbers
from trueline.model_analysis.robustness.draw import Draw
from trueline.model_analysis.robustness.spec import NUMBERS, Perturbation

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["attack", "row_losses"]

Floats = npt.NDArray[np.float64]
_SMALLEST = 1e-7


def row_losses(predictions: Floats, labels: Floats, task: str) -> Floats:
    """The loss of each row ``[N]``: log loss of a classifier, absolute error of a number; NaN without a label.

    Args:
        predictions: ``[N]``: probabilities of the second class, or numbers; ``[N, C]`` for more classes.
        labels: class numbers or numbers, NaN where there is none.
        task: ``binary``, ``multiclass`` or ``regression``.
    """
    if task == "regression":
        return np.asarray(np.abs(predictions - labels), np.float64)
    known = np.isfinite(labels)
    place = np.where(known, labels, 0).astype(np.int64)
    if task == "binary":
        true = np.where(place == 1, predictions, 1 - predictions)
    else:
        true = predictions[np.arange(len(place)), place]
    return np.where(known, -np.log(np.maximum(true, _SMALLEST)), np.nan)


class _Column:
    """A feature's values while they are searched."""

    def __init__(self, column: Any, facts: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        self.facts, self.type = facts, column.type
        self.number, flag = facts["dtype"] in NUMBERS, facts["dtype"] == "bool"
        self.gone = np.asarray(pc.is_null(column))
        fill = pa.scalar(0 if self.number else False if flag else "", column.type)
        filled = pc.fill_null(column, fill)
        self.clean = filled.to_numpy(zero_copy_only=False)
        self.best = self.clean.copy()
        self.values = np.array([False, True] if flag else facts.get("values") or [""], object)
        self.movable = bool(facts.get("std", 0.0)) if self.number else len(self.values) > 1

    def tried(self, draw: Draw, use: str, epsilon: float, ends: bool) -> npt.NDArray[Any]:
        """A value for each row."""
        if not self.number:
            return np.asarray(self.values[draw.below(len(self.values), use)], object)
        far = 2 * draw.uniform(use) - 1
        if ends:
            far = np.where(far < 0, -1.0, 1.0)
        return moved_numbers(self.clean, far * epsilon * float(self.facts["std"]), self.facts)

    def array(self, values: npt.NDArray[Any]) -> Any:
        import pyarrow as pa

        return pa.array(values, self.type, mask=self.gone)


def attack(
    batch: pa.RecordBatch,
    perturbation: Perturbation,
    facts: Mapping[str, Mapping[str, Any]],
    seed: int,
    losses: Callable[[pa.RecordBatch], Floats],
) -> pa.RecordBatch:
    """The batch with each labelled row changed as the search found it.

    Args:
        batch: raw rows.
        perturbation: `features`, `epsilon` and `queries`.
        facts: by feature: ``dtype``, ``std``, ``domain``, ``values``.
        seed: of the draws.
        losses: the model's loss of each row of a batch, NaN where there is no label; it is asked `queries` + 1 times.
    """
    draw = Draw(batch, seed)
    present = [n for n in perturbation.features if batch.schema.get_field_index(n) >= 0]
    columns = {n: _Column(batch.column(batch.schema.get_field_index(n)), facts[n]) for n in present}
    names = [n for n, column in columns.items() if column.movable]
    if not names:
        return batch
    best = losses(batch)
    for query in range(perturbation.queries):
        use = f"{perturbation.label}/{query}"
        turn = draw.below(len(names), f"{use}/feature")
        tried = {}
        for index, name in enumerate(names):
            column = columns[name]
            value = column.tried(draw, f"{use}/{name}", perturbation.epsilon, query % 2 == 0)
            tried[name] = np.where(turn == index, value, column.best)
        found = losses(_with(batch, columns, tried))
        better = found > best  # False where there is no label
        best = np.where(better, found, best)
        for name in names:
            columns[name].best = np.where(better, tried[name], columns[name].best)
    return _with(batch, columns, {name: columns[name].best for name in names})


def _with(batch: Any, columns: Mapping[str, _Column], values: Mapping[str, npt.NDArray[Any]]) -> Any:
    for name, value in values.items():
        place = batch.schema.get_field_index(name)
        made = columns[name].array(value)
        batch = batch.set_column(place, batch.schema.field(place).with_type(made.type), made)
    return batch
