"""A model that decides at a threshold of its own is measured there, whatever the threshold of the one beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_analysis_line import built

from trueline.engine import Dataset
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, evaluate, evaluate_models


@pytest.mark.frameworks
@pytest.mark.parametrize("several", [False, True])
def test_metrics_take_for_positive_what_the_served_model_says_is(tmp_path: Path, several: bool) -> None:
    made = built()
    base, table = made["late"], made["table"]
    probability = base.predict_proba(table)[:, 1]
    exact = float(np.quantile(probability, 0.7, method="nearest"))  # some row lies exactly on it
    model = base.with_decision(str(tmp_path / "m"), threshold=exact)
    config = EvalConfig([MetricsSpec([MetricConfig("TruePositives"), MetricConfig("FalsePositives")])])
    rows = Dataset.from_table(table, 400)
    if several:
        result = evaluate_models({"own": model}, rows, config, baseline=base).models["own"]
    else:
        result = evaluate(model, rows, config, baseline=base)
    label, weight = model.targets(table)
    kept = np.asarray(label.is_valid())
    truth, w = np.array(label.drop_null().to_pylist(), dtype=bool), np.ones(int(kept.sum()))
    w = w if weight is None else np.asarray(weight)[kept]
    said = np.array(model.predict(table).column("label").to_pylist(), dtype=bool)[kept]
    found = result.measured.slices[0]
    assert found.metrics["true_positives"].value == pytest.approx(w[said & truth].sum())
    assert found.metrics["false_positives"].value == pytest.approx(w[said & ~truth].sum())
    half = probability[kept] > 0.5
    assert found.baseline["true_positives"].value == pytest.approx(w[half & truth].sum())
    assert result.models["candidate"]["decision_threshold"] == exact
    assert "decision_threshold" not in result.models["baseline"]
