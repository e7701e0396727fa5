"""Views of an evaluation by TFMA's names: metrics of slices, plots of one slice. Each shows itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.display.eval_page import slice_dot_plot
from trueline.display.eval_style import styled
from trueline.display.eval_tables import slices_table
from trueline.display.html import Html, join, tag, visible
from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import SliceMetrics
from trueline.model_analysis.page import directions, number_metrics, slice_view
from trueline.model_analysis.plots.charts import plot_charts
from trueline.model_analysis.plots.store import find_plots
from trueline.model_analysis.slices import OVERALL, slice_name, spec_matches

if TYPE_CHECKING:
    from trueline.model_analysis.result import EvalResult

__all__ = ["render_plot", "render_slicing_metrics"]


def render_slicing_metrics(
    result: EvalResult, slicing_column: str | None = None, slicing_spec: SlicingSpec | None = None
) -> Html:
    """Metrics of some slices as a table and a dot plot of the first metric.

    Args:
        result: the evaluation.
        slicing_column: slices of this column alone.
        slicing_spec: slices that it matches; with neither, all slices.

    Raises:
        ConfigError: both are given, or no slice fits.
    """
    if slicing_column is not None and slicing_spec is not None:
        raise ConfigError("give slicing_column or slicing_spec, not both")
    spec = SlicingSpec((slicing_column,)) if slicing_column is not None else slicing_spec
    found = [s for s in result.measured.slices if spec is None or spec_matches(spec, s.key)]
    if not found:
        columns = sorted({name for s in result.measured.slices for name, _ in s.key})
        hint = did_you_mean(slicing_column or "", columns) if columns else "There is the overall slice alone."
        raise ConfigError(f"no slice of {slicing_column or slicing_spec!r} was measured. {hint}")
    overall = [s for s in result.measured.slices if s.key == OVERALL and s not in found]
    metrics = number_metrics(found)
    better = directions(result.config, result.task)
    views = [slice_view(s, metrics, better, frozenset()) for s in [*overall, *found]]
    dots = None
    if metrics and len(views) > 1:
        lower = better.get(MetricKey.parse(metrics[0]).name) is False
        dots = slice_dot_plot(views, metrics[0], lower_is_better=lower)
    return styled(join([slices_table(views, metrics, search="rendered"), dots or ""]))


def render_plot(
    result: EvalResult,
    slicing_spec: SlicingSpec | None = None,
    *,
    output_name: str = "",
    class_id: int | None = None,
    k: int | None = None,
    top_k: int | None = None,
) -> Html:
    """The plots of one slice, of candidate and baseline on common axes.

    Args:
        result: an evaluation with plot metrics, for example ``ConfusionMatrixPlot``.
        slicing_spec: the slice; the overall one where it is not given.
        output_name, class_id, k, top_k: of which output and binary problem.

    Raises:
        ConfigError: the spec matches no slice or several, or the slice has no such plot.
    """
    found = _one(result, slicing_spec)
    wanted = (output_name, class_id, k, top_k)
    plots = [p for p in find_plots(result.measured) if p.slice == found.key]
    keyed = [
        p for p in plots if (p.key.output_name, p.key.sub_key.class_id, p.key.sub_key.k, p.key.sub_key.top_k) == wanted
    ]
    if not keyed:
        there = ", ".join(p.key.text for p in plots)
        hint = f"There is {there}." if plots else "Add a plot metric, for example ConfusionMatrixPlot."
        raise ConfigError(f"{found.name} has no such plot. {hint}")
    drawn: dict[str, Any] = {"threshold": result.threshold, "classes": result.class_names}
    drawn["confidence"] = result.config.options.confidence
    parts = [tag("h3", visible(found.name), dir="auto")]
    parts += [plot_charts(p.models, **drawn) for p in keyed]
    return styled(join(parts))


def _one(result: EvalResult, spec: SlicingSpec | None) -> SliceMetrics:
    wanted = spec if spec is not None else SlicingSpec()
    found = [s for s in result.measured.slices if spec_matches(wanted, s.key)]
    if len(found) != 1:
        names = ", ".join(slice_name(s.key) for s in (found or result.measured.slices)[:10])
        what = "matches several slices" if found else "matches no slice"
        raise ConfigError(f"{wanted!r} {what}; a plot is of one. There is {names}.")
    return found[0]
