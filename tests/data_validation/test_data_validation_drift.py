"""Drift and skew: distances follow their formulas, every measurement is kept, and only those above are anomalies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from trueline.data_validation import describe_anomalies, generate_statistics, validate_statistics
from trueline.data_validation.distances import infinity_norm, jensen_shannon_divergence, normalized_abs_difference
from trueline.data_validation.views import dataset_view
from trueline.engine import LocalEngine
from trueline.schema import FeaturePath

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9).map(float), max_size=5)


def _stats(values: Any) -> Any:
    return generate_statistics(pa.table({"x": values}), engine=LocalEngine(1))


def _view(values: Any) -> Any:
    return dataset_view(_stats(values)).features[FeaturePath(("x",))]


@given(COUNTS, COUNTS)
def test_distances_of_counts(one: dict[str, float], two: dict[str, float]) -> None:
    p = {v: n / sum(one.values()) for v, n in one.items()} if sum(one.values()) else one
    q = {v: n / sum(two.values()) for v, n in two.items()} if sum(two.values()) else two
    keys = one.keys() | two.keys()
    want = max((abs(p.get(v, 0) - q.get(v, 0)) for v in keys), default=0.0)
    found, value = infinity_norm(one, two)
    assert found == want
    assert value == max((v for v in keys if abs(p.get(v, 0) - q.get(v, 0)) == want), default="")
    total = sum(one.values()) + sum(two.values())
    raw = max((abs(one.get(v, 0) - two.get(v, 0)) for v in keys), default=0.0)
    assert normalized_abs_difference(one, two)[0] == (raw / total if total else 0.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=20),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=20),
)
def test_divergence_of_strings(one: list[str], two: list[str]) -> None:
    p = np.array([one.count(v) / len(one) for v in "abcd"])
    q = np.array([two.count(v) / len(two) for v in "abcd"])
    m = (p + q) / 2

    def kl(x: Any) -> float:
        return sum(a * math.log2(a / b) for a, b in zip(x, m, strict=True) if a > 0)

    found = jensen_shannon_divergence(_view(one), _view(two), "STANDARD")
    assert found is not None
    assert math.isclose(found, (kl(p) + kl(q)) / 2, abs_tol=1e-12)
    assert 0 <= found <= 1


@pytest.mark.parametrize("kind", ["STANDARD", "QUANTILES"])
def test_divergence_of_numbers(kind: str) -> None:
    rng = np.random.default_rng(1)
    base = _view(rng.normal(size=3000))
    assert jensen_shannon_divergence(base, base, kind) == 0
    near = jensen_shannon_divergence(base, _view(rng.normal(size=3000)), kind)
    far = jensen_shannon_divergence(base, _view(rng.normal(2, 1, size=3000)), kind)
    apart = jensen_shannon_divergence(base, _view(rng.normal(100, 1, size=3000)), kind)
    assert near is not None
    assert far is not None
    assert apart is not None
    assert near < 0.05 < 0.3 < far < apart
    assert math.isclose(apart, 1.0)


def test_points_match_by_value_and_nan_matches_nothing() -> None:
    assert jensen_shannon_divergence(_view([3.0, 3.0]), _view([3.0]), "STANDARD") == 0
    assert jensen_shannon_divergence(_view([3.0]), _view([4.0]), "STANDARD") == 1
    half_nan = _view([3.0, math.nan])
    found = jensen_shannon_divergence(half_nan, half_nan, "STANDARD")
    assert found is not None
    assert math.isclose(found, 0.5)
    assert jensen_shannon_divergence(_view(["a"]), _view([1.0]), "STANDARD") is None


def _schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(f"feature {{ name: 'x' {text} }}", schema_pb2.Schema())


def _type(name: str) -> int:
    return anomalies_pb2.DriftSkewInfo.Measurement.Type.Value(name)


def test_measurements_are_kept_and_anomalies_only_above_the_threshold() -> None:
    now, before = _stats(["a", "a", "b", "b"]), _stats(["a", "a", "a", "b"])
    for threshold, fires in ((0.25, False), (0.24, True)):
        schema = _schema(f"type: BYTES drift_comparator {{ infinity_norm {{ threshold: {threshold} }} }}")
        found = validate_statistics(now, schema, previous_statistics=before)
        (info,) = found.drift_skew_info
        assert list(info.path.step) == ["x"]
        assert not info.skew_measurements
        assert [(m.type, m.value, m.threshold) for m in info.drift_measurements] == [
            (_type("L_INFTY"), 0.25, threshold)
        ]
        assert bool(found.anomaly_info) == fires
    assert describe_anomalies(found) == [
        "Feature 'x': The L-infinity distance to the previous data is 0.25, most at the value 'b'; "
        "at most 0.24 is expected."
    ]


def test_drift_and_skew_are_told_apart() -> None:
    schema = _schema(
        "type: BYTES skew_comparator { infinity_norm { threshold: 0.1 } "
        "normalized_abs_difference { threshold: 0.1 } jensen_shannon_divergence { threshold: 0.01 } }"
    )
    now, serving = _stats(["a", "a", "b", "b"]), _stats(["a", "a", "a", "b"])
    found = validate_statistics(now, schema, previous_statistics=serving)
    assert not found.drift_skew_info
    found = validate_statistics(now, schema, serving_statistics=serving)
    assert [m.type for m in found.drift_skew_info[0].skew_measurements] == [
        _type("L_INFTY"),
        _type("NORMALIZED_ABSOLUTE_DIFFERENCE"),
        _type("JENSEN_SHANNON_DIVERGENCE"),
    ]
    assert [anomalies_pb2.AnomalyInfo.Type.Name(r.type) for r in found.anomaly_info["x"].reason] == [
        "COMPARATOR_L_INFTY_HIGH",
        "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
        "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
    ]


def test_numeric_drift_by_jensen_shannon() -> None:
    rng = np.random.default_rng(3)
    schema = _schema("type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.2 } }")
    now = _stats(rng.normal(size=2000))
    assert not validate_statistics(now, schema, previous_statistics=_stats(rng.normal(size=2000))).anomaly_info
    found = validate_statistics(now, schema, previous_statistics=_stats(rng.normal(3, 1, size=2000)))
    assert "Jensen-Shannon divergence to the previous data" in describe_anomalies(found)[0]


def test_nothing_to_compare_with() -> None:
    schema = _schema("type: BYTES drift_comparator { infinity_norm { threshold: 0.1 } }")
    other = generate_statistics(pa.table({"y": ["a"]}), engine=LocalEngine(1))
    found = validate_statistics(_stats(["a"]), schema, previous_statistics=other)
    (reason,) = found.anomaly_info["x"].reason
    assert reason.type == anomalies_pb2.AnomalyInfo.COMPARATOR_CONTROL_DATA_MISSING
    assert not validate_statistics(_stats(["a"]), schema).anomaly_info
