"""A schema is inferred from statistics, accepts its own data, and is widened by new data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from trueline._core.errors import SchemaError
from trueline.data_validation import StatsOptions, generate_statistics, infer_schema, update_schema, validate_statistics
from trueline.engine import Dataset, LocalEngine
from trueline.schema import get_feature


def _stats(columns: dict[str, Any]) -> Any:
    return generate_statistics(pa.table(columns), engine=LocalEngine(1))


def _inferred(values: pa.Array, **options: Any) -> Any:
    schema = infer_schema(_stats({"x": values}), **options)
    return schema.feature[0], schema


def test_presence_and_shape() -> None:
    feature, _ = _inferred(pa.array([1.5, 2.5]))
    assert (feature.type, feature.presence.min_fraction, feature.presence.min_count) == (schema_pb2.FLOAT, 1.0, 1)
    assert [d.size for d in feature.shape.dim] == [1]
    assert not feature.HasField("value_count")
    feature, _ = _inferred(pa.array([1.5, None]))
    assert not feature.presence.HasField("min_fraction")
    assert (feature.value_count.min, feature.value_count.max) == (1, 1)
    feature, _ = _inferred(pa.array([1.5, 2.5]), infer_feature_shape=False)
    assert (feature.value_count.min, feature.value_count.max) == (1, 1)
    feature, _ = _inferred(pa.array([[1], [1, 2]]))
    assert feature.value_count.min == 1
    assert not feature.value_count.HasField("max")
    feature, _ = _inferred(pa.array([None, None], pa.int64()))
    assert feature.presence.min_count == 0
    assert not feature.WhichOneof("shape_type")


@pytest.mark.parametrize(
    ("values", "domain"),
    [
        (pa.array([0, 1, 1]), "bool_domain {}"),
        (pa.array([0, 0]), ""),
        (pa.array([0, 2]), ""),
        (pa.array([True, False]), "bool_domain {}"),
        (pa.array([False, False]), "bool_domain {}"),
        (pa.array([0, 1], pa.timestamp("us")), "time_domain { integer_format: UNIX_MICROSECONDS }"),
        (pa.array(["true", "false"]), 'bool_domain { true_value: "true" false_value: "false" }'),
        (pa.array(["1", "", "1"]), 'domain: "x"'),
        (pa.array(["0", "17", "-3"]), "int_domain {}"),
        (pa.array(["0", "9223372036854775808"]), 'domain: "x"'),
        (pa.array(["1.5", "2"]), 'domain: "x"'),
        (pa.array([b"\xff", b"a"]), ""),
        (pa.array([0.0, 1.0]), ""),
    ],
)
def test_domains(values: pa.Array, domain: str) -> None:
    feature, _ = _inferred(values)
    wanted = text_format.Parse(domain, schema_pb2.Feature())
    assert feature.WhichOneof("domain_info") == wanted.WhichOneof("domain_info")
    field = wanted.WhichOneof("domain_info")
    if field:
        assert getattr(feature, field) == getattr(wanted, field)


def test_string_domains_are_sorted_and_bounded() -> None:
    values = pa.array(["b", "a", "é", "b"])
    _, schema = _inferred(values)
    assert [(d.name, list(d.value)) for d in schema.string_domain] == [("x", ["a", "b", "é"])]
    feature, schema = _inferred(values, max_string_domain_size=2)
    assert not schema.string_domain
    assert feature.WhichOneof("domain_info") is None


def test_no_domain_from_the_most_frequent_strings_alone() -> None:
    """Where not every value was counted, the ones that were make no domain."""
    values = pa.array([f"v{i}" for i in range(3000)] + ["often"] * 500)
    cut = infer_schema(_stats({"x": values}), max_string_domain_size=2000)
    assert not cut.string_domain
    dataset = Dataset.from_table(pa.table({"x": values}), 500)
    rough = generate_statistics(dataset, StatsOptions(max_distinct=100), LocalEngine(1))
    assert 0 < len(rough.datasets[0].features[0].string_stats.rank_histogram.buckets) <= 100
    assert not infer_schema(rough).string_domain


COLUMN = st.one_of(
    st.lists(st.one_of(st.none(), st.floats()), min_size=3, max_size=3).map(lambda v: pa.array(v, pa.float64())),
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=3, max_size=3).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.one_of(st.none(), st.text(max_size=2)), min_size=3, max_size=3).map(lambda v: pa.array(v, pa.string())),
    st.lists(st.one_of(st.none(), st.binary(max_size=2)), min_size=3, max_size=3).map(
        lambda v: pa.array(v, pa.binary())
    ),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=3, max_size=3).map(lambda v: pa.array(v, pa.bool_())),
    st.lists(st.one_of(st.none(), st.lists(st.integers(0, 3), max_size=3)), min_size=3, max_size=3).map(
        lambda v: pa.array(v, pa.list_(pa.int64()))
    ),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(COLUMN, min_size=1, max_size=4))
def test_data_satisfy_the_schema_inferred_from_them(columns: list[pa.Array]) -> None:
    statistics = _stats({f"c{i}": column for i, column in enumerate(columns)})
    for shape in (True, False):
        schema = infer_schema(statistics, infer_feature_shape=shape)
        found = validate_statistics(statistics, schema)
        assert not found.anomaly_info
        assert update_schema(schema, statistics) == schema


@settings(max_examples=80, deadline=None)
@given(st.tuples(COLUMN, COLUMN), st.tuples(COLUMN, COLUMN))
def test_data_satisfy_a_schema_that_they_have_updated(old: tuple[Any, Any], new: tuple[Any, Any]) -> None:
    before, after = _stats({"a": old[0], "b": old[1]}), _stats({"a": new[0], "c": new[1]})
    schema = infer_schema(before)
    kept = schema.SerializeToString(deterministic=True)
    updated = update_schema(schema, after)
    assert schema.SerializeToString(deterministic=True) == kept
    assert not validate_statistics(after, updated).anomaly_info


def test_update_widens_limits() -> None:
    schema = infer_schema(_stats({"n": [1, 2], "s": ["a", "b"], "gone": [1.0, 2.0]}))
    get_feature(schema, "n").int_domain.max = 2
    updated = update_schema(schema, _stats({"n": [1, 9, None], "s": ["c", "a", "b"], "new": [True, False, None]}))
    assert get_feature(updated, "n").int_domain.max == 9
    assert np.isclose(get_feature(updated, "n").presence.min_fraction, 2 / 3)
    assert list(updated.string_domain[0].value) == ["a", "b", "c"]
    assert get_feature(updated, "gone").lifecycle_stage == schema_pb2.LifecycleStage.Value("DEPRECATED")
    assert (get_feature(updated, "new").value_count.min, get_feature(updated, "new").value_count.max) == (1, 1)


def test_wrong_statistics_are_refused() -> None:
    with pytest.raises(SchemaError, match="must be a DatasetFeatureStatisticsList, got dict"):
        infer_schema({})
    several = statistics_pb2.DatasetFeatureStatisticsList()
    several.datasets.add(name="a")
    several.datasets.add(name="b")
    with pytest.raises(SchemaError, match="hold 2 datasets"):
        infer_schema(several)
    several.datasets.add(name="All Examples").features.add(name="x").num_stats.common_stats.num_non_missing = 1
    assert infer_schema(several).feature[0].name == "x"


def test_a_schema_is_transformed_in_order_as_it_is_inferred() -> None:
    seen = []

    def rename(schema: Any, statistics: Any) -> Any:
        seen.append(statistics.num_examples)
        schema.feature[0].name += "_"
        return schema

    def replace(schema: Any, statistics: Any) -> Any:
        return schema_pb2.Schema(feature=[*schema.feature, schema_pb2.Feature(name="more")])

    found = infer_schema(_stats({"x": [1, 2]}), schema_transformations=[rename, replace, rename])
    assert [f.name for f in found.feature] == ["x__", "more"]
    assert seen == [2, 2]
