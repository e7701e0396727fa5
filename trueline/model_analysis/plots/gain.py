"""Cumulative gain and lift: how many of the positives are among the rows with the highest scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trueline.model_analysis.plots.binary import BinaryPlot, Curve
from trueline.model_analysis.plots.fields import number_list
from trueline.model_analysis.plots.scores import Floats

__all__ = ["GainPlot", "gain_plot_data"]


@dataclass(frozen=True)
class GainPlot:
    """Points of the gain curve, the highest scores first.

    Attributes:
        rows: share of all weight, ascending, ``[p]``.
        found: share of the positives' weight among them, ``[p]``.
        prevalence: share of positives in all rows.
    """

    KIND: ClassVar[str] = "gain"

    rows: Floats
    found: Floats
    prevalence: float

    def gain(self) -> Curve:
        """(share of rows, share of positives found)."""
        return [(float(x), float(y)) for x, y in zip(self.rows, self.found, strict=True)]

    def lift(self) -> Curve:
        """(share of rows, how many times denser positives are among them than in all rows)."""
        return [(x, y / x) for x, y in self.gain() if x > 0]

    def best(self) -> Curve:
        """The gain of scores that put every positive first."""
        return [(0.0, 0.0), (self.prevalence, 1.0), (1.0, 1.0)] if self.prevalence > 0 else []

    def to_json(self) -> dict[str, Any]:
        """JSON values, by column."""
        columns = {"rows": self.rows.tolist(), "found": self.found.tolist()}
        return {"plot": self.KIND, **columns, "prevalence": self.prevalence}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GainPlot:
        """What `to_json` wrote.

        Raises:
            ArtifactError: columns that are missing, not numbers or not of one length.
        """
        rows, found = number_list(data, "rows", "found")
        (prevalence,) = number_list({"prevalence": [data.get("prevalence")]}, "prevalence")
        return cls(rows, found, float(prevalence[0]))

    def to_tfma(self) -> dict[str, Any]:
        """TFMA has no such plot; the same shape of JSON."""
        return {"points": [{"rows": x, "positives": y} for x, y in self.gain()]}


def gain_plot_data(counts: BinaryPlot) -> GainPlot:
    """The gain that follows from counts at thresholds; without positive rows it has no point."""
    points = np.asarray(counts.gain(), dtype=np.float64).reshape(-1, 2)
    total = counts.positives + counts.negatives
    return GainPlot(points[:, 0], points[:, 1], counts.positives / total if total > 0 else 0.0)
