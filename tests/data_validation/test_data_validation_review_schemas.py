"""Schemas made from statistics of every kind accept them; accepted together, findings do not undo each other."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import SchemaError
from trueline.data_validation import (
    StatsOptions,
    accept,
    explain_anomalies,
    generate_examples,
    generate_statistics,
    infer_schema,
    update_schema,
    validate_statistics,
)


def test_weights_that_add_up_to_less_than_a_row_are_clean() -> None:
    table = pa.table({"x": [1.0, None, 3.0, 4.0], "w": [0.1, 0.8, 0.05, 0.05]})
    statistics = generate_statistics(table, StatsOptions(weight_feature="w"))
    schema = infer_schema(statistics)
    assert schema.feature[0].presence.min_count == 0
    assert not validate_statistics(statistics, schema).anomaly_info


@pytest.mark.parametrize(("field", "values"), [("int_domain", [3, 7, 3]), ("float_domain", [0.5, float("nan"), 2.0])])
def test_categorical_numbers_stay_categorical(field: str, values: list[float]) -> None:
    table = pa.table({"x": values})
    declared = infer_schema(generate_statistics(table))
    getattr(declared.feature[0], field).is_categorical = True
    statistics = generate_statistics(table, StatsOptions(schema=declared))
    assert statistics.datasets[0].features[0].string_stats.unique == len({str(v) for v in values})
    schema = infer_schema(statistics)
    assert getattr(schema.feature[0], field).is_categorical
    assert not schema.string_domain
    assert not validate_statistics(statistics, schema).anomaly_info


def test_two_findings_about_one_list_level_are_both_accepted() -> None:
    rows = pa.table({"x": pa.array([[[5], [2, 3, 4]], [[]]], pa.list_(pa.list_(pa.int64())))})
    statistics = generate_statistics(rows)
    schema = infer_schema(statistics)
    inner = schema.feature[0].value_counts.value_count[1]
    inner.min = inner.max = 2
    found = explain_anomalies(validate_statistics(statistics, schema), schema, statistics)
    assert {f.type for f in found} == {"FEATURE_TYPE_LOW_NUMBER_VALUES", "FEATURE_TYPE_HIGH_NUMBER_VALUES"}
    accepted = accept(schema, found)
    assert accepted == accept(schema, reversed(found))
    inner = accepted.feature[0].value_counts.value_count[1]
    assert (inner.HasField("min"), inner.max) == (False, 3)
    assert not validate_statistics(statistics, accepted).anomaly_info


def test_made_up_structs_hold_the_fields_of_the_environment() -> None:
    schema = infer_schema(generate_statistics(pa.table({"s": [{"a": 1, "label": 7}] * 3})))
    schema.default_environment.extend(["TRAINING", "SERVING"])
    schema.feature[0].struct_domain.feature[1].not_in_environment.append("SERVING")
    for environment, fields in (("TRAINING", ["a", "label"]), ("SERVING", ["a"])):
        rows = generate_examples(schema, 20, environment=environment)
        assert [field.name for field in rows.schema.field("s").type] == fields
        assert not validate_statistics(generate_statistics(rows), schema, environment).anomaly_info


def test_a_domain_that_does_not_suit_its_type_is_named() -> None:
    schema = schema_pb2.Schema()
    schema.feature.add(name="x", type=schema_pb2.FLOAT).string_domain.value.append("a")
    schema.feature.add(name="y", type=schema_pb2.INT).bool_domain.SetInParent()
    with pytest.raises(SchemaError, match=r"(?s)'x': its domain does not suit its type"):
        generate_examples(schema, 5)


def test_fields_of_a_struct_outside_the_environment_are_not_missing() -> None:
    rows = pa.table({"s": [{"a": 1, "b": {"c": 2.0}}] * 3, "x": [1, 2, 3]})
    schema = infer_schema(generate_statistics(rows))
    schema.default_environment.extend(["TRAINING", "SERVING"])
    schema.feature[0].not_in_environment.append("SERVING")
    served = generate_statistics(rows.select(["x"]))
    assert not validate_statistics(served, schema, "SERVING").anomaly_info
    assert set(validate_statistics(served, schema, "TRAINING").anomaly_info) == {"s", "s.a", "s.b", "s.b.c"}


@pytest.mark.parametrize("categorical", [False, True])
def test_long_texts_get_no_domain(categorical: bool) -> None:
    table = pa.table({"x": ["a" * 2000, "b", "b"]})
    declared = schema_pb2.Schema()
    feature = declared.feature.add(name="x", type=schema_pb2.BYTES)
    if categorical:
        feature.string_domain.is_categorical = schema_pb2.StringDomain.CATEGORICAL_YES
    schema = infer_schema(generate_statistics(table, StatsOptions(schema=declared)))
    assert not schema.string_domain
    assert not validate_statistics(generate_statistics(table), schema).anomaly_info


def test_a_domain_that_goes_takes_its_constraints_along() -> None:
    old = generate_statistics(pa.table({"x": ["a", "b", "a"]}))
    schema = infer_schema(old)
    schema.feature[0].distribution_constraints.min_domain_mass = 0.9
    many = generate_statistics(pa.table({"x": [f"v{i}" for i in range(50)]}))
    numbers = generate_statistics(pa.table({"x": [1.5, 2.5]}))
    schema_of_numbers = schema_pb2.Schema()
    schema_of_numbers.CopyFrom(schema)
    schema_of_numbers.feature[0].type = schema_pb2.FLOAT
    for given, data in ((schema, many), (schema_of_numbers, numbers)):
        updated = update_schema(given, data, max_string_domain_size=10)
        assert not updated.feature[0].HasField("distribution_constraints")
        assert not validate_statistics(data, updated).anomaly_info
