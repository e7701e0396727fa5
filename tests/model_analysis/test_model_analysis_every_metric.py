"""Every metric of every task on rows that leave it little to measure: a number, a structure, or a reason, no crash."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
    metric_names,
)
from trueline.model_analysis.metrics import METRICS, find_metric
from trueline.model_analysis.metrics.record import REQUIRED

NAN = float("nan")
GIVEN: dict[str, Any] = {
    "thresholds": [0.5],
    "feature_key": "x",
    "sampled_key": "x",
    "feature_key_path": "x",
    "size": 2,
    "sample_size": 2,
}
SCALAR: dict[str, tuple[list[Any], list[Any], list[Any]]] = {
    "one row": ([1.0], [0.5], [1.0]),
    "one class": ([1.0, 1.0, 1.0], [0.2, 0.9, 0.9], [1.0, 2.0, 1.0]),
    "no weight": ([1.0, 0.0], [0.2, 0.9], [0.0, 0.0]),
    "right and sure": ([1.0, 0.0], [1.0, 0.0], [1.0, 1.0]),
    "wrong and sure": ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]),
    "no number": ([1.0, 0.0], [NAN, 0.3], [1.0, 1.0]),
    "no label": ([None, None], [0.1, 0.3], [1.0, 1.0]),
    "all equal": ([1.0, 0.0, 1.0], [0.4, 0.4, 0.4], [1.0, 1.0, 1.0]),
}


def rows_of(task: str, case: str) -> pa.Table:
    label, prediction, weight = SCALAR[case]
    n = len(label)
    if task in ("multiclass", "multilabel"):
        prediction = [[p, 1 - p, 0.0] for p in prediction]
    if task == "multilabel":
        label = [None if y is None else [y, 1 - y, 0.0] for y in label]
    kind = pa.list_(pa.float64()) if task == "multilabel" else pa.float64()
    return pa.table({"label": pa.array(label, kind), "prediction": prediction, "w": weight, "x": np.arange(n) * 1.0,
                     "base": prediction, "q": [f"q{i}" for i in range(n)], "part": ["a"] * n})  # fmt: skip


def configured(task: str) -> list[MetricsSpec]:
    specs = []
    for name in metric_names(task):
        metric = find_metric(name, task)
        assert metric is not None
        options = {k: GIVEN.get(k, 0.5) for k, v in metric.options.items() if v is REQUIRED}
        config = MetricConfig(name, {**options, "name": name} if not metric.parts else options)
        specs.append(MetricsSpec([config], query_key="q" if metric.query else ""))
    return specs


@pytest.mark.parametrize("case", SCALAR)
@pytest.mark.parametrize("task", ["binary", "regression", "multiclass", "multilabel", "ranking"])
def test_every_value_is_a_number_a_structure_or_has_its_reason(task: str, case: str) -> None:
    specs = [s for s in configured(task) if "ttribution" not in s.metrics[0].class_name]
    options = EvalOptions(compute_confidence_intervals=True, noise_groups=5)
    config = EvalConfig(specs, [SlicingSpec(), SlicingSpec(["part"])], options)
    table = rows_of(task, case)
    classes = 3 if task in ("multiclass", "multilabel") else None
    result = analyze_raw_data(
        table, config, baseline_prediction_key="base", example_weight_key="w", task=task, classes=classes
    )
    for found in result.measured.slices:
        for key, estimate in found.metrics.items():
            if estimate.value is None:
                assert estimate.undefined or estimate.data is not None, key
            else:
                assert math.isfinite(estimate.value), key
                assert not estimate.undefined, key
        if case == "no weight":
            counts = {"example_count", "weighted_example_count"}
            assert all(found.metrics[key].value in (None, 0.0) for key in counts & set(found.metrics))


def test_every_metric_of_ours_is_in_the_table_once_for_each_task() -> None:
    assert len(METRICS) == len({(m.class_name, task) for (_, task), m in METRICS.items()})
