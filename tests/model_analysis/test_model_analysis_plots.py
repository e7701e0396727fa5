"""Plot data: what the histograms give equals scikit-learn's curves and TFMA's golden buckets, and travels as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from trueline._core.errors import ArtifactError, ConfigError
from trueline.model_analysis.plots import (
    ResidualSums,
    ScoreBuckets,
    binary_plot_data,
    calibration_plot_data,
    gain_plot_data,
    multi_class_plot_data,
    multi_label_plot_data,
    plot_charts,
    plot_from_json,
    residual_plot_data,
    score_plot_data,
)
from trueline.model_analysis.plots.classes import class_counts, label_counts
from trueline.model_analysis.plots.codec import PLOTS
from trueline.model_analysis.plots.residuals import code_ends, value_codes
from trueline.model_analysis.plots.scores import COLUMNS, Floats


def _state(buckets: ScoreBuckets, y: Floats, p: Floats, w: Floats, *, above: bool) -> Floats:
    return buckets.sums(buckets.above(p) if above else buckets.within(p), y, p, w)


@pytest.fixture(scope="module")
def rows() -> tuple[Floats, Floats, Floats]:
    """Labels, scores that lie on the edges of 100 buckets and between them, and weights."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 500).astype(float)
    p = np.clip(rng.normal(0.4 + 0.2 * y, 0.2), 0, 1)
    p[::3] = np.round(p[::3], 2)
    return y, p, rng.uniform(0.1, 3, 500)


def test_counts_at_every_edge_are_those_of_a_comparison_row_by_row(rows: tuple[Floats, Floats, Floats]) -> None:
    y, p, w = rows
    plot = binary_plot_data(_state(ScoreBuckets(100), y, p, w, above=True), ScoreBuckets(100))
    for i in (0, 1, 2, 40, 51, 100, 101):
        positive = p > plot.thresholds[i]
        assert plot.tp[i] == pytest.approx(w[positive & (y == 1)].sum())
        assert plot.fp[i] == pytest.approx(w[positive & (y == 0)].sum())
        assert plot.tn[i] == pytest.approx(w[~positive & (y == 0)].sum(), abs=1e-9)
        assert plot.fn[i] == pytest.approx(w[~positive & (y == 1)].sum(), abs=1e-9)


def test_areas_and_rates_equal_scikit_learn_where_all_scores_lie_on_edges(rows: tuple[Floats, Floats, Floats]) -> None:
    y, p, w = rows
    p = np.round(p, 2)
    plot = binary_plot_data(_state(ScoreBuckets(100), y, p, w, above=True), ScoreBuckets(100))
    x, t = np.array(plot.roc()).T
    assert np.trapezoid(t, x) == pytest.approx(sk.roc_auc_score(y, p, sample_weight=w), abs=1e-12)
    at = int(np.argmin(np.abs(plot.thresholds - 0.37)))
    predicted = p > plot.thresholds[at]
    assert plot.precision[at] == pytest.approx(sk.precision_score(y, predicted, sample_weight=w))
    assert plot.recall[at] == pytest.approx(sk.recall_score(y, predicted, sample_weight=w))
    assert plot.f1[at] == pytest.approx(sk.f1_score(y, predicted, sample_weight=w))
    assert plot.accuracy[at] == pytest.approx(sk.accuracy_score(y, predicted, sample_weight=w))
    assert plot.at(0.37) == pytest.approx(tuple(sk.confusion_matrix(y, predicted, sample_weight=w).ravel()))


def test_gain_and_lift_say_how_many_positives_the_highest_scores_hold() -> None:
    y, p = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.4, 0.6, 0.1])
    buckets = ScoreBuckets(10)
    plot = gain_plot_data(binary_plot_data(_state(buckets, y, p, np.ones(4), above=True), buckets))
    assert (0.25, 0.5) in plot.gain()
    assert (0.5, 0.5) in plot.gain()
    assert (0.75, 1.0) in plot.gain()
    assert (0.25, 2.0) in plot.lift()
    assert plot.best() == [(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)]


def test_without_a_class_there_is_no_curve_and_no_number_in_its_place() -> None:
    buckets = ScoreBuckets(10)
    p = np.array([0.2, 0.8])
    plot = binary_plot_data(_state(buckets, np.zeros(2), p, np.ones(2), above=True), buckets)
    assert plot.roc() == []
    assert plot.gain() == []
    assert np.isnan(plot.recall).all()
    assert "no finite value" in str(plot_charts({"m": plot}))
    none = binary_plot_data(buckets.empty(), buckets)
    assert np.isnan(none.accuracy).all()


