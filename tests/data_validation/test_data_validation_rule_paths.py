"""Rules and custom validations keep to their own: a typo is told, a WARNING stays one beside an ERROR."""

from __future__ import annotations

import pyarrow as pa
import pytest

import trueline.data_validation as dv
from trueline._core.errors import ConfigError

DATA = pa.table({"fare": [1.0, 2.0], "shop": ["a", "b"]})


def test_a_rule_for_a_feature_that_nobody_has_is_refused() -> None:
    stats = dv.generate_statistics(DATA)
    schema = dv.infer_schema(stats)
    with pytest.raises(ConfigError, match="'fair': Did you mean 'fare'"):
        dv.validate_statistics(stats, schema, rules=[dv.RuleConfig(path="fair", severity="IGNORE")])
    dv.validate_statistics(
        stats, schema, rules=[dv.RuleConfig(path="fare", severity="IGNORE"), dv.RuleConfig(path=(), owner="us")]
    )


def test_a_custom_warning_stays_one_beside_an_error_of_its_feature() -> None:
    schema = dv.infer_schema(dv.generate_statistics(DATA))
    stats = dv.generate_statistics(pa.table({"fare": [1.0, None], "shop": ["a", "b"]}))
    check = dv.CustomValidation("num_stats.mean > 5", severity="WARNING")
    config = dv.CustomValidationConfig((dv.FeatureValidation("fare", (check,)),))
    found = dv.validate_statistics(stats, schema, custom_validation_config=config)
    told = dv.explain_anomalies(found, schema, stats, custom_validation_config=config)
    severities = {f.type: f.severity for f in told}
    assert severities["CUSTOM_VALIDATION"] == "WARNING"
    assert {s for t, s in severities.items() if t != "CUSTOM_VALIDATION"} == {"ERROR"}


def test_another_type_is_accepted_by_taking_it() -> None:
    """Whole numbers become floats once one is missing: the column is still checked afterwards."""
    schema = dv.infer_schema(dv.generate_statistics(pa.table({"n": [1, 2, 3]})))
    stats = dv.generate_statistics(pa.table({"n": [1.0, None, 3.0]}))
    accepted = dv.accept(schema, dv.validate_statistics(stats, schema), statistics=stats)
    assert dv.get_feature(accepted, "n").type == dv.get_feature(dv.infer_schema(stats), "n").type
    assert not dv.get_feature(accepted, "n").lifecycle_stage
    assert dict(dv.validate_statistics(stats, accepted).anomaly_info) == {}
    text = dv.generate_statistics(pa.table({"n": ["x"]}))
    assert dict(dv.validate_statistics(text, accepted).anomaly_info) != {}
