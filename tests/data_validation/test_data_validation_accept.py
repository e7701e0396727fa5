"""Every type of anomaly can be provoked, is described with its numbers, and is accepted by a least change of schema."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

sys.path.insert(0, str(Path(__file__).parent))

import conformance
from provoked import PROVOKED, numbers, texts
from provoked import Provoked as P

from trueline._core.errors import ConfigError, SchemaError
from trueline.data_validation import accept, explain_anomalies, generate_statistics, validate_statistics
from trueline.data_validation.accept_words import ACCEPT_WORDS
from trueline.engine import LocalEngine
from trueline.schema import FeaturePath, diff_schemas

# In the enumeration, and emitted neither by upstream nor here.
NEVER = {
    *("UNKNOWN_TYPE", "MULTIPLE_REASONS", "NO_DATA_IN_SPAN", "NLP_WRONG_LOCATION", "EMBEDDING_SHAPE_INVALID"),
    *("BOOL_TYPE_BYTES_NOT_INT", "BOOL_TYPE_BYTES_NOT_STRING", "BOOL_TYPE_FLOAT_NOT_INT", "BOOL_TYPE_FLOAT_NOT_STRING"),
    *("BOOL_TYPE_INT_NOT_STRING", "BOOL_TYPE_STRING_NOT_INT", "BOOL_TYPE_INVALID_CONFIG"),
    *("ENUM_TYPE_BYTES_NOT_STRING", "ENUM_TYPE_FLOAT_NOT_STRING", "ENUM_TYPE_INT_NOT_STRING"),
    *("FEATURE_TYPE_NO_VALUES", "FEATURE_TYPE_UNEXPECTED_REPEATED", "FLOAT_TYPE_NOT_FLOAT", "FLOAT_TYPE_NON_STRING"),
    *("FLOAT_TYPE_UNKNOWN_TYPE_NUMBER", "INT_TYPE_INT_EXPECTED", "INT_TYPE_NOT_STRING", "INT_TYPE_STRING_EXPECTED"),
    *("INT_TYPE_UNKNOWN_TYPE_NUMBER", "SCHEMA_TRAINING_SERVING_SKEW", "STRING_TYPE_NOW_FLOAT", "STRING_TYPE_NOW_INT"),
    "COMPARATOR_TREATMENT_DATA_MISSING",
}
CONTROLS = ("previous_statistics", "serving_statistics", "previous_version_statistics", "environment")


def _found(statistics: Any, schema: Any, kwargs: dict[str, Any]) -> set[tuple[str, str]]:
    """Path (empty for the dataset) and type of every reason."""
    anomalies = validate_statistics(statistics, schema, **kwargs)
    infos = [*anomalies.anomaly_info.items(), ("", anomalies.dataset_anomaly_info)]
    return {(path, info.Type.Name(reason.type)) for path, info in infos for reason in info.reason}


def _explained(statistics: Any, schema: Any, kwargs: dict[str, Any]) -> Any:
    anomalies = validate_statistics(statistics, schema, **kwargs)
    return explain_anomalies(anomalies, schema, statistics, **{k: v for k, v in kwargs.items() if k in CONTROLS})


def _check_accepting(statistics: Any, schema: Any, kwargs: dict[str, Any]) -> int:
    """Each anomaly accepted alone goes, brings no other, and leaves the rest of the schema; all together leave none."""
    before, findings = _found(statistics, schema, kwargs), _explained(statistics, schema, kwargs)
    for finding in findings:
        assert finding.changes, finding
        accepted = finding.accept(schema)
        after = _found(statistics, accepted, kwargs)
        assert ("" if finding.path is None else str(finding.path), finding.type) not in after, finding
        assert after <= before, finding
        assert set(diff_schemas(schema, accepted)) <= set(finding.changes), finding
    if findings:
        assert not _found(statistics, accept(schema, findings), kwargs)
    return len(findings)


def test_the_table_covers_all_types_that_are_ever_emitted() -> None:
    assert set(PROVOKED) | NEVER == set(anomalies_pb2.AnomalyInfo.Type.keys())
    assert not set(PROVOKED) & NEVER
    assert set(ACCEPT_WORDS) == set(PROVOKED)


@pytest.mark.parametrize("kind", PROVOKED)
def test_each_type_is_provoked_with_both_descriptions(kind: str) -> None:
    statistics, schema, kwargs = PROVOKED[kind].parsed()
    anomalies = validate_statistics(statistics, schema, **kwargs)
    findings = _explained(statistics, schema, kwargs)
    assert {finding.type for finding in findings} == {kind}
    infos = [*anomalies.anomaly_info.values()] or [anomalies.dataset_anomaly_info]
    assert all(info.severity == anomalies_pb2.AnomalyInfo.ERROR for info in infos)
    for finding in findings:
        assert 0 < len(finding.short) < 50
        assert finding.short[0].isupper()
        assert finding.long.endswith(".")
        assert finding.long != finding.short
        assert finding.how_to_accept.startswith(ACCEPT_WORDS[kind])


@pytest.mark.parametrize("kind", sorted(set(PROVOKED) - {"CUSTOM_VALIDATION"}))
def test_each_type_is_accepted_by_a_least_change(kind: str) -> None:
    assert _check_accepting(*PROVOKED[kind].parsed()) >= 1


@pytest.mark.shared
def test_every_anomaly_of_the_golden_cases_can_be_accepted(shared: Path) -> None:
    """Real schemas of upstream's tests, with environments, structs, weights and all comparators."""
    count = 0
    for case in conformance.cases(shared / "conformance/tfdv/validation.jsonl"):
        if case["op"] not in ("validate_statistics", "validate_statistics_internal") or "expected_error" in case:
            continue
        kwargs = {
            name: conformance._parsed(case[name], conformance.statistics_pb2.DatasetFeatureStatisticsList())
            for name in conformance.STATISTICS
            if name in case
        }
        if "previous_span_statistics" in kwargs:
            kwargs["previous_statistics"] = kwargs.pop("previous_span_statistics")
        schema = text_format.Parse(case["schema"], schema_pb2.Schema())
        count += _check_accepting(kwargs.pop("statistics"), schema, {**kwargs, "environment": case.get("environment")})
    assert count >= 240


VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-3, 9)), min_size=1, max_size=8).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "7"])), min_size=1, max_size=8).map(
        lambda v: pa.array(v, pa.string())
    ),
    st.lists(st.one_of(st.none(), st.floats(-2, 2, width=32)), min_size=1, max_size=8).map(
        lambda v: pa.array(v, pa.float64())
    ),
    st.lists(st.lists(st.integers(0, 2), max_size=3), min_size=1, max_size=5).map(
        lambda v: pa.array(v, pa.list_(pa.int64()))
    ),
)
PARTS = st.tuples(
    st.sampled_from(["type: INT", "type: BYTES", "type: FLOAT", ""]),
    st.sampled_from(["", "presence { min_fraction: 1.0 min_count: 3 }", "presence { min_fraction: 1.7 }"]),
    st.sampled_from(
        ["", "value_count { min: 2 max: 1 }", "value_count { min: 1 max: 1 }", "shape { dim { size: 2 } }"]
    ),
    st.sampled_from(
        [
            *("", "int_domain { min: 0 max: 2 }", "bool_domain { }", "domain: 'ab'", "domain: 'none'"),
            *("float_domain { min: 0 max: 1 }", "string_domain { value: 'a' }"),
        ]
    ),
    st.sampled_from(["", "unique_constraints { min: 3 max: 3 }", "distribution_constraints { min_domain_mass: 0.5 }"]),
    st.sampled_from(["", "not_in_environment: 'SERVING'", "lifecycle_stage: ALPHA"]),
)


@settings(max_examples=60, deadline=None)
@given(x=VALUES, parts=PARTS, other=PARTS, environment=st.sampled_from([None, "SERVING"]))
def test_accepting_never_brings_another_anomaly(x: pa.Array, parts: Any, other: Any, environment: Any) -> None:
    schema = text_format.Parse(
        f"feature {{ name: 'x' {' '.join(parts)} }} feature {{ name: 'y' {' '.join(other)} }} "
        "string_domain { name: 'ab' value: 'a' value: 'b' } default_environment: 'TRAINING' "
        "default_environment: 'SERVING'",
        schema_pb2.Schema(),
    )
    statistics = generate_statistics(pa.table({"x": x, "z": x}), engine=LocalEngine(1))
    _check_accepting(statistics, schema, {"environment": environment})


def test_the_change_is_shown_as_lines_of_the_schema() -> None:
    statistics, schema, _ = PROVOKED["FEATURE_TYPE_LOW_FRACTION_PRESENT"].parsed()
    (finding,) = _explained(statistics, schema, {})
    assert finding.path == FeaturePath(("x",))
    assert finding.long == "0.9 of the rows hold it (9 of 10), at least 1 are expected."
    assert finding.how_to_accept == (
        "Lower the least fraction of rows to that of the data.\n"
        "  feature {\n"
        '    name: "x"\n'
        "    presence {\n"
        "-     min_fraction: 1.0\n"
        "+     min_fraction: 0.9\n"
        "    }\n"
        "  }"
    )


