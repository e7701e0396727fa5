"""The cells of a feature's row: drawings, figures of one data set or two, marks of anomalies and drift."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trueline.display.facts import TIMES, FeatureFacts, Numbers, shown_duration, shown_number
from trueline.display.html import Html, Safe, join, number, percent, tag, visible
from trueline.display.svg import bars, histogram, paired_bars, quantile_strips

__all__ = ["Drift", "Mark", "Row", "drift_cell", "feature_row"]


@dataclass(frozen=True)
class Mark:
    """An anomaly of a feature: ``error`` or ``warning``, in a few words, and at length."""

    severity: str
    short: str
    long: str


@dataclass(frozen=True)
class Drift:
    """How far a feature lies between two data sets.

    Attributes:
        value: the distance, from 0 to 1.
        measure: its name.
        threshold: from the schema, or None.
        at: the value of the feature where it is greatest, if there is one.
        lower: what it surely is (95 %), where that is known; the rest may be chance, or the buckets of histograms
            whose ends differ.
    """

    value: float
    measure: str
    threshold: float | None = None
    at: str = ""
    lower: float | None = None


@dataclass(frozen=True)
class Row:
    """What one row shows: the feature in the first data set and in the second (None: not there), marks and drift."""

    facts: FeatureFacts | None
    other: FeatureFacts | None
    marks: Sequence[Mark] = ()
    drift: Drift | None = None

    @property
    def any(self) -> FeatureFacts:
        """The feature, from whichever data set has it."""
        found = self.facts or self.other
        if found is None:
            raise ValueError("a row without a feature")
        return found


def _both(row: Row, cell: Callable[[FeatureFacts], Safe], two: bool) -> Html:
    """One figure of each data set, the first above the second."""
    if not two:
        return tag("span", cell(row.any))
    shown = [
        tag("div", cell(found) if found is not None else "–", class_=class_)
        for found, class_ in ((row.facts, "one"), (row.other, "two"))
    ]
    return join(shown)


def _missing(facts: FeatureFacts) -> Html:
    share = facts.missing_share
    class_ = "missing-high" if share > 0.5 else "soft" if share == 0 else None
    return tag(
        "span", percent(share, 1), class_=class_, title=f"{facts.missing:,} of {facts.present + facts.missing:,}"
    )


def _figure(
    read: Callable[[Numbers], float], shown: Callable[[float, str], str] = shown_number
) -> Callable[[FeatureFacts], Safe]:
    def cell(facts: FeatureFacts) -> Safe:
        if facts.numbers is None or facts.total == 0:
            return "–"
        value = read(facts.numbers)
        return tag("span", shown(value, facts.numbers.source), title=repr(value))

    return cell


def _zeros(facts: FeatureFacts) -> Safe:
    if facts.numbers is None or not facts.total:
        return "–"
    share = facts.numbers.zeros / facts.total
    return tag("span", percent(share, 1), class_="soft" if share == 0 else None, title=f"{facts.numbers.zeros:,} zeros")


_FIGURES: dict[str, tuple[tuple[str, Callable[[FeatureFacts], Safe]], ...]] = {
    "numeric": (
        ("values", lambda f: f.total),
        ("missing", _missing),
        ("mean", _figure(lambda n: n.mean)),
        ("std", _figure(lambda n: n.std_dev, shown_duration)),
        ("zeros", _zeros),
        ("min", _figure(lambda n: n.min)),
        ("median", _figure(lambda n: n.median)),
        ("max", _figure(lambda n: n.max)),
    ),
    "categorical": (
        ("values", lambda f: f.total),
        ("missing", _missing),
        ("distinct", lambda f: f.strings.unique if f.strings else "–"),
        ("mean length", lambda f: number(f.strings.mean_length, 3) if f.strings and f.total else "–"),
    ),
    "other": (("values", lambda f: f.total), ("missing", _missing)),
}


def heads(kind: str) -> list[str]:
    """The heads of the figures' columns."""
    return [name for name, _ in _FIGURES[kind]]


def feature_row(row: Row, two: bool) -> list[Safe]:
    """The cells of one feature: name, drawing, figures."""
    return [_name(row, two), _drawing(row, two), *(_both(row, cell, two) for _, cell in _FIGURES[row.any.kind])]


