"""``trueline runs`` and ``trueline show``: what ran, and what each node found."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from trueline.cli.format import STYLES, duration, found_text, moment, table_console
from trueline.cli.memory import metadata_option, open_runs

if TYPE_CHECKING:
    from trueline.metadata import RunRecord

__all__ = ["runs", "show"]


@click.command()
@metadata_option
@click.option("--pipeline", help="Only runs of this pipeline.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(location: str | None, pipeline: str | None, limit: int, as_json: bool) -> None:
    """List the runs, newest first."""
    records = open_runs(location).runs(pipeline, limit)
    if as_json:
        click.echo(json.dumps([_plain(record) for record in records], indent=1))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("run", "pipeline", "status", "started", "took", "note"):
        # An id that is cut short would be of no use to `show` and `why`.
        width = max((len(r.run_id) for r in records), default=0) if heading == "run" else None
        table.add_column(heading, overflow="fold" if heading == "note" else "ellipsis", min_width=width)
    for record in records:
        status = record.status if record.status != "RUNNING" or record.alive else "died"
        table.add_row(
            record.run_id,
            record.pipeline,
            f"[{STYLES.get(record.status, '')}]{status}[/]",
            moment(record.started),
            duration(_seconds(record)),
            (record.message or "").partition("\n")[0],
        )
    table_console().print(table)


@click.command()
@click.argument("run")
@metadata_option
@click.option("--html", "html_file", metavar="OUT", help="Write the run's report, one self-contained HTML page, there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run: str, location: str | None, html_file: str | None, as_json: bool) -> None:
    """Show RUN (an id, the beginning of one, or "latest"): its nodes, what they found, and why they failed."""
    runs = open_runs(location)
    record = runs.run(run)
    if html_file:
        from trueline.cli.report import write_report

        write_report(runs, record.run_id, html_file)
        click.echo(f"Wrote {html_file}")
    elif as_json:
        click.echo(json.dumps(_plain(record), indent=1))
    else:
        _print_run(record)


def _seconds(record: RunRecord) -> float | None:
    return None if record.finished is None else (record.finished - record.started) / 1000


def _plain(record: RunRecord) -> dict[str, object]:
    data = asdict(record)
    del data["plan"]
    if not record.nodes:
        del data["nodes"]
    return data


def _print_run(record: RunRecord) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = table_console()
    console.print(
        f"Run [bold]{record.run_id}[/] of {record.pipeline}: [{STYLES.get(record.status, '')}]{record.status}[/]"
    )
    console.print(f"Started {moment(record.started)}, took {duration(_seconds(record)) or 'so far unknown'}")
    table = Table(box=None, pad_edge=False)
    for heading in ("node", "state", "took", "found"):
        table.add_column(heading, overflow="fold")
    for node in record.nodes:
        table.add_row(
            node.node_id,
            f"[{STYLES[node.state]}]{node.state}[/]",
            duration(node.seconds),
            escape(found_text(node.found)),
        )
    console.print(table)
    for node in record.nodes:
        if node.message:
            console.print(f"[{STYLES[node.state]}]{node.node_id}[/]: {escape(node.message)}")
