"""``trueline runs``: what ran, in one database or in several."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from trueline.cli.completion import complete_pipelines
from trueline.cli.format import duration, moment, state_text, table_console
from trueline.cli.memory import metadata_option, open_all, shown_place
from trueline.cli.run_json import run_json, seconds_of
from trueline.cli.run_nodes import status_of

if TYPE_CHECKING:
    from trueline.metadata import RunRecord, RunStore

__all__ = ["moment_of", "runs"]

_STATUSES = ("running", "complete", "failed", "canceled", "died")
_NARROW = 120
_AGO = re.compile(r"(\d+)\s*(s|min|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment_of(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """A time as people give it (``2d`` ago, ``2026-05-01``, ``2026-05-01T08:30``) in milliseconds since 1970.

    A date without a time zone is of this machine's.

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return round((time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        return round(datetime.fromisoformat(text.strip()).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is no time: write 30min, 12h, 2d or 1w (so long ago), or a date: 2026-05-01, 2026-05-01T08:30.",
            ctx,
            param,
        ) from None


@click.command()
@metadata_option
@click.option("--pipeline", shell_complete=complete_pipelines, help="Only runs of this pipeline.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only these; died: the process is gone before its end.")
@click.option("--since", metavar="TIME", callback=moment_of, help="Begun since: 30min, 12h, 2d, 1w ago, or a date.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(
    location: str | None, pipeline: str | None, status: str | None, since: int | None, limit: int, as_json: bool
) -> None:
    """List the runs, newest first, of every metadata database below this folder."""
    memory = open_all(location)
    asked = (pipeline, status, since, limit)
    found = [(place, store, record) for place, store in memory for record in _asked(store, *asked)]
    found = sorted(found, key=lambda entry: (entry[2].started, entry[2].run_id), reverse=True)[:limit]
    if as_json:
        plain = [run_json(record, store.store.database.place) for _, store, record in found]
        click.echo(json.dumps(plain, indent=1))
        return
    if not found:
        filtered = any(condition is not None for condition in asked[:3])
        click.echo("No run is like that." if filtered else "There are no runs yet.")
        return
    _print([(place, record) for place, _, record in found], with_place=len(memory) > 1)


def _asked(store: RunStore, pipeline: str | None, status: str | None, since: int | None, limit: int) -> list[RunRecord]:
    stored: Any = {None: None, "died": "RUNNING"}.get(status, (status or "").upper())
    # Whether a run lives is known of its process alone, so that there is no limit before it is asked.
    by_process = status in ("running", "died")
    found = store.runs(pipeline, None if by_process else limit, status=stored, since=since)
    return [record for record in found if not by_process or status_of(record).lower() == status]


def _print(found: list[tuple[str, RunRecord]], with_place: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = table_console()
    # Where a column of notes would be a few letters wide, they stand below.
    narrow = console.width < _NARROW
    table = Table(box=None, pad_edge=False)
    headings = ["run", "pipeline", "status", "started", "took"]
    headings += [*(["database"] if with_place else []), *([] if narrow else ["note"])]
    # An id that is cut short would be of no use to `show` and `why`, a place none to --metadata.
    widest = {"run": max(len(record.run_id) for _, record in found), "status": 8, "started": 19}
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in widest, min_width=widest.get(heading))
    for place, record in found:
        table.add_row(
            record.run_id,
            escape(record.pipeline),
            state_text(status_of(record)),
            moment(record.started),
            duration(seconds_of(record)),
            *([escape(shown_place(place))] if with_place else []),
            *([] if narrow else [escape(_note(record))]),
        )
    console.print(table)
    for _, record in found:
        if narrow and _note(record):
            console.print(f"{record.run_id}: {_note(record)}", markup=False, highlight=False, style="dim")


def _note(record: RunRecord) -> str:
    sample = record.settings.get("sample")
    said = (record.message or "").partition("\n")[0]
    return ". ".join(part for part in (f"sample of {sample} rows" if sample else "", said) if part)
