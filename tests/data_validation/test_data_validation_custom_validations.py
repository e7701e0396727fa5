"""Custom validations: expressions over statistics; a configuration is checked as a whole before any data are judged."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from trueline._core.errors import ConfigError
from trueline.data_validation import (
    CustomValidation,
    CustomValidationConfig,
    FeaturePairValidation,
    FeatureValidation,
    custom_validate_statistics,
    generate_statistics,
    infer_schema,
    validate_statistics,
)
from trueline.engine import LocalEngine

DATA = {"x": pa.array([1, 2, 6, None]), "s": pa.array(["a", "b", "b", "c"])}


def _stats(columns: dict[str, Any] | None = None) -> Any:
    return generate_statistics(pa.table(columns or DATA), engine=LocalEngine(1))


def _config(*expressions: str, path: Any = "x", **more: Any) -> dict[str, Any]:
    validations = [{"expression": expression, **more} for expression in expressions]
    return {"feature_validations": [{"feature_path": path, "validations": validations}]}


def _failed(*expressions: str, path: Any = "x", **kwargs: Any) -> list[str]:
    found = custom_validate_statistics(_stats(), _config(*expressions, path=path), **kwargs)
    return [reason.description for info in found.anomaly_info.values() for reason in info.reason]


@pytest.mark.parametrize(
    "expression",
    [
        "num_stats.mean == 3",
        "feature.num_stats.mean == 3 and num_stats.max == 6",
        "common_stats.num_missing == 1 and num_stats.common_stats.num_non_missing == 3",
        "num_examples == 4 and fraction_present == 0.75",
        "type == 'INT'",
        "string_stats.unique is None",
        "num_stats.max - num_stats.min < 10 or string_stats.unique > 3",
        "weighted_num_examples == 0.0",
    ],
)
def test_true_expressions_say_nothing(expression: str) -> None:
    assert _failed(expression) == []
    assert _failed(f"not ({expression})") != []


def test_a_false_expression_is_told_with_its_figures() -> None:
    statistics = _stats()
    config = _config("num_stats.mean < 2", description="The mean is small.", severity="WARNING")
    found = validate_statistics(statistics, infer_schema(statistics), custom_validation_config=config)
    info = found.anomaly_info["x"]
    assert info.severity == anomalies_pb2.AnomalyInfo.WARNING
    assert [r.type for r in info.reason] == [anomalies_pb2.AnomalyInfo.CUSTOM_VALIDATION]
    assert info.short_description == "The mean is small"
    assert info.description == "The mean is small. The expression 'num_stats.mean < 2' is false: num_stats.mean = 3."
    assert list(info.path.step) == ["x"]


def test_custom_and_ordinary_reasons_stand_together() -> None:
    statistics = _stats()
    schema = infer_schema(statistics)
    schema.feature[0].int_domain.max = 5
    config = _config("num_stats.mean < 2", severity="WARNING")
    info = validate_statistics(statistics, schema, custom_validation_config=config).anomaly_info["x"]
    assert [info.Type.Name(r.type) for r in info.reason] == ["INT_TYPE_BIG_INT", "CUSTOM_VALIDATION"]
    assert info.severity == anomalies_pb2.AnomalyInfo.ERROR
    ignored = [{"type": "CUSTOM_VALIDATION", "severity": "IGNORE"}]
    kept = validate_statistics(statistics, schema, custom_validation_config=config, rules=ignored)
    assert [r.type for r in kept.anomaly_info["x"].reason] == [anomalies_pb2.AnomalyInfo.INT_TYPE_BIG_INT]


def test_what_cannot_be_told_is_an_anomaly() -> None:
    assert _failed("string_stats.unique > 2") == [
        "Custom validation failed. The expression 'string_stats.unique > 2' cannot be told: "
        "string_stats.unique = no value."
    ]
    schema = infer_schema(_stats())
    gone = _stats({"s": DATA["s"]})
    found = validate_statistics(gone, schema, custom_validation_config=_config("num_stats.mean < 9"))
    types = [found.anomaly_info["x"].Type.Name(r.type) for r in found.anomaly_info["x"].reason]
    assert types == ["SCHEMA_MISSING_COLUMN", "CUSTOM_VALIDATION"]
    assert "the data lack the feature" in found.anomaly_info["x"].description


def test_custom_statistics_have_names_too() -> None:
    statistics = _stats()
    statistics.datasets[0].features[0].custom_stats.add(name="score", num=0.5)
    statistics.datasets[0].features[0].custom_stats.add(name="odd name", str="ok")
    good = _config("custom_stats.score > 0.4", "col('custom_stats.odd name') == 'ok'")
    assert not custom_validate_statistics(statistics, good).anomaly_info
    bad = _config("feature.custom_stats.score > 0.6")
    assert custom_validate_statistics(statistics, bad).anomaly_info["x"].reason
    with pytest.raises(ConfigError, match=r"no name 'custom_stats\.scor': Did you mean 'custom_stats\.score'"):
        custom_validate_statistics(statistics, _config("custom_stats.scor > 1"))


def test_environments_choose_validations() -> None:
    statistics = _stats()
    schema = infer_schema(statistics)
    schema.default_environment.extend(["TRAINING", "SERVING"])
    config = _config("num_stats.mean < 2", in_environment=["SERVING"])
    counts = [
        len(validate_statistics(statistics, schema, environment, custom_validation_config=config).anomaly_info)
        for environment in ("TRAINING", "SERVING", None)
    ]
    assert counts == [0, 1, 1]


TEXT = """
feature_validations {
  feature_path { step: "x" }
  validations { expression: "num_stats.mean < 2" severity: WARNING description: "small" in_environment: "T" }
}
feature_pair_validations {
  feature_test_path { step: "x" }
  feature_base_path { step: "x" }
  validations { expression: "feature_test.num_stats.mean <= feature_base.num_stats.mean" severity: ERROR }
}
"""


def test_text_mappings_and_dataclasses_mean_the_same() -> None:
    dataclasses = CustomValidationConfig(
        (FeatureValidation("x", (CustomValidation("num_stats.mean < 2", "WARNING", "small", ("T",)),)),),
        (
            FeaturePairValidation(
                "x", ("x",), (CustomValidation("feature_test.num_stats.mean <= feature_base.num_stats.mean"),)
            ),
        ),
    )
    mapping = {
        "feature_validations": [
            {
                "feature_path": {"step": ["x"]},
                "validations": [
                    {
                        "expression": "num_stats.mean < 2",
                        "severity": "WARNING",
                        "description": "small",
                        "in_environment": "T",
                    }
                ],
            }
        ],
        "feature_pair_validations": list(dataclasses.feature_pair_validations),
    }
    base = _stats({"x": [0, 1]})
    found = [custom_validate_statistics(_stats(), config, base) for config in (TEXT, mapping, dataclasses)]
    assert found[0] == found[1] == found[2]
    assert len(found[0].anomaly_info["x"].reason) == 2
    assert found[0].anomaly_info["x"].severity == anomalies_pb2.AnomalyInfo.ERROR
    assert len(custom_validate_statistics(_stats(), TEXT, base, environment="S").anomaly_info["x"].reason) == 1


def test_slices_are_chosen_by_name() -> None:
    statistics = _stats()
    statistics.datasets[0].name = "All Examples"
    statistics.datasets.add().CopyFrom(_stats({"x": [100]}).datasets[0])
    statistics.datasets[1].name = "big"
    config = _config("num_stats.mean < 50")
    assert not custom_validate_statistics(statistics, config).anomaly_info
    config["feature_validations"][0]["dataset_name"] = "big"
    assert custom_validate_statistics(statistics, config).anomaly_info
    config["feature_validations"][0]["dataset_name"] = "bigg"
    with pytest.raises(ConfigError, match="no dataset 'bigg': Did you mean 'big'"):
        custom_validate_statistics(statistics, config)


def test_all_problems_of_a_configuration_come_at_once() -> None:
    config = {
        "feature_validations": [
            {"feature_path": "y", "validations": []},
            {
                "feature_path": "x",
                "validations": [
                    {"expression": "num_stats.meen > 1"},
                    {"expression": "num_stats.mean + 1"},
                    {"expression": "type > 3"},
                    {"expression": "num_stats.mean AND common_stats.num_missing = 3"},
                    {"expression": "__import__('os').system('true')"},
                    {"expression": "feature_test.num_stats.mean > 1"},
                ],
            },
        ],
        "feature_pair_validations": [{"feature_test_path": "x", "feature_base_path": "x", "validations": []}],
    }
    with pytest.raises(ConfigError) as caught:
        custom_validate_statistics(_stats(), config)
    problems = list(caught.value.problems)
    assert len(problems) == 8
    for wanted in (
        "feature_validations[0].feature_path: no feature 'y'",
        "validations[0]: no name 'num_stats.meen': Did you mean 'num_stats.mean'",
        "validations[1]: gives double, not true or false",
        "validations[2]: cannot be computed",
        "it looks like SQL, which is not run: write 'num_stats.mean and common_stats.num_missing == 3'",
        "validations[4]: there is no function '?'",
        "validations[5]: no name 'feature_test.num_stats.mean'",
        "feature_pair_validations[0]: there is nothing to compare with",
    ):
        assert any(wanted in problem for problem in problems), (wanted, problems)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            TEXT.replace("expression:", "sql_expression:", 1),
            "sql_expression is SQL, which is not run: write expression",
        ),
        (TEXT.replace('expression: "num_stats.mean < 2"', 'sql_expression: "mean IN (SELECT 1)"'), "in Python's"),
        (TEXT.replace("severity: WARNING", "severity: WARN"), "do not parse as proto text: 4:"),
        (_config("num_stats.mean < 2", severity="WARN"), "no severity 'WARN': Did you mean 'WARNING'"),
        (_config("num_stats.mean < 2", sevrity="WARN"), "no key 'sevrity': Did you mean 'severity'"),
        ({"feature_validations": {"feature_path": "x"}}, "a list is needed, got dict"),
        ({"feature_validations": [{"feature_path": "x"}]}, "validations is missing"),
        ({"feature_validations": ["x"]}, "a FeatureValidation or a mapping is needed, got str"),
        ({"feature_validations": [{"feature_path": [1], "validations": []}]}, "a column's name or a sequence of steps"),
        (_config(""), "expression is missing"),
        (["x"], "a CustomValidationConfig or a mapping is needed, got list"),
    ],
)
def test_wrong_configurations_are_refused(config: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        custom_validate_statistics(_stats(), config)
    assert message in str(caught.value)
