"""What a person looks at, where upstream has it."""

from __future__ import annotations

from trueline._core.lazy import lazy_names

__all__ = [  # noqa: F822 - they come from their homes when they are asked for
    "compare_slices",
    "display_anomalies",
    "display_schema",
    "get_anomalies_dataframe",
    "get_confusion_count_dataframes",
    "get_drift_skew_dataframe",
    "get_match_stats_dataframe",
    "get_natural_language_statistics_dataframes",
    "get_schema_dataframe",
    "get_skew_result_dataframe",
    "get_statistics_html",
    "visualize_statistics",
]

_HOME = "trueline.data_validation"

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, _HOME))
