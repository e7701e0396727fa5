"""Sampling noise: the t quantile, the jackknife against closed forms, and histograms within their stated bound."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from scipy import stats

from trueline.model_analysis import EvalConfig, EvalOptions, EvalResult, MetricConfig, MetricsSpec, analyze_raw_data
from trueline.model_analysis.noise import row_groups, standard_errors, t_quantile, upper_tail, worsening_p_value


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 7, 31, 100])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.999, 0.99999])
def test_t_quantile_equals_scipy(probability: float, dof: int) -> None:
    assert t_quantile(probability, dof) == pytest.approx(stats.t.ppf(probability, dof), rel=1e-8, abs=1e-9)


def measure(metrics: list[str], cap: int = 20_000, seed: int = 0, **columns: np.ndarray) -> EvalResult:
    options = EvalOptions(compute_confidence_intervals=True, exact_rank_rows=cap, seed=seed)
    config = EvalConfig([MetricsSpec([MetricConfig(m) for m in metrics])], options=options)
    return analyze_raw_data(pa.table(columns), config, baseline_prediction_key="base" if "base" in columns else None)


def test_standard_error_of_a_mean_agrees_with_the_textbook() -> None:
    """Over 200 data sets, the mean of the jackknife variance is that of the mean to 5 %."""
    rng = np.random.default_rng(0)
    variances = []
    for _ in range(200):
        groups = rng.integers(0, 32, 400)
        x = rng.normal(0, 1, 400)
        without = (x.sum() - np.bincount(groups, x, 32)) / (400 - np.bincount(groups, minlength=32))
        variances.append(standard_errors(without, np.array(32)) ** 2)
    assert np.mean(variances) == pytest.approx(1 / 400, rel=0.05)


def test_standard_error_of_auc_agrees_with_delong() -> None:
    rng = np.random.default_rng(5)
    label = rng.integers(0, 2, 6000).astype(float)
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1)
    estimate = measure(["AUC"], label=label, prediction=score).measured.slices[0].metrics["auc"]
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    assert estimate.standard_error == pytest.approx(np.sqrt(variance), rel=0.35)  # 32 groups: 13 % is one sigma


def test_paired_noise_is_smaller_than_that_of_each_model() -> None:
    rng = np.random.default_rng(6)
    label = rng.integers(0, 2, 5000).astype(float)
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1)
    base = np.clip(score + rng.normal(0, 0.01, 5000), 0, 1)
    found = measure(["AUC", "MeanSquaredError"], label=label, prediction=score, base=base).measured.slices[0]
    for name in ("auc", "mean_squared_error"):
        change, single = found.changes[name].standard_error, found.metrics[name].standard_error
        assert change is not None
        assert single is not None
        assert change < single / 4


def test_identical_models_have_no_change_and_no_noise() -> None:
    rng = np.random.default_rng(7)
    label, score = rng.integers(0, 2, 500).astype(float), rng.random(500)
    found = measure(["AUC", "F1Score"], label=label, prediction=score, base=score).measured.slices[0]
    for change in found.changes.values():
        assert (change.value, change.standard_error) == (0.0, 0.0)


def test_groups_are_even_and_follow_the_seed() -> None:
    batch = pa.RecordBatch.from_pydict({"__row__": np.arange(32_000)})
    counts = np.bincount(row_groups(batch, 32, 0), minlength=32)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert (row_groups(batch, 32, 0) != row_groups(batch, 32, 1)).mean() > 0.9
    assert not row_groups(batch, 1, 0).any()


def test_confidence_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(10), 0
    for _ in range(150):
        label = (rng.random(300) < 0.3).astype(float)
        result = measure(["MeanLabel"], label=label, prediction=label)
        interval = result.confidence_interval("mean_label")
        assert interval is not None
        covered += interval[0] <= 0.3 <= interval[1]
    assert 134 <= covered <= 150  # 95 % of 150 is 142.5; 134 is three sigma below
    assert result.confidence_interval("nothing") is None


def test_one_row_has_no_measurable_noise() -> None:
    found = measure(["MeanLabel"], label=np.array([1.0]), prediction=np.array([0.5])).measured.slices[0]
    assert found.metrics["mean_label"].value == 1.0
    assert found.metrics["mean_label"].standard_error is None


@pytest.mark.parametrize("metric", ["AUC", "AveragePrecision", "AUCPrecisionRecall"])
def test_histogram_stays_within_its_stated_bound(metric: str) -> None:
    """Scores crowd into 40 buckets, so that the bound matters; above the cap only."""
    rng = np.random.default_rng(8)
    label = rng.integers(0, 2, 3000).astype(float)
    score = np.clip(rng.normal(0.004 + 0.0005 * label, 0.0005), 0, 1)
    exact = measure([metric], label=label, prediction=score).measured.slices[0].metrics
    binned = measure([metric], cap=2999, label=label, prediction=score).measured.slices[0].metrics
    (name,) = exact
    assert exact[name].error_bound is None
    assert binned[name].error_bound is not None
    gap = abs(exact[name].value - binned[name].value)
    assert 0 < gap <= binned[name].error_bound
    if metric == "AUC":
        assert exact[name].value == pytest.approx(sk.roc_auc_score(label, score), rel=1e-12)


def test_spread_scores_have_a_small_bound_and_equal_noise() -> None:
    rng = np.random.default_rng(9)
    label = rng.integers(0, 2, 5000).astype(float)
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1)
    exact = measure(["AUC"], label=label, prediction=score).measured.slices[0].metrics["auc"]
    binned = measure(["AUC"], cap=10, label=label, prediction=score).measured.slices[0].metrics["auc"]
    assert binned.error_bound < 2e-4
    assert abs(binned.value - exact.value) <= binned.error_bound
    assert binned.standard_error == pytest.approx(exact.standard_error, rel=0.02)


@pytest.mark.parametrize("dof", [1, 2, 5, 31, 254])
def test_upper_tail_equals_scipy_far_into_the_tail(dof: int) -> None:
    for t in (0.0, 0.1, 1.0, 3.0, 40.0, 1e3, -0.5, -4.0):
        assert upper_tail(t, dof) == pytest.approx(stats.t.sf(t, dof), rel=1e-10, abs=0)
    assert upper_tail(float("inf"), dof) == 0.0
    assert upper_tail(float("-inf"), dof) == 1.0


def test_a_worsening_without_noise_is_certain() -> None:
    assert worsening_p_value(-0.1, 0.0, 5) == 0.0
    assert worsening_p_value(0.0, 0.0, 5) == worsening_p_value(0.1, 0.0, 5) == 1.0
    assert worsening_p_value(-0.1, None, 5) is None
    assert worsening_p_value(float("nan"), 0.1, 5) is None
    assert worsening_p_value(-0.2, 0.1, 31) == pytest.approx(stats.t.sf(2, 31))
    assert worsening_p_value(0.2, 0.1, 31) == pytest.approx(stats.t.sf(-2, 31))
