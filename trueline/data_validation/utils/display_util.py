"""What a person looks at, where upstream has it."""

from __future__ import annotations

import importlib
from typing import Any

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
