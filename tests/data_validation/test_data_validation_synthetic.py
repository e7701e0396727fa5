"""Rows made from a schema: they pass it, they are the same again, and every domain is met."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

import trueline.data_validation as dv
from trueline._core.errors import ConfigError, SchemaError

EVERYTHING = """
feature { name: "id" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "age" type: INT int_domain { min: 18 max: 99 } value_count { min: 1 max: 1 } }
feature { name: "price" type: FLOAT float_domain { min: 0.5 max: 2.5 disallow_nan: true }
  presence { min_fraction: 0.95 } }
feature { name: "flag" type: INT bool_domain {} }
feature { name: "answer" type: BYTES bool_domain { true_value: "yes" false_value: "no" } }
feature { name: "share" type: FLOAT bool_domain {} }
feature { name: "shop" type: BYTES domain: "shops" unique_constraints { min: 2 max: 3 } }
feature { name: "size" type: BYTES string_domain { value: "S" value: "M" } }
feature { name: "code" type: BYTES int_domain { min: 10 max: 20 } }
feature { name: "tags" type: BYTES value_count { min: 0 max: 4 } }
feature { name: "vector" type: FLOAT shape { dim { size: 3 } } presence { min_fraction: 1.0 } }
feature { name: "deep" type: INT value_counts { value_count { min: 1 max: 2 } value_count { min: 2 max: 3 } } }
feature { name: "when" type: BYTES time_domain { string_format: "%Y-%m-%d" } }
feature { name: "at" type: INT time_domain { integer_format: UNIX_SECONDS } }
feature { name: "link" type: BYTES url_domain {} }
feature { name: "photo" type: BYTES image_domain {} }
feature { name: "text" type: BYTES natural_language_domain {} }
feature { name: "gone" type: INT lifecycle_stage: DEPRECATED presence { min_fraction: 1.0 } }
feature { name: "label" type: INT presence { min_fraction: 1.0 } not_in_environment: "SERVING" }
feature { name: "box" type: STRUCT value_count { min: 0 max: 3 } struct_domain {
  feature { name: "n" type: INT int_domain { min: 1 max: 3 } }
  feature { name: "w" type: BYTES domain: "shops" } } }
feature { name: "word_ids" type: INT value_count { min: 0 max: 5 } }
feature { name: "word_weights" type: FLOAT value_count { min: 0 max: 5 } }
weighted_feature { name: "words" feature { step: "word_ids" } weight_feature { step: "word_weights" } }
string_domain { name: "shops" value: "north" value: "south" value: "east" value: "west" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def parsed(text: str) -> Any:
    return text_format.Parse(text, schema_pb2.Schema())


@pytest.mark.parametrize("environment", ["TRAINING", "SERVING"])
def test_made_rows_pass_the_schema_they_were_made_from(environment: str) -> None:
    """Every kind of domain, valency and presence at once; weighted features too."""
    schema = parsed(EVERYTHING)
    table = dv.generate_examples(schema, 400, seed=3, environment=environment)
    stats = dv.generate_statistics(table, dv.StatsOptions(schema=schema))
    anomalies = dv.validate_statistics(stats, schema, environment=environment)
    assert dict(anomalies.anomaly_info) == {}
    assert ("label" in table.schema.names) == (environment == "TRAINING")
    assert "gone" not in table.schema.names


def test_rows_hold_what_optional_features_may_lack() -> None:
    """Some rows lack an optional feature, none lacks a required one, and fractions are kept."""
    table = dv.generate_examples(parsed(EVERYTHING), 1000)
    assert table["id"].null_count == 0
    assert 0 < table["age"].null_count <= 100
    assert 0 < table["price"].null_count <= 50
    assert table["vector"].type == pa.list_(pa.float64())
    assert {len(v) for v in table["vector"].to_pylist()} == {3}
    assert len(set(table["shop"].drop_null().to_pylist())) in (2, 3)
    assert {len(v) for v in table["tags"].drop_null().to_pylist()} == {0, 1, 2, 3}


@given(seed=st.integers(0, 2**40), rows=st.integers(0, 30))
@settings(max_examples=20, deadline=None)
def test_equal_seeds_give_equal_rows_and_features_do_not_touch_each_other(seed: int, rows: int) -> None:
    """Taking one feature out of the schema changes no value of the others."""
    schema = parsed(EVERYTHING)
    whole = dv.generate_examples(schema, rows, seed)
    assert whole.equals(dv.generate_examples(schema, rows, seed))
    assert whole.num_rows == rows
    del schema.feature[1]
    assert dv.generate_examples(schema, rows, seed).equals(whole.drop_columns(["age"]))


def test_what_cannot_be_made_is_told_at_once() -> None:
    """Every feature that has no value, by name."""
    schema = parsed(
        """
        feature { name: "a" }
        feature { name: "b" type: INT int_domain { min: 5 max: 1 } }
        feature { name: "c" type: BYTES domain: "nowhere" }
        feature { name: "d" type: BYTES string_domain { value: "x" } unique_constraints { min: 2 max: 3 } }
        """
    )
    with pytest.raises(SchemaError) as caught:
        dv.generate_examples(schema, 5)
    assert [p.split(":")[0] for p in caught.value.problems] == ["'a'", "'b'", "'c'", "'d'"]
    with pytest.raises(ConfigError, match="-1"):
        dv.generate_examples(schema, -1)


def test_an_empty_schema_gives_rows_without_columns() -> None:
    table = dv.generate_examples(parsed(""), 4)
    assert (table.num_rows, table.num_columns) == (4, 0)
