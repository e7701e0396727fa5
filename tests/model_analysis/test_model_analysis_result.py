"""Results as a table, on disk and in a notebook."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline._core.errors import ArtifactError
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    EvalResult,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)


@pytest.fixture(scope="module")
def result(scored: pa.Table) -> EvalResult:
    gate = MetricThreshold(GenericValueThreshold(0.99), GenericChangeThreshold(0.0))
    config = EvalConfig(
        [MetricsSpec([MetricConfig("AUC", threshold=gate), MetricConfig("Precision", {"thresholds": 1.0})])],
        [SlicingSpec(), SlicingSpec(["company"]), SlicingSpec(["company", "hour"])],
        EvalOptions(min_slice_size=200),
    )
    return analyze_raw_data(scored, config, baseline_prediction_key="base", example_weight_key="w")


def test_result_survives_the_disk(result: EvalResult, tmp_path: Path) -> None:
    uri = str(tmp_path / "evaluation")
    result.save(uri)
    assert sorted(p.name for p in Path(uri).iterdir()) == [
        "eval_config.json",
        "evaluation.html",
        "metrics.parquet",
        "validation.json",
    ]
    again = EvalResult.load(uri)
    assert again == result
    assert again.measured.too_small
    assert again.plain_slicing_metrics == result.plain_slicing_metrics
    assert again.describe_failures() == result.describe_failures()


def test_table_has_a_row_per_slice_and_metric(result: EvalResult) -> None:
    table = result.to_table()
    assert table.num_rows == 2 * len(result.plain_slicing_metrics)
    first = table.to_pylist()[0]
    assert (first["slice"], first["metric"]) == ("Overall", "auc")
    assert first["value"] == result.plain_metrics()["auc"]
    assert first["change"] == pytest.approx(first["value"] - first["baseline"], abs=1e-15)
    assert "no row is predicted positive" in table.to_pylist()[1]["undefined"]


def test_metrics_parquet_can_be_read_without_this_library(result: EvalResult, tmp_path: Path) -> None:
    result.save(str(tmp_path))
    assert pq.read_table(tmp_path / "metrics.parquet").column("rows").to_pylist()[0] == result.measured.rows


def test_damaged_or_foreign_files_are_refused(result: EvalResult, tmp_path: Path) -> None:
    result.save(str(tmp_path))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "metrics.parquet")
    with pytest.raises(ArtifactError, match="no metrics file"):
        EvalResult.load(str(tmp_path))
    (tmp_path / "metrics.parquet").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="no metrics file"):
        EvalResult.load(str(tmp_path))


def test_slice_that_was_not_measured_is_named(result: EvalResult) -> None:
    with pytest.raises(KeyError, match="no slice 'company=zz'; there is Overall"):
        result.plain_metrics((("company", "zz"),))


def test_notebook_view_escapes_what_comes_from_data() -> None:
    evil = "<script>alert(1)</script>"
    table = pa.table({"label": [1, 0, 1], "prediction": [0.9, 0.1, 0.3], "c": [evil, evil, '"&']})
    gate = MetricThreshold(GenericValueThreshold(2.0))
    config = EvalConfig([MetricsSpec([MetricConfig("AUC", {"name": "<b>auc"}, gate)])], [SlicingSpec(["c"])])
    html = analyze_raw_data(table, config)._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "Gate closed" in html
    assert "c=&quot;&amp;" in html


def test_a_change_is_asked_by_name_and_slice(result: EvalResult) -> None:
    change = result.change("auc")
    assert change.value == result.metric("auc").value - result.metric("auc", baseline=True).value
    assert change.low < change.value < change.high
    with pytest.raises(KeyError, match=r"no change of 'auk' on Overall\. Did you mean 'auc'"):
        result.change("auk")