def _two() -> tuple[Any, Any, Any]:
    """Three anomalies of two features, and one of the dataset."""
    case = P(
        "feature { name: 'x' type: INT int_domain { min: 1 max: 8 } } "
        "feature { name: 'y' type: BYTES domain: 'ab' } string_domain { name: 'ab' value: 'a' value: 'b' } "
        "dataset_constraints { min_examples_count: 11 }",
        numbers() + texts({"a": 1, "z": 9}, name="y"),
    )
    return case.parsed()


def test_only_what_is_named_is_accepted() -> None:
    statistics, schema, _ = _two()
    anomalies = validate_statistics(statistics, schema)
    accepted = accept(schema, anomalies, only=[("x", "INT_TYPE_BIG_INT"), (None, None)], statistics=statistics)
    assert [str(change) for change in diff_schemas(schema, accepted)] == [
        "feature 'x' int_domain: max: 8 -> max: 9",
        "dataset_constraints: min_examples_count: 11 -> min_examples_count: 10",
    ]
    untouched = [schema_pb2.Feature.FromString(schema.feature[1].SerializeToString())]
    assert accepted.feature[1].SerializeToString() == untouched[0].SerializeToString()
    assert _found(statistics, accepted, {}) == {
        ("x", "INT_TYPE_SMALL_INT"),
        ("y", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"),
    }
    everything = accept(schema, anomalies, only=[("x", None), ("y", None), (None, None)], statistics=statistics)
    assert not _found(statistics, everything, {})


def test_what_cannot_be_accepted_is_said_all_at_once() -> None:
    statistics, schema, kwargs = PROVOKED["CUSTOM_VALIDATION"].parsed()
    findings = _explained(statistics, schema, kwargs)
    wanted = [("x", "CUSTOM_VALIDATION"), ("y", None), ("x", "INT_TYPE_BIG_INT")]
    with pytest.raises(ConfigError) as caught:
        accept(schema, findings, only=wanted)
    assert len(caught.value.problems) == 3
    assert "change the custom validation" in caught.value.problems[0]
    assert accept(schema, findings) == schema  # there is nothing that a change of the schema accepts
    with pytest.raises(ConfigError, match="explained already"):
        accept(schema, findings, statistics=statistics)


def test_without_the_data_only_changes_without_figures_are_known() -> None:
    statistics, schema, _ = _two()
    schema.feature.add(name="gone", type=schema_pb2.INT).presence.min_count = 1
    anomalies = validate_statistics(statistics, schema)
    findings = explain_anomalies(anomalies)
    assert [f.type for f in findings if f.changes] == ["SCHEMA_MISSING_COLUMN"]
    with pytest.raises(ConfigError, match="Were the statistics given"):
        accept(schema, findings, only=[("x", "INT_TYPE_BIG_INT")])


def test_a_schema_that_has_changed_since_is_refused() -> None:
    statistics, schema, _ = _two()
    findings = _explained(statistics, schema, {})
    schema.feature[0].int_domain.max = 100
    with pytest.raises(SchemaError, match=r"the schema has max: 100 there"):
        accept(schema, findings, only=[("x", "INT_TYPE_BIG_INT")])
    del schema.feature[0]
    with pytest.raises(SchemaError, match="its place is not in the schema"):
        accept(schema, findings, only=[("x", "INT_TYPE_BIG_INT")])


def test_a_wide_schema_is_judged_explained_and_accepted_in_little_time() -> None:
    """2,000 features, all of them wrong: linear, not quadratic."""
    import time

    schema = " ".join(f"feature {{ name: 'f{i}' type: INT int_domain {{ max: 8 }} }}" for i in range(2000))
    statistics, parsed, _ = P(schema, " ".join(numbers(name=f"f{i}") for i in range(2000))).parsed()
    start = time.process_time()
    anomalies = validate_statistics(statistics, parsed)
    validated = time.process_time() - start
    assert len(anomalies.anomaly_info) == 2000
    assert validated < 2.0  # about 0.2 s; the bound leaves room for a busy machine
    assert not _found(statistics, accept(parsed, anomalies, statistics=statistics), {})
