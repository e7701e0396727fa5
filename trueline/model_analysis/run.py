"""`run_model_analysis`: one call for whatever predicts: a model, its folder, several models, or any callable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.api import check_config, evaluate, evaluate_models, make_result
from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.plan import BASELINE, CANDIDATE, make_plan
from trueline.model_analysis.raw_data import columns_of_specs
from trueline.model_analysis.sources import BATCH_EVALUATOR

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["run_model_analysis"]

_PREDICTED = {CANDIDATE: "__prediction__", BASELINE: "__baseline_prediction__"}


def run_model_analysis(
    model: Any,
    data: Any,
    eval_config: EvalConfig,
    *,
    baseline: Any = None,
    split: str | None = None,
    task: str | None = None,
    engine: Engine | None = None,
    output_path: str | None = None,
    allow_host: tuple[str, ...] = (),
) -> Any:
    """Runs whatever predicts over data, measures it on every slice and judges it.

    Args:
        model: a `Model`, the URI of a Model artifact, a mapping from name to these, or a callable that takes an Arrow
            table and returns a prediction a row: numbers ``[N]``, or probabilities ``[N, C]``. For a callable the
            model spec names the label's column (default ``label``), and it runs in this process alone.
        data: what `as_dataset` takes: tables, DataFrames, datasets, Examples or their URI, Parquet files.
        eval_config: metrics, slices, thresholds.
        baseline: the model to compare with, in the same forms (but no mapping).
        split: of Examples.
        task: of a callable: ``binary`` (default for numbers), ``multiclass`` (default for vectors), ``regression``,
            ``ranking``.
        engine: where models run.
        output_path: a folder for the result, see `EvalResult.save`.
        allow_host: modules whose Python code a model that is loaded from a URI may run.

    Returns:
        An `EvalResult`, or a `ModelsResult` for a mapping.

    Raises:
        ConfigError: every problem of the configuration at once; a callable beside a model.
        ModelError: what is neither, or a model that cannot be loaded.
        DataError: a callable that gave another number of predictions than rows.
    """
    if isinstance(model, Mapping):
        models = {name: _model(each, allow_host) for name, each in model.items()}
        base = _model(baseline, allow_host) if baseline is not None else None
        runtimes = [m.runtime for m in (*models.values(), base) if m is not None]
        dataset = as_dataset(data, split, features_read(*runtimes))
        result: Any = evaluate_models(models, dataset, eval_config, baseline=base, engine=engine)
    elif _is_function(model):
        if baseline is not None and not _is_function(baseline):
            raise ConfigError("a callable is compared with a callable", hint="give Model.predict as the baseline.")
        result = _evaluate_function(model, as_dataset(data, split), eval_config, baseline, task)
    else:
        base = _model(baseline, allow_host) if baseline is not None else None
        mine = _model(model, allow_host)
        dataset = as_dataset(data, split, features_read(mine.runtime, base.runtime if base is not None else None))
        result = evaluate(mine, dataset, eval_config, baseline=base, engine=engine)
    if output_path is not None:
        result.save(output_path)
    return result


def _is_function(model: Any) -> bool:
    return callable(model) and not hasattr(model, "runtime")


def _model(model: Any, allow_host: tuple[str, ...]) -> Any:
    from trueline.models import Model

    if isinstance(model, str):
        return Model.load(model, allow_host=allow_host)
    if not hasattr(model, "runtime"):
        raise ConfigError(
            f"a {type(model).__name__} is no model",
            hint="give a Model, the URI of one, a mapping of names to these, or a callable.",
        )
    return model


def _evaluate_function(
    function: Callable[[pa.Table], Any], dataset: Dataset, config: EvalConfig, baseline: Any, task: str | None
) -> Any:
    from trueline.engine.stream import run_stream

    functions = {CANDIDATE: function} | ({BASELINE: baseline} if baseline is not None else {})
    columns = columns_of_specs(config)[""]
    batches = _predicted(functions, dataset)
    first = next(batches, None)
    width = 0 if first is None else _width(first)
    task = task or ("multiclass" if width else "binary")
    check_config(config, task, dataset, {columns.label, *([columns.weight] if columns.weight else [])})
    plan = make_plan(config, task, width, baseline is not None)
    output = {"label": columns.label, "weight": columns.weight, "predictions": {m: _PREDICTED[m] for m in functions}}
    source = {"kind": "table", "outputs": {"": output}, "classes": None}
    spec: AccumulatorSpec[Any] = AccumulatorSpec(BATCH_EVALUATOR, {"source": source, "plan": plan.to_json()})
    measured = run_stream(spec, _with_first(first, batches))
    return make_result(measured, plan, {name: {"function": _name_of(f)} for name, f in functions.items()})


def _with_first(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest


def _predicted(functions: Mapping[str, Callable[[pa.Table], Any]], dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """The blocks with a column of predictions for each function."""
    import pyarrow as pa

    for batch in dataset.batches():
        shown = [n for n in batch.schema.names if not n.startswith("__")]
        table = pa.Table.from_batches([batch.select(shown)])
        for name, function in functions.items():
            batch = batch.append_column(_PREDICTED[name], _column(function(table), batch.num_rows, name))
        yield batch


def _column(predicted: Any, rows: int, name: str) -> pa.Array:
    import pyarrow as pa

    if isinstance(predicted, pa.ChunkedArray):
        predicted = predicted.combine_chunks()
    array = predicted if isinstance(predicted, pa.Array) else np.asarray(predicted)
    if len(array) != rows:
        raise DataError(f"the {name}'s callable gave {len(array)} predictions for {rows} rows")
    if isinstance(array, pa.Array):
        return array
    numbers = array.astype(np.float64)
    if numbers.ndim == 1:
        return pa.array(numbers)
    if numbers.ndim != 2:
        raise DataError(
            f"the {name}'s callable gave an array of shape {list(numbers.shape)}", hint="give [N] or [N, C]."
        )
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), numbers.shape[1])


def _width(batch: pa.RecordBatch) -> int:
    """Classes of vector predictions, else 0."""
    import pyarrow as pa

    column = batch.column(batch.schema.get_field_index(_PREDICTED[CANDIDATE]))
    listed = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    if not (listed or pa.types.is_fixed_size_list(column.type)):
        return 0
    return next((len(v) for v in column if v.is_valid), 0)


def _name_of(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"
