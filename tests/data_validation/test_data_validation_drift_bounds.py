"""How sure a distance is: bounds hold as often as they say, and only real drift is certain."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from trueline._core.errors import ConfigError
from trueline.data_validation import generate_statistics, measure_drift, validate_statistics
from trueline.data_validation.distances import divergence
from trueline.data_validation.distances_tails import chi2_quantile, chi2_tail, normal_quantile, normal_tail
from trueline.engine import LocalEngine


def _stats(columns: dict[str, Any]) -> Any:
    return generate_statistics(pa.table(columns), engine=LocalEngine(1))


def _counted(counts: Any, name: str = "x", rows: int | None = None) -> Any:
    """Statistics of one text feature with these counts."""
    result = statistics_pb2.DatasetFeatureStatisticsList()
    total = int(sum(counts))
    dataset = result.datasets.add(num_examples=total if rows is None else rows)
    feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
    feature.path.step.append(name)
    for i, count in enumerate(counts):
        if count:
            feature.string_stats.rank_histogram.buckets.add(label=f"v{i:05}", sample_count=count)
    common = feature.string_stats.common_stats
    common.num_non_missing, common.tot_num_values = dataset.num_examples, total
    return result


def _limits(threshold: float, kind: str = "BYTES", histogram: str = "STANDARD") -> Any:
    limits = " ".join(
        f"{field} {{ threshold: {threshold} }}" for field in ("infinity_norm", "normalized_abs_difference")
    )
    jensen = f"jensen_shannon_divergence {{ threshold: {threshold} source {{ type: {histogram} }} }}"
    limits = jensen if kind != "BYTES" else f"{limits} {jensen}"
    text = f"feature {{ name: 'x' type: {kind} drift_comparator {{ {limits} }} }}"
    return text_format.Parse(text, schema_pb2.Schema())


@pytest.mark.parametrize(
    ("x", "df", "tail"),
    [
        (3.841458820694124, 1, 0.05),
        (18.307038053275146, 10, 0.05),
        (124.34211340400407, 100, 0.05),
        (0.5, 2, 0.7788007830714049),
        (1100.0, 1000, 0.014614408126295192),
        (200.0, 10, 1.6139305336977317e-37),
    ],
)
def test_tail_of_chi_square(x: float, df: int, tail: float) -> None:
    """Values of SciPy 1.11's chi2.sf; with two degrees of freedom the tail is exp(-x / 2)."""
    assert chi2_tail(x, df) == pytest.approx(tail, rel=1e-9, abs=0)


@given(tail=st.floats(1e-8, 0.999), df=st.integers(1, 2000))
def test_quantiles_turn_tails_back(tail: float, df: int) -> None:
    assert chi2_tail(chi2_quantile(tail, df), df) == pytest.approx(tail, rel=1e-6, abs=1e-12)
    assert normal_tail(normal_quantile(tail)) == pytest.approx(tail, rel=1e-6)


def test_edges_of_tails() -> None:
    assert (chi2_tail(0, 3), chi2_tail(-1, 3), chi2_tail(0, 0), chi2_tail(1, 0)) == (1, 1, 1, 0)
    assert (chi2_quantile(1, 3), chi2_quantile(0.5, 0), chi2_quantile(0, 3)) == (0, 0, math.inf)
    assert (normal_quantile(0), normal_tail(0)) == (math.inf, 0.5)


# Shares of the data, shares of the other data, their sizes.
ZIPF, TURNED = 1 / np.arange(1, 21), 1 / np.arange(20, 0, -1)
SHARES = [
    (np.ones(2), np.ones(2), 30, 30),
    (np.array([0.97, 0.03]), np.array([0.97, 0.03]), 50, 200),
    (np.arange(5, 0, -1), np.arange(5, 0, -1), 40, 60),
    (1 / np.arange(1, 51), 1 / np.arange(1, 51), 100, 100),
    (np.ones(2000), np.ones(2000), 50, 50),
    (ZIPF, ZIPF, 20_000, 20_000),
    (np.array([0.5, 0.5]), np.array([0.4, 0.6]), 100, 100),
    (np.arange(5, 0, -1), np.array([5, 4, 3, 3, 0]), 50, 5000),
    (ZIPF, TURNED, 60, 60),
]


