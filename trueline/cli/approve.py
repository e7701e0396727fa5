"""``trueline approve``: says yes or no to a run that waits for it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import MetadataError
from trueline.cli.completion import complete_nodes, complete_runs
from trueline.cli.format import moment
from trueline.cli.memory import find_run, metadata_option, open_all

if TYPE_CHECKING:
    from trueline.metadata.approvals import Approval

__all__ = ["approve"]


@click.command()
@click.argument("run", required=False, shell_complete=complete_runs)
@click.argument("node", required=False, shell_complete=complete_nodes)
@click.option("--reject", is_flag=True, help="Say no: nothing after the node runs.")
@click.option("--comment", metavar="TEXT", help="Why; it stands in the lineage.")
@click.option("--by", metavar="NAME", help="Who decides; by default this machine's user.")
@click.option("--list", "listing", is_flag=True, help="List what waits for a decision (of RUN, or of all runs).")
@click.option("--all", "everything", is_flag=True, help="With --list: also questions of runs that have ended.")
@metadata_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def approve(
    run: str | None,
    node: str | None,
    reject: bool,
    comment: str | None,
    by: str | None,
    listing: bool,
    everything: bool,
    location: str | None,
    as_json: bool,
) -> None:
    """Approve what NODE of RUN (an id, the beginning of one, or "latest") asks; NODE may be left out where one asks.

    The first decision stays. It may also be made while the run's process is dead: a run that is taken up again finds
    it.
    """
    if listing:
        if reject or comment or by:
            raise click.UsageError("--list decides nothing: leave --reject, --comment and --by out")
        _show(_open(run, location, everything), as_json)
        return
    if run is None:
        raise click.UsageError("say which run, or see what waits: trueline approve --list")
    if everything:
        raise click.UsageError("--all belongs to --list")
    found = _decide(run, node, not reject, location, by, comment)
    if as_json:
        click.echo(json.dumps(_plain(found), indent=1))
        return
    click.echo(f"{found.node_id} of run {found.run_id}: {found.decision} by {found.decided_by}")
    if found.run_status != "RUNNING":
        click.echo("(no process carries the run out; the decision counts when it is taken up again)")


def _decide(
    run: str, node: str | None, approved: bool, location: str | None, by: str | None, comment: str | None
) -> Approval:
    from trueline.metadata import MetadataStore
    from trueline.metadata.approvals import decide

    runs, record = find_run(run, location)
    url = runs.store.url
    runs.store.close()
    with closing(MetadataStore(url, create=False)) as store:
        chosen = node or _only_one(store, record.run_id)
        return decide(store, record.run_id, chosen, approved, by=by, comment=comment)


def _only_one(store: Any, run_id: str) -> str:
    from trueline.metadata.approvals import pending

    asking = [one.node_id for one in pending(store, ended=True) if one.run_id == run_id]
    if len(asking) == 1:
        return asking[0]
    if not asking:
        raise MetadataError(f"no node of run {run_id} waits for a decision")
    raise MetadataError(f"{len(asking)} nodes of run {run_id} wait for a decision", problems=asking, hint="name one.")


def _open(run: str | None, location: str | None, ended: bool) -> list[Approval]:
    from trueline.metadata.approvals import pending

    if run is not None:
        runs, record = find_run(run, location)
        return [one for one in pending(runs.store, ended=True) if one.run_id == record.run_id]
    return [one for _, runs in open_all(location) for one in pending(runs.store, ended=ended)]


def _show(found: list[Approval], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found], indent=1))
        return
    if not found:
        click.echo("Nothing waits for a decision.")
        return
    from rich.markup import escape
    from rich.table import Table

    from trueline.cli.format import table_console

    table = Table(box=None, pad_edge=False)
    for title in ("run", "node", "run is", "asked", "until", "question"):
        table.add_column(title, overflow="fold")
    for one in found:
        times = (moment(one.asked), moment(one.expires))
        table.add_row(escape(one.run_id), escape(one.node_id), one.run_status.lower(), *times, escape(one.question))
    table_console().print(table)


def _plain(one: Approval) -> dict[str, Any]:
    """What a program may know of it; the token's hash stays here."""
    return {name: value for name, value in vars(one).items() if name != "token_hash"}
