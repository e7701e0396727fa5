"""`analyze_raw_data`: measures predictions that stand in a table beside the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ConfigError
from trueline.engine.base import Dataset, Engine
from trueline.model_analysis.api import check_config, make_result, need_config, run_pass
from trueline.model_analysis.check_table import column_kind, guessed_task_problems, table_problems
from trueline.model_analysis.config import EvalConfig, ModelSpec
from trueline.model_analysis.datasets import as_dataset
from trueline.model_analysis.models_result import ModelsResult
from trueline.model_analysis.plan import BASELINE, CANDIDATE, make_plan
from trueline.model_analysis.result import EvalResult
from trueline.model_analysis.sources import BATCH_EVALUATOR, MODELS_EVALUATOR

__all__ = ["TableColumns", "analyze_raw_data", "columns_of_specs"]


@dataclass(frozen=True)
class TableColumns:
    """Where an output's label, weight and predictions stand.

    Attributes:
        label: the label's column.
        weight: the weight's column, or None.
        predictions: model -> column, in the order of the models.
    """

    label: str
    weight: str | None
    predictions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"label": self.label, "weight": self.weight, "predictions": dict(self.predictions)}


def analyze_raw_data(
    data: Any,
    eval_config: EvalConfig,
    *,
    label_key: str | None = None,
    prediction_key: str | None = None,
    baseline_prediction_key: str | None = None,
    example_weight_key: str | None = None,
    task: str | None = None,
    classes: int | Sequence[Any] | None = None,
    engine: Engine | None = None,
) -> EvalResult | Any:
    """Measures predictions that stand in a table; no model is needed.

    Args:
        data: an Arrow table, a DataFrame of pandas or polars, a dataset or a Parquet file's path.
        eval_config: metrics, slices, thresholds; its `model_specs` may name the columns as well: of several models,
            and of several outputs (`label_keys`, `prediction_keys`).
        label_key: the label's column (default ``label``): 0..1, a number, a class number, or a list of 0 and 1.
        prediction_key: the prediction's column (default ``prediction``): a number, or a list of probabilities.
        baseline_prediction_key: a second model's predictions, compared row by row.
        example_weight_key: the weight's column.
        task: one of `metrics.TASKS`. By default ``multilabel`` where labels and predictions are lists, ``multiclass``
            where predictions are, ``objects`` where predictions are texts or records, else ``binary``.
        classes: number of classes, or their values in the order of the probabilities where labels are such values; by
            default as many as the first list has.
        engine: where it runs.

    Returns:
        An `EvalResult`; a `ModelsResult` with ``.models[name]`` where the specs name several candidates.

    Raises:
        ConfigError: every problem of the configuration at once.
        DataError: label, prediction or weight columns that hold no numbers.
    """
    need_config(eval_config)
    dataset = as_dataset(data)
    outputs = columns_of_specs(eval_config, label_key, prediction_key, baseline_prediction_key, example_weight_key)
    first = next(iter(outputs.values()))
    models = list(first.predictions)
    values = list(classes) if classes is not None and not isinstance(classes, int) else None
    task = _checked_task(dataset, outputs, eval_config, task, values)
    wanted = {c for o in outputs.values() for c in (o.label, o.weight, *o.predictions.values()) if c}
    count = 0
    if task in ("multiclass", "multilabel"):
        given = len(values) if values is not None else classes
        count = int(given) if isinstance(given, int) else _count_classes(dataset, first.predictions[models[0]])
    candidates = [m for m in models if m != BASELINE]
    known = {"classes": count, "has_weight": first.weight is not None, "outputs": list(outputs)}
    names = {"models": models} if len(candidates) > 1 else {}
    check_config(eval_config, task, dataset, wanted, **known, **names)
    plan = make_plan(eval_config, task, count, BASELINE in models, candidates, list(outputs))
    source = {"kind": "table", "outputs": {n: o.to_json() for n, o in outputs.items()}, "classes": values}
    prints = {name: {"column": column} for name, column in first.predictions.items()}
    if len(candidates) == 1:
        measured = run_pass(BATCH_EVALUATOR, source, wanted, plan, dataset, engine)
        one = {(CANDIDATE if name == candidates[0] else name): what for name, what in prints.items()}
        return make_result(measured, plan, one, classes=values or ())
    found = run_pass(MODELS_EVALUATOR, source, wanted, plan, dataset, engine)
    base = {BASELINE: prints[BASELINE]} if BASELINE in prints else {}
    said = {name: {CANDIDATE: prints[name]} | base for name in found}
    return ModelsResult({n: make_result(m, plan, said[n], n, values or ()) for n, m in found.items()})


def columns_of_specs(
    config: EvalConfig,
    label: str | None = None,
    prediction: str | None = None,
    baseline_prediction: str | None = None,
    weight: str | None = None,
) -> dict[str, TableColumns]:
    """Columns by output, from arguments first and model specs second; the baseline stands last among the models.

    Raises:
        ConfigError: several models without names, or outputs that differ between models.
    """
    candidates = [s for s in config.model_specs if not s.is_baseline] or [ModelSpec()]
    base = [s for s in config.model_specs if s.is_baseline] or ([ModelSpec()] if baseline_prediction else [])
    names = [s.name for s in candidates] if len(candidates) > 1 else [CANDIDATE]
    problems = []
    if len(set(names)) < len(names) or "" in names:
        problems.append("model_specs: several models need names of their own")
    if BASELINE in names:
        problems.append(f"model_specs: the name {BASELINE!r} is the baseline's; mark it is_baseline")
    first = candidates[0]
    outputs = list(first.prediction_keys or first.label_keys) or [""]
    for spec in (*candidates, *base):
        keys = list(spec.prediction_keys)
        if keys and keys != outputs:
            problems.append(f"model_specs: model {spec.name!r} has the outputs {keys}, the first has {outputs}")
    if problems:
        raise ConfigError("the model specs cannot be read from one table", problems=problems)
    made = {}
    for output in outputs:
        predictions = {
            name: prediction or spec.prediction_keys.get(output) or spec.prediction_key or "prediction"
            for name, spec in zip(names, candidates, strict=True)
        }
        for spec in base[:1]:
            column = baseline_prediction or spec.prediction_keys.get(output) or spec.prediction_key
            predictions |= {BASELINE: column} if column else {}
        made[output] = TableColumns(
            label or first.label_keys.get(output) or first.label_key or "label",
            weight or first.example_weight_keys.get(output) or first.example_weight_key,
            predictions,
        )
    return made


def _checked_task(
    dataset: Dataset, outputs: Mapping[str, TableColumns], config: EvalConfig, task: str | None, values: Any
) -> str:
    """The task that was given, or the one of the columns.

    Raises:
        ConfigError: columns that do not hold what it needs.
    """
    first = next(iter(outputs.values()))
    prediction = next(iter(first.predictions.values()))
    found = task or _guess_task(dataset, first.label, prediction)
    problems = table_problems(dataset, outputs.values(), found, values)
    if task is None and found == "objects":
        problems += guessed_task_problems(dataset, prediction, config)
    if problems:
        raise ConfigError("the table cannot be evaluated", problems=problems)
    return found


def _guess_task(dataset: Dataset, label: str, prediction: str) -> str:
    kind = column_kind(dataset, prediction)
    if kind == "list":
        return "multilabel" if column_kind(dataset, label) == "list" else "multiclass"
    return "objects" if kind in ("object", "text") else "binary"


def _count_classes(dataset: Dataset, prediction: str) -> int:
    if prediction not in dataset.columns:
        return 0
    for batch in dataset.batches([prediction]):
        for value in batch.column(0):
            if value.is_valid:
                return len(value)
    return 0