@pytest.mark.parametrize("case", range(len(SHARES)))
def test_lower_bounds_hold_as_often_as_they_say(case: int) -> None:
    """Of 120 samples, at most as many bounds exceed the true distance as 95 % confidence and chance allow."""
    p, q, n, m = SHARES[case]
    p, q = p / p.sum(), q / q.sum()
    true = {
        "L_INFTY": np.abs(p - q).max(),
        "NORMALIZED_ABSOLUTE_DIFFERENCE": np.abs(n * p - m * q).max() / (n + m),
        "JENSEN_SHANNON_DIVERGENCE": divergence(p, q) or 0.0,
    }
    rng, runs = np.random.default_rng(case), 120
    wrong = dict.fromkeys(true, 0)
    alarms = dict.fromkeys(true, 0)
    for _ in range(runs):
        one, other = _counted(rng.multinomial(n, p)), _counted(rng.multinomial(m, q))
        for found in measure_drift(one, other, _limits(0.0)):
            wrong[found.type] += found.lower > true[found.type] + 1e-12
            alarms[found.type] += found.p_value < 0.05
    most = 0.05 * runs + 2.5 * math.sqrt(0.05 * 0.95 * runs)
    assert max(wrong.values()) <= most, wrong
    if np.array_equal(p, q):
        assert max(alarms.values()) <= most, alarms


def test_a_real_shift_of_many_rows_is_certain() -> None:
    rng = np.random.default_rng(5)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.35, 0.25])
    for _ in range(20):
        one, other = _counted(rng.multinomial(20_000, p)), _counted(rng.multinomial(20_000, q))
        schema = _limits(0.003)
        found = measure_drift(one, other, schema)
        assert all(m.certain and m.p_value < 1e-6 for m in found), found
        anomalies = validate_statistics(one, schema, previous_statistics=other, drift_confidence=0.99)
        assert len(anomalies.anomaly_info["x"].reason) == 3


def test_a_small_sample_cries_wolf_only_without_confidence() -> None:
    """Thirty rows of one distribution exceed the threshold nearly always, and are anomalies nearly never."""
    rng = np.random.default_rng(6)
    shares, plain, sure = np.ones(10) / 10, 0, 0
    for _ in range(60):
        one, other = _counted(rng.multinomial(30, shares)), _counted(rng.multinomial(30, shares))
        schema = _limits(0.02)
        before = validate_statistics(one, schema, previous_statistics=other)
        after = validate_statistics(one, schema, previous_statistics=other, drift_confidence=0.95)
        plain, sure = plain + len(before.anomaly_info), sure + len(after.anomaly_info)
        assert list(before.drift_skew_info) == list(after.drift_skew_info)  # the measurements are the same
    assert plain >= 57
    assert sure <= 7


def test_the_text_of_a_certain_drift_says_how_sure_it_is() -> None:
    one, other = _counted([900, 100]), _counted([500, 500])
    anomalies = validate_statistics(one, _limits(0.1), previous_statistics=other, drift_confidence=0.95)
    texts = [reason.description for reason in anomalies.anomaly_info["x"].reason]
    assert re.fullmatch(
        r"The L-infinity distance to the previous data is 0\.4 \(at least 0\.357875 with confidence 0\.95\), most at "
        r"the value 'v00001'; at most 0\.1 is expected\.",
        texts[0],
    )


def test_values_of_one_row_count_as_one_observation() -> None:
    """The same counts from a tenth of the rows prove less."""
    one, other = [300, 200], [240, 260]
    many = measure_drift(_counted(one), _counted(other), _limits(0.0))
    few = measure_drift(_counted(one, rows=50), _counted(other, rows=50), _limits(0.0))
    for a, b in zip(many, few, strict=True):
        assert (a.value, a.n, b.n) == (b.value, 500, 50)
        assert a.lower > 0 == b.lower
        assert a.p_value < 0.01 < b.p_value


