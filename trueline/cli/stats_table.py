"""Statistics as tables in the terminal: one data set, or two beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.cli.format import table_console
from trueline.cli.stats_layout import Sheet, print_sheet

if TYPE_CHECKING:
    from trueline.data_validation import DriftMeasurement

__all__ = ["print_comparison", "print_leakage", "print_statistics"]

_HEADINGS = ("feature", "type", "present", "missing", "distinct", "mean or top", "min", "median", "max")
_COMPARED = ("feature", "type", "missing", "missing'", "mean or top", "mean or top'", "drift", "at least")
_TEXT = frozenset({"feature", "type"})
_LONG = 30


def print_statistics(statistics: Any) -> None:
    """One table for each data set or slice."""
    for place, dataset in enumerate(statistics.datasets):
        title = f"{dataset.num_examples:,.0f} rows"
        if dataset.weighted_num_examples and dataset.weighted_num_examples != dataset.num_examples:
            title += f", weight {dataset.weighted_num_examples:,.6g}"
        if place:
            table_console().print()
        print_sheet(
            Sheet(
                f"{dataset.name}: {title}" if dataset.name else title,
                _HEADINGS,
                [_row(feature) for feature in dataset.features],
                _TEXT,
                frozenset({"mean or top"}),
                ("present", "median", "distinct", "type"),
            )
        )


def _row(feature: Any) -> tuple[str, ...]:
    common = _common(feature)
    tail: tuple[str, ...] = ("", "", "", "", "")
    if feature.HasField("num_stats"):
        n = feature.num_stats
        tail = ("", *(_figure(feature, value) for value in (n.mean, n.min, n.median, n.max)))
    elif feature.HasField("string_stats"):
        tail = (f"{feature.string_stats.unique:,}", _top(feature), "", "", "")
    elif feature.HasField("bytes_stats"):
        tail = (f"{feature.bytes_stats.unique:,}", "", "", "", "")
    return (_name(feature), _type(feature), f"{common.num_non_missing:,}", f"{common.num_missing:,}", *tail)


def _figure(feature: Any, value: float) -> str:
    """A figure of a number; of a point in time, which is counted in microseconds, the date."""
    from trueline.display.facts import TIMES, shown_number

    source = next((stat.str for stat in feature.custom_stats if stat.name == "arrow_type"), "")
    return shown_number(value, source) if source in TIMES else f"{value:.6g}"


def _common(feature: Any) -> Any:
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def _name(feature: Any) -> str:
    return str(feature.name or ".".join(feature.path.step))


def _top(feature: Any) -> str:
    found = feature.string_stats.top_values
    if not found:
        return ""
    text = found[0].value if found[0].value else '""'
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _type(feature: Any) -> str:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return str(statistics_pb2.FeatureNameStatistics.Type.Name(feature.type))


def print_comparison(statistics: Any, other: Any, names: tuple[str, str], drift: Sequence[DriftMeasurement]) -> None:
    """Two data sets beside each other, with the distance of each feature, and how much of it is sure."""
    one, two = _whole(statistics), _whole(other)
    mine, theirs = _by_name(one), _by_name(two)
    measured = {".".join(m.path.steps): m for m in drift if m.type == "JENSEN_SHANNON_DIVERGENCE"}
    features = [*mine, *(name for name in theirs if name not in mine)]
    high = {i for i, name in enumerate(features) if name in measured and measured[name].lower > 0}
    print_sheet(
        Sheet(
            f"{names[0]}: {one.num_examples:,} rows; ': {names[1]}, {two.num_examples:,} rows",
            _COMPARED,
            [_compared(name, mine.get(name), theirs.get(name), measured) for name in features],
            _TEXT,
            frozenset({"mean or top", "mean or top'"}),
            ("type", "missing", "missing'"),
            {(i, "drift"): "bold yellow" for i in high},
        )
    )
    table_console().print(
        "drift: Jensen-Shannon divergence, 0 to 1; at least: what it surely is (95 %), "
        "0 where chance or the buckets of the histograms may be all of it.",
        style="dim",
        highlight=False,
    )


def _compared(name: str, one: Any, two: Any, drift: Mapping[str, DriftMeasurement]) -> tuple[str, ...]:
    found = drift.get(name)
    types = [_type(feature) if feature is not None else "-" for feature in (one, two)]
    return (
        name,
        types[0] if types[0] == types[1] else " / ".join(types),
        *(_missing(feature) for feature in (one, two)),
        *(_middle(feature) for feature in (one, two)),
        *(("", "") if found is None else (f"{found.value:.4f}", f"{found.lower:.4f}")),
    )


def _missing(feature: Any) -> str:
    if feature is None:
        return "-"
    common = _common(feature)
    total = common.num_missing + common.num_non_missing
    return f"{common.num_missing / total:.1%}" if total else ""


def _middle(feature: Any) -> str:
    if feature is None:
        return "-"
    if feature.HasField("num_stats"):
        return _figure(feature, feature.num_stats.mean)
    return _top(feature) if feature.HasField("string_stats") else ""


def _whole(statistics: Any) -> Any:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return statistics.datasets[0] if statistics.datasets else statistics_pb2.DatasetFeatureStatistics()


def _by_name(dataset: Any) -> dict[str, Any]:
    return {_name(feature): feature for feature in dataset.features}


def print_leakage(statistics: Any, label: str) -> None:
    """The sentences on features that give the label away."""
    from rich.markup import escape

    from trueline.data_validation.leakage_findings import LEAST_ROWS

    console = table_console()
    rows = _whole(statistics).num_examples
    found = [
        stat.str
        for feature in (statistics.datasets[0].features if statistics.datasets else ())
        for stat in feature.custom_stats
        if stat.name == "leakage"
    ]
    console.print()
    for sentence in found:
        console.print("[bold yellow]Leakage:[/]", escape(sentence), highlight=False)
    if rows < LEAST_ROWS:
        console.print(f"{rows} rows are too few to tell whether a feature gives {label} away.", highlight=False)
    elif not found:
        console.print(f"No feature alone gives {label} away.", highlight=False)
