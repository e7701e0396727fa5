"""The same evaluation, run, stored and asked for in other ways: nothing of it may change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from test_model_analysis_every_metric import SCALAR, configured, rows_of

from trueline._core.errors import ConfigError, DataError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import (
    AggregationOptions,
    ConfidenceIntervalOptions,
    CrossSlicingSpec,
    EvalConfig,
    EvalOptions,
    EvalResult,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.measured import Measured

FORMAT1 = Path(__file__).parent / "format1"
FEW = {
    "binary": {"AUC", "AUCPrecisionRecall", "F1Score", "LogLoss", "ExpectedCalibrationError", "MedianAbsoluteError",
               "FixedSizeSample", "NDCG", "MeanAveragePrecision", "QueryStatistics", "ConfusionMatrixPlot",
               "SymmetricFlipRate", "TotalAttributions", "MaxError", "Calibration", "MinLabelPosition"},
    "multiclass": {"Accuracy", "F1Score", "MultiClassAUC", "CohenKappa", "CategoricalCrossentropy", "AUC",
                   "MultiClassConfusionMatrixPlot", "ModelCosineSimilarity", "MaximumCalibrationError"},
    "multilabel": {"F1Score", "SubsetAccuracy", "HammingLoss", "MultiLabelConfusionMatrixPlot", "MultiClassAUC"},
    "regression": {"R2Score", "MedianAbsoluteError", "GammaDeviance", "ResidualPlot", "SquaredPearsonCorrelation"},
}  # fmt: skip
"""Of each way in which a metric is kept: sums, histograms by group, order of scores, states, queries, plots."""


def rows(task: str, n: int) -> pa.Table:
    """Lists as slice values, a value that the last block alone has, queries over block borders."""
    rng = np.random.default_rng(1)
    y = (rng.random(n) < 0.4).astype(float)
    p = np.clip(y * 0.2 + rng.random(n) * 0.8, 0.01, 1)
    label: Any = pa.array(y, mask=rng.random(n) < 0.05)
    prediction: Any = p
    base: Any = np.clip(p + rng.normal(0, 0.05, n), 0, 1)
    if task in ("multiclass", "multilabel"):
        prediction, base = (rng.dirichlet(np.ones(3), n).tolist() for _ in range(2))
        label = pa.array(rng.integers(0, 3, n).astype(float), mask=rng.random(n) < 0.05)
    if task == "multilabel":
        label = [(rng.random(3) < 0.4).astype(float).tolist() if i % 20 else None for i in range(n)]
    query = np.sort(rng.integers(0, n // 6, n))
    return pa.table({
        "label": label, "prediction": prediction, "base": base, "w": rng.choice([0.0, 0.1, 0.7, 1.3], n // 6)[query],
        "x": rng.normal(size=n), "q": [f"q{i}" for i in query], "part": rng.choice(["a", "b", "c"], n),
        "late": ["only" if i > n - 5 else None for i in range(n)],
        "tags": [["u", "v"][: int(rng.integers(0, 3))] for _ in range(n)], "attribution:x": rng.normal(size=n),
        "__row__": np.arange(n) + 7,
    })  # fmt: skip


def config_of(task: str, method: str, every: bool) -> EvalConfig:
    specs = [s for s in configured(task) if every or s.metrics[0].class_name in FEW[task]]
    slices = [SlicingSpec(), SlicingSpec(["part"]), SlicingSpec(["tags"]), SlicingSpec(["late"]),
              SlicingSpec(expression="x > 0"), SlicingSpec(buckets={"x": [-1.0, 0.0, 1.0]})]  # fmt: skip
    cross = [CrossSlicingSpec(SlicingSpec(feature_values={"part": "a"}), [SlicingSpec(["part"])])]
    options = EvalOptions(compute_confidence_intervals=True, exact_rank_rows=60, noise_groups=8,
                          confidence_intervals=ConfidenceIntervalOptions(method, 10))  # fmt: skip
    return EvalConfig(specs, slices, options, cross_slicing_specs=cross)


def measured_in_other_ways(task: str, method: str, every: bool, n: int) -> None:
    table, config = rows(task, n), config_of(task, method, every)
    said: dict[str, Any] = {"baseline_prediction_key": "base", "example_weight_key": "w", "task": task,
                            "classes": 3 if task in ("multiclass", "multilabel") else None}  # fmt: skip
    whole = analyze_raw_data(Dataset.from_table(table, n // 8), config, engine=LocalEngine(1), **said)
    assert {"late=only", "tags=u", "x=[0, 1)"} <= {s.name for s in whole.measured.slices}
    engines = [(3, LocalEngine(2)), (5, LocalEngine(1)), *([(4, LocalEngine(2, processes=True))] if every else [])]
    for shards, engine in engines:
        other = analyze_raw_data(Dataset.from_table(table, n // 8).deal(shards), config, engine=engine, **said)
        assert repr(other.measured) == repr(whole.measured)  # every bit of every field
        assert other.plots == whole.plots
    other = analyze_raw_data(Dataset.from_table(table, n // 3 - 1), config, engine=LocalEngine(1), **said)
    close(whole.measured, other.measured)


def close(one: Measured, two: Measured) -> None:
    """Counts are equal, sums to 1e-11: blocks are cut elsewhere."""
    assert [s.key for s in one.slices] == [s.key for s in two.slices]
    for mine, theirs in zip((*one.slices, *one.cross), (*two.slices, *two.cross), strict=True):
        assert getattr(mine, "rows", 0) == getattr(theirs, "rows", 0)
        for key, estimate in mine.metrics.items():
            other = theirs.metrics[key]
            assert estimate.undefined == other.undefined, key
            for field in ("value", "standard_error", "low", "high"):
                a, b = getattr(estimate, field), getattr(other, field)
                assert (a is None) == (b is None), (key, field)
                assert a is None or a == pytest.approx(b, rel=1e-9, abs=1e-11), (key, field)


@pytest.mark.parametrize(("task", "method"), [("binary", "JACKKNIFE"), ("multiclass", "JACKKNIFE"),
                                              ("regression", "POISSON_BOOTSTRAP")])  # fmt: skip
def test_shards_workers_and_blocks(task: str, method: str) -> None:
    measured_in_other_ways(task, method, every=False, n=240)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["JACKKNIFE", "POISSON_BOOTSTRAP", "CLOSED_FORM"])
@pytest.mark.parametrize("task", [*FEW, "ranking"])
def test_shards_workers_processes_and_blocks_of_every_metric(task: str, method: str) -> None:
    measured_in_other_ways(task, method, every=True, n=600)


def stored(task: str, case: str, folder: Path) -> None:
    specs = [s for s in configured(task) if "ttribution" not in s.metrics[0].class_name]
    cross = [CrossSlicingSpec(SlicingSpec(), [SlicingSpec(["part"])])]
    options = EvalOptions(compute_confidence_intervals=True)
    config = EvalConfig(specs, [SlicingSpec(), SlicingSpec(["part"])], options, cross_slicing_specs=cross)
    classes = 3 if task in ("multiclass", "multilabel") else None
    result = analyze_raw_data(rows_of(task, case), config, baseline_prediction_key="base", example_weight_key="w",
                              task=task, classes=classes)  # fmt: skip
    result.save(str(folder / f"{task} {case}"))
    loaded = EvalResult.load(str(folder / f"{task} {case}"))
    assert loaded.measured == result.measured
    assert (loaded.config, loaded.validation_result) == (result.config, result.validation_result)


@pytest.mark.parametrize(("task", "case"), [("binary", "no label"), ("multiclass", "one row")])
def test_every_field_of_every_estimate_survives_the_disk(task: str, case: str, tmp_path: Path) -> None:
    stored(task, case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", SCALAR)
@pytest.mark.parametrize("task", ["binary", "regression", "multiclass", "multilabel", "ranking"])
def test_every_field_survives_the_disk_whatever_the_rows(task: str, case: str, tmp_path: Path) -> None:
    stored(task, case, tmp_path)


def test_a_result_of_the_first_format_still_loads(tmp_path: Path) -> None:
    """Written by the first release that had one, with a baseline, a gate and a slice that is too small."""
    result = EvalResult.load(str(FORMAT1))
    assert [(s.name, s.rows, s.groups) for s in result.measured.slices] == [
        ("Overall", 80, 30), ("part=a", 40, 25), ("part=b", 38, 23)]  # fmt: skip
    estimate = result.metric("auc")
    assert (estimate.value, estimate.standard_error) == (0.8098811757348343, 0.0476825554743769)
    assert (estimate.low, estimate.high, estimate.method) == (None, None, None)
    assert result.measured.slices[1].changes["auc"].value == 0.0
    assert result.validation_result.ok
    assert result.measured.too_small == (((("part", "c"),), 2),)
    assert "part=a" in result.to_html()
    result.save(str(tmp_path / "again"))
    assert EvalResult.load(str(tmp_path / "again")).measured == result.measured


HOSTILE = ["a\nb", 'q"uo\'te', "emoji 😀", "x" * 10_000, "=1+1", "<script>alert(1)</script>", "", "\u202e", "a=b, c",
           "nul\x00", "Overall", "{}"]  # fmt: skip


def test_slice_values_of_any_text_are_told_apart_stored_and_escaped(tmp_path: Path) -> None:
    n = len(HOSTILE)
    table = pa.table({"label": np.tile([0.0, 1.0], n), "prediction": np.linspace(0, 1, 2 * n),
                      "auc": [t for t in HOSTILE for _ in range(2)]})  # fmt: skip
    config = EvalConfig([MetricsSpec([MetricConfig("AUC")])], [SlicingSpec(["auc"])])
    result = analyze_raw_data(table, config)
    assert {s.key[0][1]: (s.rows, s.metrics["auc"].value) for s in result.measured.slices} == dict.fromkeys(
        HOSTILE, (2, 1.0)
    )
    result.save(str(tmp_path / "r"))
    assert EvalResult.load(str(tmp_path / "r")).measured == result.measured
    assert "<script>alert(1)" not in result.to_html()


def test_slice_values_of_every_type() -> None:
    nan = float("nan")
    table = pa.table({
        "label": [0.0, 1.0, 0.0, 1.0], "prediction": [0.1, 0.9, 0.2, 0.8],
        "number": [nan, nan, 0.0, -0.0], "flag": [True, False, None, True],
        "when": pa.array([0, 1, 1, None], pa.timestamp("us")), "many": [["a", "a"], [], None, ["a", "b", None]],
    })  # fmt: skip
    found = {}
    for column in ("number", "flag", "when", "many"):
        config = EvalConfig([MetricsSpec([MetricConfig("ExampleCount")])], [SlicingSpec([column])])
        slices = analyze_raw_data(table, config).measured.slices
        found[column] = {s.name: s.rows for s in slices}
    assert found == {
        "number": {"number=0.0": 2, "number=nan": 2},
        "flag": {"flag=false": 1, "flag=true": 2},
        "when": {"when=1970-01-01T00:00:00.000000": 1, "when=1970-01-01T00:00:00.000001": 2},
        "many": {"many=a": 2, "many=b": 1},
    }
    config = EvalConfig([MetricsSpec([MetricConfig("ExampleCount")])], [SlicingSpec(feature_values={"flag": "true"})])
    assert [s.rows for s in analyze_raw_data(table, config).measured.slices] == [2]


def test_too_many_slices_stop_the_pass_before_they_take_memory() -> None:
    n = 60_000
    table = pa.table({"label": np.tile([0.0, 1.0], n // 2), "prediction": np.linspace(0, 1, n), "id": np.arange(n)})
    plot = MetricConfig("ConfusionMatrixPlot", {"num_thresholds": 1000})  # 40 kB a slice
    config = EvalConfig([MetricsSpec([plot])], [SlicingSpec(["id"])], EvalOptions(max_slices=50))
    with pytest.raises(DataError, match="more than 50 slices, among them 'id=50'"):
        analyze_raw_data(table, config)


def reasons(table: pa.Table, names: list[str], task: str = "binary", **said: Any) -> dict[str, str | None]:
    config = EvalConfig([MetricsSpec([MetricConfig(n, {"name": n}) for n in names])])
    found = analyze_raw_data(table, config, task=task, **said).measured.slices[0].metrics
    return {name: estimate.undefined for name, estimate in found.items()}


def test_the_first_true_reason_is_said() -> None:
    names = ["AUC", "Precision", "Recall", "F1Score", "MatthewsCorrelationCoefficient", "Calibration", "R2Score"]
    table = pa.table({"label": [1.0, 0.0], "prediction": [0.9, 0.1], "w": [0.0, 0.0]})
    assert set(reasons(table, names, example_weight_key="w").values()) == {"the weights add up to 0"}
    table = pa.table({"label": pa.array([1.0, None]), "prediction": [0.9, 0.1], "w": [0.0, 1.0]})
    said = {"no row with a weight has a label (1 are missing)"}
    assert set(reasons(table, names, example_weight_key="w").values()) == said
    table = pa.table({"label": [1.0, 2.0], "prediction": [1e200, 1.0]})
    found = reasons(table, ["MeanAbsoluteError", "MeanSquaredError", "R2Score", "ExplainedVariance"], "regression")
    assert found.pop("MeanAbsoluteError") is None
    assert set(found.values()) == {"a sum is infinite: labels or predictions are too large"}
    table = pa.table({"label": [1.0, 0.0], "prediction": [0.9, 0.0]})
    assert reasons(table, ["RelativeCoefficientOfDiscrimination"]) == {
        "RelativeCoefficientOfDiscrimination":
        "the slice holds only one of the two classes, or all predictions of negatives are 0"}  # fmt: skip


def test_an_output_without_labels_leaves_the_other_one_alone() -> None:
    table = pa.table({"ya": pa.array([None] * 4, pa.float64()), "yb": [0.0, 1.0, 0.0, 1.0], "p": [0.1, 0.9, 0.2, 0.8]})
    for first, second in (("a", "b"), ("b", "a")):
        spec = ModelSpec(label_keys={k: f"y{k}" for k in (first, second)}, prediction_keys={first: "p", second: "p"})
        config = EvalConfig([MetricsSpec([MetricConfig("AUC"), MetricConfig("TruePositives")])], model_specs=[spec])
        found = analyze_raw_data(table, config).measured.slices[0].metrics
        assert found["auc[output=b]"].value == 1.0
        assert found["true_positives[output=b]"].value == 2.0
        for name in ("auc[output=a]", "true_positives[output=a]"):
            assert found[name].undefined == "no row with a weight has a label (4 are missing)"


def test_rows_of_no_class_agree_with_no_prediction() -> None:
    """One-hot labels that are all 0: wrong for accuracy, kappa, correlation and the top k alike."""
    table = pa.table({"label": [[1.0, 0, 0], [0.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]],
                      "prediction": [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7], [0.5, 0.3, 0.2]]})  # fmt: skip
    entries = [MetricConfig("Accuracy"), MetricConfig("CohenKappa"), MetricConfig("TopKCategoricalAccuracy", {"k": 1}),
               MetricConfig("CohenKappa", {"weighting": "linear", "name": "linear"}),
               MetricConfig("MultiClassMatthewsCorrelationCoefficient", {"name": "mcc"})]  # fmt: skip
    found = analyze_raw_data(table, EvalConfig([MetricsSpec(entries)]), task="multiclass").measured.slices[0].metrics
    from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

    truth, said = [0, 3, 2, 1], [0, 2, 2, 0]  # the fourth class stands for none
    assert found["accuracy"].value == found["top_k_categorical_accuracy"].value == 0.5
    assert found["cohen_kappa"].value == pytest.approx(cohen_kappa_score(truth, said), rel=1e-12)
    assert found["mcc"].value == pytest.approx(matthews_corrcoef(truth, said), rel=1e-12)
    assert "a row of no class" in str(found["linear"].undefined)


@pytest.mark.parametrize("case", ["one row", "one class", "no weight", "no number", "no label", "all equal"])
def test_a_gate_on_what_cannot_be_measured_fails_and_names_the_slice(case: str) -> None:
    """Every metric that is undefined on the slice fails its gate there by name; no other fails as undefined."""
    bounds = MetricThreshold(value_threshold=GenericValueThreshold(-1e300, 1e300))
    specs = [replace(s, metrics=[replace(m, threshold=bounds) for m in s.metrics]) for s in configured("binary")
             if "ttribution" not in s.metrics[0].class_name and not any(
                 word in s.metrics[0].class_name for word in ("Plot", "Sample", "AtThresholds", "Boolean", "Fairness",
                                                              "QueryStatistics"))]  # fmt: skip
    config = EvalConfig(specs, [SlicingSpec()])
    result = analyze_raw_data(rows_of("binary", case), config, baseline_prediction_key="base", example_weight_key="w")
    undefined = {k for k, e in result.measured.slices[0].metrics.items() if e.value is None}
    failures = result.validation_result.failures
    assert {f.metric for f in failures} == undefined
    assert all(f.kind == "undefined" and f.slice == "Overall" and "Overall" in f.sentence for f in failures)
    assert result.validation_result.ok == (not undefined)


@pytest.mark.parametrize(("name", "options"), [
    ("AUC", {"thresholds": [float("nan")]}), ("FalsePositives", {"thresholds": float("nan")}),
    ("SymmetricFlipRate", {"threshold": float("nan")}), ("BinaryCrossentropy", {"label_smoothing": 2}),
    ("PinballLoss", {"quantile": 1.5}), ("Huber", {"delta": -1}), ("TweedieDeviance", {"power": 0.5}),
    ("PrecisionAtRecall", {"recall": 1.5}), ("AUC", {"num_thresholds": 10**9}),
    ("ExpectedCalibrationError", {"num_bins": 10**10}),
])  # fmt: skip
def test_an_option_that_no_value_can_follow_from_is_refused(name: str, options: dict[str, Any]) -> None:
    """A score is never above NaN: without this a false-positive count would be a silent 0."""
    table = pa.table({"label": [1.0, 0.0], "prediction": [0.9, 0.1], "base": [0.9, 0.1]})
    config = EvalConfig([MetricsSpec([MetricConfig(name, options)])])
    with pytest.raises(ConfigError, match=f"metric '{name}', option '{next(iter(options))}'"):
        analyze_raw_data(table, config, baseline_prediction_key="base")


def test_a_mean_over_classes_names_the_class_that_undoes_it_and_leaves_out_what_does_not_count() -> None:
    table = pa.table({"label": [0.0, 1.0, 0.0, 1.0],
                      "prediction": [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1]]})  # fmt: skip

    def measured(aggregate: AggregationOptions) -> dict[str, Any]:
        spec = MetricsSpec([MetricConfig("Precision"), MetricConfig("AUC")], aggregate=aggregate)
        found = analyze_raw_data(table, EvalConfig([spec])).measured.slices[0].metrics
        return {key.partition("[")[0]: e.undefined or e.value for key, e in found.items()}

    assert measured(AggregationOptions(macro_average=True, class_weights={0: 1, 1: 1, 2: 1})) == {
        "precision": "precision[class_id=2]: no row is predicted positive",
        "auc": "auc[class_id=2]: the slice holds only one of the two classes",
    }
    for other in (AggregationOptions(macro_average=True, class_weights={0: 1, 1: 1, 2: 0}),
                  AggregationOptions(weighted_macro_average=True, class_weights={0: 1, 1: 1, 2: 1})):  # fmt: skip
        assert measured(other) == {"precision": 1.0, "auc": 1.0}
