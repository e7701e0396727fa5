"""A column without a value has no type that could be wrong; it is missing where the schema asks for it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

import trueline.data_validation as dv


@pytest.mark.parametrize("kind", [pa.null(), pa.string()])
def test_a_column_of_nulls_breaks_no_type(kind: pa.DataType) -> None:
    """Whatever reader made it text because it saw nothing."""
    schema = text_format.Parse('feature { name: "n" type: INT } feature { name: "x" type: FLOAT }', schema_pb2.Schema())
    stats = dv.generate_statistics(pa.table({"n": pa.nulls(3, kind), "x": pa.nulls(3, kind)}))
    assert dict(dv.validate_statistics(stats, schema).anomaly_info) == {}


def test_a_required_column_of_nulls_is_missing_and_nothing_else() -> None:
    schema = text_format.Parse('feature { name: "n" type: INT presence { min_count: 1 } }', schema_pb2.Schema())
    stats = dv.generate_statistics(pa.table({"n": pa.nulls(3, pa.string())}))
    found = dv.validate_statistics(stats, schema).anomaly_info["n"]
    assert [found.Type.Name(r.type) for r in found.reason] == ["FEATURE_TYPE_NOT_PRESENT"]


def test_text_with_a_value_still_breaks_a_number_type() -> None:
    schema = text_format.Parse('feature { name: "n" type: INT }', schema_pb2.Schema())
    stats = dv.generate_statistics(pa.table({"n": ["a", None]}))
    found = dv.validate_statistics(stats, schema).anomaly_info["n"]
    assert [found.Type.Name(r.type) for r in found.reason] == ["UNEXPECTED_DATA_TYPE"]
