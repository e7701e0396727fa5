"""The overview of a data set's statistics, or of two laid over each other: sortable, filtered as one types.

Pure functions of tensorflow-metadata's messages: what needs arithmetic (drift) or judgement (anomalies) is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueline.display.facts import DatasetFacts, dataset_facts, overall
from trueline.display.feature_cells import Drift, Mark, Row, drift_cell, feature_row, heads
from trueline.display.html import Html, Safe, join, number, page, percent, rows_table, table, tag

__all__ = ["anomaly_marks", "statistics_html", "statistics_view"]

_TITLES = {"numeric": "Numeric features", "categorical": "Categorical features", "other": "Other features"}
_DRAWN = {"numeric": "distribution", "categorical": "most frequent values", "other": ""}
_SEVERITIES = {0: "warning", 1: "warning", 2: "error"}


def anomaly_marks(anomalies: Any) -> dict[str, list[Mark]]:
    """The marks of an ``Anomalies`` message, by feature; the whole data set's under ``""``."""
    marks = {
        name: [Mark(_SEVERITIES.get(info.severity, "warning"), info.short_description, info.description)]
        for name, info in anomalies.anomaly_info.items()
    }
    whole = anomalies.dataset_anomaly_info
    if whole.reason or whole.description:
        marks[""] = [Mark(_SEVERITIES.get(whole.severity, "warning"), whole.short_description, whole.description)]
    return marks


def statistics_view(
    statistics: Any,
    other: Any = None,
    *,
    names: tuple[str, str] = ("first", "second"),
    slices: tuple[str | None, str | None] = (None, None),
    marks: Mapping[str, Sequence[Mark]] | None = None,
    drift: Mapping[str, Drift] | None = None,
    only: Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
) -> Html:
    """The statistics of a data set, or of two for comparison.

    Args:
        statistics: a ``DatasetFeatureStatisticsList`` (tensorflow-metadata).
        other: a second one, drawn over the first.
        names: what to call the two.
        slices: which slice of each; the one of all examples by default.
        marks: anomalies by feature, see `anomaly_marks`.
        drift: distances by feature.
        only: the features to show, or None for all.
        leave_out: features not to show.

    Raises:
        KeyError: when a slice does not exist.
    """
    first, second = overall(statistics, slices[0]), None if other is None else overall(other, slices[1])
    if first is None or (not first.num_examples and (second is None or not second.num_examples)):
        return tag("p", "Empty data set: there are no rows.", class_="soft")
    facts = dataset_facts(first)
    mate = None if second is None else dataset_facts(second)
    marks, drift = marks or {}, drift or {}
    shown = [n for n in _all_names(facts, mate) if (only is None or n in only) and n not in leave_out]
    rows = [
        Row(facts.features.get(n), mate.features.get(n) if mate else None, marks.get(n, ()), drift.get(n))
        for n in shown
    ]
    parts: list[Safe] = [_summary(facts, mate, names), *(_whole(m) for m in marks.get("", ()))]
    parts += [_gone(name, found) for name, found in marks.items() if name and name not in shown and only is None]
    absent = [name for name in only or () if name not in shown and name not in leave_out]
    if absent:
        parts.append(tag("p", f"Not in the data: {', '.join(absent)}.", class_="warn"))
    parts += [_slices(statistics, first), _toolbar(rows, two=mate is not None)]
    parts += [
        _section(kind, [r for r in rows if r.any.kind == kind], mate is not None, bool(drift)) for kind in _TITLES
    ]
    return tag("div", *parts, class_="overview", data_view="statistics")


def _all_names(facts: DatasetFacts, mate: DatasetFacts | None) -> list[str]:
    more = [n for n in mate.features if n not in facts.features] if mate is not None else []
    return [*facts.features, *more]


