"""Intervals: each formula against another source, ranges, degenerate slices, and what a result says of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trueline.model_analysis import (
    ConfidenceIntervalOptions,
    EvalConfig,
    EvalOptions,
    EvalResult,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.intervals import widest_change
from trueline.model_analysis.measured import Estimate
from trueline.model_analysis.metrics import METRICS
from trueline.model_analysis.metrics.closed_forms import t_quantiles
from trueline.model_analysis.metrics.ranges import interval_within
from trueline.model_analysis.metrics.record import REQUIRED
from trueline.model_analysis.result_table import measured_table, table_measured

CLOSED, JACKKNIFE, BOOTSTRAP = "CLOSED_FORM", "JACKKNIFE", "POISSON_BOOTSTRAP"


def result(metrics: list[Any], method: str = CLOSED, task: str = "binary", **columns: Any) -> EvalResult:
    asked = EvalOptions(compute_confidence_intervals=True, confidence_intervals=ConfidenceIntervalOptions(method, 50))
    spec = MetricsSpec([m if isinstance(m, MetricConfig) else MetricConfig(m) for m in metrics])
    rows = {"__row__": np.arange(len(columns["label"])), **columns}
    weight = "weight" if "weight" in columns else None
    slices = [SlicingSpec()] + ([SlicingSpec(["slice"])] if "slice" in columns else [])
    return analyze_raw_data(pa.table(rows), EvalConfig([spec], slices, asked), task=task, example_weight_key=weight)


def measure(metrics: list[Any], method: str = CLOSED, task: str = "binary", **columns: Any) -> dict[str, Estimate]:
    return dict(result(metrics, method, task, **columns).measured.slices[0].metrics)


def scores(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.4).astype(float)
    return {"label": label, "prediction": np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1).round(2)}


def ends(e: Estimate) -> tuple[float, float]:
    assert e.low is not None
    assert e.high is not None
    return e.low, e.high


PROPORTIONS = {
    "BinaryAccuracy": ("binary_accuracy", lambda y, p: y == p, lambda y, p: y >= 0),
    "Precision": ("precision", lambda y, p: y == 1, lambda y, p: p),
    "FalseDiscoveryRate": ("false_discovery_rate", lambda y, p: y == 0, lambda y, p: p),
    "Recall": ("recall", lambda y, p: p, lambda y, p: y == 1),
    "MissRate": ("miss_rate", lambda y, p: ~p, lambda y, p: y == 1),
    "Specificity": ("specificity", lambda y, p: ~p, lambda y, p: y == 0),
    "FallOut": ("fall_out", lambda y, p: p, lambda y, p: y == 0),
    "NegativePredictiveValue": ("negative_predictive_value", lambda y, p: y == 0, lambda y, p: ~p),
    "FalseOmissionRate": ("false_omission_rate", lambda y, p: y == 1, lambda y, p: ~p),
    "Prevalence": ("prevalence", lambda y, p: y == 1, lambda y, p: y >= 0),
    "PredictedPositiveRate": ("predicted_positive_rate", lambda y, p: p, lambda y, p: y >= 0),
    "MeanLabel": ("mean_label", lambda y, p: y == 1, lambda y, p: y >= 0),
}


def test_proportions_equal_the_wilson_interval_of_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    rows = scores(157)
    found = measure(list(PROPORTIONS), **rows)
    yes = rows["prediction"] > 0.5
    for key, hit, among in PROPORTIONS.values():
        counted = among(rows["label"], yes)
        wins = (hit(rows["label"], yes) & counted).sum()
        assert ends(found[key]) == pytest.approx(proportion_confint(wins, counted.sum(), 0.05, "wilson"), abs=1e-12), (
            key
        )
        assert found[key].method == "WILSON", key


def test_classes_that_are_right_are_a_proportion_too() -> None:
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], 90)
    label = rng.integers(0, 3, 90)
    top = MetricConfig("TopKCategoricalAccuracy", {"k": 2})
    found = measure(["CategoricalAccuracy", top], task="multiclass", label=label, prediction=list(p))
    right = (p.argmax(axis=1) == label).sum()
    assert ends(found["categorical_accuracy"]) == pytest.approx(
        proportion_confint(right, 90, 0.05, "wilson"), abs=1e-12
    )
    near = (np.argsort(-p, axis=1)[:, :2] == label[:, None]).any(axis=1).sum()
    wanted = proportion_confint(near, 90, 0.05, "wilson")
    assert ends(found["top_k_categorical_accuracy"]) == pytest.approx(wanted, abs=1e-12)


def test_equal_weights_of_any_size_change_nothing_and_unequal_ones_widen() -> None:
    rows, names = scores(200), ["BinaryAccuracy", "AUC", "MeanSquaredError", "SquaredPearsonCorrelation"]
    plain, scaled = measure(names, **rows), measure(names, **rows, weight=np.full(200, 7.5))
    uneven = measure(names, **rows, weight=np.random.default_rng(0).permutation(np.repeat([0.2, 5.0], 100)))
    for key, estimate in plain.items():
        assert ends(scaled[key]) == pytest.approx(ends(estimate), rel=1e-9), key
        assert np.ptp(ends(uneven[key])) > 1.05 * np.ptp(ends(estimate)), key


def test_means_are_students_t_on_the_scale_of_their_range() -> None:
    rows = scores(60, 3)
    names = ["MeanError", "MeanSquaredError", "RootMeanSquaredError", "LogLoss"]
    found = measure(names, label=rows["label"], prediction=np.clip(rows["prediction"], 0.05, 0.95))
    p = np.clip(rows["prediction"], 0.05, 0.95)
    error = p - rows["label"]
    t = stats.t.ppf(0.975, 59)
    half = t * error.std(ddof=1) / math.sqrt(60)
    assert sorted(np.abs(ends(found["mean_error"]))) == pytest.approx(
        sorted(np.abs([error.mean() - half, error.mean() + half])), rel=1e-5
    )
    for key, loss in (("mean_squared_error", error**2), ("log_loss", -np.log(np.where(rows["label"] == 1, p, 1 - p)))):
        step = t * loss.std(ddof=1) / math.sqrt(60) / loss.mean()
        wanted = (loss.mean() * math.exp(-step), loss.mean() * math.exp(step))
        assert ends(found[key]) == pytest.approx(wanted, rel=1e-5)
        assert found[key].method == "T_OF_MEAN"
    assert ends(found["root_mean_squared_error"]) == pytest.approx(np.sqrt(ends(found["mean_squared_error"])))


def test_auc_is_delongs_by_pairs_on_the_logit_scale() -> None:
    rows = scores(120, 5)
    found = measure(["AUC"], **rows)["auc"]
    pos, neg = (rows["prediction"][rows["label"] == v] for v in (1, 0))
    wins = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    variance = wins.mean(axis=1).var(ddof=1) / len(pos) + wins.mean(axis=0).var(ddof=1) / len(neg)
    area = wins.mean()
    step = stats.norm.ppf(0.975) * math.sqrt(variance) / (area * (1 - area))
    logit = math.log(area / (1 - area))
    assert ends(found) == pytest.approx([1 / (1 + math.exp(-(logit + s * step))) for s in (-1, 1)], rel=1e-9)
    assert found.method == "DELONG"


def test_an_area_on_a_grid_or_under_another_curve_has_no_formula() -> None:
    grid = MetricConfig("AUC", {"num_thresholds": 50, "name": "grid"})
    pr = MetricConfig("AUC", {"curve": "PR", "name": "pr"})
    found = measure([grid, pr, "F1Score"], **scores(300))
    assert {found[key].method for key in ("grid", "pr", "f1_score")} == {JACKKNIFE}


def test_an_area_of_one_has_the_score_interval_of_newcombe() -> None:
    label = np.repeat([0.0, 1.0], [12, 8])
    for method in (CLOSED, JACKKNIFE):
        low, high = ends(measure(["AUC"], method, label=label, prediction=label * 0.5 + 0.2)["auc"])
        assert high == 1
        factor = 1 + 9 * ((1 - low) / (2 - low) + low / (1 + low))
        away = math.sqrt(low * (1 - low) * factor / 96)
        assert 1 - low == pytest.approx(stats.norm.ppf(0.975) * away, rel=1e-6)


def test_squared_correlation_is_fishers() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    y = 0.6 * x + rng.normal(size=80)
    found = measure(["SquaredPearsonCorrelation"], task="regression", label=x, prediction=y)
    interval = stats.pearsonr(x, y).confidence_interval(0.95)
    low, high = ends(found["squared_pearson_correlation"])
    assert (low, high) == pytest.approx((interval.low**2, interval.high**2))
    none = measure(["SquaredPearsonCorrelation"], task="regression", label=x, prediction=rng.normal(size=80))
    assert ends(none["squared_pearson_correlation"])[0] == 0


@pytest.mark.parametrize("method", [CLOSED, JACKKNIFE, BOOTSTRAP])
def test_no_interval_leaves_the_range_on_small_slices(method: str) -> None:
    """Fourteen slices of 2 to 15 rows: every end lies among the values that the metric can have."""
    rng = np.random.default_rng(4)
    sizes = np.repeat(np.arange(14), np.arange(2, 16))
    label = (rng.random(len(sizes)) < 0.5).astype(float)
    known = {m.name: m for (_, task), m in METRICS.items() if task == "binary" and (m.finish or m.curve)}
    known = {n: m for n, m in known.items() if not (m.query or m.needs_baseline or REQUIRED in m.options.values())}
    names = [m.class_name for m in known.values()]
    made = result(names, method, label=label, prediction=rng.random(len(sizes)), slice=sizes)
    seen = 0
    for s in made.measured.slices:
        for key, estimate in s.metrics.items():
            if estimate.low is not None:
                low, high = ends(estimate)
                assert known[key].range[0] <= low <= high <= known[key].range[1], (s.name, key)
                assert estimate.value is not None
                assert low - 1e-9 <= estimate.value <= high + 1e-9, (s.name, key)
                seen += 1
    assert seen > 150


@pytest.mark.parametrize("method", [CLOSED, JACKKNIFE, BOOTSTRAP])
def test_three_of_three_is_not_certain(method: str) -> None:
    found = measure(
        ["Precision", "Recall", "AUC", "F1Score"], method, label=[1.0, 1, 1, 0], prediction=[0.9, 0.8, 0.7, 0.1]
    )
    assert ends(found["precision"]) == pytest.approx((0.4385, 1.0), abs=1e-4)
    assert found["precision"].method == "WILSON"
    assert ends(found["auc"])[0] < 0.8
    assert (found["f1_score"].value, found["f1_score"].low, found["f1_score"].method) == (1.0, None, None)


def test_one_row_all_equal_rows_and_counts() -> None:
    one = measure(["BinaryAccuracy", "MeanSquaredError", "AUC"], label=[1.0], prediction=[0.9])
    assert ends(one["binary_accuracy"]) == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert (one["mean_squared_error"].low, one["auc"].value) == (None, None)
    equal = measure(["MeanError", "MeanSquaredError"], JACKKNIFE, label=np.ones(50), prediction=np.full(50, 0.75))
    assert ends(equal["mean_squared_error"]) == pytest.approx((0.0625, 0.0625))
    counted = measure(["ExampleCount", "TruePositives"], JACKKNIFE, **scores(100))
    assert (counted["example_count"].standard_error, counted["example_count"].low) == (None, None)
    assert counted["true_positives"].low is not None


def test_biased_errors_have_noise_but_no_interval() -> None:
    for method in (CLOSED, JACKKNIFE, BOOTSTRAP):
        found = measure(["ExpectedCalibrationError"], method, **scores(300))["expected_calibration_error"]
        assert found.standard_error is not None
        assert (found.low, found.high, found.method) == (None, None, None)


def test_several_entries_of_a_row_are_not_independent_and_get_the_jackknife() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], 90)
    asked = EvalOptions(compute_confidence_intervals=True, confidence_intervals=ConfidenceIntervalOptions(CLOSED))
    spec = MetricsSpec(
        [MetricConfig("Precision", {"top_k": 2, "name": "cut"}), MetricConfig("Precision", {"class_id": 1})]
    )
    table = pa.table({"label": rng.integers(0, 3, 90), "prediction": list(p)})
    found = analyze_raw_data(table, EvalConfig([spec], options=asked), task="multiclass").measured.slices[0].metrics
    assert {k: e.method for k, e in found.items()} == {
        "cut[top_k=2]": JACKKNIFE,
        "precision[class_id=1]": "WILSON",
    }


def test_a_result_says_how_each_interval_was_made_and_keeps_it() -> None:
    made = result(["Precision", "F1Score", "AUC"], **scores(200))
    [(_, by_output)] = made.slicing_metrics
    said = {name: v["boundedValue"]["methodology"] for name, v in by_output[""][""].items()}
    assert said == {"precision": "WILSON", "f1_score": JACKKNIFE, "auc": "DELONG"}
    measured = made.measured
    again = table_measured(measured_table(measured), (), measured.rows, measured.missing_labels)
    assert again.slices[0].metrics == measured.slices[0].metrics
    page = made.to_html()
    assert "Wilson" in page
    assert "DeLong" in page


@given(st.floats(0.5, 0.999), st.floats(1, 1e6))
def test_t_quantiles_equal_scipy(confidence: float, dof: float) -> None:
    wanted = stats.t.ppf((1 + confidence) / 2, math.floor(dof) if dof < 30 else dof)
    assert float(t_quantiles(confidence, np.array(dof))) == pytest.approx(wanted, rel=2e-5)


@given(st.floats(0, 1), st.floats(0, 10), st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (-math.inf, 1.0)]))
def test_intervals_hold_their_value_and_stay_in_range(value: float, error: float, range_: tuple[float, float]) -> None:
    low, high = interval_within(np.array([value]), np.array([error]), np.array([2.0]), range_)
    if not np.isnan(low[0]):
        assert range_[0] <= low[0] <= value + 1e-9
        assert value - 1e-9 <= high[0] <= range_[1]


def test_a_change_is_no_wider_than_the_range() -> None:
    assert widest_change((0.0, 1.0), (-1.3, 0.4)) == (-1.0, 0.4)
    assert widest_change((0.0, math.inf), (-7.0, None)) == (-7.0, None)