def test_confusion_matrices_have_tfmas_shape_and_numbers() -> None:
    """The golden case confusion_matrix_plot, but for the threshold 0: TFMA takes a score of 0 for greater than 0."""
    buckets = ScoreBuckets(4)
    y, p = np.array([0.0, 0, 1, 1]), np.array([0.0, 0.5, 0.3, 0.9])
    made = binary_plot_data(_state(buckets, y, p, np.ones(4), above=True), buckets).to_tfma()["matrices"]
    assert [m["threshold"] for m in made] == [-1e-6, 0.0, 0.25, 0.5, 0.75, 1.0]
    assert [m["truePositives"] for m in made] == [2, 2, 2, 1, 1, 0]
    assert [m["falsePositives"] for m in made] == [2, 1, 1, 0, 0, 0]
    assert [m["precision"] for m in made] == pytest.approx([0.5, 2 / 3, 2 / 3, 1, 1, 1])
    assert [m["recall"] for m in made] == [1, 1, 1, 0.5, 0.5, 0]
    assert made[0]["falseOmissionRate"] == "NaN"
    assert made[5]["falseOmissionRate"] == 0.5
    json.dumps(made, allow_nan=False)


def test_calibration_buckets_are_tfmas() -> None:
    """The golden case calibration_plot: scores beyond 0..1 lie in buckets of their own."""
    buckets = ScoreBuckets(10)
    p = np.array([0.2, 0.8, 0.5, -0.1, 0.5, 0.8, 0.2, 1.1])
    y = np.array([0.0, 1, 0, 1, 1, 1, 0, 0])
    w = np.arange(1.0, 9.0)
    made = calibration_plot_data(_state(buckets, y, p, w, above=False), buckets).to_tfma()["buckets"]
    assert len(made) == 12
    assert made[0]["lowerThresholdInclusive"] == "-Infinity"
    assert made[0]["numWeightedExamples"] == 4.0
    assert made[0]["totalWeightedRefinedPrediction"] == pytest.approx(-0.4)
    assert made[3] == {
        "lowerThresholdInclusive": 0.2, "upperThresholdExclusive": pytest.approx(0.3), "numWeightedExamples": 8.0,
        "totalWeightedLabel": 0.0, "totalWeightedRefinedPrediction": pytest.approx(1.6),
    }  # fmt: skip
    assert made[6]["totalWeightedLabel"] == 5.0
    assert made[11]["upperThresholdExclusive"] == "Infinity"
    assert made[11]["numWeightedExamples"] == 8.0


def test_intervals_of_calibration_are_wilsons_and_widen_with_uneven_weights() -> None:
    from statsmodels.stats.proportion import proportion_confint

    buckets = ScoreBuckets(20)
    y = np.array([1.0] * 7 + [0.0] * 13)
    p = np.full(20, 0.31)
    even = calibration_plot_data(_state(buckets, y, p, np.ones(20), above=False), buckets).bins()
    assert len(even) == 1
    assert (even[0].lower, even[0].upper) == pytest.approx(proportion_confint(7, 20, method="wilson"))
    assert (even[0].label, even[0].prediction, even[0].rows) == pytest.approx((0.35, 0.31, 20))
    heavier = np.where(np.arange(20) % 7 == 0, 9.0, 1.0)
    uneven = calibration_plot_data(_state(buckets, y, p, heavier, above=False), buckets).bins()[0]
    assert uneven.rows < 20
    assert uneven.upper - uneven.lower > even[0].upper - even[0].lower


def test_calibration_of_a_regression_has_intervals_of_the_mean() -> None:
    buckets = ScoreBuckets(10, 0.0, 100.0)
    y = np.array([10.0, 20, 30, 40])
    plot = calibration_plot_data(_state(buckets, y, np.full(4, 25.0), np.ones(4), above=False), buckets)
    assert not plot.shares
    found = plot.bins()[0]
    assert found.label == 25.0
    assert found.upper - found.label == pytest.approx(1.959964 * np.std(y, ddof=1) / 2, rel=1e-6)


def test_the_calibration_error_is_that_of_ten_bins(rows: tuple[Floats, Floats, Floats]) -> None:
    y, p, w = rows
    plot = calibration_plot_data(_state(ScoreBuckets(), y, p, w, above=False), ScoreBuckets())
    places = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(np.sum((w * (y - p))[places == i])) for i in range(10)]
    assert plot.error == pytest.approx(sum(gaps) / w.sum(), rel=1e-9)


