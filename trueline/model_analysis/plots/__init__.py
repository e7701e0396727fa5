"""The data of plots: fixed-size sums of a pass made into small frozen records, and those into charts.

Everything but `charts` and `store` is pure NumPy: arrays in, dataclasses with JSON out. It may import what
`model_analysis` may, and `display`.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "BinaryPlot": "binary",
    "CalibrationBin": "calibration",
    "CalibrationPlot": "calibration",
    "GainPlot": "gain",
    "MultiClassPlot": "classes",
    "MultiLabelPlot": "classes",
    "PlotData": "codec",
    "ResidualPlot": "residuals",
    "ResidualSums": "residuals",
    "ScoreBuckets": "scores",
    "ScorePlot": "binary",
    "binary_plot_data": "binary",
    "calibration_plot_data": "calibration",
    "gain_plot_data": "gain",
    "multi_class_plot_data": "classes",
    "multi_label_plot_data": "classes",
    "plot_charts": "charts",
    "plot_from_json": "codec",
    "plots_of": "store",
    "residual_plot_data": "residuals",
    "score_plot_data": "binary",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
