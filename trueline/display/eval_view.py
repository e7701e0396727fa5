"""What the page of an evaluation shows, as plain records: it knows nothing of how they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trueline.display.html import Html

__all__ = ["Check", "EvaluationPage", "Failure", "PairView", "PlotGroup", "Shift", "SliceView", "Value"]


@dataclass(frozen=True)
class Value:
    """One number of one slice.

    Attributes:
        value: None where it is undefined.
        undefined: why.
        low, high: its interval, where measured.
        bound: how far it may be from the exact value, of values from histograms.
    """

    value: float | None
    undefined: str = ""
    low: float | None = None
    high: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Shift:
    """Candidate minus baseline.

    Attributes:
        value: None where one of both is undefined.
        low, high: its interval, where measured.
        p_value: of no change at all, two-sided.
        better: whether a greater value is better; None where that is not known.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    better: bool | None = None

    @property
    def said(self) -> tuple[str, str]:
        """(word, class of its colour): whether the interval excludes 0, and to which side."""
        if self.value is None:
            return "undefined", "soft"
        if self.low is None or self.high is None:
            return "", ""
        if self.value == self.low == self.high == 0:
            return "no change", "soft"
        if self.low <= 0 <= self.high:
            return "within noise", "soft"
        if self.better is None:
            return "changed", ""
        return ("better", "good") if (self.value > 0) == self.better else ("worse", "bad")


@dataclass(frozen=True)
class SliceView:
    """One slice: its values by metric, the baseline's and the changes where there is a baseline."""

    name: str
    rows: int
    missing: int = 0
    values: Mapping[str, Value] = field(default_factory=dict)
    baseline: Mapping[str, Value] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PairView:
    """The difference between two slices: the first one's value minus the second one's."""

    name: str
    values: Mapping[str, Value]
    baseline: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why a gate is closed."""

    metric: str
    slice: str
    sentence: str


@dataclass(frozen=True)
class Check:
    """One bound judged on one slice: ``passed``, ``failed``, ``within noise`` or another outcome."""

    metric: str
    slice: str
    outcome: str
    sentence: str
    p_value: float | None = None


@dataclass(frozen=True)
class PlotGroup:
    """Charts of one slice, or another piece of a page, with its heading."""

    title: str
    charts: Html


@dataclass(frozen=True)
class EvaluationPage:
    """The whole page.

    Attributes:
        title: its heading.
        ok: whether the gate is open.
        failures: why not, one sentence each.
        notes: what was not applied or not judged, and why.
        facts: figures for the head.
        metrics: the columns, in their order.
        slices: the first is the one that is shown at length.
        pairs: differences between slices.
        checks: every bound that was judged.
        intervals: how intervals were made, one sentence; empty where there are none.
        sections: what else belongs to it, each with its heading; between the changes and the plots.
        plots: charts by slice, the first one open.
        left_out: (what, rows): slices that are too small, rows without a label.
        structured: (metric, JSON) of values that are no number.
        config: the configuration as JSON text.
        primary: metrics whose dot plot is drawn first.
        has_baseline: whether there are a baseline's values.
        lower_is_better: metrics of which it is known.
    """

    title: str
    ok: bool
    failures: Sequence[Failure] = ()
    notes: Sequence[str] = ()
    facts: Mapping[str, str | int] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    slices: Sequence[SliceView] = ()
    pairs: Sequence[PairView] = ()
    checks: Sequence[Check] = ()
    intervals: str = ""
    sections: Sequence[PlotGroup] = ()
    plots: Sequence[PlotGroup] = ()
    left_out: Sequence[tuple[str, int]] = ()
    structured: Sequence[tuple[str, str]] = ()
    config: str = ""
    primary: Sequence[str] = ()
    has_baseline: bool = False
    lower_is_better: frozenset[str] = frozenset()