def test_scores_by_class_hold_all_weight_even_beyond_the_ends() -> None:
    buckets = ScoreBuckets(10)
    y, p, w = np.array([1.0, 0, 1, 0]), np.array([-0.5, 0.05, 0.5, 1.5]), np.array([1.0, 2, 3, 4])
    plot = score_plot_data(_state(buckets, y, p, w, above=True), buckets)
    assert plot.positive.sum() == 4
    assert plot.negative.sum() == 6
    assert (plot.positive[0], plot.negative[0], plot.negative[-1]) == (1, 2, 4)
    merged = plot.merged(4)
    assert (merged.positive.sum(), len(merged.positive), merged.edges[-1]) == (4, 4, 1.0)


finite = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_value_lies_in_its_bucket_and_buckets_are_in_the_order_of_values(values: list[float]) -> None:
    x = np.sort(np.array(values))
    codes = value_codes(x)
    low, high = code_ends(codes)
    large = np.abs(x) >= 2.0**-30
    assert (np.diff(codes) >= 0).all()
    assert (low[large] <= x[large]).all()
    assert (x[large] <= high[large]).all()
    assert ((high - low)[large] <= np.abs(x[large]) / 256 * 1.01).all()
    assert (codes[np.abs(x) < 2.0**-30] == 0).all()


@given(st.lists(st.tuples(finite, finite, st.floats(0.01, 10)), min_size=1, max_size=30), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_residuals_of_parts_merge_to_those_of_the_whole(data: list[tuple[float, float, float]], cut: int) -> None:
    y, p, w = (np.array(c) for c in zip(*data, strict=True))
    whole = ResidualSums.of(y, p, w)
    parts = ResidualSums.of(y[:cut], p[:cut], w[:cut]).merge(ResidualSums.of(y[cut:], p[cut:], w[cut:]))
    assert (whole.residual_codes == parts.residual_codes).all()
    np.testing.assert_allclose(whole.residual_weight, parts.residual_weight)
    np.testing.assert_allclose(whole.prediction_sums, parts.prediction_sums, rtol=1e-9, atol=1e-3)


def test_residuals_are_spread_as_the_data_and_grouped_by_prediction() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(10, 50, 4000)
    y = p - rng.normal(np.where(p > 30, 4, 0), 1.0)
    plot = residual_plot_data(ResidualSums.of(y, p, np.ones(4000)), groups=8)
    assert plot.weight.sum() == pytest.approx(4000)
    middle = (plot.edges[:-1] + plot.edges[1:]) / 2
    assert (plot.weight @ middle) / 4000 == pytest.approx((p - y).mean(), abs=0.05)
    assert len(plot.mean) == 8
    assert plot.group_weight == pytest.approx(np.full(8, 500), rel=0.05)
    assert plot.mean[:3] == pytest.approx(np.zeros(3), abs=0.2)
    assert plot.mean[5:] == pytest.approx(np.full(3, 4), abs=0.2)
    assert plot.deviation[6] == pytest.approx(1.0, abs=0.1)


def test_residuals_of_no_rows_one_row_and_of_numbers_that_are_none() -> None:
    assert len(residual_plot_data(ResidualSums.empty()).edges) == 0
    one = residual_plot_data(ResidualSums.of(np.array([5.0]), np.array([5.0]), np.ones(1)))
    assert one.weight.sum() == 1.0
    bad = ResidualSums.of(np.array([np.nan, 1.0]), np.array([1.0, np.inf]), np.ones(2))
    assert len(bad.residual_codes) == 0
    cut = residual_plot_data(ResidualSums.of(np.zeros(3), np.array([-9.0, 0.0, 9.0]), np.ones(3)), -1.0, 1.0, 4)
    assert cut.edges.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert cut.weight.sum() == 3.0


def test_classes_are_counted_as_tfma_does() -> None:
    """The golden cases multi_class_confusion_matrix_plot with thresholds 0, 0.5 and 1."""
    label = np.array([2, 0, 1, 1, 1, 2])
    scores = np.array(
        [[0.2, 0.35, 0.45], [0.1, 0.35, 0.55], [0.3, 0.25, 0.45], [0.1, 0.9, 0.0], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]]
    )
    thresholds = [0.0, 0.5, 1.0]
    made = multi_class_plot_data(class_counts(label, scores, np.ones(6), thresholds), thresholds).to_tfma()["matrices"]
    first = {(e["actualClassId"], e["predictedClassId"]): e["numWeightedExamples"] for e in made[0]["entries"]}
    assert first == {(0, 2): 1, (1, 1): 2, (1, 2): 1, (2, 2): 2}
    second = {(e["actualClassId"], e["predictedClassId"]): e["numWeightedExamples"] for e in made[1]["entries"]}
    assert second == {(0, 2): 1, (1, -1): 1, (1, 1): 2, (2, -1): 1, (2, 2): 1}
    assert all(e["predictedClassId"] == -1 for e in made[2]["entries"])


