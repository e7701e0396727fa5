"""The ways in: `evaluate` and `evaluate_models` run models over a dataset, `analyze_raw_data` reads predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from trueline._core.errors import ConfigError, ModelError, did_you_mean
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.check import config_problems
from trueline.model_analysis.config import EvalConfig, ModelSpec
from trueline.model_analysis.gates import validate_metrics
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.models_result import ModelsResult
from trueline.model_analysis.noise import ROW_COLUMN
from trueline.model_analysis.plan import BASELINE, CANDIDATE, EvalPlan, make_plan
from trueline.model_analysis.result import EvalResult
from trueline.model_analysis.slices import spec_columns
from trueline.model_analysis.sources import BATCH_EVALUATOR, MODELS_EVALUATOR

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["HasRuntime", "analyze_raw_data", "evaluate", "evaluate_models"]


class HasRuntime(Protocol):
    """A model: all that an evaluation needs of it is its runtime."""

    @property
    def runtime(self) -> ModelRuntime:
        """The loaded model."""
        ...


def evaluate(
    model: HasRuntime,
    dataset: Dataset,
    eval_config: EvalConfig,
    *,
    baseline: HasRuntime | None = None,
    engine: Engine | None = None,
) -> EvalResult:
    """Measures a model, and a baseline beside it, in one pass over the data, and judges it.

    Args:
        model: the candidate; its own ``targets.onnx`` gives labels and weights.
        dataset: rows with the raw columns of models, labels, weights and slices.
        eval_config: metrics, slices, thresholds.
        baseline: the model to compare with, of the same task and classes.
        engine: where it runs; threads of this machine by default.

    Raises:
        ConfigError: every problem of the configuration at once, with this model and this data in view.
        ModelError: a baseline of another task or other classes, or a model that is not complete on disk.
    """
    runtime = model.runtime
    other = baseline.runtime if baseline is not None else None
    task, classes = str(runtime.info["task"]), runtime.classes or []
    if task == "embedding":
        raise ModelError(
            "an embedding is no prediction: there is no label that its vectors could be compared with",
            where=runtime.uri,
            hint="evaluate a model that uses the embedding, or leave the Evaluator out of the line.",
        )
    _check_config(eval_config, task, dataset)
    if other is not None:
        _check_baseline(runtime, other)
    plan = make_plan(eval_config, task, len(classes) if task == "multiclass" else 0, other is not None)
    named = {CANDIDATE: runtime} | ({BASELINE: other} if other is not None else {})
    models = {name: _identity(r) for name, r in named.items()}
    measured: Measured = _run(BATCH_EVALUATOR, *_source(named, runtime), plan, dataset, engine)
    # Where a model lies is no part of the result: equal models give equal results.
    return _result(measured, plan, {name: {"fingerprint": m["fingerprint"]} for name, m in models.items()})


def evaluate_models(
    models: Mapping[str, HasRuntime],
    dataset: Dataset,
    eval_config: EvalConfig,
    *,
    baseline: HasRuntime | None = None,
    engine: Engine | None = None,
) -> ModelsResult:
    """Measures several candidates, and a baseline beside them, in one pass over the data, and judges each.

    Every candidate is measured as `evaluate` measures it alone, to the last bit.

    Args:
        models: the candidates by name; the first one's ``targets.onnx`` gives labels and weights.
        dataset: rows with the raw columns of models, labels, weights and slices.
        eval_config: metrics, slices, thresholds.
        baseline: the model that each of them is compared with, of the same task and classes.
        engine: where it runs; threads of this machine by default.

    Raises:
        ConfigError: every problem of the configuration at once; no candidates, or one with the name ``baseline``.
        ModelError: models of different tasks, labels or classes, or one that is not complete on disk.
    """
    if not models or BASELINE in models:
        raise ConfigError(
            f"the candidates are {', '.join(map(repr, models)) or 'none'}",
            hint=f"give one or more by name; the name {BASELINE!r} is the baseline's.",
        )
    named = {name: model.runtime for name, model in models.items()}
    first = next(iter(named.values()))
    task, classes = str(first.info["task"]), first.classes or []
    _check_config(eval_config, task, dataset)
    for name, other in list(named.items())[1:]:
        _check_candidate(name, first, other)
    if baseline is not None:
        _check_baseline(first, baseline.runtime)
    count = len(classes) if task == "multiclass" else 0
    plan = make_plan(eval_config, task, count, baseline is not None, list(named))
    every = named | ({BASELINE: baseline.runtime} if baseline is not None else {})
    found: dict[str, Measured] = _run(MODELS_EVALUATOR, *_source(every, first), plan, dataset, engine)
    prints = {name: {"fingerprint": _identity(r)["fingerprint"]} for name, r in every.items()}
    results = {}
    for name, measured in found.items():
        said = {CANDIDATE: prints[name]} | ({BASELINE: prints[BASELINE]} if baseline is not None else {})
        results[name] = _result(measured, plan, said)
    return ModelsResult(results)


def analyze_raw_data(
    data: pa.Table | Dataset,
    eval_config: EvalConfig,
    *,
    label_key: str | None = None,
    prediction_key: str | None = None,
    baseline_prediction_key: str | None = None,
    example_weight_key: str | None = None,
    task: str | None = None,
    classes: int | None = None,
    engine: Engine | None = None,
) -> EvalResult:
    """Measures predictions that stand in a table; no model is needed.

    Args:
        data: an Arrow table, or a dataset.
        eval_config: metrics, slices, thresholds; its `model_specs` may name the columns as well.
        label_key: the label's column (default ``label``): 0..1, a number, or a class number.
        prediction_key: the prediction's column (default ``prediction``): a number, or a list of probabilities.
        baseline_prediction_key: a second model's predictions, compared row by row.
        example_weight_key: the weight's column.
        task: ``binary``, ``regression`` or ``multiclass``; by default multi-class for a list column, else binary.
        classes: number of classes; by default the length of the first list.
        engine: where it runs.

    Raises:
        ConfigError: every problem of the configuration at once.
        DataError: label, prediction or weight columns that hold no numbers.
    """
    dataset = data if isinstance(data, Dataset) else _numbered(data)
    specs = {spec.is_baseline: spec for spec in eval_config.model_specs}
    spec, other = specs.get(False, ModelSpec()), specs.get(True, ModelSpec())
    label = label_key or spec.label_key or "label"
    weight = example_weight_key or spec.example_weight_key
    predictions = {CANDIDATE: prediction_key or spec.prediction_key or "prediction"}
    second = baseline_prediction_key or other.prediction_key
    if second:
        predictions[BASELINE] = second
    task = task or _guess_task(dataset, predictions[CANDIDATE])
    wanted = {label, *predictions.values(), *([weight] if weight else [])}
    _check_config(eval_config, task, dataset, wanted)
    count = (classes or _count_classes(dataset, predictions[CANDIDATE])) if task == "multiclass" else 0
    plan = make_plan(eval_config, task, count, BASELINE in predictions)
    source = {"kind": "table", "label": label, "weight": weight, "predictions": predictions}
    measured: Measured = _run(BATCH_EVALUATOR, source, wanted, plan, dataset, engine)
    return _result(measured, plan, {name: {"column": column} for name, column in predictions.items()})


def _source(named: Mapping[str, ModelRuntime], first: ModelRuntime) -> tuple[dict[str, Any], set[str]]:
    """The models as a worker is told of them, and the raw columns that they read."""
    models = {name: _identity(r) for name, r in named.items()}
    wanted = {f.name for r in named.values() for f in r.inputs} | {f.name for f in first.targets.raw.features}
    return {"kind": "models", "models": models}, wanted


def _run(
    evaluator: str,
    source: dict[str, Any],
    wanted: set[str],
    plan: EvalPlan,
    dataset: Dataset,
    engine: Engine | None,
) -> Any:
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    wanted = wanted | set(spec_columns(plan.config.slices)) | {ROW_COLUMN}
    columns = [name for name in dataset.columns if name in wanted]
    spec: AccumulatorSpec[Any] = AccumulatorSpec(evaluator, {"source": source, "plan": plan.to_json()})
    return engine.run(spec, dataset, columns)


def _result(measured: Measured, plan: EvalPlan, models: Mapping[str, Any]) -> EvalResult:
    has_baseline = BASELINE in plan.models
    verdict = validate_metrics(measured, plan.config, has_baseline=has_baseline)
    return EvalResult(plan.config, measured, verdict, plan.task, models)


def _check_config(config: EvalConfig, task: str, dataset: Dataset, wanted: set[str] | None = None) -> None:
    problems = config_problems(config, task, dataset.columns)
    shown = [c for c in dataset.columns if not c.startswith("__")]
    problems += [
        f"the data has no column {name!r}. {did_you_mean(name, shown)}"
        for name in sorted(wanted or ())
        if name not in dataset.columns
    ]
    if problems:
        raise ConfigError("the evaluation cannot run", problems=problems)


def _check_candidate(name: str, first: ModelRuntime, other: ModelRuntime) -> None:
    """Candidates are judged on the same labels and weights: those of the first."""
    for key in ("task", "label", "weight"):
        if first.info.get(key) != other.info.get(key):
            raise ModelError(
                f"candidate {name!r} has {key} {other.info.get(key)!r}, the first has {first.info.get(key)!r}",
                where=other.uri,
                hint="compare models of the same task, label and weight.",
            )
    if sorted(map(repr, first.classes or [])) != sorted(map(repr, other.classes or [])):
        raise ModelError(
            f"candidate {name!r} knows the classes {other.classes}, the first {first.classes}", where=other.uri
        )


def _check_baseline(runtime: ModelRuntime, other: ModelRuntime) -> None:
    task, base = runtime.info["task"], other.info["task"]
    if task != base:
        raise ModelError(f"the candidate is a {task} model, the baseline a {base} one", where=other.uri)
    if sorted(map(repr, runtime.classes or [])) != sorted(map(repr, other.classes or [])):
        raise ModelError(
            f"the baseline knows the classes {other.classes}, the candidate {runtime.classes}",
            where=other.uri,
            hint="compare with a model of the same classes, or evaluate without a baseline.",
        )


def _identity(runtime: ModelRuntime) -> dict[str, Any]:
    if runtime.manifest is None:
        raise ModelError("the model has no manifest, so it cannot be identified", where=runtime.uri)
    allowed = None if runtime.allow_host is None else list(runtime.allow_host)
    return {"uri": runtime.uri, "fingerprint": runtime.manifest.fingerprint, "allow_host": allowed}


def _numbered(table: pa.Table) -> Dataset:
    """The table with row numbers, so that noise groups do not depend on contents."""
    from trueline._core.rowid import row_ids

    if ROW_COLUMN not in table.column_names:
        table = table.append_column(ROW_COLUMN, row_ids(0, 0, table.num_rows))
    return Dataset.from_table(table)


def _guess_task(dataset: Dataset, prediction: str) -> str:
    import pyarrow as pa

    index = dataset.arrow_schema.get_field_index(prediction)
    if index >= 0:
        kind = dataset.arrow_schema.field(index).type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            return "multiclass"
    return "binary"


def _count_classes(dataset: Dataset, prediction: str) -> int:
    for batch in dataset.batches([prediction]):
        for value in batch.column(0):
            if value.is_valid:
                return len(value)
    return 0
