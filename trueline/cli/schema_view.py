"""``trueline schema infer``, ``view`` and ``diff``."""

from __future__ import annotations

import json
from typing import Any

import click

from trueline.cli.data_files import DataOptions
from trueline.cli.data_files_find import find_data, load_schema
from trueline.cli.data_files_options import data_options
from trueline.cli.format import table_console

__all__ = ["diff", "infer", "view"]

_WIDE = 60


@click.command(epilog="\b\nExample:\n  trueline schema infer rides.csv --out schema.pbtxt")
@click.argument("data")
@click.option("--out", metavar="FILE", help="Write the schema there, as text; otherwise it is printed.")
@click.option("--force", is_flag=True, help="Write over a schema that is there.")
@click.option("--max-domain", default=100, show_default=True, type=click.IntRange(0), help="Most values of a domain.")
@click.option("--shapes/--no-shapes", default=True, help="Fix the number of values in a row where it never varies.")
@click.option("--json", "as_json", is_flag=True, help="Print the schema as JSON.")
@data_options
def infer(
    data: str, out: str | None, force: bool, max_domain: int, shapes: bool, as_json: bool, reading: DataOptions
) -> None:
    """Make a schema from DATA (a file, a folder, a pattern) or from statistics (FeatureStats.pb)."""
    from google.protobuf import text_format

    from trueline._core import store
    from trueline._core.errors import ConfigError
    from trueline.data_validation import infer_schema
    from trueline.schema import write_schema_text

    if out and not force and store.exists(out):
        hint = "give another --out, or --force; `trueline schema accept` changes a schema by what is found in data."
        raise ConfigError("there is a schema already", where=out, hint=hint)
    statistics = find_data(data, reading).statistics()
    if not any(dataset.num_examples for dataset in statistics.datasets):
        click.echo("The data have no rows: all that is known is the columns' names.", err=True)
    found = infer_schema(statistics, infer_feature_shape=shapes, max_string_domain_size=max_domain)
    if out:
        write_schema_text(found, out)
        told = f"Wrote {out}: {len(found.feature)} features, {len(found.string_domain)} string domains"
        click.echo(told, err=as_json)
    if as_json:
        from google.protobuf import json_format

        click.echo(json.dumps(json_format.MessageToDict(found, preserving_proto_field_name=True), indent=1))
    elif not out:
        click.echo(text_format.MessageToString(found, as_utf8=True), nl=False)


@click.command(epilog="\b\nExample:\n  trueline schema view schema.pbtxt")
@click.argument("schema")
@click.option("--html", "html_file", metavar="OUT", help="Write a self-contained HTML page there.")
@click.option("--json", "as_json", is_flag=True, help="Print the schema as JSON.")
def view(schema: str, html_file: str | None, as_json: bool) -> None:
    """Show SCHEMA: each feature's type, presence, valency and domain; string domains; environments."""
    found = load_schema(schema)
    if html_file:
        _write_page(html_file, schema, found)
    elif as_json:
        from google.protobuf import json_format

        click.echo(json.dumps(json_format.MessageToDict(found, preserving_proto_field_name=True), indent=1))
    else:
        _print(found)


def _write_page(out: str, name: str, schema: Any) -> None:
    from trueline._core import store
    from trueline.data_validation import display_schema
    from trueline.display import page
    from trueline.display.html import join, tag

    title = name.rstrip("/").rsplit("/", 1)[-1]
    body = display_schema(schema)
    store.write_text(out, page(title, join([tag("h1", title), *([] if body is None else [body])])))
    click.echo(f"Wrote {out}")


def _print(schema: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    from trueline.data_validation.frames import domain_rows, feature_rows

    console = table_console()
    table = Table(title=f"{len(schema.feature)} features", title_justify="left", box=None, pad_edge=False)
    for heading in ("feature", "type", "presence", "valency", "domain", ""):
        table.add_column(heading, overflow="fold")
    retired = _retired(schema)
    for row in feature_rows(schema):
        table.add_row(*map(escape, row), "[dim]deprecated[/]" if row[0] in retired else "")
    console.print(table)
    rows = domain_rows(schema)
    if rows:
        console.print()
        domains = Table(title=f"{len(rows)} string domains", title_justify="left", box=None, pad_edge=False)
        domains.add_column("domain")
        domains.add_column("values", overflow="fold")
        for (name, values), domain in zip(rows, schema.string_domain, strict=True):
            short = values if len(values) <= 4 * _WIDE else f"{values[: 4 * _WIDE]}… ({len(domain.value)} values)"
            domains.add_row(escape(name), escape(short))
        console.print(domains)
    if schema.default_environment:
        console.print(f"\nEnvironments: {', '.join(schema.default_environment)}", markup=False, highlight=False)


def _retired(schema: Any) -> set[str]:
    from trueline.schema import deprecated
    from trueline.schema.features import walk_features

    return {".".join(path.steps) for path, feature in walk_features(schema) if deprecated(feature)}


@click.command(epilog="\b\nExample:\n  trueline schema diff old.pbtxt new.pbtxt --exit-code")
@click.argument("old")
@click.argument("new")
@click.option("--exit-code", is_flag=True, help="End with 1 where they differ, as git does.")
@click.option("--text", is_flag=True, help="The lines of the schema's text that change, instead of a list.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def diff(old: str, new: str, exit_code: bool, text: bool, as_json: bool) -> int:
    """List what turns schema OLD into NEW; the order of features counts, comments and spaces do not."""
    from dataclasses import asdict

    from trueline.schema import diff_schemas, render_changes

    changes = diff_schemas(load_schema(old), load_schema(new))
    if as_json:
        click.echo(json.dumps([{**asdict(c), "text": str(c)} for c in changes], indent=1))
    elif not changes:
        click.echo("No difference.")
    elif text:
        click.echo(render_changes(changes))
    else:
        for change in changes:
            click.echo(str(change))
    return int(bool(changes) and exit_code)
