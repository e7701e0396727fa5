"""Data validation: statistics in one pass, schema inference, anomalies, drift and skew, as tensorflow-metadata protos.

Imports `trueline._core`, `trueline.schema`, `trueline.engine` and `trueline.data`; pyarrow and protobuf load when a
public name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.data_validation.accept_findings import Finding, accept, explain_anomalies
    from trueline.data_validation.anomalies_util import get_anomalies_slicer, remove_anomaly_types
    from trueline.data_validation.custom_validation import custom_validate_statistics
    from trueline.data_validation.custom_validation_config import (
        CustomValidation,
        CustomValidationConfig,
        FeaturePairValidation,
        FeatureValidation,
    )
    from trueline.data_validation.describe import describe_anomalies
    from trueline.data_validation.drift import DriftMeasurement, measure_drift
    from trueline.data_validation.entry import (
        generate_statistics_from_arrow,
        generate_statistics_from_avro,
        generate_statistics_from_csv,
        generate_statistics_from_dataframe,
        generate_statistics_from_jsonl,
        generate_statistics_from_parquet,
        generate_statistics_from_source,
        generate_statistics_from_tfrecord,
    )
    from trueline.data_validation.example_level import (
        validate_examples_in_arrow,
        validate_examples_in_csv,
        validate_examples_in_dataframe,
        validate_examples_in_parquet,
        validate_examples_in_source,
        validate_examples_in_tfrecord,
    )
    from trueline.data_validation.example_level_rows import AnomalousExamples, identify_anomalous_examples
    from trueline.data_validation.feature_skew import detect_feature_skew
    from trueline.data_validation.feature_skew_types import (
        FeatureSkewResult,
        get_confusion_count_dataframes,
        get_match_stats_dataframe,
        get_skew_result_dataframe,
    )
    from trueline.data_validation.files import (
        load_anomalies_binary,
        load_anomalies_text,
        load_sharded_statistics,
        load_statistics,
        load_statistics_text,
        load_stats_binary,
        load_stats_text,
        write_anomalies_binary,
        write_anomalies_text,
        write_statistics,
        write_statistics_text,
        write_stats_text,
    )
    from trueline.data_validation.frames import (
        get_anomalies_dataframe,
        get_drift_skew_dataframe,
        get_natural_language_statistics_dataframes,
        get_schema_dataframe,
    )
    from trueline.data_validation.inference import infer_schema
    from trueline.data_validation.instance import validate_instance
    from trueline.data_validation.leakage import LeakageFinding, LeakageReport, leakage_report
    from trueline.data_validation.options import PerFeatureStatsConfig, StatsOptions
    from trueline.data_validation.rules_config import RuleConfig
    from trueline.data_validation.shards import get_slice_stats
    from trueline.data_validation.show import (
        compare_slices,
        compare_statistics,
        display_anomalies,
        display_schema,
        get_statistics_html,
        visualize_statistics,
    )
    from trueline.data_validation.sliced_validation import validate_corresponding_slices
    from trueline.data_validation.slicing import get_feature_value_slicer
    from trueline.data_validation.statistics import generate_statistics
    from trueline.data_validation.synthetic import generate_examples
    from trueline.data_validation.update import update_schema
    from trueline.data_validation.validation import validate_statistics
    from trueline.data_validation.views_public import CrossFeatureView, DatasetListView, DatasetView, FeatureView
    from trueline.schema import FeaturePath, get_domain, get_feature, load_schema_text, set_domain, write_schema_text

_FROM_SCHEMA = ("FeaturePath", "get_domain", "get_feature", "load_schema_text", "set_domain", "write_schema_text")
_HOMES = {
    "AnomalousExamples": "example_level_rows",
    "CrossFeatureView": "views_public",
    "CustomValidation": "custom_validation_config",
    "CustomValidationConfig": "custom_validation_config",
    "DatasetListView": "views_public",
    "DatasetView": "views_public",
    "DriftMeasurement": "drift",
    "FeaturePairValidation": "custom_validation_config",
    "FeatureSkewResult": "feature_skew_types",
    "FeatureValidation": "custom_validation_config",
    "FeatureView": "views_public",
    "Finding": "accept_findings",
    "LeakageFinding": "leakage",
    "LeakageReport": "leakage",
    "PerFeatureStatsConfig": "options",
    "RuleConfig": "rules_config",
    "StatsOptions": "options",
    "accept": "accept_findings",
    "compare_slices": "show",
    "compare_statistics": "show",
    "custom_validate_statistics": "custom_validation",
    "describe_anomalies": "describe",
    "detect_feature_skew": "feature_skew",
    "display_anomalies": "show",
    "display_schema": "show",
    "explain_anomalies": "accept_findings",
    "generate_examples": "synthetic",
    "generate_statistics": "statistics",
    "generate_statistics_from_arrow": "entry",
    "generate_statistics_from_avro": "entry",
    "generate_statistics_from_csv": "entry",
    "generate_statistics_from_dataframe": "entry",
    "generate_statistics_from_jsonl": "entry",
    "generate_statistics_from_parquet": "entry",
    "generate_statistics_from_source": "entry",
    "generate_statistics_from_tfrecord": "entry",
    "get_anomalies_dataframe": "frames",
    "get_anomalies_slicer": "anomalies_util",
    "get_confusion_count_dataframes": "feature_skew_types",
    "get_drift_skew_dataframe": "frames",
    "get_feature_value_slicer": "slicing",
    "get_match_stats_dataframe": "feature_skew_types",
    "get_natural_language_statistics_dataframes": "frames",
    "get_schema_dataframe": "frames",
    "get_skew_result_dataframe": "feature_skew_types",
    "get_slice_stats": "shards",
    "get_statistics_html": "show",
    "identify_anomalous_examples": "example_level_rows",
    "infer_schema": "inference",
    "leakage_report": "leakage",
    "load_anomalies_binary": "files",
    "load_anomalies_text": "files",
    "load_sharded_statistics": "files",
    "load_statistics": "files",
    "load_statistics_text": "files",
    "load_stats_binary": "files",
    "load_stats_text": "files",
    "measure_drift": "drift",
    "remove_anomaly_types": "anomalies_util",
    "update_schema": "update",
    "validate_corresponding_slices": "sliced_validation",
    "validate_examples_in_arrow": "example_level",
    "validate_examples_in_csv": "example_level",
    "validate_examples_in_dataframe": "example_level",
    "validate_examples_in_parquet": "example_level",
    "validate_examples_in_source": "example_level",
    "validate_examples_in_tfrecord": "example_level",
    "validate_instance": "instance",
    "validate_statistics": "validation",
    "visualize_statistics": "show",
    "write_anomalies_binary": "files",
    "write_anomalies_text": "files",
    "write_statistics": "files",
    "write_statistics_text": "files",
    "write_stats_text": "files",
}

__all__ = [
    "AnomalousExamples",
    "CrossFeatureView",
    "CustomValidation",
    "CustomValidationConfig",
    "DatasetListView",
    "DatasetView",
    "DriftMeasurement",
    "FeaturePairValidation",
    "FeaturePath",
    "FeatureSkewResult",
    "FeatureValidation",
    "FeatureView",
    "Finding",
    "LeakageFinding",
    "LeakageReport",
    "PerFeatureStatsConfig",
    "RuleConfig",
    "StatsOptions",
    "accept",
    "compare_slices",
    "compare_statistics",
    "custom_validate_statistics",
    "describe_anomalies",
    "detect_feature_skew",
    "display_anomalies",
    "display_schema",
    "explain_anomalies",
    "generate_examples",
    "generate_statistics",
    "generate_statistics_from_arrow",
    "generate_statistics_from_avro",
    "generate_statistics_from_csv",
    "generate_statistics_from_dataframe",
    "generate_statistics_from_jsonl",
    "generate_statistics_from_parquet",
    "generate_statistics_from_source",
    "generate_statistics_from_tfrecord",
    "get_anomalies_dataframe",
    "get_anomalies_slicer",
    "get_confusion_count_dataframes",
    "get_domain",
    "get_drift_skew_dataframe",
    "get_feature",
    "get_feature_value_slicer",
    "get_match_stats_dataframe",
    "get_natural_language_statistics_dataframes",
    "get_schema_dataframe",
    "get_skew_result_dataframe",
    "get_slice_stats",
    "get_statistics_html",
    "identify_anomalous_examples",
    "infer_schema",
    "leakage_report",
    "load_anomalies_binary",
    "load_anomalies_text",
    "load_schema_text",
    "load_sharded_statistics",
    "load_statistics",
    "load_statistics_text",
    "load_stats_binary",
    "load_stats_text",
    "measure_drift",
    "remove_anomaly_types",
    "set_domain",
    "update_schema",
    "validate_corresponding_slices",
    "validate_examples_in_arrow",
    "validate_examples_in_csv",
    "validate_examples_in_dataframe",
    "validate_examples_in_parquet",
    "validate_examples_in_source",
    "validate_examples_in_tfrecord",
    "validate_instance",
    "validate_statistics",
    "visualize_statistics",
    "write_anomalies_binary",
    "write_anomalies_text",
    "write_schema_text",
    "write_statistics",
    "write_statistics_text",
    "write_stats_text",
]

__getattr__, __dir__ = lazy_names(__name__, {**dict.fromkeys(_FROM_SCHEMA, "trueline.schema"), **_HOMES})
