"""Rules about text and images: coverage of the vocabulary, occurrences of tokens, and what happens without figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from provoked import Provoked, language, texts

from trueline.data_validation import update_schema, validate_statistics

TOKENS = (
    "feature_coverage: 0.75 avg_token_length: 4 "
    "token_statistics { string_token: 't' fraction_of_sequences: 0.5 per_sequence_min_frequency: 1.5 "
    "per_sequence_max_frequency: 2.5 } token_statistics { int_token: 7 fraction_of_sequences: 1 }"
)


def _case(constraints: str, figures: str | None = TOKENS) -> tuple[Any, Any]:
    schema = f"feature {{ name: 'x' type: BYTES natural_language_domain {{ {constraints} }} }}"
    data = texts({"a": 9}, more="" if figures is None else language(figures))
    statistics, parsed, _ = Provoked(schema, data).parsed()
    return statistics, parsed


def _found(constraints: str, figures: str | None = TOKENS) -> list[str]:
    info = validate_statistics(*_case(constraints, figures)).anomaly_info
    return [r.description for r in info["x"].reason] if "x" in info else []


@pytest.mark.parametrize(
    "constraints",
    [
        "",
        "coverage { min_coverage: 0.75 min_avg_token_length: 4 }",
        "coverage { }",
        "token_constraints { string_value: 't' min_per_sequence: 1 max_per_sequence: 3 }",
        "token_constraints { string_value: 't' min_fraction_of_sequences: 0.5 max_fraction_of_sequences: 0.5 }",
        "token_constraints { int_value: 7 min_fraction_of_sequences: 1 }",
    ],
)
def test_bounds_that_hold_say_nothing(constraints: str) -> None:
    assert _found(constraints) == []


def test_every_broken_bound_is_told() -> None:
    constraints = (
        "coverage { min_coverage: 0.8 min_avg_token_length: 5 } "
        "token_constraints { string_value: 't' min_per_sequence: 2 max_per_sequence: 2 "
        "max_fraction_of_sequences: 0.4 } "
        "token_constraints { int_value: 7 min_fraction_of_sequences: 1.5 }"
    )
    assert _found(constraints) == [
        "0.75 of the tokens are in the vocabulary, at least 0.8 are expected.",
        "The average token has 4 characters, at least 5 are expected.",
        "Token 't' occurs 1.5 times in some sequence, at least 2 are expected.",
        "Token 't' occurs 2.5 times in some sequence, at most 2 are expected.",
        "Token 7 occurs in 1 of the sequences, at least 1.5 are expected.",
        "Token 't' occurs in 0.5 of the sequences, at most 0.4 are expected.",
    ]
    statistics, schema = _case(constraints)
    updated = update_schema(schema, statistics)
    domain = updated.feature[0].natural_language_domain
    assert domain.coverage.min_coverage == 0.75
    text, number = domain.token_constraints
    assert (text.min_per_sequence, text.max_per_sequence, text.max_fraction_of_sequences) == (1, 3, 0.5)
    assert number.min_fraction_of_sequences == 1
    assert not validate_statistics(statistics, updated).anomaly_info


def test_constraints_without_figures_cannot_be_checked() -> None:
    nothing = "The schema constrains the text, the statistics say nothing of it: generate them with this schema."
    assert _found("coverage { min_coverage: 0.1 }", None) == [nothing]
    assert _found("token_constraints { string_value: 't' }", None) == [nothing]
    assert _found("vocabulary: 'v'", None) == []
    assert _found("token_constraints { string_value: 'u' } token_constraints { int_value: 8 }") == [
        "The schema constrains the tokens 'u', 8, the statistics do not count them."
    ]


def test_a_number_is_not_the_text_that_spells_it() -> None:
    assert _found("token_constraints { string_value: '7' }") == [
        "The schema constrains the tokens '7', the statistics do not count them."
    ]


def test_damaged_figures_are_none() -> None:
    statistics, schema = _case("coverage { min_coverage: 0.1 }")
    packed = statistics.datasets[0].features[0].custom_stats[0].any
    packed.value = b"\xff" * 9
    (reason,) = validate_statistics(statistics, schema).anomaly_info["x"].reason
    assert "say nothing of it" in reason.description
    packed.type_url = "type.googleapis.com/tensorflow.metadata.v0.Histogram"
    assert validate_statistics(statistics, schema).anomaly_info["x"].reason
