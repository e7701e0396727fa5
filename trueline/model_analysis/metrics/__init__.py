"""The metrics: one file a family, joined in one table."""

from __future__ import annotations

from trueline.model_analysis.metrics.record import CLASS_TASKS, HIGHER, LOWER, TASKS, Metric
from trueline.model_analysis.metrics.table import METRICS, MOMENTS, TABLES, find_metric, find_moment, metric_names

__all__ = [
    "CLASS_TASKS",
    "HIGHER",
    "LOWER",
    "METRICS",
    "MOMENTS",
    "TABLES",
    "TASKS",
    "Metric",
    "find_metric",
    "find_moment",
    "metric_names",
]
