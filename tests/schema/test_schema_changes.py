"""Differences of schemas: readable, complete, and equal to the other schema once applied."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import SchemaError
from trueline.schema import SchemaChange, apply_changes, diff_schemas, render_changes


def _schema(text: str) -> Any:
    return text_format.Parse(text, schema_pb2.Schema())


FEATURES = st.dictionaries(
    st.sampled_from(["a", "b", "c d", 'e"f']),
    st.lists(
        st.sampled_from(
            [
                "type: INT",
                "type: BYTES",
                "presence { min_fraction: 0.1 }",
                "presence { min_fraction: 1 min_count: 3 }",
                "value_count { min: 1 max: 2 }",
                "shape { dim { size: 2 } dim { size: 3 } }",
                "shape { }",
                "bool_domain { }",
                "int_domain { min: -5 max: 7 }",
                "float_domain { min: 0.1 max: inf }",
                "domain: 'd'",
                "string_domain { value: 'x' value: 'y' value: 'x' }",
                "struct_domain { feature { name: 'k' type: INT } feature { name: 'l' presence { min_count: 2 } } }",
                "struct_domain { feature { name: 'l' } feature { name: 'm' } }",
                "in_environment: 'T'",
                "lifecycle_stage: DEPRECATED",
                "annotation { tag: 'owner:t' }",
                "drift_comparator { jensen_shannon_divergence { threshold: 0.3 source { type: QUANTILES } } }",
            ]
        ),
        max_size=4,
    ),
    max_size=4,
)
REST = st.lists(
    st.sampled_from(
        [
            "string_domain { name: 'd' value: 'p' value: 'q' }",
            "string_domain { name: 'e' value: 'q' }",
            "default_environment: 'T'",
            "default_environment: 'S'",
            "dataset_constraints { min_examples_count: 3 }",
            "sparse_feature { name: 's' index_feature { name: 'i' } value_feature { name: 'v' } }",
            "tensor_representation_group { key: 'g' value { tensor_representation { key: 't' value { } } } }",
        ]
    ),
    max_size=4,
)


@st.composite
def schemas(draw: Any) -> Any:
    features = draw(FEATURES)
    names = draw(st.permutations(list(features)))
    result = schema_pb2.Schema()
    for name in names:
        feature = result.feature.add(name=name)
        for part in features[name]:
            text_format.Merge(part, feature) if _fits(feature, part) else None
    for part in draw(REST):
        text_format.Merge(part, result)
    return result


def _fits(feature: Any, part: str) -> bool:
    """Whether a part can be merged: text may set a oneof and a single field only once."""
    try:
        text_format.Merge(part, schema_pb2.Feature.FromString(feature.SerializeToString()))
    except text_format.ParseError:
        return False
    return True


@settings(max_examples=200, deadline=None)
@given(a=schemas(), b=schemas())
def test_applied_differences_give_the_other_schema(a: Any, b: Any) -> None:
    changes = diff_schemas(a, b)
    kept = schema_pb2.Schema.FromString(a.SerializeToString())
    assert apply_changes(a, changes) == b
    assert a == kept  # left as it was
    assert bool(changes) == (a != b)
    assert apply_changes(b, diff_schemas(b, a)) == a
    assert render_changes(changes) or not changes


@settings(max_examples=50, deadline=None)
@given(a=schemas(), b=schemas())
def test_one_change_touches_nothing_else(a: Any, b: Any) -> None:
    for change in diff_schemas(a, b):
        alone = change.kind == "set" and not (change.before and change.after)
        inside = change.kind != "set" and any(name is None for _, name in change.where)
        if alone or inside:
            continue  # of a oneof the other side goes too
        once = apply_changes(a, [change])
        assert {(c.where, c.field) for c in diff_schemas(a, once)} <= {(change.where, change.field)}
        assert apply_changes(once, [change]) == once  # made once


def test_changes_read_well() -> None:
    a = _schema("feature { name: 'fare' presence { min_fraction: 1 } value_count { min: 1 } } feature { name: 'old' }")
    b = _schema("feature { name: 'fare' presence { min_fraction: 0.5 } shape { } } string_domain { name: 'd' }")
    assert [str(change) for change in diff_schemas(a, b)] == [
        'remove feature { name: "old" }',
        "feature 'fare' presence: min_fraction: 1.0 -> min_fraction: 0.5",
        "feature 'fare': remove value_count { min: 1 }",
        "feature 'fare': add shape { }",
        'add string_domain { name: "d" }',
    ]
    assert render_changes(diff_schemas(a, b)[1:2]).splitlines() == [
        "  feature {",
        '    name: "fare"',
        "    presence {",
        "-     min_fraction: 1.0",
        "+     min_fraction: 0.5",
        "    }",
        "  }",
    ]


def test_changes_of_another_schema_are_refused_all_at_once() -> None:
    changes = [
        SchemaChange("set", (("feature", "x"),), "type", "type: INT\n", "type: FLOAT\n"),
        SchemaChange("set", (("feature", "y"),), "type", "type: INT\n", "type: FLOAT\n"),
        SchemaChange("add", (), "feature", "", 'feature {\n  name: "x"\n  type: FLOAT\n}\n'),
    ]
    with pytest.raises(SchemaError) as caught:
        apply_changes(_schema("feature { name: 'x' type: BYTES }"), changes)
    assert len(caught.value.problems) == 3
    assert "the schema has type: BYTES there" in caught.value.problems[0]
    with pytest.raises(SchemaError, match="a Schema proto is needed, got str"):
        diff_schemas(_schema(""), "x")
