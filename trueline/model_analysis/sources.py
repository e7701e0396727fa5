"""Where labels and predictions come from: models that are run, or columns of a table that already holds predictions.

`BatchEvaluator` is the accumulator that engines rebuild from JSON: a source, a plan, and the core that both feed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.model_analysis.accumulator import MetricAccumulator
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rows import Floats
from trueline.model_analysis.table_columns import class_places, column_matrix, numbers_and_presence
from trueline.model_analysis.views import BatchData, OutputData

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = [
    "BATCH_EVALUATOR",
    "MODELS_EVALUATOR",
    "BatchEvaluator",
    "ModelsEvaluator",
    "load_runtime",
    "table_output",
]

BATCH_EVALUATOR = "trueline.model_analysis.sources:BatchEvaluator"
MODELS_EVALUATOR = "trueline.model_analysis.sources:ModelsEvaluator"


class _Evaluator:
    """Evaluates batches; what the accumulators have in common.

    Args:
        source: JSON: ``{"kind": "models", "models": {name: {"uri", "fingerprint",
            "allow_host"}}}`` or ``{"kind": "table", "classes",
            "outputs": {output: {"label", "weight", "predictions": {model: column}}}}``.
        plan: JSON of an `EvalPlan`.
    """

    def __init__(self, source: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        self._source = source
        self._core = MetricAccumulator(EvalPlan.from_json(plan))

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        data = _SOURCES[self._source["kind"]](self._source, self._core.plan, batch)
        self._core.update(data)

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self._core.merge(other._core)

    def state(self) -> bytes:
        """The core's state."""
        return self._core.state()

    @classmethod
    def load(cls, state: bytes, source: Mapping[str, Any], plan: Mapping[str, Any]) -> Self:
        """The accumulator that gave this state."""
        self = cls(source, plan)
        self._core = MetricAccumulator.from_state(state, self._core.plan)
        return self


class BatchEvaluator(_Evaluator):
    """The accumulator of `evaluate` and `analyze_raw_data`: one candidate, and a baseline if there is one."""

    def finish(self) -> Measured:
        """What was measured."""
        return self._core.finish()


class ModelsEvaluator(_Evaluator):
    """The accumulator of `evaluate_models`: any number of candidates."""

    def finish(self) -> dict[str, Measured]:
        """What was measured of every candidate, by name."""
        return self._core.finish_models()


_LOADING = Lock()  # threads that start together must not load the same model several times


def load_runtime(uri: str, fingerprint: str, allow_host: Sequence[str] | None = None) -> ModelRuntime:
    """The model's runtime, loaded once a process and kept while the last few are.

    `allow_host` names the modules whose Python code may run; None allows all.

    Raises:
        ModelError: the folder holds another model than the evaluation was started with.
    """
    with _LOADING:
        return _loaded(uri, fingerprint, None if allow_host is None else tuple(allow_host))


@lru_cache(maxsize=16)  # all candidates of a comparison are used in turn
def _loaded(uri: str, fingerprint: str, allow_host: tuple[str, ...] | None) -> ModelRuntime:
    from trueline._core.runtime import ModelRuntime

    runtime = ModelRuntime.load(uri, allow_host=allow_host)
    found = runtime.manifest.fingerprint if runtime.manifest else ""
    if found != fingerprint:
        raise ModelError(
            f"the model changed while it was evaluated: fingerprint {found[:12]}, expected {fingerprint[:12]}",
            where=uri,
        )
    return runtime


_NUMBERS = {"regression": "prediction", "ranking": "score"}
"""Tasks whose output is one number a row, and its name."""


def _from_models(source: Mapping[str, Any], plan: EvalPlan, batch: pa.RecordBatch) -> BatchData:
    runtimes = {name: load_runtime(m["uri"], m["fingerprint"], m["allow_host"]) for name, m in source["models"].items()}
    candidate = runtimes[plan.models[0]]
    targets = candidate.targets.predict_arrow(batch)
    names = candidate.info["targets"]["outputs"]
    label = targets[names["label"]].reshape(batch.num_rows)
    present = targets[names["present"]].astype(bool).reshape(batch.num_rows)
    weights = targets[names["weight"]].astype(np.float64).reshape(batch.num_rows) if "weight" in names else None
    labels = label.astype(np.float64) if plan.task in _NUMBERS else class_places(label, candidate.classes or [])
    predictions = {
        name: _model_scores(runtime.predict_arrow(batch), plan.task, runtime.classes, candidate.classes)
        for name, runtime in runtimes.items()
    }
    return BatchData(batch, {"": OutputData(labels, predictions, weights, present)})


def _model_scores(outputs: Mapping[str, npt.NDArray[Any]], task: str, own: Any, wanted: Any) -> Floats:
    """Numbers ``[N]`` of a regression or ranking, probabilities of the second class ``[N]``, or of all ``[N, C]``."""
    if task in _NUMBERS:
        return outputs[_NUMBERS[task]].astype(np.float64).reshape(-1)
    order = [own.index(value) for value in wanted]
    probabilities: Floats = outputs["probabilities"].astype(np.float64)[:, order]
    return probabilities[:, 1] if task == "binary" else probabilities


def _from_table(source: Mapping[str, Any], plan: EvalPlan, batch: pa.RecordBatch) -> BatchData:
    made = {
        name: table_output(output, source.get("classes"), plan, batch) for name, output in source["outputs"].items()
    }
    return BatchData(batch, made)


def table_output(
    output: Mapping[str, Any], classes: Sequence[Any] | None, plan: EvalPlan, batch: pa.RecordBatch
) -> OutputData:
    weights = None
    if output["weight"] is not None:
        weights, there = numbers_and_presence(batch, output["weight"])
        weights = np.where(there, weights, 1.0)
    if plan.task == "objects":
        columns = {"label": output["label"], **{f"prediction:{m}": c for m, c in output["predictions"].items()}}
        objects = {name: batch.column(batch.schema.get_field_index(column)) for name, column in columns.items()}
        present = objects["label"].is_valid().to_numpy(zero_copy_only=False)
        return OutputData(np.zeros(batch.num_rows), {}, weights, present, objects)
    labels, present = _table_labels(batch, output["label"], classes, plan)
    wide = plan.task in ("multiclass", "multilabel")
    predictions = {
        name: column_matrix(batch, column, plan.classes) if wide else numbers_and_presence(batch, column)[0]
        for name, column in output["predictions"].items()
    }
    return OutputData(labels, predictions, weights, present)


def _table_labels(
    batch: pa.RecordBatch, name: str, classes: Sequence[Any] | None, plan: EvalPlan
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Numbers ``[N]``, places among the classes' values ``[N]``, or a row of numbers for each ``[N, C]``."""
    import pyarrow as pa

    column = batch.column(batch.schema.get_field_index(name))
    listed = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    if listed or pa.types.is_fixed_size_list(column.type):
        return column_matrix(batch, name, plan.classes), column.is_valid().to_numpy(zero_copy_only=False)
    if classes is None:
        return numbers_and_presence(batch, name)
    present: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    places = {value: float(place) for place, value in enumerate(classes)}
    encoded = column.dictionary_encode()
    by_code = np.array([places.get(v, np.nan) for v in encoded.dictionary.to_pylist()] or [np.nan])
    return by_code[encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)], present


_SOURCES: dict[str, Callable[[Mapping[str, Any], EvalPlan, Any], BatchData]] = {
    "models": _from_models,
    "table": _from_table,
}
