"""Statistics as tables with small histograms: one data set, or two laid over each other."""

from __future__ import annotations

from typing import Any

from trueline.display.html import Html, Safe, join, number, page, table, tag
from trueline.display.svg import Bucket, bars, histogram

__all__ = ["statistics_html", "statistics_view"]

_STANDARD = 0
_TYPES = {0: "INT", 1: "FLOAT", 2: "STRING", 3: "BYTES", 4: "STRUCT"}


def _name(feature: Any) -> str:
    return ".".join(feature.path.step) if feature.path.step else str(feature.name)


def _common(feature: Any) -> Any:
    kind = feature.WhichOneof("stats")
    return getattr(feature, kind).common_stats if kind else None


def _missing(feature: Any) -> Html:
    common = _common(feature)
    total = common.num_missing + common.num_non_missing if common else 0
    share = 100 * common.num_missing / total if total else 0.0
    class_ = "missing-high" if share > 50 else None
    return tag("span", f"{share:.1f}%" if common and common.num_missing else "0%", class_=class_)


def _buckets(feature: Any) -> list[Bucket]:
    for found in feature.num_stats.histograms:
        if found.type == _STANDARD:
            return [Bucket(b.low_value, b.high_value, b.sample_count) for b in found.buckets]
    return []


def _compact(value: float) -> Html:
    """A number in few digits, whole in its tooltip."""
    text = number(value) if abs(value) < 1e9 else f"{value:.4g}"
    return tag("span", text, title=repr(value))


def _numeric_row(feature: Any, other: Any) -> list[Safe]:
    stats = feature.num_stats
    drawn = histogram(
        _buckets(feature), _buckets(other) if other is not None else (), label=f"Histogram of {_name(feature)}"
    )
    count = stats.common_stats.num_non_missing
    return [
        tag("b", _name(feature)),
        drawn,
        _TYPES.get(feature.type, "?"),
        count,
        _missing(feature),
        _compact(stats.mean),
        _compact(stats.std_dev),
        stats.num_zeros,
        _compact(stats.min),
        _compact(stats.median),
        _compact(stats.max),
    ]


def _string_row(feature: Any, other: Any) -> list[Safe]:
    stats = feature.string_stats
    top = [(v.value, v.frequency) for v in stats.top_values]
    rest = stats.common_stats.tot_num_values - sum(f for _, f in top)
    drawn = bars([*top, ("(other values)", rest)] if rest > 0 else top, label=f"Top values of {_name(feature)}")
    cells: list[Safe] = [
        tag("b", _name(feature)),
        _TYPES.get(feature.type, "?"),
        stats.common_stats.num_non_missing,
        _missing(feature),
        stats.unique,
        number(stats.avg_length, 3),
        drawn,
    ]
    if other is not None:
        second = [(v.value, v.frequency) for v in other.string_stats.top_values]
        cells.append(bars(second, label=f"Top values of {_name(feature)} in the second data set", class_="bar2"))
    return cells


def _dataset(statistics: Any) -> Any:
    if not statistics.datasets:
        return None
    return next((d for d in statistics.datasets if d.name in ("", "All Examples")), statistics.datasets[0])


def statistics_view(statistics: Any, other: Any = None, *, names: tuple[str, str] = ("first", "second")) -> Html:
    """The statistics of a data set, or of two for comparison.

    Args:
        statistics: a ``DatasetFeatureStatisticsList`` (tensorflow-metadata).
        other: a second one, drawn over the first.
        names: what to call the two.
    """
    dataset, second = _dataset(statistics), _dataset(other) if other is not None else None
    if dataset is None or not dataset.num_examples:
        return tag("p", "The data set is empty.", class_="soft")
    theirs = {_name(f): f for f in second.features} if second is not None else {}
    numeric, texts = [], []
    for feature in dataset.features:
        kind = feature.WhichOneof("stats")
        if kind == "num_stats":
            numeric.append(_numeric_row(feature, theirs.get(_name(feature))))
        elif kind == "string_stats":
            mate = theirs.get(_name(feature)) if second is not None else None
            texts.append(_string_row(feature, mate) + ([""] if second is not None and mate is None else []))
    parts: list[Safe] = [_summary(dataset, second, names)]
    if numeric:
        head = [
            "Numeric feature",
            "spread",
            "type",
            "values",
            "missing",
            "mean",
            "std",
            "zeros",
            "min",
            "median",
            "max",
        ]
        parts += [tag("h3", f"Numeric features ({len(numeric)})"), table(head, numeric, numeric=range(3, 11))]
    if texts:
        head = ["Categorical feature", "type", "values", "missing", "distinct", "mean length", "top values"]
        head += [f"top values, {names[1]}"] if second is not None else []
        parts += [tag("h3", f"Categorical features ({len(texts)})"), table(head, texts, numeric=range(2, 6))]
    return join(parts)


def _summary(dataset: Any, second: Any, names: tuple[str, str]) -> Html:
    if second is None:
        return tag("p", f"{dataset.num_examples:,} rows, {len(dataset.features)} features.")
    swatch_a = tag("span", f"■ {names[0]}: {dataset.num_examples:,} rows", style="color:var(--a)")
    swatch_b = tag("span", f"■ {names[1]}: {second.num_examples:,} rows", style="color:var(--b)")
    return tag("p", swatch_a, " ", swatch_b, " Heights are shares of each data set.")


def statistics_html(statistics: Any, title: str = "Statistics", other: Any = None) -> str:
    """One self-contained HTML page of `statistics_view`."""
    return page(title, join([tag("h1", title), statistics_view(statistics, other)]))
