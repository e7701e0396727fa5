"""Plots as metrics: structured values made from histograms of scores that the pass sums.

Names and options are TFMA's where it has the plot; ResidualPlot and GainPlot are ours. Thresholds are exact at the
histogram's edges: a score is above one where it is greater. (TFMA takes a score of exactly 0 for greater than 0.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.metrics.record import SCALAR, Metric, Options, Sums, Table
from trueline.model_analysis.plots.binary import binary_plot_data, score_plot_data
from trueline.model_analysis.plots.calibration import calibration_plot_data
from trueline.model_analysis.plots.classes import (
    class_counts,
    label_counts,
    multi_class_plot_data,
    multi_label_plot_data,
)
from trueline.model_analysis.plots.gain import gain_plot_data
from trueline.model_analysis.plots.residuals import ResidualSums, residual_plot_data
from trueline.model_analysis.plots.scores import COLUMNS, ScoreBuckets
from trueline.model_analysis.rows import Floats, Ints, Rows

__all__ = ["PLOT_METRICS", "PLOT_TABLES", "ClassConfusion"]

_NO_ROWS = "no row has a weight"


def _buckets(parameter: str) -> ScoreBuckets:
    """``"1000"`` or ``"1000,0,1"``: buckets, left, right; an end that is ``None`` is a probability's."""
    count, *ends = parameter.split(",")
    given = [default if end == "None" else float(end) for end, default in zip(ends, (0.0, 1.0), strict=False)]
    return ScoreBuckets(int(float(count)), *given)


def _width(parameter: str, _: int) -> int:
    return (_buckets(parameter).buckets + 2) * len(COLUMNS)


def _fill(place: Callable[[ScoreBuckets, Floats], Ints]) -> Callable[[Rows, str], tuple[Ints, Ints, Floats]]:
    """A row goes into one cell of each column of its bucket; rows stay in their order."""

    def fill(rows: Rows, parameter: str) -> tuple[Ints, Ints, Floats]:
        at = np.repeat(np.arange(len(rows), dtype=np.int64), len(COLUMNS))
        codes = place(_buckets(parameter), rows.prediction)
        values = (np.ones(len(rows)), rows.label, rows.prediction, rows.weight, rows.label * rows.label)
        cells = codes[:, None] * len(COLUMNS) + np.arange(len(COLUMNS), dtype=np.int64)[None, :]
        return at, cells.ravel(), np.stack(values, axis=1).ravel()

    return fill


PLOT_TABLES: Mapping[str, Table] = {
    "scores_above": Table(_width, _fill(ScoreBuckets.above)),
    "scores_within": Table(_width, _fill(ScoreBuckets.within)),
}
"""Sums by bucket of the score, buckets being (low, high] and [low, high)."""


def _binary(plot: Callable[[Floats, ScoreBuckets], Any], option: str) -> Callable[[Sums, Options], Any]:
    def data(sums: Sums, options: Options) -> Any:
        parameter = f"{options[option]}"
        state = sums(f"scores_above@{parameter}").reshape(-1, len(COLUMNS))
        return plot(state, _buckets(parameter)).to_json() if state[:, 0].sum() > 0 else None

    return data


def _calibration(sums: Sums, options: Options) -> Any:
    parameter = f"{options['num_buckets']},{options['left']},{options['right']}"
    state = sums(f"scores_within@{parameter}").reshape(-1, len(COLUMNS))
    return calibration_plot_data(state, _buckets(parameter)).to_json() if state[:, 0].sum() > 0 else None


class _Residuals:
    """Residuals of one model on one slice."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._sums = ResidualSums.empty()

    def update(self, rows: Rows) -> None:
        counted = rows.weight > 0
        found = ResidualSums.of(rows.label[counted], rows.prediction[counted], rows.weight[counted])
        self._sums = self._sums.merge(found)

    def merge(self, other: _Residuals) -> None:
        self._sums = self._sums.merge(other._sums)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        return {}, dict(vars(self._sums))

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._sums = ResidualSums(**arrays)

    def finish(self) -> Any:
        left, right = self._options["left"], self._options["right"]
        plot = residual_plot_data(self._sums, left, right, int(self._options["num_buckets"]))
        return plot.to_json() if len(plot.edges) else None


def _thresholds(options: Options, default: float) -> list[float]:
    """As TFMA: those given, or so many evenly over 0..1, or one."""
    if options["thresholds"] is not None:
        return [float(t) for t in options["thresholds"]]
    count = options["num_thresholds"]
    return [default] if count is None else [i / max(count - 1, 1) for i in range(count)]


class ClassConfusion:
    """Counts of classes by classes of one model on one slice."""

    def __init__(self, options: Options, several: bool, default: float) -> None:
        self._several = several
        self.thresholds = _thresholds(options, default)
        self.counts: Floats | None = None

    def update(self, rows: Rows) -> None:
        if self._several:
            found = label_counts(rows.one_hot, rows.prediction, rows.weight, self.thresholds)
        else:
            found = class_counts(rows.classes, rows.prediction, rows.weight, self.thresholds)
        self.counts = found if self.counts is None else self.counts + found

    def merge(self, other: ClassConfusion) -> None:
        if other.counts is not None:
            self.counts = other.counts if self.counts is None else self.counts + other.counts

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        return {}, {} if self.counts is None else {"counts": self.counts}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self.counts = arrays.get("counts")

    def finish(self) -> Any:
        if self.counts is None or not self.counts.any():
            return None
        make = multi_label_plot_data if self._several else multi_class_plot_data
        return make(self.counts, self.thresholds).to_json()


_SCORE = frozenset({"label", "prediction", "score"})
_CLASS_OPTIONS = {"thresholds": None, "num_thresholds": None}
_ABOVE = ("scores_above@{num_thresholds}",)
PLOT_METRICS = (
    Metric("ConfusionMatrixPlot", "confusion_matrix_plot", ("binary",), _NO_ROWS, reads=_SCORE,
           options={"num_thresholds": 1000}, tables=_ABOVE, data=_binary(binary_plot_data, "num_thresholds")),
    Metric("ScoreDistributionPlot", "score_distribution_plot", ("binary",), _NO_ROWS, reads=_SCORE,
           options={"num_thresholds": 1000}, tables=_ABOVE, data=_binary(score_plot_data, "num_thresholds")),
    Metric("GainPlot", "gain_plot", ("binary",), _NO_ROWS, reads=_SCORE, options={"num_thresholds": 1000},
           tables=_ABOVE, data=_binary(lambda s, b: gain_plot_data(binary_plot_data(s, b)), "num_thresholds")),
    Metric("CalibrationPlot", "calibration_plot", SCALAR, _NO_ROWS,
           options={"num_buckets": 1000, "left": 0.0, "right": 1.0},
           tables=("scores_within@{num_buckets},{left},{right}",), data=_calibration),
    Metric("ResidualPlot", "residual_plot", ("regression",), _NO_ROWS,
           options={"num_buckets": 40, "left": None, "right": None}, own=_Residuals),
    Metric("MultiClassConfusionMatrixPlot", "multi_class_confusion_matrix_plot", ("multiclass",), _NO_ROWS,
           options=_CLASS_OPTIONS, own=lambda o: ClassConfusion(o, several=False, default=0.0)),
    Metric("MultiLabelConfusionMatrixPlot", "multi_label_confusion_matrix_plot", ("multilabel",), _NO_ROWS,
           options=_CLASS_OPTIONS, own=lambda o: ClassConfusion(o, several=True, default=0.5)),
)  # fmt: skip
