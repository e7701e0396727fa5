"""All metrics, moments and tables, joined from the families."""

from __future__ import annotations

from collections.abc import Mapping

from trueline.model_analysis.metrics.areas import RANK_METRICS
from trueline.model_analysis.metrics.attributions import ATTRIBUTION_METRICS
from trueline.model_analysis.metrics.class_counts import CLASS_COUNT_TABLES
from trueline.model_analysis.metrics.closed_forms import CLOSED_FORM_MOMENTS, with_intervals
from trueline.model_analysis.metrics.confusion import CONFUSION_METRICS
from trueline.model_analysis.metrics.detection_metrics import DETECTION_METRICS, DETECTION_MOMENTS, DETECTION_TABLES
from trueline.model_analysis.metrics.differences import DIFFERENCE_METRICS, DIFFERENCE_MOMENTS
from trueline.model_analysis.metrics.errors import ERROR_METRICS, ERROR_MOMENTS
from trueline.model_analysis.metrics.fairness import FAIRNESS_METRICS
from trueline.model_analysis.metrics.features import FEATURE_METRICS, FEATURE_MOMENTS
from trueline.model_analysis.metrics.means import MEAN_METRICS
from trueline.model_analysis.metrics.multiclass import CLASS_METRICS, MULTICLASS_MOMENTS
from trueline.model_analysis.metrics.multilabel import MULTILABEL_METRICS, MULTILABEL_MOMENTS, MULTILABEL_TABLES
from trueline.model_analysis.metrics.plots import PLOT_METRICS, PLOT_TABLES
from trueline.model_analysis.metrics.probabilities import (
    PROBABILITY_METRICS,
    PROBABILITY_MOMENTS,
    PROBABILITY_TABLES,
)
from trueline.model_analysis.metrics.ranking import RANKING_METRICS
from trueline.model_analysis.metrics.record import CLASS_TASKS, TASKS, Metric, Table
from trueline.model_analysis.metrics.segmentation import SEGMENTATION_METRICS, SEGMENTATION_TABLES
from trueline.model_analysis.metrics.sets import SET_METRICS, SET_MOMENTS
from trueline.model_analysis.metrics.text import TEXT_METRICS, TEXT_MOMENTS
from trueline.model_analysis.moments import CLASS_MOMENTS, SCALAR_MOMENTS, Moment

__all__ = ["METRICS", "MOMENTS", "TABLES", "find_metric", "find_moment", "metric_names"]

MOMENTS: Mapping[str, Moment] = {
    **SCALAR_MOMENTS,
    **CLASS_MOMENTS,
    **PROBABILITY_MOMENTS,
    **ERROR_MOMENTS,
    **MULTICLASS_MOMENTS,
    **MULTILABEL_MOMENTS,
    **DIFFERENCE_MOMENTS,
    **TEXT_MOMENTS,
    **DETECTION_MOMENTS,
    **SET_MOMENTS,
    **FEATURE_MOMENTS,
    **CLOSED_FORM_MOMENTS,
}
"""Name before the ``@`` -> what one row gives."""
TABLES: Mapping[str, Table] = {
    **PROBABILITY_TABLES,
    **CLASS_COUNT_TABLES,
    **MULTILABEL_TABLES,
    **PLOT_TABLES,
    **DETECTION_TABLES,
    **SEGMENTATION_TABLES,
}
"""Name before the ``@`` -> a histogram."""
METRICS: dict[tuple[str, str], Metric] = {
    (metric.class_name, task): with_intervals(metric, task)
    for metric in (
        *CONFUSION_METRICS,
        *MEAN_METRICS,
        *PROBABILITY_METRICS,
        *ERROR_METRICS,
        *RANK_METRICS,
        *CLASS_METRICS,
        *MULTILABEL_METRICS,
        *RANKING_METRICS,
        *DIFFERENCE_METRICS,
        *TEXT_METRICS,
        *DETECTION_METRICS,
        *SET_METRICS,
        *SEGMENTATION_METRICS,
        *FEATURE_METRICS,
        *ATTRIBUTION_METRICS,
        *FAIRNESS_METRICS,
        *PLOT_METRICS,
    )
    for task in metric.tasks
}


def find_moment(name: str) -> Moment:
    """The moment of this name before the ``@``; those that somebody's own metric brings are ``module:class:name``."""
    if name in MOMENTS:
        return MOMENTS[name]
    from trueline.model_analysis.metrics.own import find_own_moment

    return find_own_moment(name)


def metric_names(task: str | None = None) -> tuple[str, ...]:
    """Class names of all metrics, or of those of one task."""
    return tuple(sorted({cls for cls, _ in METRICS if task is None or find_metric(cls, task) is not None}))


def find_metric(class_name: str, task: str | None = None, module: str = "") -> Metric | None:
    """The metric of this class for a task (any task where None is given), or None.

    For class rows, a metric that only binary rows have is measured on every class of every row.
    With a module it is a function of scikit-learn or somebody's own, see `own.py`.
    """
    if module:
        from trueline.model_analysis.metrics.own import find_own_metric

        return find_own_metric(class_name, module, task)
    for of in TASKS if task is None else (task,):
        if (class_name, of) in METRICS:
            return METRICS[class_name, of]
    binary = METRICS.get((class_name, "binary"))
    return binary if task in CLASS_TASKS and binary is not None and not binary.query else None
