"""Permutation importance by a metric of the evaluation, or by a function of one's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline._core.rowid import ROW_COLUMN
from trueline.engine.base import Block, Dataset, FunctionSpec
from trueline.model_analysis.config import EvalConfig, EvalOptions, MetricConfig, MetricsSpec
from trueline.model_analysis.explain.importance import Importance, PermutationImportance
from trueline.model_analysis.explain.losses import labels_of, predictions_of
from trueline.model_analysis.explain.permutation import Asked, identity_of, number_or_none
from trueline.model_analysis.explain.permutation_pass import permuted_predictions
from trueline.model_analysis.explain.rows import check_columns
from trueline.model_analysis.explain.target import Floats
from trueline.model_analysis.slices import spec_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.engine.base import Engine

__all__ = ["by_function", "by_metric", "write_block"]

_LABEL, _WEIGHT, _BASE = "__label__", "__weight__", "__base__"


def _column(g: int, r: int) -> str:
    return f"__dealt_{g}_{r}__"


def by_function(asked: Asked, metric: Callable[..., float], dataset: Dataset) -> PermutationImportance:
    """By a function of labels, predictions and weights; it holds the predictions of one dealing at a time in memory.

    Raises:
        ConfigError: slices, which a function has not.
        DataError: no row with a label.
    """
    if len(asked.specs) > 1:
        raise ConfigError("a function of one's own is asked for all rows alone", hint="leave slices out.")
    needed = asked.needed()
    check_columns(dataset, needed)
    runtime, columns = asked.target.runtime, [c for c in dataset.columns if c in {*needed, ROW_COLUMN}]
    held: dict[str, list[Floats]] = {}
    for batch in dataset.batches(columns):
        label, weight = labels_of(runtime, batch)
        good = np.isfinite(label)
        parts = {_LABEL: label, _WEIGHT: weight, _BASE: predictions_of(runtime, runtime.predict_arrow(batch))}
        members = list(asked.groups.values())
        for g, r, made in permuted_predictions(runtime, batch, members, asked.repeats, asked.seed):
            parts[_column(g, r)] = made
        for name, values in parts.items():
            held.setdefault(name, []).append(values[good])
    joined = {name: np.concatenate(parts) for name, parts in held.items()}
    rows = len(joined.get(_LABEL, ()))
    if not rows:
        raise DataError(f"no row has a label, of {dataset.num_rows} rows", where=str(runtime.info.get("label")))

    def value(name: str) -> float:
        made = joined[name]
        binary = made.ndim == 2 and made.shape[1] == 2
        return float(metric(joined[_LABEL], made[:, 1] if binary else made, joined[_WEIGHT]))

    base = value(_BASE)
    entries = []
    for g, (name, features) in enumerate(asked.groups.items()):
        drops = np.array([base - value(_column(g, r)) for r in range(asked.repeats)])
        error = float(drops.std(ddof=1) / np.sqrt(len(drops))) if len(drops) > 1 else float("nan")
        entries.append(_entry(asked, name, features, "Overall", rows, drops, error))
    shown = str(getattr(metric, "__name__", type(metric).__name__))
    return asked.result(shown, {"Overall": (number_or_none(base), None)}, entries, dataset.num_rows - rows)


def _entry(
    asked: Asked, name: str, features: tuple[str, ...], slice: str, rows: int, drops: Floats, error: float
) -> Importance:
    value, known = number_or_none(float(drops.mean())), number_or_none(error)
    low, high = asked.interval(value, known)
    why = None if value is not None else "the metric is undefined in one of the dealings"
    repeats = tuple(number_or_none(float(d)) for d in drops)
    return Importance(name, features, slice, rows, value, known, low, high, repeats, why)


def write_block(
    block: Block,
    folder: str,
    columns: Sequence[str],
    keep: Sequence[str],
    model: Mapping[str, Any],
    groups: Sequence[Sequence[str]],
    repeats: int,
    seed: int,
) -> str:
    """Writes a block's labels and predictions, as they are and with each group dealt anew; returns the file's name."""
    import uuid

    import pyarrow as pa
    import pyarrow.parquet as pq

    from trueline.model_analysis.sources import load_runtime

    runtime = load_runtime(model["uri"], model["fingerprint"], model["allow_host"])
    batch = block.read(columns)
    label, weight = labels_of(runtime, batch)
    made: dict[str, Any] = {n: batch.column(batch.schema.get_field_index(n)) for n in keep}
    made[_LABEL] = pa.array(label, mask=~np.isfinite(label))
    made[_WEIGHT] = np.nan_to_num(weight)
    made[_BASE] = _predictions(predictions_of(runtime, runtime.predict_arrow(batch)))
    for g, r, predictions in permuted_predictions(runtime, batch, groups, repeats, seed):
        made[_column(g, r)] = _predictions(predictions)
    path = os.path.join(folder, f"{block.number:09d}-{uuid.uuid4().hex}.parquet")
    pq.write_table(pa.table(made), path)
    return path


def _predictions(values: Floats) -> pa.Array:
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values)
    if values.shape[1] == 2:
        return pa.array(np.ascontiguousarray(values[:, 1]))
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(pa.float64()))


def _spec_of(metric: Any) -> MetricsSpec:
    if isinstance(metric, MetricsSpec):
        given = metric
    elif isinstance(metric, MetricConfig):
        given = MetricsSpec(metrics=(metric,))
    elif isinstance(metric, str):
        given = MetricsSpec(metrics=(MetricConfig(metric),))
    else:
        raise ConfigError(f"{metric!r} is no metric", hint="give a name, a MetricConfig, a MetricsSpec or a function.")
    if len(given.metrics) != 1:
        raise ConfigError(f"{len(given.metrics)} metrics where one is needed", hint="give a MetricsSpec of one metric.")
    only = replace(given.metrics[0], threshold=None, per_slice_thresholds=(), cross_slice_thresholds=())
    return replace(given, metrics=(only,), thresholds={}, per_slice_thresholds={}, cross_slice_thresholds={})


def by_metric(asked: Asked, metric: Any, dataset: Dataset, engine: Engine | None) -> PermutationImportance:
    """By a metric of the evaluation, on every slice: each dealing is a candidate, the data as they are the baseline.

    Predictions are written to a folder for as long as it takes; memory does not grow with the rows.

    Raises:
        ConfigError: no such metric, one that gives several values, or one of which nobody knows what is better.
    """
    from trueline.engine import default_engine

    spec = _spec_of(metric)
    task = str(asked.target.runtime.info["task"])
    sign = _sign(spec.metrics[0], task)
    named = _named_columns(spec, dataset)
    needed = [*asked.needed(), *named]
    check_columns(dataset, needed)
    columns = [c for c in dataset.columns if c in {*needed, ROW_COLUMN}]
    wanted = {*spec_columns(asked.specs), *named, ROW_COLUMN}
    keep = [c for c in columns if c in wanted]
    used = engine or default_engine()
    with tempfile.TemporaryDirectory(prefix="trueline-") as folder:
        params = {
            "folder": folder,
            "columns": columns,
            "keep": keep,
            "model": identity_of(asked.target.runtime),
            "groups": [list(v) for v in asked.groups.values()],
            "repeats": asked.repeats,
            "seed": asked.seed,
        }
        files = used.map_blocks(FunctionSpec(f"{__name__}:write_block", params), dataset)
        return _measured(asked, spec, sign, Dataset.from_parquet(files), used)


def _named_columns(spec: MetricsSpec, dataset: Dataset) -> list[str]:
    """The query's column, and columns that the metric's own options name, such as a gain."""
    options = [
        v for value in spec.metrics[0].config.values() for v in (value if isinstance(value, tuple) else (value,))
    ]
    named = [v for v in options if isinstance(v, str) and v in dataset.columns]
    return [*([spec.query_key] if spec.query_key else []), *named]


def _sign(metric: MetricConfig, task: str) -> float:
    """1 where a smaller value is worse, -1 where a greater one is."""
    from trueline._core.errors import did_you_mean
    from trueline.model_analysis.metrics import find_metric, metric_names

    found = find_metric(metric.class_name, task)
    if found is None:
        names = metric_names(task)
        raise ConfigError(
            f"a {task} model has no metric {metric.class_name!r}", hint=did_you_mean(metric.class_name, names)
        )
    better = str(getattr(found.better, "name", found.better)).upper()
    for word, sign in (("HIGHER", 1.0), ("LOWER", -1.0)):
        if word in better:
            return sign
    raise ConfigError(
        f"nobody knows whether more or less of {metric.class_name!r} is better", hint="choose another metric."
    )


def _measured(asked: Asked, spec: MetricsSpec, sign: float, scored: Dataset, engine: Engine) -> PermutationImportance:
    from trueline.model_analysis.raw_data import analyze_raw_data

    runtime = asked.target.runtime
    task = str(runtime.info["task"])
    options = EvalOptions(compute_confidence_intervals=True, confidence=asked.confidence)
    config = EvalConfig(metrics_specs=(spec,), slicing_specs=tuple(asked.specs), options=options)
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    scores: dict[str, tuple[float | None, float | None]] = {}
    rows: dict[str, int] = {}
    missing, metric = 0, ""
    for g in range(len(asked.groups)):
        for r in range(asked.repeats):
            result = analyze_raw_data(
                scored,
                config,
                label_key=_LABEL,
                prediction_key=_column(g, r),
                baseline_prediction_key=_BASE,
                example_weight_key=_WEIGHT,
                task=task,
                classes=len(runtime.classes or []) or None,
                engine=engine,
            )
            missing = result.measured.missing_labels
            for slice in result.measured.slices:
                metric = _only(slice.baseline)
                change, base = slice.changes[metric], slice.baseline[metric]
                rows[slice.name] = slice.rows
                scores[slice.name] = base.value, base.standard_error
                value = float("nan") if change.value is None else -sign * change.value
                error = float("nan") if change.standard_error is None else change.standard_error
                found.setdefault((g, slice.name), []).append((value, error))
    entries = []
    for slice_label in scores:
        for g, (name, features) in enumerate(asked.groups.items()):
            pairs = np.array(found[g, slice_label])
            spread = pairs[:, 0].var(ddof=1) / len(pairs) if len(pairs) > 1 else 0.0
            # The rows' noise is common to all dealings, so that it does not shrink with their number.
            error = float(np.sqrt(np.square(pairs[:, 1]).mean() + spread))
            entries.append(_entry(asked, name, features, slice_label, rows[slice_label], pairs[:, 0], error))
    return asked.result(metric, scores, entries, missing)


def _only(metrics: Mapping[str, Any]) -> str:
    if len(metrics) != 1:
        raise ConfigError(
            f"the metric has {len(metrics)} values where one is needed: {', '.join(metrics) or 'none'}",
            hint="ask for one class, one output or one aggregate.",
        )
    return next(iter(metrics))
