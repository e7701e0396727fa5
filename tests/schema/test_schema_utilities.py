"""Categorical, bytes and multivalent features, schemas of names, and text files as people save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import SchemaError
from trueline.schema import (
    FeaturePath,
    generate_dummy_schema_with_paths,
    get_bytes_features,
    get_categorical_features,
    get_categorical_numeric_features,
    get_domain,
    get_multivalent_features,
    is_categorical_feature,
    load_schema_text,
    set_domain,
)


def _schema(text: str) -> Any:
    return text_format.Parse(text, schema_pb2.Schema())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type: BYTES", True),
        ("type: INT", False),
        ("type: INT int_domain { is_categorical: true }", True),
        ("type: INT int_domain { min: 1 }", False),
        ("type: INT bool_domain { }", True),
        ("type: INT natural_language_domain { }", True),
        ("type: FLOAT", False),
        ("type: FLOAT float_domain { is_categorical: true }", True),
        ("type: FLOAT bool_domain { }", False),
        ("type: STRUCT struct_domain { }", False),
        ("", False),
    ],
)
def test_categorical(text: str, expected: bool) -> None:
    assert is_categorical_feature(_schema(f"feature {{ name: 'x' {text} }}").feature[0]) is expected


def test_features_by_kind() -> None:
    schema = _schema(
        "feature { name: 's' type: BYTES value_count { max: 1 } } feature { name: 'i' type: BYTES image_domain { } } "
        "feature { name: 'n' type: INT shape { dim { size: 1 } } } "
        "feature { name: 'm' type: STRUCT struct_domain { feature { name: 'c' type: INT bool_domain { } } "
        "feature { name: 'f' type: FLOAT shape { dim { size: 2 } } } } }"
    )
    c, f = FeaturePath(("m", "c")), FeaturePath(("m", "f"))
    s, i = FeaturePath(("s",)), FeaturePath(("i",))
    assert get_categorical_features(schema) == {s, i, c}
    assert get_categorical_numeric_features(schema) == [c]
    assert get_bytes_features(schema) == [i]
    assert get_multivalent_features(schema) == {i, c, f}


def test_a_schema_of_names() -> None:
    schema = generate_dummy_schema_with_paths(["a", ("b", "c"), ("b", "d", "e"), "a"])
    expected = _schema(
        "feature { name: 'a' } feature { name: 'b' type: STRUCT struct_domain { feature { name: 'c' } "
        "feature { name: 'd' type: STRUCT struct_domain { feature { name: 'e' } } } } }"
    )
    assert schema == expected


def test_every_domain_message_can_be_set() -> None:
    fields = [f for f in schema_pb2.Feature.DESCRIPTOR.oneofs_by_name["domain_info"].fields if f.message_type]
    for field in fields:
        schema = _schema("feature { name: 'x' type: BYTES domain: 'd' }")
        set_domain(schema, "x", getattr(schema_pb2, field.message_type.name)())
        assert schema.feature[0].WhichOneof("domain_info") == field.name
        assert get_domain(schema, "x") == getattr(schema.feature[0], field.name)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_ends_are_read(ends: str, mark: str, tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(f'{mark}# names{ends}feature {{{ends}  name: "größe"{ends}}}{ends}'.encode())
    assert load_schema_text(str(path)).feature[0].name == "größe"
    path.write_bytes(f'{mark}# names{ends}feature {{{ends}  nam: "größe"{ends}}}{ends}'.encode())
    with pytest.raises(SchemaError, match=r"3:\d.* in 'nam: \"größe\"'") as caught:
        load_schema_text(str(path))
    assert caught.value.where == str(path)
    assert caught.value.hint is not None
    assert "Did you mean 'name'" in caught.value.hint


def test_files_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(b'feature {\n  name: "a"\n  type: INT # \xff\n}')
    with pytest.raises(SchemaError, match=r"schema\.pbtxt: the file is no text: line 3 is no UTF-8"):
        load_schema_text(str(path))
    path.write_bytes('feature { name: "a" }'.encode("utf-16"))
    with pytest.raises(SchemaError, match="it begins as UTF-16 does"):
        load_schema_text(str(path))
