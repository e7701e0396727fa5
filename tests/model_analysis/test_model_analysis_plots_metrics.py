"""Plots as metrics of a pass: weights, slices, sub keys, any number of shards, and TFMA's golden plots."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from model_analysis_pbtxt import one, parse_pbtxt

from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import (
    BinarizationOptions,
    EvalConfig,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.plots import plot_from_json, plots_of

SHARED = Path(__file__).parents[3] / "shared" / "conformance" / "tfma" / "metrics.jsonl"
BINARY = ("ConfusionMatrixPlot", "CalibrationPlot", "ScoreDistributionPlot", "GainPlot")


def _config(*names: str, **more: Any) -> EvalConfig:
    slices = [SlicingSpec(), SlicingSpec(["company"])]
    return EvalConfig([MetricsSpec([MetricConfig(n, more.get(n, {})) for n in names])], slices)


def _column(table: pa.Table, name: str) -> Any:
    return table[name].to_numpy(zero_copy_only=False)


def test_plots_of_a_slice_hold_its_labelled_rows_with_their_weights(scored: pa.Table) -> None:
    result = analyze_raw_data(
        scored, _config(*BINARY), baseline_prediction_key="base", example_weight_key="w", task="binary"
    )
    company = next(s for s in result.measured.slices if s.key == (("company", "bolt"),))
    y, w = _column(scored, "label"), _column(scored, "w")
    rows = (_column(scored, "company") == "bolt") & np.isfinite(y)
    for side, column in ((company.metrics, "prediction"), (company.baseline, "base")):
        p = _column(scored, column)
        binary = plot_from_json(side["confusion_matrix_plot"].data)
        at = int(np.argmin(np.abs(binary.thresholds - 0.437)))
        assert binary.tp[at] == pytest.approx(w[rows & (p > binary.thresholds[at]) & (y == 1)].sum())
        assert binary.fp[at] == pytest.approx(w[rows & (p > binary.thresholds[at]) & (y == 0)].sum())
        calibration = plot_from_json(side["calibration_plot"].data)
        assert calibration.weight.sum() == pytest.approx(w[rows].sum())
        assert calibration.prediction.sum() == pytest.approx((w * p)[rows].sum())
        assert calibration.weight_square.sum() == pytest.approx((w * w)[rows].sum())
        scores = plot_from_json(side["score_distribution_plot"].data)
        assert scores.positive.sum() == pytest.approx(w[rows & (y == 1)].sum())
        assert plot_from_json(side["gain_plot"].data).gain()[-1] == pytest.approx((1.0, 1.0))


def _json(result: Any) -> str:
    return json.dumps([{k: e.data for k, e in s.metrics.items()} for s in result.measured.slices], sort_keys=True)


def test_same_plots_for_any_shards_and_workers(scored: pa.Table) -> None:
    config = _config(*BINARY)
    whole = analyze_raw_data(Dataset.from_table(scored, 500), config)
    dealt = analyze_raw_data(Dataset.from_table(scored, 500).deal(5), config, engine=LocalEngine(2))
    assert _json(whole) == _json(dealt)


def test_residuals_of_a_regression_are_the_same_for_any_shards(scored: pa.Table) -> None:
    table = scored.append_column("target", pa.array(10 * _column(scored, "prediction") + _column(scored, "hour")))
    config = EvalConfig([MetricsSpec([MetricConfig("ResidualPlot")])], [SlicingSpec(["company"])])
    keys = {"label_key": "target", "task": "regression"}
    whole = analyze_raw_data(Dataset.from_table(table, 700), config, **keys)
    dealt = analyze_raw_data(Dataset.from_table(table, 700).deal(4), config, engine=LocalEngine(2), **keys)
    assert _json(whole) == _json(dealt)
    found = plot_from_json(whole.measured.slices[0].metrics["residual_plot"].data)
    rows = _column(table, "company") == "acme"
    residual = (_column(table, "prediction") - _column(table, "target"))[rows]
    middle = (found.edges[:-1] + found.edges[1:]) / 2
    assert found.weight.sum() == rows.sum()
    assert (found.weight @ middle) / rows.sum() == pytest.approx(residual.mean(), rel=0.01)
    assert len(found.mean) == 20


def test_one_class_against_the_rest_has_a_plot_of_its_own() -> None:
    rng = np.random.default_rng(4)
    scores, label = rng.dirichlet(np.ones(3), 300), rng.integers(0, 3, 300)
    names = [MetricConfig("ConfusionMatrixPlot", {"num_thresholds": 10})]
    config = EvalConfig([MetricsSpec(names, binarize=BinarizationOptions(class_ids=(0, 2)))])
    result = analyze_raw_data(pa.table({"label": label, "prediction": list(scores)}), config)
    plots = dict(plots_of(result.measured))[()][""]
    assert sorted(plots) == ["classId:0", "classId:2"]
    found = plots["classId:2"]["confusionMatrixAtThresholds"]["matrices"][4]
    assert found["threshold"] == pytest.approx(0.3)
    assert found["truePositives"] == ((label == 2) & (scores[:, 2] > 0.3)).sum()


def test_a_saved_plot_is_there_again(scored: pa.Table, tmp_path: Path) -> None:
    result = analyze_raw_data(scored, _config(*BINARY))
    result.save(str(tmp_path))
    assert _json(type(result).load(str(tmp_path))) == _json(result)


# golden plots

LEFT_OUT = {
    "WithStringLabels": "classes by name need a vocabulary beside the predictions",
}


def _golden() -> list[dict[str, Any]]:
    if not SHARED.exists():
        return []
    every = [json.loads(line) for line in SHARED.read_text(encoding="utf-8").splitlines()]
    return [
        case
        for case in every
        if (case["op"] == "compute_metrics" and case.get("metric", {}).get("class", "").endswith("MatrixPlot"))
        or case.get("metric", {}).get("class") == "CalibrationPlot"
    ]


def _table(case: dict[str, Any]) -> tuple[pa.Table, dict[str, Any]]:
    columns: dict[str, list[Any]] = {"label": [], "prediction": [], "w": []}
    for example in case["examples"]:
        for name, key in (("label", "labels"), ("prediction", "predictions"), ("w", "example_weights")):
            columns[name].append(example[key]["values"])
    classes = len(columns["prediction"][0]) > 1
    several = len(columns["label"][0]) > 1
    flat = {
        "label": columns["label"] if several else [v[0] for v in columns["label"]],
        "prediction": columns["prediction"] if classes else [v[0] for v in columns["prediction"]],
        "w": [v[0] for v in columns["w"]],
    }
    return pa.table(flat), {"task": "multilabel" if several else "multiclass" if classes else None}


def _numbers(value: Any) -> list[dict[str, float]]:
    """Entries of the golden message, wrapped numbers unwrapped, in camel case; what is 0 is not written there."""
    found = []
    for record in value:
        flat = {}
        for name, got in record.items():
            camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
            first = got[0]
            flat[camel] = one(first, "value", 0.0) if isinstance(first, dict) else first
        found.append(flat)
    return found


def _same(mine: dict[str, Any], golden: dict[str, float]) -> bool:
    numbers = {k: float(v) for k, v in mine.items() if isinstance(v, int | float | str)}
    return all(
        (math.isnan(numbers.get(k, 0.0)) and math.isnan(golden.get(k, 0.0)))
        or numbers.get(k, 0.0) == golden.get(k, 0.0)
        or abs(numbers.get(k, 0.0) - golden.get(k, 0.0)) < 1e-5
        for k in numbers.keys() | golden.keys()
    )


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared conformance cases do not lie beside the clone")
@pytest.mark.parametrize("case", _golden(), ids=lambda case: case["id"].rsplit(".", 1)[-1])
def test_tfmas_golden_plots(case: dict[str, Any]) -> None:
    for name, why in LEFT_OUT.items():
        if name in case["id"]:
            pytest.skip(why)
    table, options = _table(case)
    weighted = case.get("eval_options", {}).get("example_weighted", False)
    metric = case["metric"]
    config = EvalConfig([MetricsSpec([MetricConfig(metric["class"], metric["config"])])])
    result = analyze_raw_data(table, config, example_weight_key="w" if weighted else None, **options)
    (made,) = dict(plots_of(result.measured))[()][""][""].values()
    golden = parse_pbtxt(case["expected"][0]["metrics"][-1]["value"]["pbtxt"])
    if "buckets" in golden:
        wanted = _numbers(golden["buckets"])
        assert len(made["buckets"]) == len(wanted)
        assert [i for i, (a, b) in enumerate(zip(made["buckets"], wanted, strict=True)) if not _same(a, b)] == []
        return
    assert len(made["matrices"]) == len(golden["matrices"])
    for mine, theirs in zip(made["matrices"], golden["matrices"], strict=True):
        if "entries" in theirs:
            entries = _numbers(theirs["entries"])
            assert len(mine["entries"]) == len(entries)
            assert all(any(_same(a, b) for a in mine["entries"]) for b in entries)
        elif mine["threshold"] != 0.0:  # there TFMA takes a score of 0 for greater than 0
            assert _same(mine, _numbers([theirs])[0]), (mine, theirs)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared conformance cases do not lie beside the clone")
def test_plots_that_the_upstream_library_recorded_of_a_table() -> None:
    cases = (json.loads(line) for line in SHARED.read_text(encoding="utf-8").splitlines())
    case = next(c for c in cases if c["id"] == "probe.analyze_raw_data.plots_binary")
    table = pa.table({c["name"]: c["values"] for c in case["columns"]})
    metrics = [
        MetricConfig("CalibrationPlot", {"num_buckets": 4}),
        MetricConfig("ConfusionMatrixPlot", {"num_thresholds": 4}),
    ]
    made = dict(plots_of(analyze_raw_data(table, EvalConfig([MetricsSpec(metrics)])).measured))[()][""][""]
    (recorded,) = case["expected"]["plots_for_slice"]
    value = one(one(parse_pbtxt(recorded), "plot_keys_and_values"), "value")
    buckets = _numbers(one(value, "calibration_histogram_buckets")["buckets"])
    assert len(buckets) == 6
    assert all(_same(a, b) for a, b in zip(made["calibrationHistogramBuckets"]["buckets"], buckets, strict=True))
    matrices = _numbers(one(value, "confusion_matrix_at_thresholds")["matrices"])
    assert len(matrices) == 6
    for mine, theirs in zip(made["confusionMatrixAtThresholds"]["matrices"], matrices, strict=True):
        if mine["threshold"] != 0.0:  # there TFMA takes a score of 0 for greater than 0
            assert _same(mine, theirs), (mine, theirs)