def _slices(statistics: Any, shown: Any) -> Html:
    """The other slices of the statistics by name and rows, folded away: the page shows one."""
    others = [dataset for dataset in statistics.datasets if dataset is not shown and dataset.name != shown.name]
    if not others:
        return Html("")
    rows = [
        (dataset.name, dataset.num_examples, percent(min(dataset.num_examples / shown.num_examples, 1.0), 1))
        if shown.num_examples
        else (dataset.name, dataset.num_examples, "–")
        for dataset in others
    ]
    title = tag("summary", f"{len(others):,} {'slice' if len(others) == 1 else 'slices'}")
    return tag("details", title, table(["slice", "rows", "share"], rows, numeric=[1, 2]))


def _whole(mark: Mark) -> Html:
    return tag(
        "p", tag("span", mark.short, class_="badge bad" if mark.severity == "error" else "badge warn"), " ", mark.long
    )


def _gone(name: str, found: Sequence[Mark]) -> Html:
    """Anomalies of features that the data do not have."""
    return tag("p", tag("b", name), ": ", "; ".join(m.long or m.short for m in found), class_="bad")


def _section(kind: str, rows: Sequence[Row], two: bool, drift: bool) -> Html:
    if not rows:
        return Html("")
    figures = heads(kind)
    head: list[Safe] = ["Feature", _DRAWN[kind], *figures]
    numeric = list(range(2, 2 + len(figures)))
    if drift:
        head.insert(1, "drift")
        numeric = [1, *(i + 1 for i in numeric)]
    body = []
    for row in rows:
        cells = feature_row(row, two)
        if drift:
            cells.insert(1, drift_cell(row.drift))
        body.append((cells, _keys(row)))
    title = tag("h3", f"{_TITLES[kind]} ", tag("span", f"({len(rows)})", class_="soft count"))
    return tag("section", title, rows_table(head, body, numeric=numeric), data_kind=kind)


def _keys(row: Row) -> dict[str, str]:
    """What the page's filters look at."""
    missing = max(f.missing for f in (row.facts, row.other) if f is not None)
    over = row.drift is not None and row.drift.threshold is not None and row.drift.value > row.drift.threshold
    return {
        "data-name": row.any.name.lower(),
        "data-missing": "1" if missing else "0",
        "data-anomaly": "1" if row.marks or over else "0",
    }


def _summary(facts: DatasetFacts, mate: DatasetFacts | None, names: tuple[str, str]) -> Html:
    slice_name = f", slice {facts.name}" if facts.name not in ("", "All Examples") else ""
    if mate is None:
        weight = f" of weight {number(facts.weight)}" if facts.weight else ""
        return tag("p", f"{facts.rows:,} rows{weight}, {len(facts.features)} features{slice_name}.")
    swatches = [
        tag("span", f"■ {name}: {found.rows:,} rows", class_=class_)
        for name, found, class_ in ((names[0], facts, "one"), (names[1], mate, "two"))
    ]
    return tag("p", swatches[0], "   ", swatches[1], "  Heights are shares of each data set.")


def _toolbar(rows: Sequence[Row], two: bool) -> Html:
    """Search, charts and filters; without scripts the page shows everything."""
    anomalies = sum(_keys(r)["data-anomaly"] == "1" for r in rows)
    missing = sum(_keys(r)["data-missing"] == "1" for r in rows)
    parts: list[Safe] = [
        Html('<input type="search" placeholder="Filter features by name" aria-label="Filter features by name">'),
        _choice("chart", (("standard", "histograms"), ("quantiles", "quantiles"))),
        _check("missing", f"with missing values ({missing})") if missing else "",
        _check("anomaly", f"with anomalies ({anomalies})") if anomalies else "",
    ]
    return tag("div", *parts, class_="toolbar")


def _choice(name: str, options: Sequence[tuple[str, str]]) -> Html:
    shown = [tag("option", text, value=value) for value, text in options]
    return tag("select", *shown, data_choice=name, aria_label=f"Which {name}")


def _check(name: str, text: str) -> Html:
    box = Html(f'<input type="checkbox" data-only="{name}">')
    return tag("label", box, " ", text)


def statistics_html(statistics: Any, title: str = "Statistics", other: Any = None, **options: Any) -> str:
    """One self-contained HTML page of `statistics_view`, whose options it takes."""
    return page(title, join([tag("h1", title), statistics_view(statistics, other, **options)]))
