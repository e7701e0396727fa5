"""``trueline stats``: statistics of data, as a table, JSON, a file, or one HTML page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError
from trueline.cli.data_files import DataFile, DataOptions
from trueline.cli.data_files_find import find_data, find_other, load_schema
from trueline.cli.data_files_options import comma_separated, data_options

if TYPE_CHECKING:
    from trueline.data_validation import StatsOptions

__all__ = ["stats"]


@click.command(
    epilog="\b\nExamples:\n"
    "  trueline stats rides.csv\n"
    "  trueline stats 's3://bucket/day-*/part-?.parquet' --html rides.html\n"
    "  trueline stats may.csv --compare june.csv --label big_tipper\n"
    "  trueline stats rides.csv --slice 'fare > 50' --slice \"company == 'Flash Cab'\""
)
@click.argument("data")
@click.option("--html", "html_file", metavar="OUT", help="Write a self-contained HTML page there.")
@click.option("--json", "as_json", is_flag=True, help="Print the statistics as JSON.")
@click.option("--out", metavar="FILE", help="Write the statistics: .pb binary, .pbtxt text, .tfrecord.")
@click.option("--compare", "other", metavar="DATA", help="Other data or statistics, shown beside these with the drift.")
@click.option("--schema", "schema_file", metavar="SCHEMA", help="Says what is categorical, an image, sparse, ...")
@click.option("--weight", metavar="COLUMN", help="Each row's weight.")
@click.option("--label", metavar="COLUMN", help="Tell which features give this column away.")
@click.option("--slice", "slices", metavar="EXPR", multiple=True, help="Rows for which this is true too; repeatable.")
@click.option(
    "--sample", metavar="RATE", type=click.FloatRange(0, 1, min_open=True), help="Look at this share of rows."
)
@click.option("--columns", metavar="A,B,...", multiple=True, callback=comma_separated, help="Only these columns.")
@data_options
def stats(
    data: str,
    html_file: str | None,
    as_json: bool,
    out: str | None,
    other: str | None,
    reading: DataOptions,
    **asked: Any,
) -> None:
    """Compute statistics of DATA: a file, a folder, a pattern or a URI; every column, read once.

    Kinds: .csv .tsv .jsonl .parquet .avro .tfrecord (also .gz), Examples of a pipeline, FeatureStats.pb.
    """
    found = find_data(data, reading)
    options = _options(**asked)
    if not found.has_rows and options is not None:
        raise ConfigError("statistics are finished: no option can change what they count", where=data)
    statistics = _statistics(found, options)
    against = None if other is None else find_other(other, reading)
    mate = None if against is None else _statistics(against, options)
    names = (found.name, found.name if against is None else against.name)
    if out:
        from trueline.data_validation import write_statistics

        write_statistics(statistics, out)
        click.echo(f"Wrote {out}", err=as_json)
    if html_file:
        _write_page(html_file, statistics, mate, names, options)
        click.echo(f"Wrote {html_file}", err=as_json)
    if as_json:
        from google.protobuf import json_format

        click.echo(json.dumps(json_format.MessageToDict(statistics, preserving_proto_field_name=True)))
    elif not out and not html_file:
        _print(statistics, mate, names, asked)


def _options(
    schema_file: str | None,
    weight: str | None,
    label: str | None,
    slices: tuple[str, ...],
    sample: float | None,
    columns: tuple[str, ...],
) -> StatsOptions | None:
    """What was asked for; None where nothing was."""
    from trueline.data_validation import StatsOptions

    given: dict[str, Any] = {
        "schema": None if schema_file is None else load_schema(schema_file),
        "weight_feature": weight,
        "label_feature": label,
        "leakage": label is not None or None,
        "slices": slices or None,
        "sample_rate": sample,
        "feature_allowlist": columns or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return StatsOptions(**given) if given else None


def _statistics(data: DataFile, options: StatsOptions | None) -> Any:
    if options is None or not data.has_rows:
        return data.statistics()
    return data.statistics(options) if options.schema is None else data.statistics_by(options.schema, options)


def _write_page(out: str, statistics: Any, mate: Any, names: tuple[str, str], options: StatsOptions | None) -> None:
    from trueline._core import store
    from trueline.data_validation import get_statistics_html

    schema = None if options is None else options.schema
    store.write_text(out, get_statistics_html(statistics, mate, *names, schema=schema))


def _print(statistics: Any, mate: Any, names: tuple[str, str], asked: dict[str, Any]) -> None:
    from trueline.cli.stats_table import print_comparison, print_leakage, print_statistics

    if mate is None:
        print_statistics(statistics)
    else:
        from trueline.data_validation import measure_drift

        print_comparison(statistics, mate, names, measure_drift(statistics, mate))
    if asked["label"]:
        print_leakage(statistics, asked["label"])
