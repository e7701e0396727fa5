"""``trueline stats``: statistics of a file, as a table, JSON or one HTML page."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import DataError
from trueline.cli.format import table_console

if TYPE_CHECKING:
    from trueline.engine import Dataset

__all__ = ["dataset_of_file", "stats"]


@click.command()
@click.argument("file")
@click.option("--html", "html_file", metavar="OUT", help="Write a self-contained HTML page there.")
@click.option("--json", "as_json", is_flag=True, help="Print the statistics as JSON.")
def stats(file: str, html_file: str | None, as_json: bool) -> None:
    """Compute statistics of FILE (CSV with a header line, Parquet, or a folder of one of them): every column."""
    from trueline.data_validation import generate_statistics

    with dataset_of_file(file) as dataset:
        statistics = generate_statistics(dataset)
    if html_file:
        from trueline._core import store
        from trueline.display import statistics_html

        store.write_text(html_file, statistics_html(statistics, Path(file).name))
        click.echo(f"Wrote {html_file}")
    elif as_json:
        from google.protobuf import json_format

        click.echo(json.dumps(json_format.MessageToDict(statistics, preserving_proto_field_name=True)))
    else:
        _print_table(statistics)


@contextmanager
def dataset_of_file(file: str) -> Iterator[Dataset]:
    """The rows of a CSV or Parquet file, or a folder of such files, by the rules that a line reads them with.

    Raises:
        DataError: nothing is there, it is of another kind or does not parse.
    """
    from trueline.data import Examples, ingest_csv, ingest_parquet

    path = Path(file)
    if not path.exists():
        raise DataError("no such file", where=file)
    names = [p.name for p in path.iterdir()] if path.is_dir() else [path.name]
    parquet = any(name.lower().endswith((".parquet", ".pq")) for name in names)
    if not parquet and not any(".csv" in Path(name.lower()).suffixes for name in names):
        raise DataError("no CSV or Parquet file", where=file, hint="give a .csv or .parquet file, or a folder of them.")
    with tempfile.TemporaryDirectory(prefix="trueline-stats-") as folder:
        ingest = ingest_parquet if parquet else ingest_csv
        ingest(file, folder, splits=(("all", 1),))
        yield Examples.open(folder).dataset("all")


def _print_table(statistics: Any) -> None:
    from rich.table import Table

    console = table_console()
    for split in statistics.datasets:
        table = Table(title=f"{split.num_examples:,.0f} rows", title_justify="left", box=None, pad_edge=False)
        for heading in ("feature", "type", "present", "missing", "distinct", "mean or top", "min", "median", "max"):
            text = heading in ("feature", "type")
            table.add_column(heading, justify="left" if text else "right", no_wrap=not text, overflow="fold")
        for feature in split.features:
            table.add_row(*_row(feature))
        console.print(table)


def _row(feature: Any) -> tuple[str, ...]:
    name = feature.name or ".".join(feature.path.step)
    tail = ("", "", "", "", "")
    if feature.HasField("num_stats"):
        numbers = feature.num_stats
        tail = ("", f"{numbers.mean:.6g}", f"{numbers.min:.6g}", f"{numbers.median:.6g}", f"{numbers.max:.6g}")
    elif feature.HasField("string_stats"):
        texts = feature.string_stats
        tail = (f"{texts.unique:,}", texts.top_values[0].value[:30] if texts.top_values else "", "", "", "")
    common = getattr(feature, feature.WhichOneof("stats")).common_stats
    return (name, _kind(feature), f"{common.num_non_missing:,}", f"{common.num_missing:,}", *tail)


def _kind(feature: Any) -> str:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return str(statistics_pb2.FeatureNameStatistics.Type.Name(feature.type))
