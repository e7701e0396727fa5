"""``trueline logs``: what the nodes of a run wrote, afterwards or while they write."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import DataError
from trueline.cli.completion import complete_nodes, complete_runs
from trueline.cli.failures import FAILED, OK
from trueline.cli.format import STYLES
from trueline.cli.log_files import LogReader, last_lines
from trueline.cli.memory import find_run, metadata_option
from trueline.cli.run_nodes import asked_nodes, status_of

if TYPE_CHECKING:
    from trueline.metadata import NodeRecord, RunRecord, RunStore

__all__ = ["logs"]

_POLL_SECONDS = 0.3
Say = Callable[[str, str], None]
"""Takes a node id and a line of its log."""


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("node", required=False, shell_complete=complete_nodes)
@metadata_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until the run ends.")
@click.option("--tail", metavar="N", type=click.IntRange(0), help="Only the last N lines of each log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --follow one object a line.")
def logs(run: str, node: str | None, location: str | None, follow: bool, tail: int | None, as_json: bool) -> int:
    """Print the log of NODE of RUN (an id, the beginning of one, or "latest"); of all its nodes without NODE.

    A loop's node stands for all its passes.
    """
    runs, record = find_run(run, location)
    asked_nodes(record, node)
    if follow:
        return _Follower(runs, record.run_id, node, tail, as_json).watch()
    found = [_read(record, row, tail) for row in asked_nodes(record, node)]
    if as_json:
        click.echo(json.dumps({"run_id": record.run_id, "nodes": found}, indent=1))
    else:
        _print(found)
    gone = [entry for entry in found if entry["problem"]]
    if node is not None and len(gone) == len(found) and not as_json:
        raise DataError(gone[0]["problem"], where=f"{record.run_id}, {gone[0]['node_id']}")
    return FAILED if node is not None and len(gone) == len(found) else OK


def _read(record: RunRecord, node: NodeRecord, tail: int | None) -> dict[str, Any]:
    """A node's log as JSON tells it; `lines` is null, and `problem` says why, where there is none to read."""
    lines, problem = None, None
    try:
        if node.log is None:
            problem = _never(node)
        else:
            lines = last_lines(node.log, tail)
    except FileNotFoundError:
        problem = _missing(record, node)
    except OSError as error:
        problem = f"the log file cannot be read: {node.log}: {(error.strerror or str(error)).lower()}"
    return {"node_id": node.node_id, "state": node.state, "log": node.log, "lines": lines, "problem": problem}


def _missing(record: RunRecord, node: NodeRecord) -> str:
    """Why a file is not there: what was taken from an earlier run wrote none, nor do resolvers and importers; a whole
    folder that is gone was somewhere else."""
    path = node.log or ""
    if node.state in ("CACHED", "REUSED"):
        how = "came from the cache" if node.state == "CACHED" else "lent the outputs of an earlier run"
        why = f": {node.reason}" if node.reason else ""
        return f"there is no log: the node {how} and did not run{why}; `trueline why` names the run that has one"
    if os.path.isdir(os.path.dirname(path)):
        return f"there is no log file: the node wrote nothing, or it was removed: {path}"
    return f"the log file is gone, and its folder too: {path} (the run was made on {record.host.partition('/')[0]})"


def _never(node: NodeRecord) -> str:
    word = {"PENDING": "it has not begun", "RUNNING": "it has only begun", "WAITING": "it waits"}
    return f"there is no log: {word.get(node.state, f'the node is {node.state.lower()} and never ran')}"


def _print(found: list[dict[str, Any]]) -> None:
    """One log as it is; several each under a heading."""
    for i, entry in enumerate(found):
        if len(found) > 1:
            head = f"==> {entry['node_id']} ({entry['state'].lower()})"
            style = STYLES.get(entry["state"], "").split()
            colour = style[-1] if style and style[-1] not in ("dim", "bold") else None
            click.echo(("\n" if i else "") + click.style(head, fg=colour, bold=True))
        for line in entry["lines"] or ():
            click.echo(line)
        if len(found) > 1 and (entry["problem"] or not entry["lines"]):
            click.echo(f"({entry['problem'] or 'empty'})")


class _Follower:
    """Prints what nodes write until their run ends; nodes that begin later join."""

    def __init__(self, runs: RunStore, run_id: str, node: str | None, tail: int | None, as_json: bool) -> None:
        self._runs, self._run_id, self._node = runs, run_id, node
        self._tail, self._as_json = tail, as_json
        self._readers: dict[str, LogReader] = {}

    def watch(self) -> int:
        while True:
            # The state first, the files after it: what a run wrote before it ended is never missed.
            record = self._runs.run(self._run_id)
            rows = asked_nodes(record, self._node)
            over = status_of(record) != "RUNNING" or (self._node is not None and all(_ended(row) for row in rows))
            for row in rows:
                self._take(row, several=len(rows) > 1, over=over)
            if over:
                return self._end(record, rows)
            time.sleep(_POLL_SECONDS)

    def _take(self, node: NodeRecord, several: bool, over: bool) -> None:
        if node.log is None:
            return
        reader = self._readers.get(node.node_id)
        if reader is None:
            reader = self._readers[node.node_id] = LogReader(node.log)
            lines = reader.new_lines(to_end=over)
            lines = lines if self._tail is None else lines[len(lines) - min(self._tail, len(lines)) :]
        else:
            lines = reader.new_lines(to_end=over)
        for line in lines:
            if self._as_json:
                click.echo(json.dumps({"node_id": node.node_id, "line": line}))
            else:
                click.echo(f"{click.style(node.node_id, fg='cyan')}: {line}" if several else line)

    def _end(self, record: RunRecord, rows: list[NodeRecord]) -> int:
        for row in rows:
            if self._node is not None and row.log is not None and not os.path.isfile(row.log):
                click.echo(f"({row.node_id}: {_missing(record, row)})", err=True)
        if self._node is None:
            click.echo(f"(run {record.run_id} ended: {status_of(record).lower()})", err=True)
        else:
            told = ", ".join(f"{row.node_id}: {row.state.lower()}" for row in rows)
            click.echo(f"(ended: {told})", err=True)
        return OK


def _ended(node: NodeRecord) -> bool:
    return node.state not in ("PENDING", "RUNNING", "WAITING")
