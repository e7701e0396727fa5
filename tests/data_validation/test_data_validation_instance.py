"""One row against a schema, slices against slices, and anomalies without some of their types."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

sys.path.insert(0, str(Path(__file__).parent))

from provoked import PROVOKED

from trueline._core.errors import ConfigError, DataError, SchemaError
from trueline.data_validation import (
    StatsOptions,
    generate_statistics,
    get_anomalies_slicer,
    infer_schema,
    remove_anomaly_types,
    validate_corresponding_slices,
    validate_instance,
    validate_statistics,
)
from trueline.data_validation.instance import GLOBAL_TYPES
from trueline.engine import LocalEngine

SCHEMA = text_format.Parse(
    "feature { name: 'n' type: INT int_domain { max: 4 } presence { min_count: 5 min_fraction: 1 } } "
    "feature { name: 's' type: BYTES domain: 'd' unique_constraints { min: 3 max: 9 } presence { min_count: 1 } } "
    "feature { name: 'l' type: FLOAT value_count { min: 1 max: 2 } not_in_environment: 'SERVING' } "
    "string_domain { name: 'd' value: 'a' } default_environment: 'SERVING' default_environment: 'TRAINING' "
    "dataset_constraints { min_examples_count: 100 }",
    schema_pb2.Schema(),
)


def _types(found: anomalies_pb2.Anomalies) -> dict[str, list[str]]:
    assert not found.dataset_anomaly_info.reason
    return {path: [info.Type.Name(r.type) for r in info.reason] for path, info in found.anomaly_info.items()}


def _row(row: Any, environment: str | None = None) -> dict[str, list[str]]:
    return _types(validate_instance(row, StatsOptions(schema=SCHEMA), environment))


def test_a_row_that_fits_has_no_anomalies() -> None:
    assert _row({"n": 4, "s": "a", "l": [0.5, 1.0]}) == {}


def test_a_row_is_held_to_what_one_row_can_satisfy() -> None:
    """Presence, numbers of rows and of distinct values are about many rows."""
    assert _row({"n": 5, "s": "b", "l": [1.0, 2.0, 3.0], "new": 1}) == {
        "n": ["INT_TYPE_BIG_INT"],
        "s": ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"],
        "l": ["FEATURE_TYPE_HIGH_NUMBER_VALUES"],
        "new": ["SCHEMA_NEW_COLUMN"],
    }
    assert _row({"n": None, "s": None, "l": 1.0}) == {}
    assert _row({"n": 1, "l": 1.0}) == {"s": ["SCHEMA_MISSING_COLUMN"]}
    assert _row({"n": 1, "s": "a", "l": [1.0]}, "SERVING") == {"l": ["SCHEMA_NEW_COLUMN"]}


def test_dicts_tables_and_batches_are_the_same_row() -> None:
    table = pa.table({"n": [9], "s": ["a"], "l": pa.array([[1.0]])})
    expected = {"n": ["INT_TYPE_BIG_INT"]}
    assert _row(table) == _row(table.to_batches()[0]) == _row(table.to_pylist()[0]) == expected


def test_wrong_instances_and_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="options must be StatsOptions, got dict"):
        validate_instance({}, {})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="options have no schema"):
        validate_instance({"n": 1}, StatsOptions())
    with pytest.raises(SchemaError, match="no environment 'SERVIN'"):
        _row({"n": 1}, "SERVIN")
    with pytest.raises(DataError, match="an instance of type list"):
        _row([1])
    with pytest.raises(DataError) as caught:
        _row({"n": [1, "a"], "s": object(), "l": 1.0})
    assert len(caught.value.problems) == 2


def test_global_types_exist() -> None:
    assert set(anomalies_pb2.AnomalyInfo.Type.keys()) >= GLOBAL_TYPES


# --- anomalies without some types ---


def test_types_are_taken_out() -> None:
    statistics, schema, _ = PROVOKED["INT_TYPE_BIG_INT"].parsed()
    schema.feature[0].int_domain.min = 1
    anomalies = validate_statistics(statistics, schema)
    assert anomalies.anomaly_info["x"].short_description == "Multiple errors"
    remove_anomaly_types(anomalies, ["INT_TYPE_SMALL_INT"])
    info = anomalies.anomaly_info["x"]
    assert [r.type for r in info.reason] == [anomalies_pb2.AnomalyInfo.INT_TYPE_BIG_INT]
    assert (info.short_description, info.description) == (info.reason[0].short_description, info.reason[0].description)
    remove_anomaly_types(anomalies, {anomalies_pb2.AnomalyInfo.INT_TYPE_BIG_INT})
    assert not anomalies.anomaly_info
    with pytest.raises(ConfigError) as caught:
        remove_anomaly_types(anomalies, ["BIG_INT", 999])
    assert len(caught.value.problems) == 2


def test_anomalies_of_the_dataset_go_too() -> None:
    statistics, schema, _ = PROVOKED["DATASET_LOW_NUM_EXAMPLES"].parsed()
    anomalies = validate_statistics(statistics, schema)
    remove_anomaly_types(anomalies, ["INT_TYPE_BIG_INT"])
    assert anomalies.HasField("dataset_anomaly_info")
    remove_anomaly_types(anomalies, ["DATASET_LOW_NUM_EXAMPLES"])
    assert not anomalies.HasField("dataset_anomaly_info")


def test_a_batch_is_in_the_slice_of_each_of_its_anomalies() -> None:
    anomalies = validate_instance({"n": 9, "s": "b", "l": 1.0}, StatsOptions(schema=SCHEMA))
    batch = pa.record_batch({"n": [9]})
    found = list(get_anomalies_slicer(anomalies)(batch))
    assert [key for key, _ in found] == ["n_INT_TYPE_BIG_INT", "s_ENUM_TYPE_UNEXPECTED_STRING_VALUES"]
    assert all(part is batch for _, part in found)


# --- slices ---


def _slices(**columns: Any) -> Any:
    result = statistics_pb2.DatasetFeatureStatisticsList()
    for name, values in columns.items():
        found = generate_statistics(pa.table({"x": values}), engine=LocalEngine(1)).datasets[0]
        found.name = name
        result.datasets.append(found)
    return result


def test_every_slice_is_held_to_the_schema_and_to_its_own_past() -> None:
    schema = infer_schema(_slices(one=["a", "b", "a"]))
    schema.feature[0].drift_comparator.infinity_norm.threshold = 0.1
    schema.dataset_constraints.min_examples_count = 100  # about whole datasets
    now = _slices(one=["a", "b"], two=["a", "z"])
    before = _slices(one=["a", "b"], two=["a", "a"], three=["a"])
    found = validate_corresponding_slices(now, schema, previous_statistics=before)
    assert _types(found) == {
        "'slice(two)::x'": ["ENUM_TYPE_UNEXPECTED_STRING_VALUES", "COMPARATOR_L_INFTY_HIGH"],
        "'slice(three)::x'": ["SCHEMA_MISSING_COLUMN"],
    }
    assert [info.path.step[0] for info in found.drift_skew_info] == ["slice(one)::x", "slice(two)::x"]
    assert [f.name for f in found.baseline.feature] == ["slice(one)::x", "slice(three)::x", "slice(two)::x"]
    rules = [{"path": "slice(three)::x", "severity": "WARNING"}]
    softer = validate_corresponding_slices(now, schema, previous_statistics=before, rules=rules)
    assert softer.anomaly_info["'slice(three)::x'"].severity == anomalies_pb2.AnomalyInfo.WARNING
    sure = validate_corresponding_slices(now, schema, previous_statistics=before, drift_confidence=0.95)
    assert _types(sure)["'slice(two)::x'"] == ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"]  # two rows prove nothing


def test_sparse_and_weighted_features_are_replicated() -> None:
    _, schema, _ = PROVOKED["SPARSE_FEATURE_MISSING_VALUE"].parsed()
    found = validate_corresponding_slices(_slices(a=["x"], b=["x"]), schema)
    names = [(s.name, s.value_feature.name, s.index_feature[0].name) for s in found.baseline.sparse_feature]
    assert names == [(f"slice({k})::s", f"slice({k})::v", f"slice({k})::i") for k in "ab"]
    _, schema, _ = PROVOKED["WEIGHTED_FEATURE_MISSING_VALUE"].parsed()
    found = validate_corresponding_slices(_slices(a=["x"]), schema)
    (weighted,) = found.baseline.weighted_feature
    assert (weighted.name, weighted.feature.step[0]) == ("slice(a)::s", "slice(a)::v")


def test_wrong_slices_are_refused() -> None:
    twice = _slices(a=["x"])
    twice.datasets.add().CopyFrom(twice.datasets[0])
    with pytest.raises(SchemaError, match="several slices of one name"):
        validate_corresponding_slices(twice, SCHEMA)
    with pytest.raises(SchemaError, match="serving_statistics must be a DatasetFeatureStatisticsList"):
        validate_corresponding_slices(_slices(a=["x"]), SCHEMA, serving_statistics="x")


# --- rows by themselves ---
