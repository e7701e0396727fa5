"""For every type of anomaly that validation reports, the least schema and statistics that provoke it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

__all__ = ["PROVOKED", "Provoked", "numbers", "texts"]


def common(rows: int = 10, missing: int = 0, values: int = 1, more: str = "") -> str:
    """`CommonStatistics`."""
    present = rows - missing
    return (
        f"common_stats {{ num_non_missing: {present} num_missing: {missing} min_num_values: 1 "
        f"max_num_values: {values} tot_num_values: {present * values} {more} }}"
    )


def numbers(kind: str = "INT", least: float = 0, most: float = 9, more: str = "", name: str = "x", **rows: Any) -> str:
    """A feature of numbers."""
    stats = f"{common(**rows)} min: {least} max: {most}"
    return f"features {{ type: {kind} num_stats {{ {stats} }} path {{ step: '{name}' }} {more} }}"


def texts(counts: dict[str, int], more: str = "", inner: str = "", name: str = "x", **rows: Any) -> str:
    """A feature of texts."""
    buckets = " ".join(f"buckets {{ label: '{label}' sample_count: {n} }}" for label, n in counts.items())
    rows.setdefault("rows", sum(counts.values()))
    stats = f"{common(**rows)} unique: {len(counts)} rank_histogram {{ {buckets} }} {inner}"
    return f"features {{ type: STRING string_stats {{ {stats} }} path {{ step: '{name}' }} {more} }}"


def custom(name: str, value: str) -> str:
    """A custom statistic."""
    return f"custom_stats {{ name: '{name}' {value} }}"


def language(figures: str) -> str:
    """The statistics of natural language."""
    kind = "type.googleapis.com/tensorflow.metadata.v0.NaturalLanguageStatistics"
    return custom("nl_statistics", f"any {{ [{kind}] {{ {figures} }} }}")


def alone(name: str, more: str) -> str:
    """An entry with custom statistics alone."""
    return f"features {{ path {{ step: '{name}' }} {more} }}"


@dataclass(frozen=True)
class Provoked:
    """One provocation.

    Attributes:
        schema: proto text.
        statistics: proto text of the dataset's features.
        rows: examples of the dataset.
        previous: proto text of the features of the earlier data, or None.
        options: further arguments of `validate_statistics`.
    """

    schema: str
    statistics: str
    rows: int = 10
    previous: str | None = None
    previous_rows: int = 10
    options: dict[str, Any] = field(default_factory=dict)

    def parsed(self) -> tuple[Any, Any, dict[str, Any]]:
        """Statistics, schema and the further arguments."""
        kwargs = dict(self.options)
        if self.previous is not None:
            kwargs["previous_statistics"] = _list(self.previous_rows, self.previous)
        schema = text_format.Parse(self.schema, schema_pb2.Schema())
        return _list(self.rows, self.statistics), schema, kwargs


def _list(rows: int, features: str) -> Any:
    text = f"datasets {{ num_examples: {rows} {features} }}"
    return text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())


def _x(text: str) -> str:
    return f"feature {{ name: 'x' {text} }} string_domain {{ name: 'ab' value: 'a' value: 'b' }}"


def _natural(constraint: str) -> str:
    return _x(f"type: BYTES natural_language_domain {{ {constraint} }}")


_ABZ = texts({"a": 5, "b": 4, "z": 1})
_OLD = texts({"a": 1, "b": 9})
_NAN = "histograms { num_nan: 2 buckets { low_value: 0 high_value: 1 sample_count: 3 } }"
_FEW = _x("type: INT") + " dataset_constraints { %s }"
_SPARSE = "sparse_feature { name: 's' index_feature { name: 'i' } value_feature { name: 'v' } }"
_WEIGHTED = "weighted_feature { name: 's' feature { step: 'v' } weight_feature { step: 'w' } }"
_SHIFT = "type: BYTES drift_comparator { %s { threshold: 0.01 } }"
_TOKEN = (
    "token_statistics { string_token: 't' fraction_of_sequences: 0.5 per_sequence_min_frequency: 2 "
    "per_sequence_max_frequency: 4 }"
)
_DEEP = common(more="presence_and_valency_stats { min_num_values: 1 max_num_values: 2 } " * 2)
_IMAGES = custom(
    "image_format_histogram",
    "rank_histogram { buckets { label: 'jpeg' sample_count: 1 } buckets { label: 'UNKNOWN' sample_count: 3 } }",
)

PROVOKED: dict[str, Provoked] = {
    "BOOL_TYPE_BIG_INT": Provoked(_x("type: INT bool_domain { }"), numbers()),
    "BOOL_TYPE_SMALL_INT": Provoked(_x("type: INT bool_domain { }"), numbers(least=-1, most=1)),
    "BOOL_TYPE_UNEXPECTED_STRING": Provoked(_x("type: BYTES bool_domain { true_value: 'a' }"), _ABZ),
    "BOOL_TYPE_UNEXPECTED_FLOAT": Provoked(_x("type: FLOAT bool_domain { }"), numbers("FLOAT", 0, 2)),
    "ENUM_TYPE_INVALID_UTF8": Provoked(_x("type: BYTES domain: 'ab'"), texts({"a": 9}, inner="invalid_utf8_count: 1")),
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": Provoked(_x("type: BYTES domain: 'ab'"), _ABZ),
    "FEATURE_TYPE_HIGH_NUMBER_VALUES": Provoked(_x("type: INT value_count { min: 1 max: 2 }"), numbers(values=3)),
    "FEATURE_TYPE_LOW_NUMBER_VALUES": Provoked(_x("type: INT value_count { min: 2 max: 2 }"), numbers()),
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": Provoked(_x("type: INT presence { min_fraction: 1 }"), numbers(missing=1)),
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": Provoked(_x("type: INT presence { min_count: 11 }"), numbers()),
    "FEATURE_TYPE_NOT_PRESENT": Provoked(_x("type: INT presence { min_count: 1 }"), numbers(missing=10)),
    "FLOAT_TYPE_BIG_FLOAT": Provoked(_x("type: FLOAT float_domain { max: 8.5 }"), numbers("FLOAT")),
    "FLOAT_TYPE_SMALL_FLOAT": Provoked(_x("type: FLOAT float_domain { min: 0.1 }"), numbers("FLOAT")),
    "FLOAT_TYPE_STRING_NOT_FLOAT": Provoked(_x("type: BYTES float_domain { }"), _ABZ),
    "FLOAT_TYPE_HAS_NAN": Provoked(
        _x("type: FLOAT float_domain { disallow_nan: true }"),
        numbers("FLOAT").replace("min: 0", f"min: 0 {_NAN}"),
    ),
    "FLOAT_TYPE_HAS_INF": Provoked(
        _x("type: FLOAT float_domain { disallow_inf: true }"), numbers("FLOAT").replace("max: 9", "max: inf")
    ),
    "INT_TYPE_BIG_INT": Provoked(_x("type: INT int_domain { max: 8 }"), numbers()),
    "INT_TYPE_NOT_INT_STRING": Provoked(_x("type: BYTES int_domain { }"), _ABZ),
    "INT_TYPE_SMALL_INT": Provoked(_x("type: INT int_domain { min: 1 }"), numbers()),
    "SCHEMA_MISSING_COLUMN": Provoked(_x("type: INT presence { min_count: 1 }"), ""),
    "SCHEMA_NEW_COLUMN": Provoked("", numbers() + _ABZ.replace("step: 'x'", "step: 'y'")),
    "COMPARATOR_CONTROL_DATA_MISSING": Provoked(_x(_SHIFT % "infinity_norm"), _ABZ, previous=""),
    "COMPARATOR_L_INFTY_HIGH": Provoked(_x(_SHIFT % "infinity_norm"), _ABZ, previous=_OLD),
    "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH": Provoked(
        _x(_SHIFT % "jensen_shannon_divergence"), _ABZ, previous=_OLD
    ),
    "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH": Provoked(
        _x(_SHIFT % "normalized_abs_difference"), _ABZ, previous=_OLD
    ),
    "COMPARATOR_LOW_NUM_EXAMPLES": Provoked(
        _FEW % "num_examples_drift_comparator { min_fraction_threshold: 1 }",
        numbers(),
        previous=numbers(),
        previous_rows=30,
    ),
    "COMPARATOR_HIGH_NUM_EXAMPLES": Provoked(
        _FEW % "num_examples_drift_comparator { max_fraction_threshold: 1 }",
        numbers(),
        previous=numbers(),
        previous_rows=3,
    ),
    "DATASET_LOW_NUM_EXAMPLES": Provoked(_FEW % "min_examples_count: 11", numbers()),
    "DATASET_HIGH_NUM_EXAMPLES": Provoked(_FEW % "max_examples_count: 9", numbers()),
    "SPARSE_FEATURE_MISSING_VALUE": Provoked(_SPARSE, alone("s", custom("missing_value", "num: 2"))),
    "SPARSE_FEATURE_MISSING_INDEX": Provoked(
        _SPARSE, alone("s", custom("missing_index", "rank_histogram { buckets { label: 'i' sample_count: 2 } }"))
    ),
    "SPARSE_FEATURE_LENGTH_MISMATCH": Provoked(
        _SPARSE, alone("s", custom("max_length_diff", "rank_histogram { buckets { label: 'i' sample_count: 2 } }"))
    ),
    "SPARSE_FEATURE_NAME_COLLISION": Provoked(_SPARSE + " feature { name: 's' type: INT }", numbers(name="s")),
    "WEIGHTED_FEATURE_MISSING_VALUE": Provoked(_WEIGHTED, alone("s", custom("missing_value", "num: 2"))),
    "WEIGHTED_FEATURE_MISSING_WEIGHT": Provoked(_WEIGHTED, alone("s", custom("missing_weight", "num: 2"))),
    "WEIGHTED_FEATURE_LENGTH_MISMATCH": Provoked(_WEIGHTED, alone("s", custom("min_weight_length_diff", "num: -1"))),
    "WEIGHTED_FEATURE_NAME_COLLISION": Provoked(_WEIGHTED + " feature { name: 's' type: INT }", numbers(name="s")),
    "SEMANTIC_DOMAIN_UPDATE": Provoked(
        _x("type: BYTES"), texts({"a": 9}, more=custom("domain_info", "str: 'url_domain {}'"))
    ),
    "FEATURE_TYPE_HIGH_UNIQUE": Provoked(_x("type: BYTES unique_constraints { min: 1 max: 2 }"), _ABZ),
    "FEATURE_TYPE_LOW_UNIQUE": Provoked(_x("type: BYTES unique_constraints { min: 4 max: 9 }"), _ABZ),
    "FEATURE_TYPE_NO_UNIQUE": Provoked(_x("type: INT unique_constraints { min: 1 max: 2 }"), numbers()),
    "LOW_SUPPORTED_IMAGE_FRACTION": Provoked(
        _x("type: BYTES image_domain { minimum_supported_image_fraction: 0.3 }"), texts({"a": 4}, more=_IMAGES)
    ),
    "MAX_IMAGE_BYTE_SIZE_EXCEEDED": Provoked(
        _x("type: BYTES image_domain { max_image_byte_size: 100 }"),
        f"features {{ type: BYTES bytes_stats {{ {common()} max_num_bytes_int: 101 }} path {{ step: 'x' }} }}",
    ),
    "VALUE_NESTEDNESS_MISMATCH": Provoked(
        _x("type: INT value_count { min: 1 }"), f"features {{ num_stats {{ {_DEEP} max: 3 }} path {{ step: 'x' }} }}"
    ),
    "DOMAIN_INVALID_FOR_TYPE": Provoked(_x("type: FLOAT int_domain { }"), numbers("FLOAT")),
    "FEATURE_MISSING_NAME": Provoked("feature { type: INT }", numbers(name="")),
    "FEATURE_MISSING_TYPE": Provoked(_x("int_domain { }"), numbers()),
    "INVALID_SCHEMA_SPECIFICATION": Provoked(_x("type: INT value_count { min: -1 }"), numbers()),
    "UNEXPECTED_DATA_TYPE": Provoked(_x("type: FLOAT"), numbers()),
    "SEQUENCE_VALUE_TOO_FEW_OCCURRENCES": Provoked(
        _natural("token_constraints { string_value: 't' min_per_sequence: 3 }"), texts({"a": 9}, more=language(_TOKEN))
    ),
    "SEQUENCE_VALUE_TOO_MANY_OCCURRENCES": Provoked(
        _natural("token_constraints { string_value: 't' max_per_sequence: 3 }"), texts({"a": 9}, more=language(_TOKEN))
    ),
    "SEQUENCE_VALUE_TOO_SMALL_FRACTION": Provoked(
        _natural("token_constraints { string_value: 't' min_fraction_of_sequences: 0.6 }"),
        texts({"a": 9}, more=language(_TOKEN)),
    ),
    "SEQUENCE_VALUE_TOO_LARGE_FRACTION": Provoked(
        _natural("token_constraints { string_value: 't' max_fraction_of_sequences: 0.4 }"),
        texts({"a": 9}, more=language(_TOKEN)),
    ),
    "FEATURE_COVERAGE_TOO_LOW": Provoked(
        _natural("coverage { min_coverage: 0.9 }"), texts({"a": 9}, more=language("feature_coverage: 0.7"))
    ),
    "FEATURE_COVERAGE_TOO_SHORT_AVG_TOKEN_LENGTH": Provoked(
        _natural("coverage { min_avg_token_length: 3 }"), texts({"a": 9}, more=language("avg_token_length: 2.1"))
    ),
    "INVALID_FEATURE_SHAPE": Provoked(_x("type: INT shape { dim { size: 2 } }"), numbers()),
    "INVALID_DOMAIN_SPECIFICATION": Provoked(_x("type: BYTES domain: 'abc'"), _ABZ),
    "STATS_NOT_AVAILABLE": Provoked(_natural("coverage { min_coverage: 0.9 }"), texts({"a": 9})),
    "DERIVED_FEATURE_BAD_LIFECYCLE": Provoked(
        _x("type: INT validation_derived_source { deriver_name: 'd' } lifecycle_stage: PRODUCTION"), numbers()
    ),
    "DERIVED_FEATURE_INVALID_SOURCE": Provoked(
        _x("type: INT"), numbers(more="validation_derived_source { deriver_name: 'd' }")
    ),
    "CUSTOM_VALIDATION": Provoked(
        _x("type: INT"),
        numbers(),
        options={
            "custom_validation_config": {
                "feature_validations": [{"feature_path": "x", "validations": [{"expression": "num_stats.max < 5"}]}]
            }
        },
    ),
}
"""The table of the types that upstream emits, one line each."""
