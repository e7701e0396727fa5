"""Severity and owner by rule: the most specific rule holds, and a schema can name owners."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

sys.path.insert(0, str(Path(__file__).parent))

from provoked import Provoked, numbers

from trueline._core.errors import ConfigError
from trueline.data_validation import RuleConfig, explain_anomalies, validate_statistics

SCHEMA = (
    "feature { name: 'x' type: INT int_domain { min: 1 max: 8 } annotation { tag: 'owner: pricing' } } "
    "feature { name: 'y' type: INT int_domain { max: 8 } } dataset_constraints { min_examples_count: 11 }"
)


def _case() -> tuple[Any, Any]:
    statistics, schema, _ = Provoked(SCHEMA, numbers() + numbers(name="y") + numbers(name="z")).parsed()
    return statistics, schema


def _severities(rules: Any, **kwargs: Any) -> dict[tuple[str, str], str]:
    statistics, schema = _case()
    anomalies = validate_statistics(statistics, schema, rules=rules, **kwargs)
    name = anomalies_pb2.AnomalyInfo.Severity.Name
    infos = [*anomalies.anomaly_info.items(), ("", anomalies.dataset_anomaly_info)]
    return {(p, info.Type.Name(r.type)): name(info.severity) for p, info in infos for r in info.reason}


ALL = {
    ("x", "INT_TYPE_SMALL_INT"),
    ("x", "INT_TYPE_BIG_INT"),
    ("y", "INT_TYPE_BIG_INT"),
    ("z", "SCHEMA_NEW_COLUMN"),
    ("", "DATASET_LOW_NUM_EXAMPLES"),
}


def test_everything_is_an_error_unless_a_rule_says_otherwise() -> None:
    assert _severities(None) == dict.fromkeys(ALL, "ERROR")
    assert _severities([RuleConfig(severity="WARNING")]) == dict.fromkeys(ALL, "WARNING")
    assert _severities([RuleConfig(severity="IGNORE")]) == {}


def test_the_most_specific_rule_holds() -> None:
    rules = [
        RuleConfig(severity="IGNORE"),
        {"type": "INT_TYPE_BIG_INT", "severity": "WARNING"},
        RuleConfig(path="y", severity="ERROR"),
        RuleConfig(path=(), severity="WARNING"),
    ]
    expected = {
        ("x", "INT_TYPE_BIG_INT"): "WARNING",
        ("y", "INT_TYPE_BIG_INT"): "ERROR",
        ("", "DATASET_LOW_NUM_EXAMPLES"): "WARNING",
    }
    assert _severities(rules) == expected
    assert _severities(rules[::-1]) == expected  # the order matters between equals alone
    both = {"type": "INT_TYPE_BIG_INT", "path": "y", "severity": "IGNORE"}
    assert ("y", "INT_TYPE_BIG_INT") not in _severities([both, *rules])
    last = [RuleConfig(type="SCHEMA_NEW_COLUMN", severity=s) for s in ("ERROR", "WARNING")]
    assert _severities(last)["z", "SCHEMA_NEW_COLUMN"] == "WARNING"


def test_a_feature_has_the_greatest_severity_of_its_reasons() -> None:
    found = _severities([{"type": "INT_TYPE_BIG_INT", "severity": "WARNING"}])
    assert found["x", "INT_TYPE_SMALL_INT"] == found["x", "INT_TYPE_BIG_INT"] == "ERROR"
    assert found["y", "INT_TYPE_BIG_INT"] == "WARNING"


def test_the_short_forms_say_the_same() -> None:
    assert _severities(None, new_features_are_warnings=True)["z", "SCHEMA_NEW_COLUMN"] == "WARNING"
    assert _severities(None, severity_overrides={"SCHEMA_NEW_COLUMN": "IGNORE"}).keys() == ALL - {
        ("z", "SCHEMA_NEW_COLUMN")
    }
    assert ("z", "SCHEMA_NEW_COLUMN") not in _severities(None, features_needed=["other"])
    assert ("z", "SCHEMA_NEW_COLUMN") in _severities(None, features_needed=["z"])


def test_findings_carry_severity_and_owner() -> None:
    statistics, schema = _case()
    rules = [
        {"type": "SCHEMA_NEW_COLUMN", "severity": "WARNING", "owner": "ingestion"},
        {"path": "y", "owner": "team-y"},
        {"path": "x", "type": "INT_TYPE_BIG_INT", "severity": "WARNING"},
    ]
    anomalies = validate_statistics(statistics, schema, rules=rules)
    found = {(str(f.path or ""), f.type): (f.severity, f.owner) for f in explain_anomalies(anomalies, rules=rules)}
    assert found == {
        ("", "DATASET_LOW_NUM_EXAMPLES"): ("ERROR", ""),
        ("x", "INT_TYPE_SMALL_INT"): ("ERROR", "pricing"),  # of the schema's annotation
        ("x", "INT_TYPE_BIG_INT"): ("WARNING", "pricing"),
        ("y", "INT_TYPE_BIG_INT"): ("ERROR", "team-y"),
        ("z", "SCHEMA_NEW_COLUMN"): ("WARNING", "ingestion"),
    }
    plain = explain_anomalies(anomalies)
    assert {f.severity for f in plain if str(f.path) == "x"} == {"ERROR"}  # the feature's, where no rules are given


def test_fields_of_a_struct_follow_its_rule() -> None:
    schema = (
        "feature { name: 's' type: STRUCT struct_domain { feature { name: 'k' type: INT int_domain { max: 8 } } } }"
    )
    struct = "features { type: STRUCT struct_stats { common_stats { num_non_missing: 10 } } path { step: 's' } }"
    inner = numbers(name="k").replace("path { step: 'k' }", "path { step: 's' step: 'k' }")
    statistics, parsed, _ = Provoked(schema, struct + inner).parsed()
    anomalies = validate_statistics(statistics, parsed, rules=[{"path": "s", "severity": "WARNING"}])
    assert anomalies.anomaly_info["s.k"].severity == anomalies_pb2.AnomalyInfo.WARNING
    assert not validate_statistics(statistics, parsed, rules=[{"path": ("s", "k"), "severity": "IGNORE"}]).anomaly_info


def test_wrong_rules_are_refused_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        _severities(
            [
                {"type": "NEW_COLUMN", "severity": "WARN"},
                {"typ": "SCHEMA_NEW_COLUMN"},
                RuleConfig(path="x"),
                "SCHEMA_NEW_COLUMN",
                {"severity": "ERROR", "owner": 3},
            ]
        )
    assert [p.split(":")[0] for p in caught.value.problems] == [f"rule {n}" for n in (1, 1, 2, 3, 4, 5)]
    assert "Did you mean 'SCHEMA_NEW_COLUMN'" in caught.value.problems[0]


def test_a_new_struct_is_news_if_something_in_it_is_needed() -> None:
    struct = "features { type: STRUCT struct_stats { common_stats { num_non_missing: 10 } } path { step: 's' } }"
    fields = [numbers(name=k).replace(f"path {{ step: '{k}' }}", f"path {{ step: 's' step: '{k}' }}") for k in "kj"]
    new, schema, _ = Provoked("", struct + "".join(fields)).parsed()
    known = Provoked("feature { name: 's' type: STRUCT struct_domain { } }", "").parsed()[1]
    for needed, whole, part in (
        (None, {"s"}, {"s.k", "s.j"}),
        ([("s", "k")], {"s"}, {"s.k"}),
        (["s"], {"s"}, {"s.k", "s.j"}),
        (["other"], set(), set()),
    ):
        assert set(validate_statistics(new, schema, features_needed=needed).anomaly_info) == whole
        assert set(validate_statistics(new, known, features_needed=needed).anomaly_info) == part
