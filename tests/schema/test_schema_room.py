"""Schemas are read, written and asked; wrong files and wrong names are answered with the place and what exists."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import ArtifactError, SchemaError
from trueline.schema import (
    FeaturePath,
    deprecated,
    expects,
    get_domain,
    get_feature,
    in_environment,
    load_schema_text,
    raw_features,
    set_domain,
    write_schema_text,
)
from trueline.schema.files import parse_text

TEXT = """
feature { name: "fare" type: FLOAT presence { min_fraction: 1.0 min_count: 1 } float_domain { min: 0 } }
feature { name: "kind" type: BYTES domain: "kinds" presence { min_count: 1 } }
feature { name: "lost" type: BYTES domain: "nowhere" }
feature { name: "who" type: STRUCT struct_domain { feature { name: "age" type: INT int_domain { max: 120 } } } }
string_domain { name: "kinds" value: "a" value: "b" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


@pytest.fixture
def schema() -> schema_pb2.Schema:
    return parse_text(TEXT, schema_pb2.Schema(), "here")


def test_a_schema_survives_the_disk(schema: schema_pb2.Schema, tmp_path: Path) -> None:
    schema.string_domain[0].value.append("größe")
    write_schema_text(schema, str(tmp_path / "schema.pbtxt"))
    assert "größe" in (tmp_path / "schema.pbtxt").read_text(encoding="utf-8")
    assert load_schema_text(str(tmp_path / "schema.pbtxt")) == schema


def test_a_file_that_does_not_parse_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text('feature {\n  nam: "x"\n}')
    with pytest.raises(SchemaError, match=r"schema\.pbtxt: the text is no Schema: 2:\d"):
        load_schema_text(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchemaError, match=r"schema\.pbtxt: the file is no text"):
        load_schema_text(str(path))
    with pytest.raises(ArtifactError, match=r"gone\.pbtxt"):
        load_schema_text(str(tmp_path / "gone.pbtxt"))
    with pytest.raises(SchemaError, match="a Schema proto is needed, got dict"):
        write_schema_text({}, str(path))


def test_features_are_found_by_name_and_path(schema: schema_pb2.Schema) -> None:
    assert get_feature(schema, "fare").type == schema_pb2.FLOAT
    assert get_feature(schema, ["who", "age"]).int_domain.max == 120
    assert get_feature(schema, FeaturePath(("who", "age"))).name == "age"
    with pytest.raises(SchemaError, match=r"no feature 'fair'\n.*Did you mean 'fare'"):
        get_feature(schema, "fair")


def test_domains_are_found_and_set(schema: schema_pb2.Schema) -> None:
    assert list(get_domain(schema, "kind").value) == ["a", "b"]
    assert get_domain(schema, "fare").min == 0
    with pytest.raises(SchemaError, match="no string domain 'nowhere'"):
        get_domain(schema, "lost")
    with pytest.raises(SchemaError, match="has no domain"):
        get_domain(parse_text('feature { name: "x" }', schema_pb2.Schema(), ""), "x")
    set_domain(schema, "fare", schema_pb2.FloatDomain(min=1, max=2))
    assert get_domain(schema, "fare").max == 2
    set_domain(schema, "lost", "kinds")
    assert list(get_domain(schema, "lost").value) == ["a", "b"]
    set_domain(schema, "lost", schema_pb2.BoolDomain())
    assert get_feature(schema, "lost").WhichOneof("domain_info") == "bool_domain"
    with pytest.raises(SchemaError, match="no string domain 'kind'"):
        set_domain(schema, "lost", "kind")
    with pytest.raises(SchemaError, match="int is no domain"):
        set_domain(schema, "lost", 3)


def test_raw_features_take_types_from_arrow_and_presence_from_the_schema(schema: schema_pb2.Schema) -> None:
    arrow = pa.schema(
        [("__row__", pa.int64()), ("fare", pa.float64()), ("kind", pa.string()), ("v", pa.list_(pa.float64(), 3))]
    )
    found = [(f.name, f.dtype, f.kind, f.size, f.optional) for f in raw_features(arrow, schema)]
    assert found == [
        ("fare", "float64", "scalar", None, False),
        ("kind", "utf8", "scalar", None, True),
        ("v", "float64", "fixed", 3, True),
    ]
    assert all(f.optional for f in raw_features(arrow))
    odd = pa.schema([("a", pa.struct([("b", pa.int64())])), ("c", pa.duration("s"))])
    with pytest.raises(SchemaError) as caught:
        raw_features(odd)
    assert len(caught.value.problems) == 2


def test_presence_depends_on_stage_and_environment(schema: schema_pb2.Schema) -> None:
    feature = get_feature(schema, "fare")
    assert expects(feature, schema)
    assert expects(feature, schema, "SERVING")
    feature.not_in_environment.append("SERVING")
    assert not in_environment(feature, schema, "SERVING")
    assert in_environment(feature, schema, "TRAINING")
    feature.in_environment.append("SERVING")  # wins
    assert in_environment(feature, schema, "SERVING")
    feature.lifecycle_stage = schema_pb2.LifecycleStage.Value("ALPHA")
    assert deprecated(feature)
    assert not expects(feature, schema)
    assert not expects(get_feature(schema, "lost"), schema)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (["a"], "a"),
        (["a", "b c"], "a.b c"),
        (["a.b"], "'a.b'"),
        (["it's"], "'it''s'"),
        ([""], "''"),
        (["(ext.field)", "x"], "(ext.field).x"),
        (["(a)b"], "'(a)b'"),
    ],
)
def test_paths_are_written_as_tensorflow_metadata_writes_them(steps: list[str], text: str) -> None:
    assert str(FeaturePath.of(steps)) == text


def test_a_path_takes_any_sequence_of_steps_and_a_text_is_one_step() -> None:
    assert FeaturePath(["trip", "fare"]) == FeaturePath(("trip", "fare"))  # type: ignore[arg-type]
    assert len({FeaturePath(["fare"]), FeaturePath("fare")}) == 1  # type: ignore[arg-type]
    assert str(FeaturePath("fare")) == "fare"  # type: ignore[arg-type]


def test_a_schema_file_that_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    write_schema_text(schema_pb2.Schema(), str(tmp_path / "schema.pbtxt"))
    with pytest.raises(ArtifactError, match=r"does not exist. Did you mean 'schema.pbtxt'\?"):
        load_schema_text(str(tmp_path / "scema.pbtxt"))
    with pytest.raises(ArtifactError, match="does not exist"):
        load_schema_text(str(tmp_path / "nowhere" / "schema.pbtxt"))
