"""Statistics as tables in the terminal: one data set, or two beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.cli.format import table_console

if TYPE_CHECKING:
    from rich.table import Table

    from trueline.data_validation import DriftMeasurement

__all__ = ["print_comparison", "print_leakage", "print_statistics"]

_HEADINGS = ("feature", "type", "present", "missing", "distinct", "mean or top", "min", "median", "max")
_COMPARED = ("feature", "type", "missing", "missing ·", "mean or top", "mean or top ·", "drift", "noise")
_TEXT = ("feature", "type")
_LONG = 30


def print_statistics(statistics: Any) -> None:
    """One table for each data set or slice."""
    console = table_console()
    for place, dataset in enumerate(statistics.datasets):
        title = f"{dataset.num_examples:,.0f} rows"
        if dataset.weighted_num_examples and dataset.weighted_num_examples != dataset.num_examples:
            title += f", weight {dataset.weighted_num_examples:,.6g}"
        table = _table(_HEADINGS, f"{dataset.name}: {title}" if dataset.name else title)
        for feature in dataset.features:
            table.add_row(*_row(feature))
        if place:
            console.print()
        console.print(table)


def _table(headings: Sequence[str], title: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    for heading in headings:
        text = heading in _TEXT
        table.add_column(heading, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    return table


def _row(feature: Any) -> tuple[str, ...]:
    common, tail = _common(feature), ("", "", "", "", "")
    if feature.HasField("num_stats"):
        n = feature.num_stats
        tail = ("", f"{n.mean:.6g}", f"{n.min:.6g}", f"{n.median:.6g}", f"{n.max:.6g}")
    elif feature.HasField("string_stats"):
        tail = (f"{feature.string_stats.unique:,}", _top(feature), "", "", "")
    elif feature.HasField("bytes_stats"):
        tail = (f"{feature.bytes_stats.unique:,}", "", "", "", "")
    return (_name(feature), _type(feature), f"{common.num_non_missing:,}", f"{common.num_missing:,}", *tail)


def _common(feature: Any) -> Any:
    which = feature.WhichOneof("stats")
    stats = getattr(feature, which)
    return stats if which == "struct_stats" and not hasattr(stats, "common_stats") else stats.common_stats


def _name(feature: Any) -> str:
    from rich.markup import escape

    return escape(feature.name or ".".join(feature.path.step))


def _top(feature: Any) -> str:
    from rich.markup import escape

    found = feature.string_stats.top_values
    if not found:
        return ""
    text = found[0].value if found[0].value else '""'
    return escape(text if len(text) <= _LONG else text[: _LONG - 1] + "…")


def _type(feature: Any) -> str:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return str(statistics_pb2.FeatureNameStatistics.Type.Name(feature.type))


def print_comparison(statistics: Any, other: Any, names: tuple[str, str], drift: Sequence[DriftMeasurement]) -> None:
    """Two data sets beside each other, with the distance of each feature and what chance alone would give."""
    console = table_console()
    one, two = _whole(statistics), _whole(other)
    title = f"{names[0]}: {one.num_examples:,} rows; · {names[1]}: {two.num_examples:,} rows"
    table = _table(_COMPARED, title)
    mine, theirs = _by_name(one), _by_name(two)
    measured = {".".join(m.path.steps): m for m in drift if m.type == "JENSEN_SHANNON_DIVERGENCE"}
    for name in [*mine, *(name for name in theirs if name not in mine)]:
        table.add_row(*_compared(name, mine.get(name), theirs.get(name), measured))
    console.print(table)
    console.print("[dim]drift: Jensen-Shannon divergence, 0 to 1; noise: what chance alone stays below (95 %).[/]")


def _compared(name: str, one: Any, two: Any, drift: Mapping[str, DriftMeasurement]) -> Iterator[str]:
    from rich.markup import escape

    found = drift.get(name)
    yield escape(name)
    types = [_type(feature) if feature is not None else "-" for feature in (one, two)]
    yield types[0] if types[0] == types[1] else " / ".join(types)
    yield from (_missing(feature) for feature in (one, two))
    yield from (_middle(feature) for feature in (one, two))
    value = "" if found is None else f"{found.value:.4f}"
    yield f"[bold yellow]{value}[/]" if found is not None and found.value > found.noise else value
    yield "" if found is None else f"{found.noise:.4f}"


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
        return f"{feature.num_stats.mean:.6g}"
    return _top(feature) if feature.HasField("string_stats") else ""


def _whole(statistics: Any) -> Any:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return statistics.datasets[0] if statistics.datasets else statistics_pb2.DatasetFeatureStatistics()


def _by_name(dataset: Any) -> dict[str, Any]:
    return {feature.name or ".".join(feature.path.step): feature for feature in dataset.features}


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
