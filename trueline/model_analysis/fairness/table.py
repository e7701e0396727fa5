"""The accumulator of a fairness evaluation: models are run, or predictions read, and cells are added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline.model_analysis.checked import check_output
from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.decision.rows import class_places
from trueline.model_analysis.fairness.cells import cell_codes
from trueline.model_analysis.fairness.rates import CALIBRATION_BINS
from trueline.model_analysis.fairness.sums import FairnessSums, Shape
from trueline.model_analysis.noise import row_groups
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rows import Floats, Ints
from trueline.model_analysis.sources import load_runtime, table_output
from trueline.model_analysis.views import Checked, OutputData

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FAIRNESS_TABLE", "FairnessTable"]

FAIRNESS_TABLE = "trueline.model_analysis.fairness.table:FairnessTable"


@dataclass(frozen=True)
class _Batch:
    """Rows of a batch, and the class that each model says of each row, ``[N]``, where it says one."""

    output: OutputData
    said: Mapping[str, Ints]


class FairnessTable:
    """Sums of cells.

    Args:
        source: ``{"kind": "models", "models": {name: {"uri", "fingerprint", "allow_host"}}}``, or ``{"kind": "table",
            "output": {"label", "weight", "predictions"}, "classes": [...] or null}``.
        shape: a `Shape` as JSON.
        buckets: boundaries by column.
        seed: of noise groups.
        weighted: whether rows have their example weights.
    """

    def __init__(
        self,
        source: Mapping[str, Any],
        shape: Mapping[str, Any],
        buckets: Mapping[str, Sequence[float]],
        seed: int,
        weighted: bool = True,
    ) -> None:
        self._source, self._buckets, self._seed, self._weighted = source, buckets, seed, weighted
        self._sums = FairnessSums(Shape.from_json(shape))
        s = self._sums.shape
        self._plan = EvalPlan(EvalConfig(), s.task, s.count, s.models, s.groups)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        sums, shape = self._sums, self._sums.shape
        made = _from_models(self._source, self._plan, batch) if self._source["kind"] == "models" else _Batch(
            table_output(self._source["output"], self._source["classes"], self._plan, batch), {}
        )  # fmt: skip
        output = made.output if self._weighted else replace(made.output, weights=None)
        checked = check_output(self._plan, output, batch.num_rows)
        codes, cells = cell_codes(batch, shape.columns, self._buckets)
        cell = sums.places(cells)[codes]
        group = row_groups(batch, shape.groups, self._seed)
        kept = checked.labelled
        np.add.at(sums.rows, (cell[kept], group[kept]), 1)
        np.add.at(sums.missing, cell[~kept], 1)
        for place, flag in enumerate(checked.flags):
            np.add.at(sums.flags[:, place], cell[flag], 1)
        slots = cell * shape.groups + group
        size = len(sums.cells) * shape.groups
        for m, model in enumerate(shape.models):
            for k, values in enumerate(_moments(shape.task, shape.count, checked, model, made.said.get(model))):
                added = np.bincount(slots, values * checked.weight, size)
                sums.sums[:, m, k] += added.reshape(len(sums.cells), shape.groups)
            if shape.task == "binary":
                bins, y = sums.bins_of(checked.predictions[model]), np.clip(checked.label, 0.0, 1.0)
                for positive, share in ((1, y), (0, 1.0 - y)):
                    sums.add_scores(sums.keys_of(cell, m, positive, bins, group), checked.weight * share)

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self._sums.merge(other._sums)

    def state(self) -> bytes:
        """The sums."""
        return self._sums.pack()

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state."""
        self = cls(**params)
        self._sums = FairnessSums.unpack(state)
        return self

    def finish(self) -> FairnessSums:
        """The sums, cells in the order of their texts."""
        self._sums.sort()
        return self._sums


def _from_models(source: Mapping[str, Any], plan: EvalPlan, batch: pa.RecordBatch) -> _Batch:
    """Labels and weights as the candidate's targets say; a baseline's classes are brought into its order."""
    runtimes = {name: load_runtime(m["uri"], m["fingerprint"], m["allow_host"]) for name, m in source["models"].items()}
    first, n = runtimes[plan.models[0]], batch.num_rows
    targets, names = first.targets.predict_arrow(batch), first.info["targets"]["outputs"]
    label, present = targets[names["label"]].reshape(n), targets[names["present"]].astype(bool).reshape(n)
    weights = targets[names["weight"]].astype(np.float64).reshape(n) if "weight" in names else None
    predictions: dict[str, Floats] = {}
    said: dict[str, Ints] = {}
    classes = first.classes or []
    for name, runtime in runtimes.items():
        found = runtime.predict_arrow(batch)
        if plan.task == "regression":
            predictions[name] = found["prediction"].astype(np.float64).reshape(n)
            continue
        order = [(runtime.classes or []).index(value) for value in classes]
        p = found["probabilities"].astype(np.float64)[:, order]
        predictions[name] = p[:, 1] if plan.task == "binary" else p
        said[name] = class_places(found["label"].reshape(n), classes)
    if plan.task == "regression":
        return _Batch(OutputData(label.astype(np.float64), predictions, weights, present), said)
    places = class_places(label, classes).astype(np.float64)
    return _Batch(OutputData(np.where(places < 0, np.nan, places), predictions, weights, present), said)


def _moments(task: str, count: int, checked: Checked, model: str, said: Ints | None) -> list[Floats]:
    """In the order of `moment_names`, without weights."""
    p, n = checked.predictions[model], len(checked.weight)
    one = np.ones(n)
    if task == "regression":
        gap = p - checked.label
        return [one, checked.label, p, np.abs(gap), gap * gap]
    if task == "multiclass":
        chosen = np.argmax(p, axis=1) if said is None else said
        actual = checked.label.astype(np.int64)
        every = [((chosen == c) & (actual == c), chosen == c, actual == c) for c in range(count)]
        parts = [np.asarray(of[i], np.float64) for i in range(3) for of in every]
        return [one, np.asarray(chosen == actual, np.float64), *parts]
    y = np.clip(checked.label, 0.0, 1.0)
    positive = (p > 0.5 if said is None else said == 1).astype(np.float64)
    bins = np.clip(np.ceil(np.clip(p, 0, 1) * CALIBRATION_BINS) - 1, 0, CALIBRATION_BINS - 1)
    inside = [(bins == b).astype(np.float64) for b in range(CALIBRATION_BINS)]
    four = [y * positive, (1 - y) * positive, y * (1 - positive), (1 - y) * (1 - positive)]
    return [one, y, p, *four, *inside, *(i * y for i in inside), *(i * p for i in inside)]
