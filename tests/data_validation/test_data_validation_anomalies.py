"""Each rule fires on the data that break it, stays silent on data that keep it, and says so in a readable sentence."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from trueline._core.errors import ConfigError, SchemaError
from trueline.data_validation import (
    StatsOptions,
    describe_anomalies,
    generate_statistics,
    infer_schema,
    update_schema,
    validate_statistics,
)
from trueline.engine import LocalEngine

INT = pa.array([1, 5, None])
FLOAT = pa.array([0.5, 2.0, math.nan])
INF = pa.array([0.5, math.inf])
TEXT = pa.array(["a", "b", "b", "zz"])
LISTS = pa.array([[1], [1, 2, 3], None])
NESTED = pa.array([[[1]], [[2], [3]]])
EVEN = pa.array([[1, 2], [3, 4]])

# feature (a Feature without its name), data, the anomalies expected
CASES: list[tuple[str, pa.Array, list[str]]] = [
    ("type: INT", INT, []),
    ("type: FLOAT", INT, ["UNEXPECTED_DATA_TYPE"]),
    ("type: BYTES", INT, ["UNEXPECTED_DATA_TYPE"]),
    ("", INT, ["FEATURE_MISSING_TYPE"]),
    ("type: INT presence { min_fraction: 0.6 }", INT, []),
    ("type: INT presence { min_fraction: 0.7 }", INT, ["FEATURE_TYPE_LOW_FRACTION_PRESENT"]),
    ("type: INT presence { min_fraction: 1.0 }", INT, ["FEATURE_TYPE_LOW_FRACTION_PRESENT"]),
    ("type: INT presence { min_fraction: 1.5 }", TEXT, ["UNEXPECTED_DATA_TYPE"]),
    (
        "type: INT presence { min_fraction: 1.5 }",
        INT,
        ["INVALID_SCHEMA_SPECIFICATION", "FEATURE_TYPE_LOW_FRACTION_PRESENT"],
    ),
    ("type: INT presence { min_count: 2 }", INT, []),
    ("type: INT presence { min_count: 3 }", INT, ["FEATURE_TYPE_LOW_NUMBER_PRESENT"]),
    ("type: INT presence { min_count: 1 }", pa.array([None], pa.int64()), ["FEATURE_TYPE_NOT_PRESENT"]),
    ("type: INT", pa.array([None], pa.int64()), []),
    ("type: INT value_count { min: 1 max: 3 }", LISTS, []),
    ("type: INT value_count { min: 2 max: 3 }", LISTS, ["FEATURE_TYPE_LOW_NUMBER_VALUES"]),
    ("type: INT value_count { min: 1 max: 2 }", LISTS, ["FEATURE_TYPE_HIGH_NUMBER_VALUES"]),
    (
        "type: INT value_count { min: 2 max: 2 }",
        LISTS,
        ["FEATURE_TYPE_LOW_NUMBER_VALUES", "FEATURE_TYPE_HIGH_NUMBER_VALUES"],
    ),
    ("type: INT value_count { min: 3 max: 1 }", pa.array([[1, 2, 3]]), ["INVALID_SCHEMA_SPECIFICATION"]),
    ("type: INT value_count { min: 1 }", NESTED, ["VALUE_NESTEDNESS_MISMATCH"]),
    ("type: INT value_counts { value_count { min: 1 } value_count { min: 1 max: 1 } }", NESTED, []),
    (
        "type: INT value_counts { value_count { max: 1 } value_count { max: 1 } }",
        NESTED,
        ["FEATURE_TYPE_HIGH_NUMBER_VALUES"],
    ),
    ("type: INT shape { dim { size: 2 } }", EVEN, []),
    ("type: INT shape { dim { size: 3 } }", EVEN, ["INVALID_FEATURE_SHAPE"]),
    ("type: INT shape { dim { size: 1 } }", LISTS, ["INVALID_FEATURE_SHAPE"]),
    ("type: INT shape { dim { size: 1 } }", INT, ["INVALID_FEATURE_SHAPE"]),
    ("type: INT shape { }", pa.array([1, 2]), []),
    ("type: INT int_domain { min: 1 max: 5 }", INT, []),
    ("type: INT int_domain { min: 2 }", INT, ["INT_TYPE_SMALL_INT"]),
    ("type: INT int_domain { max: 4 }", INT, ["INT_TYPE_BIG_INT"]),
    ("type: BYTES int_domain { max: 4 }", pa.array(["3", "5"]), ["INT_TYPE_BIG_INT"]),
    ("type: BYTES int_domain { }", TEXT, ["INT_TYPE_NOT_INT_STRING"]),
    ("type: INT bool_domain { }", pa.array([0, 1]), []),
    ("type: INT bool_domain { }", pa.array([True, False]), []),
    ("type: INT bool_domain { }", INT, ["BOOL_TYPE_BIG_INT"]),
    ("type: INT bool_domain { }", pa.array([-1, 1]), ["BOOL_TYPE_SMALL_INT"]),
    ("type: BYTES bool_domain { true_value: 'a' false_value: 'b' }", TEXT, ["BOOL_TYPE_UNEXPECTED_STRING"]),
    ("type: FLOAT bool_domain { }", pa.array([0.0, 1.0]), []),
    ("type: FLOAT bool_domain { }", pa.array([0.0, 0.5, 1.0]), ["BOOL_TYPE_UNEXPECTED_FLOAT"]),
    ("type: FLOAT float_domain { min: 0.5 max: 2 }", FLOAT, []),
    ("type: FLOAT float_domain { min: 0.6 }", FLOAT, ["FLOAT_TYPE_SMALL_FLOAT"]),
    ("type: FLOAT float_domain { max: 1.9 }", FLOAT, ["FLOAT_TYPE_BIG_FLOAT"]),
    ("type: FLOAT float_domain { disallow_nan: true }", FLOAT, ["FLOAT_TYPE_HAS_NAN"]),
    ("type: FLOAT float_domain { disallow_nan: true }", INF, []),
    ("type: FLOAT float_domain { disallow_inf: true }", INF, ["FLOAT_TYPE_HAS_INF"]),
    ("type: FLOAT float_domain { disallow_inf: true }", FLOAT, []),
    ("type: BYTES float_domain { }", TEXT, ["FLOAT_TYPE_STRING_NOT_FLOAT"]),
    ("type: BYTES float_domain { max: 2 }", pa.array(["1.5", "2.5"]), ["FLOAT_TYPE_BIG_FLOAT"]),
    ("type: BYTES domain: 'abz'", TEXT, []),
    ("type: BYTES domain: 'ab'", TEXT, ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"]),
    ("type: BYTES domain: 'ab' distribution_constraints { min_domain_mass: 0.75 }", TEXT, []),
    (
        "type: BYTES domain: 'ab' distribution_constraints { min_domain_mass: 0.8 }",
        TEXT,
        ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"],
    ),
    ("type: BYTES domain: 'xyz'", TEXT, ["INVALID_DOMAIN_SPECIFICATION"]),
    ("type: BYTES string_domain { value: 'a' value: 'b' }", TEXT, ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"]),
    ("type: BYTES domain: 'ab'", pa.array([b"a", b"\xff"]), ["ENUM_TYPE_INVALID_UTF8"]),
    ("type: INT domain: 'ab'", INT, ["DOMAIN_INVALID_FOR_TYPE"]),
    ("type: FLOAT int_domain { }", FLOAT, ["DOMAIN_INVALID_FOR_TYPE"]),
    ("type: INT int_domain { } distribution_constraints { }", INT, ["INVALID_SCHEMA_SPECIFICATION"]),
    ("type: BYTES unique_constraints { min: 3 max: 3 }", TEXT, []),
    ("type: BYTES unique_constraints { min: 4 max: 9 }", TEXT, ["FEATURE_TYPE_LOW_UNIQUE"]),
    ("type: BYTES unique_constraints { max: 2 }", TEXT, ["FEATURE_TYPE_HIGH_UNIQUE"]),
    ("type: BYTES unique_constraints { min: 1 }", TEXT, []),
    ("type: INT unique_constraints { min: 1 }", INT, ["FEATURE_TYPE_NO_UNIQUE"]),
    ("type: FLOAT lifecycle_stage: DEPRECATED presence { min_count: 100 }", INT, []),
    ("type: FLOAT deprecated: true", INT, []),
    ("type: FLOAT lifecycle_stage: BETA", INT, ["UNEXPECTED_DATA_TYPE"]),
]


def _stats(columns: dict[str, Any]) -> Any:
    return generate_statistics(pa.table(columns), engine=LocalEngine(1))


def _schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def _types(anomalies: anomalies_pb2.Anomalies) -> dict[str, list[str]]:
    name = anomalies_pb2.AnomalyInfo.Type.Name
    return {path: [name(r.type) for r in info.reason] for path, info in anomalies.anomaly_info.items()}


@pytest.mark.parametrize(("feature", "values", "expected"), CASES)
def test_one_feature(feature: str, values: pa.Array, expected: list[str]) -> None:
    domains = "string_domain { name: 'ab' value: 'a' value: 'b' } string_domain { name: 'abz' value: ['a','b','zz'] }"
    schema = _schema(f"feature {{ name: 'x' {feature} }} {domains}")
    found = validate_statistics(_stats({"x": values}), schema)
    assert _types(found) == ({"x": expected} if expected else {})
    assert found.baseline == schema
    for info in found.anomaly_info.values():
        assert info.severity == anomalies_pb2.AnomalyInfo.ERROR
        assert list(info.path.step) == ["x"]
        assert (info.short_description == "Multiple errors") == (len(expected) > 1)
    lines = describe_anomalies(found)
    assert len(lines) == len(expected)
    assert all(line.startswith("Feature 'x': ") and line.endswith(".") for line in lines)


def test_new_and_missing_columns() -> None:
    schema = _schema("feature { name: 'a' type: INT presence { min_count: 1 } } feature { name: 'c' type: INT }")
    found = validate_statistics(_stats({"b": INT, "s": [{"x": 1}] * 3}), schema)
    assert _types(found) == {"a": ["SCHEMA_MISSING_COLUMN"], "b": ["SCHEMA_NEW_COLUMN"], "s": ["SCHEMA_NEW_COLUMN"]}
    assert describe_anomalies(found) == [
        "Feature 'a': The schema requires this column, the data do not have it.",
        "Feature 'b': The data have this column, the schema does not.",
        "Feature 's': The data have this column, the schema does not.",
    ]


def test_features_that_share_a_domain_are_judged_apart() -> None:
    """What one of them breaks neither hides nor adds an anomaly of the other; an update serves both."""
    schema = _schema(
        "feature { name: 'a' type: BYTES domain: 'd' } feature { name: 'b' type: BYTES domain: 'd' } "
        "string_domain { name: 'd' value: 'x' }"
    )
    both = _stats({"a": ["x", "z"], "b": ["z", "x"]})
    expected = ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"]
    assert _types(validate_statistics(both, schema)) == {"a": expected, "b": expected}
    assert list(update_schema(schema, both).string_domain[0].value) == ["x", "z"]
    one = _stats({"a": pa.array([b"\xff", b"x"]), "b": ["x", "x"]})
    assert _types(validate_statistics(one, schema)) == {"a": ["ENUM_TYPE_INVALID_UTF8"]}
    updated = update_schema(schema, one)
    assert [f.domain for f in updated.feature] == ["", "d"]
    assert not validate_statistics(one, updated).anomaly_info


def _composite(**custom: Any) -> Any:
    """Statistics of column x and of a combined feature c with these custom figures."""
    statistics = _stats({"x": INT})
    feature = statistics.datasets[0].features.add()
    feature.path.step.append("c")
    for name, figure in custom.items():
        stat = feature.custom_stats.add(name=name)
        if isinstance(figure, dict):
            for label, count in figure.items():
                stat.rank_histogram.buckets.add(label=label, sample_count=count)
        else:
            stat.num = figure
    return statistics


@pytest.mark.parametrize(
    ("kind", "custom", "expected"),
    [
        ("sparse", {"missing_value": 0, "missing_index": {"i": 0}, "max_length_diff": {"i": 0}}, []),
        ("sparse", {"missing_value": 2}, ["SPARSE_FEATURE_MISSING_VALUE"]),
        ("sparse", {"missing_index": {"i": 1, "j": 2}}, ["SPARSE_FEATURE_MISSING_INDEX"] * 2),
        ("sparse", {"min_length_diff": {"i": -1}, "max_length_diff": {"i": 1}}, ["SPARSE_FEATURE_LENGTH_MISMATCH"] * 2),
        ("weighted", {"missing_value": 1}, ["WEIGHTED_FEATURE_MISSING_VALUE"]),
        ("weighted", {"missing_weight": 1}, ["WEIGHTED_FEATURE_MISSING_WEIGHT"]),
        (
            "weighted",
            {"min_weight_length_diff": -1, "max_weight_length_diff": 1},
            ["WEIGHTED_FEATURE_LENGTH_MISMATCH"],
        ),
    ],
)
def test_sparse_and_weighted_features(kind: str, custom: dict[str, Any], expected: list[str]) -> None:
    schema = _schema(f"feature {{ name: 'x' type: INT }} {kind}_feature {{ name: 'c' }}")
    found = _types(validate_statistics(_composite(**custom), schema))
    assert found == ({"c": expected} if expected else {})
    assert not validate_statistics(_composite(**custom), update_schema(schema, _composite(**custom))).anomaly_info


@pytest.mark.parametrize("kind", ["sparse", "weighted"])
def test_a_name_used_twice(kind: str) -> None:
    schema = _schema(f"feature {{ name: 'x' type: INT }} {kind}_feature {{ name: 'x' }}")
    found = _types(validate_statistics(_stats({"x": INT}), schema))
    assert found == {"x": [f"{kind.upper()}_FEATURE_NAME_COLLISION"]}


def test_images() -> None:
    schema = _schema(
        "feature { name: 'x' type: BYTES "
        "image_domain { minimum_supported_image_fraction: 0.9 max_image_byte_size: 2 } }"
    )
    statistics = generate_statistics(
        pa.table({"x": pa.array([b"abc", b"de"])}), StatsOptions(schema=schema), LocalEngine(1)
    )
    ranks = statistics.datasets[0].features[0].custom_stats.add(name="image_format_histogram").rank_histogram
    ranks.buckets.add(label="UNKNOWN", sample_count=1)
    ranks.buckets.add(label="png", sample_count=1)
    found = validate_statistics(statistics, schema)
    assert _types(found) == {"x": ["LOW_SUPPORTED_IMAGE_FRACTION", "MAX_IMAGE_BYTE_SIZE_EXCEEDED"]}
    assert not validate_statistics(statistics, update_schema(schema, statistics)).anomaly_info


def test_weighted_statistics_count_where_all_features_have_them() -> None:
    schema = _schema("feature { name: 'x' type: INT presence { min_fraction: 0.9 } }")
    statistics = _stats({"x": INT})  # two of three rows
    assert _types(validate_statistics(statistics, schema)) == {"x": ["FEATURE_TYPE_LOW_FRACTION_PRESENT"]}
    dataset = statistics.datasets[0]
    dataset.weighted_num_examples = 10
    assert validate_statistics(statistics, schema).anomaly_info
    weights = dataset.features[0].num_stats.common_stats.weighted_common_stats
    weights.num_non_missing, weights.num_missing = 9.5, 0.5
    assert not validate_statistics(statistics, schema).anomaly_info


def test_fields_of_structs_are_judged_by_path() -> None:
    schema = infer_schema(_stats({"s": [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]}))
    found = validate_statistics(_stats({"s": [{"x": 1.5, "z": 1}]}), schema)
    assert _types(found) == {
        "s.x": ["UNEXPECTED_DATA_TYPE"],
        "s.y": ["SCHEMA_MISSING_COLUMN"],
        "s.z": ["SCHEMA_NEW_COLUMN"],
    }


def test_environments() -> None:
    schema = _schema(
        "feature { name: 'x' type: INT } feature { name: 'tip' type: FLOAT presence { min_count: 1 } "
        "not_in_environment: 'SERVING' } default_environment: ['TRAINING', 'SERVING']"
    )
    without, within = _stats({"x": INT}), _stats({"x": INT, "tip": [1.0, 2.0, 3.0]})
    assert _types(validate_statistics(without, schema, environment="SERVING")) == {}
    assert _types(validate_statistics(without, schema, environment="TRAINING")) == {"tip": ["SCHEMA_MISSING_COLUMN"]}
    assert _types(validate_statistics(without, schema)) == {"tip": ["SCHEMA_MISSING_COLUMN"]}
    assert _types(validate_statistics(within, schema, environment="SERVING")) == {"tip": ["SCHEMA_NEW_COLUMN"]}
    assert _types(validate_statistics(within, schema, environment="TRAINING")) == {}
    with pytest.raises(SchemaError, match=r"no environment 'SERVNG'\n.*Did you mean 'SERVING'"):
        validate_statistics(within, schema, environment="SERVNG")


@pytest.mark.parametrize(
    ("constraints", "previous", "expected"),
    [
        ("min_examples_count: 3", 0, []),
        ("min_examples_count: 4", 0, ["DATASET_LOW_NUM_EXAMPLES"]),
        ("max_examples_count: 2", 0, ["DATASET_HIGH_NUM_EXAMPLES"]),
        ("num_examples_drift_comparator { min_fraction_threshold: 0.5 }", 6, []),
        ("num_examples_drift_comparator { min_fraction_threshold: 0.6 }", 6, ["COMPARATOR_LOW_NUM_EXAMPLES"]),
        ("num_examples_drift_comparator { max_fraction_threshold: 1.5 }", 2, []),
        ("num_examples_drift_comparator { max_fraction_threshold: 1.4 }", 2, ["COMPARATOR_HIGH_NUM_EXAMPLES"]),
        ("num_examples_version_comparator { max_fraction_threshold: 1.4 }", 2, []),
    ],
)
def test_the_number_of_examples(constraints: str, previous: int, expected: list[str]) -> None:
    schema = _schema(f"feature {{ name: 'x' type: INT }} dataset_constraints {{ {constraints} }}")
    before = _stats({"x": list(range(previous))}) if previous else None
    found = validate_statistics(_stats({"x": INT}), schema, previous_statistics=before)
    info = found.dataset_anomaly_info
    assert [anomalies_pb2.AnomalyInfo.Type.Name(r.type) for r in info.reason] == expected
    assert all(line.startswith("Dataset: ") for line in describe_anomalies(found))


def test_the_version_comparator_has_data_of_its_own() -> None:
    schema = _schema("dataset_constraints { num_examples_version_comparator { max_fraction_threshold: 1.4 } }")
    found = validate_statistics(_stats({}), schema, previous_version_statistics=_stats({"x": [1, 2]}))
    assert found.data_missing  # no columns, no examples
    schema.feature.add(name="x", type=schema_pb2.INT)
    found = validate_statistics(_stats({"x": INT}), schema, previous_version_statistics=_stats({"x": [1, 2]}))
    assert len(found.dataset_anomaly_info.reason) == 1


def test_no_examples_are_data_missing_and_nothing_else() -> None:
    schema = _schema("feature { name: 'a' type: INT presence { min_count: 1 } }")
    found = validate_statistics(_stats({"b": pa.array([], pa.int64())}), schema)
    assert found.data_missing
    assert not found.anomaly_info
    assert describe_anomalies(found) == ["The dataset has no examples."]


def test_severities_can_be_lowered() -> None:
    schema = _schema("feature { name: 'x' type: INT int_domain { max: 4 } presence { min_count: 5 } }")
    statistics = _stats({"x": INT, "new": INT})
    found = validate_statistics(
        statistics, schema, severity_overrides={"SCHEMA_NEW_COLUMN": "WARNING", "INT_TYPE_BIG_INT": "WARNING"}
    )
    assert found.anomaly_info["new"].severity == anomalies_pb2.AnomalyInfo.WARNING
    assert found.anomaly_info["x"].severity == anomalies_pb2.AnomalyInfo.ERROR  # its other reason
    with pytest.raises(ConfigError) as caught:
        validate_statistics(statistics, schema, severity_overrides={"NEW_COLUMN": "WARN"})
    assert len(caught.value.problems) == 2


def test_wrong_arguments_are_refused() -> None:
    statistics = _stats({"x": INT})
    with pytest.raises(SchemaError, match="a Schema proto is needed, got str"):
        validate_statistics(statistics, "schema")
    with pytest.raises(SchemaError, match="previous_statistics must be a DatasetFeatureStatisticsList, got str"):
        validate_statistics(statistics, schema_pb2.Schema(), previous_statistics="x")
