"""``trueline stats``: statistics of a file, as a table, JSON or one HTML page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_rows", "stats"]


@click.command()
@click.argument("file")
@click.option("--html", "html_file", metavar="OUT", help="Write a self-contained HTML page there.")
@click.option("--json", "as_json", is_flag=True, help="Print the statistics as JSON.")
def stats(file: str, html_file: str | None, as_json: bool) -> None:
    """Compute statistics of FILE (CSV with a header line, or Parquet): one pass, every column."""
    from trueline.data_validation import generate_statistics
    from trueline.engine import Dataset

    statistics = generate_statistics(Dataset.from_table(read_rows(file)))
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


def read_rows(file: str) -> pa.Table:
    """A CSV or Parquet file as a table in the line's value types.

    Raises:
        DataError: the file is not there, is of another kind or does not parse.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from trueline._core.values import widen

    path = Path(file)
    if not path.is_file():
        raise DataError("no such file", where=file)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pyarrow.parquet.read_table(path)
        elif path.suffix.lower() == ".csv":
            convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
            parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
            table = pyarrow.csv.read_csv(path, convert_options=convert, parse_options=parse)
        else:
            raise DataError(f"files of kind {path.suffix!r} are not read", where=file, hint="give .csv or .parquet.")
    except pa.ArrowException as error:
        raise DataError(f"the file does not parse: {error}", where=file) from error
    batches = table.combine_chunks().to_batches()
    return pa.Table.from_batches([widen(batch) for batch in batches]) if batches else table


def _print_table(statistics: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    for split in statistics.datasets:
        table = Table(title=f"{split.num_examples:,.0f} rows", title_justify="left")
        for heading in ("feature", "type", "present", "missing", "distinct", "mean or top", "min", "median", "max"):
            table.add_column(heading, justify="left" if heading in ("feature", "type") else "right")
        for feature in split.features:
            table.add_row(*_row(feature))
        Console().print(table)


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
