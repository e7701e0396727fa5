"""``trueline why``: why a node ran, or was taken from the cache, or did not run at all."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from trueline._core.errors import MetadataError
from trueline.cli.completion import complete_nodes, complete_runs
from trueline.cli.memory import find_run, metadata_option
from trueline.cli.run_nodes import asked_nodes

__all__ = ["why"]

_MEANT = {
    "REUSED": "lent by an earlier run, as this one began later in the line",
    "SKIPPED": "a node before it did not succeed",
    "OMITTED": "left out by a condition, a loop without items, or a node before it that was left out",
    "PENDING": "not begun yet",
    "WAITING": "waiting for an approval",
}


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("node", shell_complete=complete_nodes)
@metadata_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def why(run: str, node: str, location: str | None, as_json: bool) -> None:
    """Say why NODE of RUN (an id, the beginning of one, or "latest") ran or came from the cache."""
    from trueline.pipeline.reasons import why as explain

    runs, record = find_run(run, location)
    rows = asked_nodes(record, node)
    if all(row.node_id != node for row in rows):
        names = [row.node_id for row in rows]
        raise MetadataError(
            f"node {node!r} is a loop: passes have reasons of their own", problems=names, hint="name one of them."
        )
    found = explain(runs.store, record.run_id, node)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
        return
    meant = f" ({_MEANT[found.state]})" if found.state in _MEANT else ""
    click.echo(f"{found.node_id} in run {found.run_id}: {click.style(found.state.lower(), bold=True)}{meant}")
    told = {change.strip().lower() for change in found.changes}
    of_run = f" (run {found.earlier_run})" if found.state == "CACHED" and found.earlier_run else ""
    for text in (found.reason and found.reason + of_run, found.message):
        # A reason that is the one change is not said twice.
        if text and not (found.earlier_run and text.strip().lower() in told):
            click.echo(text)
    if found.changes and found.earlier_run:
        click.echo(f"What changed since run {found.earlier_run}:")
    for change in found.changes:
        click.echo(f"  - {change}")
