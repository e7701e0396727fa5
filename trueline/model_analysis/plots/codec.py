"""Plot data from JSON: which record a plot is, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from trueline._core.errors import ArtifactError, did_you_mean
from trueline.model_analysis.plots.binary import BinaryPlot, ScorePlot
from trueline.model_analysis.plots.calibration import CalibrationPlot
from trueline.model_analysis.plots.classes import MultiClassPlot, MultiLabelPlot
from trueline.model_analysis.plots.gain import GainPlot
from trueline.model_analysis.plots.residuals import ResidualPlot

__all__ = ["PLOTS", "PlotData", "is_plot", "plot_from_json"]

PlotData: TypeAlias = (
    BinaryPlot | ScorePlot | CalibrationPlot | GainPlot | ResidualPlot | MultiClassPlot | MultiLabelPlot
)
_RECORDS: tuple[type[PlotData], ...] = (
    BinaryPlot, ScorePlot, CalibrationPlot, GainPlot, ResidualPlot, MultiClassPlot, MultiLabelPlot,
)  # fmt: skip
PLOTS: dict[str, type[PlotData]] = {record.KIND: record for record in _RECORDS}
"""Records by the name of their plot, which is TFMA's where TFMA has it."""


def is_plot(data: Any) -> bool:
    """Whether the structured value of a metric is a plot."""
    return isinstance(data, Mapping) and data.get("plot") in PLOTS


def plot_from_json(data: Any) -> PlotData:
    """The record that `to_json` described.

    Raises:
        ArtifactError: no plot that is known, or one whose columns do not fit.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("plot"), str):
        raise ArtifactError("this is no plot: it has no name under 'plot'")
    if data["plot"] not in PLOTS:
        raise ArtifactError(f"no plot {data['plot']!r} is known. {did_you_mean(data['plot'], PLOTS)}")
    return PLOTS[data["plot"]].from_json(data)
