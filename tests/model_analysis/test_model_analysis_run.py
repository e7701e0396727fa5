"""Every way into an evaluation gives the same numbers: tables, frames, callables, several models and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline._core.errors import ConfigError, DataError
from trueline.model_analysis import (
    EvalConfig,
    EvalResult,
    MetricConfig,
    MetricsSpec,
    ModelSpec,
    SlicingSpec,
    analyze_raw_data,
    run_model_analysis,
)


def rows(n: int = 400) -> pa.Table:
    rng = np.random.default_rng(7)
    x = rng.normal(size=n)
    label = (rng.random(n) < 1 / (1 + np.exp(-2 * x))).astype(int)
    return pa.table({"x": x, "label": label, "group": rng.choice(["a", "b"], n)})


def score(table: pa.Table) -> Any:
    return 1 / (1 + np.exp(-table["x"].to_numpy()))


CONFIG = EvalConfig(
    [MetricsSpec([MetricConfig("AUC"), MetricConfig("ExampleCount")])], [SlicingSpec(), SlicingSpec(["group"])]
)


def test_a_callable_is_measured_as_its_predictions_in_a_table_are() -> None:
    table = rows()
    scored = table.append_column("prediction", pa.array(score(table)))
    asked = run_model_analysis(score, table, CONFIG)
    assert asked.measured == analyze_raw_data(scored, CONFIG).measured
    assert asked.models["candidate"]["function"].endswith(":score")
    both = run_model_analysis(score, table, CONFIG, baseline=lambda t: np.full(t.num_rows, 0.5))
    assert both.metric("auc", baseline=True).value == 0.5


def test_a_callable_with_vectors_is_a_classifier_of_many() -> None:
    table = rows()
    config = EvalConfig([MetricsSpec([MetricConfig("Accuracy")])])
    result = run_model_analysis(lambda t: np.stack([1 - score(t), score(t)], axis=1), table, config)
    want = float(((score(table) > 0.5) == table["label"].to_numpy().astype(bool)).mean())
    assert result.task == "multiclass"
    assert result.metric("accuracy").value == pytest.approx(want, abs=1e-12)


def test_a_callable_that_loses_rows_is_refused() -> None:
    with pytest.raises(DataError, match="399 predictions for 400 rows"):
        run_model_analysis(lambda t: score(t)[1:], rows(), CONFIG)
    with pytest.raises(ConfigError, match="a int is no model"):
        run_model_analysis(3, rows(), CONFIG)


def test_frames_files_and_tables_are_the_same_data(tmp_path: Path) -> None:
    table = rows()
    scored = table.append_column("prediction", pa.array(score(table)))
    path = str(tmp_path / "rows.parquet")
    pq.write_table(scored, path)
    want = analyze_raw_data(scored, CONFIG).plain_slicing_metrics
    frames: list[Any] = [scored.to_pandas(), pl.from_arrow(scored), path]
    for form in frames:
        assert analyze_raw_data(form, CONFIG).plain_slicing_metrics == want


def test_nan_in_a_frame_is_a_missing_value_as_in_tfma() -> None:
    frame = pd.DataFrame({"label": [1.0, 0.0, np.nan, 1.0], "prediction": [0.9, 0.2, 0.5, 0.7]})
    result = analyze_raw_data(frame, EvalConfig([MetricsSpec([MetricConfig("AUC")])]))
    assert (result.measured.rows, result.measured.missing_labels) == (3, 1)
    assert result.metric("auc").value == 1.0


def test_several_models_of_one_table_by_their_specs() -> None:
    table = rows()
    scored = table.append_column("good", pa.array(score(table))).append_column("bad", pa.array(1 - score(table)))
    specs = [ModelSpec(name, prediction_key=name) for name in ("good", "bad")]
    config = EvalConfig([MetricsSpec([MetricConfig("AUC")])], model_specs=specs)
    result = analyze_raw_data(scored, config)
    good, bad = (result.models[name].metric("auc").value for name in ("good", "bad"))
    assert good + bad == pytest.approx(1.0)
    assert good > 0.8
    with pytest.raises(ConfigError, match="need names"):
        analyze_raw_data(
            scored, EvalConfig([MetricsSpec([MetricConfig("AUC")])], model_specs=[ModelSpec(), ModelSpec()])
        )


def test_labels_by_value_and_metrics_in_tfmas_shape() -> None:
    table = pa.table({"label": ["cat", "dog", "cat", None], "prediction": [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [1, 0]]})
    config = EvalConfig([MetricsSpec([MetricConfig("Accuracy")])])
    result = analyze_raw_data(table, config, classes=["cat", "dog"])
    assert result.slicing_metrics == [((), {"": {"": {"accuracy": {"doubleValue": 2 / 3}}}})]
    assert result.get_metrics_for_slice() == {"accuracy": {"doubleValue": 2 / 3}}
    unknown = analyze_raw_data(table, config, classes=["cat", "cow"])
    assert unknown.get_metrics_for_slice()["accuracy"]["doubleValue"] == "NaN"
    assert "1 labels are none of the model's classes" in unknown.metric("accuracy").undefined
    with pytest.raises(KeyError, match="no metric 'acuracy' on Overall"):
        result.metric("acuracy")


def test_classes_are_called_by_their_values_in_the_page_and_after_the_disk(tmp_path: Path) -> None:
    table = pa.table({"label": ["cat", "dog"] * 4, "prediction": [[0.9, 0.1], [0.4, 0.6]] * 4})
    config = EvalConfig([MetricsSpec([MetricConfig("MultiClassConfusionMatrixPlot")])])
    result = analyze_raw_data(table, config, classes=["cat", "dog"])
    assert result.class_names == ("cat", "dog")
    assert ">cat<" in result.to_html()
    result.save(str(tmp_path))
    assert EvalResult.load(str(tmp_path)) == result
