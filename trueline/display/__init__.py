"""Views as pure functions: data in, one piece of HTML with inline SVG out.

The notebook, the report file and the web page use the same functions; nothing is fetched from anywhere. It imports
nothing of ours but `_core`, so that every library above it can show what it found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.display.curves import training_view
    from trueline.display.feature_cells import Drift, Mark
    from trueline.display.html import Html, page
    from trueline.display.lineage import LineageEdge, LineageGraph, LineageItem, lineage_html, lineage_view
    from trueline.display.lineage_graphviz import lineage_dot
    from trueline.display.report import NodeView, RunView, Section, run_report_html
    from trueline.display.sections import (
        anomalies_view,
        evaluation_view,
        facts_view,
        model_view,
        skew_view,
    )
    from trueline.display.statistics import anomaly_marks, statistics_html, statistics_view
    from trueline.display.tuner_search import tuner_view

_HOMES = {
    "Drift": "feature_cells",
    "Mark": "feature_cells",
    "anomaly_marks": "statistics",
    "Html": "html",
    "page": "html",
    "LineageEdge": "lineage",
    "LineageGraph": "lineage",
    "LineageItem": "lineage",
    "lineage_dot": "lineage_graphviz",
    "lineage_html": "lineage",
    "lineage_view": "lineage",
    "NodeView": "report",
    "RunView": "report",
    "Section": "report",
    "run_report_html": "report",
    "anomalies_view": "sections",
    "evaluation_view": "sections",
    "facts_view": "sections",
    "model_view": "sections",
    "skew_view": "sections",
    "statistics_html": "statistics",
    "statistics_view": "statistics",
    "tuner_view": "tuner_search",
    "training_view": "curves",
}
__all__ = [
    "Drift",
    "Html",
    "LineageEdge",
    "LineageGraph",
    "LineageItem",
    "Mark",
    "NodeView",
    "RunView",
    "Section",
    "anomalies_view",
    "anomaly_marks",
    "evaluation_view",
    "facts_view",
    "lineage_dot",
    "lineage_html",
    "lineage_view",
    "model_view",
    "page",
    "run_report_html",
    "skew_view",
    "statistics_html",
    "statistics_view",
    "training_view",
    "tuner_view",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