NUMBERS: dict[str, Callable[[Any, int], Any]] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "skewed": lambda rng, n: np.exp(rng.normal(0, 1, n)),
    "whole": lambda rng, n: rng.poisson(3, n).astype(float),
    "nan": lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, rng.normal(0, 1, n)),
    "infinite": lambda rng, n: np.where(rng.random(n) < 0.1, np.inf, rng.normal(0, 1, n)),
}


@pytest.mark.parametrize("histogram", ["STANDARD", "QUANTILES"])
@pytest.mark.parametrize("kind", NUMBERS)
def test_histograms_of_one_distribution_prove_no_drift(kind: str, histogram: str) -> None:
    """Buckets with other edges, other extremes, NaN and infinities: the measured divergence is high, none is proven."""
    rng = np.random.default_rng(7)
    schema = _limits(0.0, "FLOAT", histogram)
    proven, runs = 0, 6
    for _ in range(runs):
        one, other = (_stats({"x": NUMBERS[kind](rng, n)}) for n in (100, 150))
        (found,) = measure_drift(one, other, schema)
        assert found.value > 0.01
        proven += found.lower > 0
    assert proven <= 1


@pytest.mark.parametrize("histogram", ["STANDARD", "QUANTILES"])
def test_histograms_of_shifted_numbers_prove_drift(histogram: str) -> None:
    rng = np.random.default_rng(8)
    one, other = _stats({"x": rng.normal(0, 1, 3000)}), _stats({"x": rng.normal(1, 1, 3000)})
    schema = _limits(0.02, "FLOAT", histogram)
    (found,) = measure_drift(one, other, schema)
    assert found.certain
    assert 0.02 < found.lower < 0.161  # the true divergence is 0.1606
    certain = validate_statistics(one, schema, previous_statistics=other, drift_confidence=0.95)
    assert [r.type for r in certain.anomaly_info["x"].reason] == [
        anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH
    ]


def test_without_a_schema_every_feature_is_measured() -> None:
    one = _stats({"x": [1.0, 2.0, 3.0], "s": ["a", "b", "b"], "gone": [1, 2, 3]})
    other = _stats({"x": [1.0, 2.0, 5.0], "s": ["a", "a", "b"]})
    found = measure_drift(one, other)
    assert [(str(m.path), m.type) for m in found] == [
        ("x", "JENSEN_SHANNON_DIVERGENCE"),
        ("s", "L_INFTY"),
        ("s", "JENSEN_SHANNON_DIVERGENCE"),
    ]
    assert not any(m.exceeded or m.certain for m in found)
    assert [m.at for m in found] == ["", "b", ""]


def test_wrong_confidences_and_comparators_are_refused() -> None:
    one = _counted([1, 2])
    for confidence in (0, 1, 95, "0.95", True):
        with pytest.raises(ConfigError, match="must lie between 0 and 1"):
            validate_statistics(one, _limits(0.1), drift_confidence=confidence)
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        measure_drift(one, one, confidence=1.0)
    with pytest.raises(ConfigError, match="no comparator 'skwe'"):
        measure_drift(one, one, control="skwe")


def test_weights_are_taken_as_exact_and_rows_as_observations() -> None:
    """Weighted shares are compared, the noise is that of the rows; rows without any value are none."""
    one, other = _counted([300, 200]), _counted([240, 260])
    for statistics, counts in ((one, [3.0, 7.0]), (other, [5.0, 5.0])):
        dataset = statistics.datasets[0]
        dataset.weighted_num_examples = 10
        stats = dataset.features[0].string_stats
        stats.common_stats.weighted_common_stats.num_non_missing = 10
        for i, count in enumerate(counts):
            stats.weighted_string_stats.rank_histogram.buckets.add(label=f"v{i:05}", sample_count=count)
    found = {m.type: m for m in measure_drift(one, other, _limits(0.1))}
    assert found["L_INFTY"].value == pytest.approx(0.2)
    assert {m.n for m in found.values()} == {500}
    assert found["L_INFTY"].certain
    del one.datasets[0].features[0].string_stats.weighted_string_stats.rank_histogram.buckets[:]
    empty = {m.type: m for m in measure_drift(one, other, _limits(0.1))}
    assert not any(m.certain for m in empty.values())