def _name(row: Row, two: bool) -> Html:
    facts = row.any
    parts: list[Safe] = [tag("b", visible(facts.name)), " ", tag("span", facts.type, class_="soft")]
    if facts.is_list:
        parts.append(tag("div", f"{facts.least:,} to {facts.most:,} values a row", class_="soft small"))
    if facts.numbers is not None and facts.numbers.nan:
        parts.append(tag("div", f"{facts.numbers.nan:,} NaN", class_="warn small"))
    if facts.numbers is not None and facts.numbers.infinite:
        parts.append(tag("div", f"{number(facts.numbers.infinite)} infinite", class_="warn small"))
    if facts.strings is not None and facts.strings.invalid_utf8:
        parts.append(tag("div", f"{facts.strings.invalid_utf8:,} not UTF-8", class_="warn small"))
    if two and (row.facts is None or row.other is None):
        parts.append(tag("div", "in one data set only", class_="warn small"))
    for mark in row.marks:
        class_ = "bad" if mark.severity == "error" else "warn"
        parts.append(tag("div", f"▲ {mark.short}", class_=f"{class_} small", title=mark.long))
    details = _details(facts)
    return join([*parts, details]) if details is not None else join(parts)


def _details(facts: FeatureFacts) -> Html | None:
    """What does not fit into the row: quantiles, all top values, custom statistics."""
    rows: list[tuple[str, Safe]] = []
    if facts.numbers is not None and facts.numbers.quantiles:
        last = len(facts.numbers.quantiles) - 1
        for i, q in enumerate(facts.numbers.quantiles):
            rows.append((f"{100 * i / last:.0f}%" if last else "all", shown_number(q, facts.numbers.source)))
    if facts.strings is not None:
        rows += [
            (visible(value if len(value) <= 60 else value[:59] + "…"), number(n)) for value, n in facts.strings.top
        ]
    rows += [(name, text if len(text) <= 200 else text[:199] + "…") for name, text in facts.extra]
    if not rows:
        return None
    body = [tag("tr", tag("td", name or "(empty)"), tag("td", value, class_="n")) for name, value in rows]
    return tag("details", tag("summary", "details"), tag("table", tag("tbody", *body), class_="plain"))


def _drawing(row: Row, two: bool) -> Html:
    facts, name = row.any, row.any.name
    if facts.kind == "numeric":
        found = [f.numbers if f else None for f in (row.facts, row.other)]
        standard = [n.standard if n else () for n in found]
        quantiles = [n.quantiles if n else () for n in found]
        shown = _axis([n for n in found if n])
        strips = quantiles if two else quantiles[:1]
        return join(
            [
                tag("div", histogram(*standard, label=f"Histogram of {name}", shown=shown), class_="c-standard"),
                tag("div", quantile_strips(strips, label=f"Quantiles of {name}", shown=shown), class_="c-quantiles"),
            ]
        )
    if facts.kind == "categorical":
        tops = [_with_rest(f) for f in (row.facts, row.other)]
        if two:
            return paired_bars(tops[0], tops[1], label=f"Most frequent values of {name}")
        return bars(tops[0], label=f"Most frequent values of {name}")
    return tag("span", "–", class_="soft")


def _axis(found: Sequence[Numbers]) -> Callable[[float], str] | None:
    """How the ends of an axis are written, where they are not plain numbers: two days or more need no hours."""
    if not found or found[0].source not in TIMES:
        return None
    long = max(n.max for n in found) - min(n.min for n in found) >= 2 * 86_400e6
    return lambda value: shown_number(value, "date") if long else shown_number(value, "timestamp")[5:]


def _with_rest(facts: FeatureFacts | None) -> list[tuple[str, float]]:
    """The top values, and all others together behind them."""
    if facts is None or facts.strings is None:
        return []
    top = list(facts.strings.top)
    rest = facts.total - sum(n for _, n in top)
    return [*top, ("(other values)", rest)] if rest > 0 else top


def drift_cell(drift: Drift | None) -> Html:
    """What the distance surely is, as a number and a bar, and what was measured; red above the schema's threshold."""
    if drift is None or not math.isfinite(drift.value):
        return tag("span", "–", class_="soft")
    over = drift.threshold is not None and drift.value > drift.threshold
    limit = "" if drift.threshold is None else f", at most {drift.threshold:g} allowed"
    where = f", greatest at {drift.at!r}" if drift.at else ""
    sure = drift.value if drift.lower is None else drift.lower
    bar = tag("div", tag("i", "", style=f"width:{min(sure, 1.0) * 100:.1f}%"), class_="meter")
    class_ = "bad" if over else "soft" if drift.lower == 0 else None
    told, more = f"{drift.measure}{limit}{where}", Html("")
    if drift.lower is not None:
        told += f"; surely at least {drift.lower:.3f} (95 %), measured {drift.value:.3f}: the rest may be chance, "
        told += "or the buckets of histograms with other ends"
        more = tag("div", f"measured {drift.value:.3f}", class_="soft small", title=told)
    order = f"{sure + 1e-6 * drift.value:.9f}"
    return join([tag("span", f"{sure:.3f}", class_=class_, title=told, data_sort=order), bar, more])
