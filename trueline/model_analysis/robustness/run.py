"""`evaluate_robustness`: facts, then predictions on clean and disturbed rows, then the metric of both, paired."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.engine.base import AccumulatorSpec, Dataset, Engine, FunctionSpec
from trueline.model_analysis.config import EvalConfig, MetricConfig, MetricsSpec, SlicingSpec
from trueline.model_analysis.config_json import encode
from trueline.model_analysis.datasets import as_dataset, features_read
from trueline.model_analysis.metrics import find_metric
from trueline.model_analysis.noise import ROW_COLUMN, t_quantile
from trueline.model_analysis.robustness.facts import FEATURE_FACTS, with_domains
from trueline.model_analysis.robustness.judge import judge, level
from trueline.model_analysis.robustness.predict import CLEAN, LABEL, PREDICT_BLOCK, WEIGHT, disturbed
from trueline.model_analysis.robustness.result import RobustnessResult, SliceLoss
from trueline.model_analysis.robustness.spec import NUMBERS, Perturbation, RobustnessSpec, expand
from trueline.model_analysis.slices import spec_columns

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline._core.runtime import ModelRuntime
    from trueline.model_analysis.api import HasRuntime
    from trueline.model_analysis.measured import SliceMetrics

__all__ = ["evaluate_robustness"]

_TASKS = ("binary", "multiclass", "regression")
_HIGHER = "HIGHER_IS_BETTER"


def evaluate_robustness(
    model: HasRuntime,
    dataset: Any,
    spec: RobustnessSpec | Mapping[str, Any],
    eval_config: EvalConfig | None = None,
    schema: schema_pb2.Schema | None = None,
    engine: Engine | None = None,
    *,
    work_dir: str | None = None,
) -> RobustnessResult:
    """Measures how much worse a model gets on disturbed rows, and judges it.

    Rows are cut into slices by their clean values. Memory does not grow with rows: predictions go through files.

    Args:
        model: a classifier or a regression; its own ``targets.onnx`` gives labels and weights.
        dataset: raw rows: a `Dataset`, or what `as_dataset` makes one of.
        spec: what is disturbed, what is measured, what must hold.
        eval_config: its slices and options count; its metrics do not.
        schema: numbers stay in its domains, texts take its values; without it the seen ones.
        engine: where it runs; threads of this machine by default.
        work_dir: a folder that all workers reach, for predictions; a temporary one of this machine by default.

    Raises:
        ConfigError: a spec that does not fit the model or the data; all problems at once.
        DataError: there are no rows, or what is given holds none.
    """
    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    spec = RobustnessSpec.from_dict(spec)
    runtime, config = model.runtime, eval_config or EvalConfig()
    dataset = as_dataset(dataset, features=features_read(runtime))
    slices = spec.slices or config.slices
    perturbations, columns, kept = _checked(runtime, dataset, spec, slices)
    with TemporaryDirectory(prefix="trueline-robustness-", dir=work_dir) as folder:
        facts = _facts(runtime, perturbations, dataset, schema, engine)
        share = 1.0 if spec.max_rows is None else min(spec.max_rows / max(dataset.num_rows, 1), 1.0)
        params = {
            "model": _identity(runtime),
            "columns": columns,
            "kept": kept,
            "facts": facts,
            "perturbations": [encode(p) for p in perturbations],
            "seed": spec.seed,
            "share": share,
            "noise_seed": config.options.seed,
            "folder": folder,
        }
        files = engine.map_blocks(FunctionSpec(PREDICT_BLOCK, params), dataset)
        paths = [os.path.join(folder, f["file"]) for f in files if f["rows"]]
        if not paths:
            raise DataError("there are no rows to disturb", hint="give a split with rows, or raise max_rows.")
        return _measure(runtime, Dataset.from_parquet(paths), spec, config, slices, perturbations, engine)


def _identity(runtime: ModelRuntime) -> dict[str, Any]:
    allowed = None if runtime.allow_host is None else list(runtime.allow_host)
    fingerprint = runtime.manifest.fingerprint if runtime.manifest is not None else ""
    return {"uri": runtime.uri, "fingerprint": fingerprint, "allow_host": allowed}


def _checked(
    runtime: ModelRuntime, dataset: Dataset, spec: RobustnessSpec, slices: Sequence[SlicingSpec]
) -> tuple[list[Perturbation], list[str], list[str]]:
    """The perturbations, the columns to read, and those to keep beside the predictions."""
    problems: list[str] = []
    task = str(runtime.info["task"])
    metric = find_metric(spec.metric)
    if task not in _TASKS:
        problems.append(f"a {task} model has no loss of single rows; robustness is of {', '.join(_TASKS)}")
    elif metric is not None and task not in metric.tasks:
        problems.append(f"{spec.metric} is no metric of a {task} model")
    perturbations: list[Perturbation] = []
    try:
        perturbations = expand(spec, runtime.inputs)
    except ConfigError as error:
        problems += error.problems
    read = {f.name for f in runtime.inputs} | {f.name for f in runtime.targets.raw.features}
    sliced = set(spec_columns(slices))
    shown = [c for c in dataset.columns if not c.startswith("__")]
    problems += [
        f"the data has no column {name!r}. {did_you_mean(name, shown)}"
        for name in sorted((read | sliced) - set(dataset.columns))
    ]
    if problems:
        raise ConfigError("robustness cannot be measured", problems=problems)
    wanted = read | sliced | {ROW_COLUMN}
    kept = [c for c in dataset.columns if c in sliced | {ROW_COLUMN}]
    return perturbations, [c for c in dataset.columns if c in wanted], kept


def _facts(
    runtime: ModelRuntime,
    perturbations: Sequence[Perturbation],
    dataset: Dataset,
    schema: schema_pb2.Schema | None,
    engine: Engine,
) -> dict[str, dict[str, Any]]:
    used = {name for p in perturbations for name in p.features}
    features = [f for f in runtime.inputs if f.name in used]
    dtypes = {f.name: f.dtype for f in features if f.dtype in (*NUMBERS, "utf8")}
    found: dict[str, dict[str, Any]] = {}
    if dtypes:
        found = engine.run(AccumulatorSpec(FEATURE_FACTS, {"dtypes": dtypes}), dataset, list(dtypes))
    return with_domains(found, features, schema)


def _measure(
    runtime: ModelRuntime,
    predictions: Dataset,
    spec: RobustnessSpec,
    config: EvalConfig,
    slices: Sequence[SlicingSpec],
    perturbations: Sequence[Perturbation],
    engine: Engine,
) -> RobustnessResult:
    from trueline.model_analysis import analyze_raw_data

    task = str(runtime.info["task"])
    options = replace(config.options, compute_confidence_intervals=True)
    metrics = MetricsSpec(metrics=(MetricConfig(spec.metric, spec.metric_config or {}),))
    measure = EvalConfig((metrics,), tuple(slices), options)
    found: list[tuple[Perturbation, tuple[SliceMetrics, ...]]] = []
    rows, notes = 0, []
    for number, p in enumerate(perturbations):
        measured = analyze_raw_data(
            predictions,
            measure,
            label_key=LABEL,
            prediction_key=disturbed(number),
            baseline_prediction_key=CLEAN,
            example_weight_key=WEIGHT if WEIGHT in predictions.columns else None,
            task=task,
            classes=len(runtime.classes or []) if task == "multiclass" else None,
            engine=engine,
        ).measured
        found.append((p, measured.slices))
        rows = measured.rows
        if not number and measured.too_small:
            notes.append(f"{len(measured.too_small)} slices are below the minimum size and are not gated.")
    key = next((k for _, slices_ in found for s in slices_ for k in s.metrics), spec.metric)
    metric = find_metric(spec.metric)
    direction = str(metric.better) if metric is not None else _HIGHER
    confidence = level(spec, config.options.confidence, sum(len(s) for _, s in found))
    losses = [_loss(p, s, key, direction, confidence) for p, slices_ in found for s in slices_]
    failures, gated = judge(spec, perturbations, losses, key)
    if not gated:
        notes.append("No bound is set: losses are reported and nothing is judged.")
    return RobustnessResult(key, direction, rows, tuple(losses), failures, gated, tuple(notes))


def _loss(p: Perturbation, s: SliceMetrics, key: str, direction: str, confidence: float) -> SliceLoss:
    clean, after, change = s.baseline.get(key), s.metrics.get(key), s.changes.get(key)
    values = (None if clean is None else clean.value, None if after is None else after.value)
    if values[0] is None or values[1] is None or change is None or change.value is None:
        parts = (("on clean rows", clean), ("on disturbed rows", after))
        why = next(
            (f"{where} {e.undefined or 'it is undefined'}" for where, e in parts if e is not None and e.value is None),
            "it was not measured",
        )
        return SliceLoss(p.label, s.name, s.rows, values[0], values[1], None, undefined=why)
    sign = -1.0 if direction == _HIGHER else 1.0
    loss, error = sign * change.value + 0.0, change.standard_error  # no -0.0
    relative = loss / abs(values[0]) if values[0] else None
    if error is None or s.groups < 2:
        return SliceLoss(p.label, s.name, s.rows, values[0], values[1], loss, relative)
    reach = t_quantile((1 + confidence) / 2, s.groups - 1) * error
    return SliceLoss(p.label, s.name, s.rows, values[0], values[1], loss, relative, error, loss - reach, loss + reach)
