"""What is really computed: a planned metric with its key, its options and the rows that it is measured on."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline.model_analysis.config import MetricConfig
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.metrics import Metric, find_metric
from trueline.model_analysis.views import View

if TYPE_CHECKING:
    from trueline.model_analysis.metrics.closed_forms import ClosedForm

__all__ = ["MeanOf", "PlannedMetric", "metric_key", "part_name"]


@dataclass(frozen=True)
class MeanOf:
    """A value that is a weighted mean of other keys' values: macro averages, weighted outputs.

    Attributes:
        parts: (weight, canonical text of the key).
        by_frequency: weights are multiplied by the weight of the class's positive labels.
    """

    parts: tuple[tuple[float, str], ...]
    by_frequency: bool = False


@dataclass(frozen=True)
class PlannedMetric:
    """A metric with its key in the results and its options filled in.

    Attributes:
        key: canonical text of `metric_key`.
        metric: the record.
        options: options, defaults filled in, and ``classes``.
        metric_key: the key.
        view: the rows it is measured on.
        private: needed by others, and not shown.
        mean_of: it is no measurement of its own.
        models: the models it is for; empty means all.
        array_of: keys of the metric at each of several thresholds: the values stand in a list, with their noise.
    """

    key: str
    metric: Metric
    options: Mapping[str, Any]
    metric_key: MetricKey = field(default_factory=lambda: MetricKey(""))
    view: View = field(default_factory=View)
    private: bool = False
    mean_of: MeanOf | None = None
    models: tuple[str, ...] = ()
    array_of: tuple[str, ...] = ()

    def moments(self, classes: int) -> list[str]:
        """Names of the sums it needs; one each for all classes where it asks for them."""
        return [] if self.derived else self._named(self.metric.moments, classes)

    def closed_form(self, method: str) -> ClosedForm | None:
        """The formula for its interval: with the method ``CLOSED_FORM``, or as a rescue of others; or None.

        Formulas take rows as independent of each other, which several entries of one row are not.
        """
        form, sub = self.metric.closed_form, self.view.sub_key
        entries = self.view.flatten or (sub.top_k is not None and sub.class_id is None)
        if form is None or self.derived or self.view.query or entries:
            return None
        return form if form.rescue or method == "CLOSED_FORM" else None

    def closed_form_moments(self, method: str, classes: int) -> list[str]:
        """Names of the sums that the formula needs."""
        form = self.closed_form(method)
        return self._named(form.moments, classes) if form is not None else []

    def tables(self, classes: int) -> list[str]:
        """Names of the histograms it needs."""
        return [] if self.derived else self._named(self.metric.tables, classes)

    @property
    def derived(self) -> bool:
        """Whether its value is made of other keys' values."""
        return self.mean_of is not None or bool(self.array_of)

    def _named(self, templates: tuple[str, ...], classes: int) -> list[str]:
        names: list[str] = []
        for template in templates:
            fields = {name for _, name, _, _ in string.Formatter().parse(template) if name}
            given = {name: self.options.get(name) for name in fields - {"c", "t"}}
            thresholds = _threshold_texts(self.options) if "t" in fields else [None]
            for c in range(classes) if "c" in fields else [None]:
                names += [template.format(**given, c=c, t=t) for t in thresholds]
        return names


def _threshold_texts(options: Mapping[str, Any]) -> list[float | str]:
    """Thresholds as numbers, or ``own``: the model's own decision threshold."""
    value = options["thresholds"]
    each = value if isinstance(value, (list, tuple)) else [value]
    return [t if t == "own" else float(t) for t in each]


def metric_key(metric: MetricConfig) -> str:
    """The name of a metric's results: its option ``name``, else TFMA's default."""
    name = metric.config.get("name")
    if isinstance(name, str) and name:
        return name
    known = find_metric(metric.class_name, module=metric.module)
    return known.name if known else metric.class_name


def part_name(entry: MetricConfig, metric: Metric, part: Metric) -> str:
    """The name of one part of a metric with several: the option ``<part>_name``, or the option ``name`` before it."""
    own = entry.config.get(f"{part.name}_name")
    if isinstance(own, str) and own:
        return own
    name = entry.config.get("name")
    return f"{name}_{part.name.removeprefix(f'{metric.name}_')}" if isinstance(name, str) and name else part.name
