"""Charts of plot data: one model's, or those of several models on common axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueline.display.eval_bars import Cells, Histogram, Histograms, cells_view, histograms_view
from trueline.display.eval_chart import Chart, Line, Whisker, chart_view
from trueline.display.html import Html, join, number, tag
from trueline.model_analysis.plots.binary import BinaryPlot, ScorePlot
from trueline.model_analysis.plots.calibration import CalibrationPlot
from trueline.model_analysis.plots.classes import MultiClassPlot, MultiLabelPlot
from trueline.model_analysis.plots.codec import PlotData
from trueline.model_analysis.plots.gain import GainPlot
from trueline.model_analysis.plots.residuals import ResidualPlot

__all__ = ["plot_charts"]

_UNIT = (0.0, 1.0)
_DIAGONAL = ((0.0, 0.0), (1.0, 1.0))
_MOST_MATRICES = 3


def plot_charts(
    models: Mapping[str, PlotData], *, confidence: float = 0.95, threshold: float = 0.5, classes: Sequence[str] = ()
) -> Html:
    """The charts of one plot, of several models on the same axes.

    Args:
        models: plot data of one kind by the model's name; the first one's kind decides, others are left out.
        confidence: of the intervals that are drawn.
        threshold: at which the confusion matrix of two classes is shown.
        classes: names of classes by number.
    """
    if not models:
        return join([])
    kind = type(next(iter(models.values())))
    same = {name: plot for name, plot in models.items() if isinstance(plot, kind)}
    charts = _CHARTS[kind](same, {"confidence": confidence, "threshold": threshold, "classes": tuple(classes)})
    return tag("div", *charts, class_="curves")


def _curves(models: Mapping[str, Any], points: Callable[[Any], Sequence[tuple[float, float]]], **chart: Any) -> Html:
    lines = [Line(name, points(plot)) for name, plot in models.items()]
    return chart_view(Chart(lines=lines, **chart))


def _binary(models: Mapping[str, Any], options: Mapping[str, Any]) -> list[Html]:
    some: BinaryPlot = next(iter(models.values()))
    total = some.positives + some.negatives
    prevalence = some.positives / total if total > 0 else math.nan
    level = Line("share of positives", [(0.0, prevalence), (1.0, prevalence)])
    count = f"Counts at {len(some.thresholds):,} thresholds."
    charts = [
        _curves(models, BinaryPlot.roc, title="ROC curve", x_label="false positive rate", y_label="true positive rate",
                x=_UNIT, y=_UNIT, reference=Line("chance", _DIAGONAL), note=count),
        _curves(models, BinaryPlot.precision_recall, title="Precision and recall", x_label="recall",
                y_label="precision", x=_UNIT, y=_UNIT, reference=level, note=count),
        *_gain(models, options),
    ]  # fmt: skip
    for name, plot in models.items():
        charts.append(_by_threshold(name, plot, len(models) > 1))
    charts += [_matrix(name, plot, options["threshold"], len(models) > 1) for name, plot in models.items()]
    return charts


def _by_threshold(name: str, plot: BinaryPlot, several: bool) -> Html:
    rates = {"precision": plot.precision, "recall": plot.recall, "F1": plot.f1, "accuracy": plot.accuracy}
    ends = (float(plot.thresholds[1]), float(plot.thresholds[-1]))
    lines = [Line(rate, list(zip(map(float, plot.thresholds[1:]), map(float, v[1:]), strict=True)))
             for rate, v in rates.items()]  # fmt: skip
    title = "By threshold" + (f": {name}" if several else "")
    return chart_view(Chart(title, "threshold", "value", lines, ends, _UNIT))


def _matrix(name: str, plot: BinaryPlot, threshold: float, several: bool) -> Html:
    tn, fp, fn, tp = plot.at(threshold)
    title = f"Confusion matrix at {number(threshold)}" + (f": {name}" if several else "")
    return cells_view(
        Cells(title, ("negative", "positive"), ("negative", "positive"), ((tn, fp), (fn, tp)),
              note="Weight of rows, and its share of the row.")
    )  # fmt: skip


def _gain(models: Mapping[str, Any], _: Mapping[str, Any]) -> list[Html]:
    gain = _curves(models, lambda p: p.gain(), title="Cumulative gain", x_label="share of rows, highest scores first",
                   y_label="share of positives found", x=_UNIT, y=_UNIT,
                   reference=Line("without a model", _DIAGONAL))  # fmt: skip
    highest = max((y for p in models.values() for _, y in p.lift() if math.isfinite(y)), default=1.0)
    lift = _curves(models, lambda p: p.lift(), title="Lift", x_label="share of rows, highest scores first",
                   y_label="times as dense as in all rows", x=_UNIT, y=(0.0, max(highest, 1.0)),
                   reference=Line("without a model", ((0.0, 1.0), (1.0, 1.0))))  # fmt: skip
    return [gain, lift]


def _scores(models: Mapping[str, Any], _: Mapping[str, Any]) -> list[Html]:
    charts = []
    for name, plot in models.items():
        merged: ScorePlot = plot.merged()
        edges = merged.edges.tolist()
        series = [
            Histogram("negative", edges, merged.negative.tolist()),
            Histogram("positive", edges, merged.positive.tolist()),
        ]
        title = "Scores by class" + (f": {name}" if len(models) > 1 else "")
        charts.append(histograms_view(Histograms(title, "score", series, "Each class as shares of itself.")))
    return charts


def _calibration(models: Mapping[str, Any], options: Mapping[str, Any]) -> list[Html]:
    confidence = options["confidence"]
    lines, ends, errors = [], [], []
    for name, plot in models.items():
        bins = plot.bins(confidence=confidence)
        whiskers = [
            Whisker(b.prediction, b.lower, b.upper,
                    f"{name}: predicted {number(b.prediction)}, came true {number(b.label)}, "
                    f"{number(b.lower)} to {number(b.upper)}; {number(round(b.rows, 1))} rows")
            for b in bins
        ]  # fmt: skip
        lines.append(Line(name, [(b.prediction, b.label) for b in bins], whiskers, dots=True))
        ends.append((float(plot.edges[0]), float(plot.edges[-1])))
        what = "expected calibration error" if plot.shares else "mean distance from the line"
        errors.append(f"{name}: {what} {number(plot.error)}.")
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    method = "Wilson's" if all(p.shares for p in models.values()) else "normal"
    note = f"Intervals: {method}, {number(100 * confidence)}%, at the effective number of rows. {' '.join(errors)}"
    chart = Chart("Calibration", "mean prediction", "mean label", lines, (low, high),
                  (low, high) if method == "Wilson's" else None, Line("calibrated", ((low, low), (high, high))),
                  note)  # fmt: skip
    return [chart_view(chart)]


def _residuals(models: Mapping[str, Any], _: Mapping[str, Any]) -> list[Html]:
    drawn = {name: p for name, p in models.items() if len(p.edges)}
    series = [Histogram(name, p.edges.tolist(), p.weight.tolist()) for name, p in drawn.items()]
    lines = []
    for name, plot in drawn.items():
        whiskers = [
            Whisker(x, m - d, m + d, f"{name}: at {number(x)} on average {number(m)}, standard deviation {number(d)}")
            for x, m, d in zip(plot.prediction.tolist(), plot.mean.tolist(), plot.deviation.tolist(), strict=True)
        ]
        lines.append(Line(name, list(zip(plot.prediction.tolist(), plot.mean.tolist(), strict=True)), whiskers, True))
    places = [x for line in lines for x, _ in line.points]
    zero = Line("no error", ((min(places), 0.0), (max(places), 0.0))) if places else None
    note = "Mean residual of rows in groups of about equal weight, plus and minus one standard deviation."
    return [
        histograms_view(Histograms("Residuals", "prediction minus label", series)),
        chart_view(Chart("Residuals by prediction", "prediction", "residual", lines, reference=zero, note=note)),
    ]


def _multi_class(models: Mapping[str, Any], options: Mapping[str, Any]) -> list[Html]:
    charts = []
    for name, plot in models.items():
        count = plot.counts.shape[1]
        names = _class_names(options["classes"], count)
        for i in _some(len(plot.thresholds)):
            counts, threshold = plot.counts[i], float(plot.thresholds[i])
            none = bool(counts[:, -1].any())
            title = "Confusion matrix" + (f" above {number(threshold)}" if threshold > 0 else "")
            title += f": {name}" if len(models) > 1 else ""
            columns = [*names, "none"] if none else names
            values = counts.tolist() if none else counts[:, :-1].tolist()
            charts.append(cells_view(Cells(title, names, columns, values, "Weight of rows, and its share of the row.")))
    return charts


def _multi_label(models: Mapping[str, Any], options: Mapping[str, Any]) -> list[Html]:
    charts = []
    for name, plot in models.items():
        names = _class_names(options["classes"], plot.counts.shape[1])
        for i in _some(len(plot.thresholds)):
            found = plot.counts[i, :, :, 2] + plot.counts[i, :, :, 3]
            title = f"Classes found above {number(float(plot.thresholds[i]))}"
            title += f": {name}" if len(models) > 1 else ""
            note = (
                "Rows that hold the class of the line, by the classes that were found in them. A row may count often."
            )
            charts.append(cells_view(Cells(title, names, names, found.tolist(), note, "held", "found")))
    return charts


def _some(count: int) -> list[int]:
    """Few enough of the thresholds to show: the first, the middle one, the last."""
    return list(range(count)) if count <= _MOST_MATRICES else [0, count // 2, count - 1]


def _class_names(names: Sequence[str], count: int) -> list[str]:
    return [str(names[i]) if i < len(names) else str(i) for i in range(count)]


_CHARTS: dict[type[Any], Callable[[Mapping[str, Any], Mapping[str, Any]], list[Html]]] = {
    BinaryPlot: _binary,
    ScorePlot: _scores,
    CalibrationPlot: _calibration,
    GainPlot: _gain,
    ResidualPlot: _residuals,
    MultiClassPlot: _multi_class,
    MultiLabelPlot: _multi_label,
}