def test_labels_of_several_classes_are_counted_as_tfma_does() -> None:
    """The golden case multi_label_confusion_matrix_plot at 0.5."""
    labels = np.array([[1.0, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]])
    scores = np.array([[0.7, 0.5, 0.2], [0.3, 0.6, 0.1], [0.2, 0.4, 0.5], [1.0, 0.4, 0.1]])
    counts = label_counts(labels, scores, np.ones(4), [0.5])
    made = multi_label_plot_data(counts, [0.5]).to_tfma()["matrices"][0]["entries"]
    found = {(e["actualClassId"], e["predictedClassId"]): (e["falseNegatives"], e["trueNegatives"], e["truePositives"])
             for e in made}  # fmt: skip
    assert found == {
        (0, 0): (0, 0, 2), (0, 1): (1, 1, 0), (0, 2): (0, 2, 0),
        (1, 0): (0, 1, 1), (1, 1): (1, 0, 1), (1, 2): (0, 2, 0),
    }  # fmt: skip


def _plots() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    y, p, w = rng.integers(0, 2, 60).astype(float), rng.random(60), rng.random(60)
    buckets = ScoreBuckets(20)
    above = _state(buckets, y, p, w, above=True)
    binary = binary_plot_data(above, buckets)
    scores = rng.dirichlet(np.ones(3), 60)
    made = [
        binary,
        score_plot_data(above, buckets),
        gain_plot_data(binary),
        calibration_plot_data(_state(buckets, y, p, w, above=False), buckets),
        residual_plot_data(ResidualSums.of(y, 10 * p, w)),
        multi_class_plot_data(class_counts(rng.integers(0, 3, 60), scores, w, [0.0, 0.4]), [0.0, 0.4]),
        multi_label_plot_data(label_counts((scores > 0.3).astype(float), scores, w, [0.3]), [0.3]),
    ]
    return {plot.KIND: plot for plot in made}


@pytest.mark.parametrize("kind", sorted(PLOTS))
def test_every_plot_travels_as_json_and_is_drawn(kind: str) -> None:
    plot = _plots()[kind]
    text = json.dumps(plot.to_json(), allow_nan=False)
    again = plot_from_json(json.loads(text))
    assert type(again) is type(plot)
    assert json.dumps(again.to_json(), allow_nan=False) == text
    json.dumps(plot.to_tfma(), allow_nan=False)
    drawn = str(plot_charts({"candidate": plot, "<b>baseline": plot}, classes=["<i>one", "two"]))
    assert "<figure>" in drawn
    assert "&lt;b&gt;baseline" in drawn
    assert "<b>baseline" not in drawn
    assert "<i>one" not in drawn


@pytest.mark.parametrize("kind", sorted(PLOTS))
def test_a_damaged_plot_is_refused(kind: str) -> None:
    data = _plots()[kind].to_json()
    for name in set(data) - {"plot", "left", "right"}:
        with pytest.raises(ArtifactError):
            plot_from_json({**data, name: "1"})
        with pytest.raises(ArtifactError):
            plot_from_json({k: v for k, v in data.items() if k != name})


def test_what_is_no_plot_is_refused_with_what_there_is() -> None:
    with pytest.raises(ArtifactError, match="no name"):
        plot_from_json([1])
    with pytest.raises(ArtifactError, match="residuals"):
        plot_from_json({"plot": "residual"})
    cells = _plots()["multiClassConfusionMatrixAtThresholds"].to_json()
    with pytest.raises(ArtifactError, match="do not fit"):
        plot_from_json({**cells, "places": [99], "values": [1.0]})
    with pytest.raises(ArtifactError, match="do not fit"):
        plot_from_json({**cells, "shape": [100_000, 100_000, 100_000]})


def test_buckets_that_cannot_be_are_refused() -> None:
    for bad in ({"buckets": 0}, {"buckets": 10**7}, {"left": 1.0, "right": 0.0}, {"right": math.inf}):
        with pytest.raises(ConfigError):
            ScoreBuckets(**bad)  # type: ignore[arg-type]


def test_rows_without_finite_numbers_count_nowhere() -> None:
    buckets = ScoreBuckets(10)
    p = np.array([np.nan, 0.5, np.inf, 0.5])
    state = _state(buckets, np.array([1.0, np.nan, 1.0, 1.0]), p, np.ones(4), above=True)
    assert state[:, COLUMNS.index("weight")].sum() == 1.0
    assert np.isfinite(state).all()
