"""``trueline show``: one run, its nodes, what they found and used, what they put out, and why they failed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from trueline.cli.completion import complete_files, complete_runs
from trueline.cli.format import STYLES, amount, duration, found_text, moment, state_text, table_console
from trueline.cli.memory import find_run, metadata_option
from trueline.cli.run_json import node_json, run_json, seconds_of
from trueline.cli.run_nodes import Group, grouped, loop_state, passes_text, status_of, usage_of
from trueline.cli.run_outputs import outputs_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from trueline.metadata import Artifact, NodeRecord, RunRecord, RunStore

__all__ = ["show"]


@click.command()
@click.argument("run", shell_complete=complete_runs)
@metadata_option
@click.option(
    "--html",
    "html_file",
    metavar="OUT",
    shell_complete=complete_files,
    help="Write the run's report, one self-contained HTML page, there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run: str, location: str | None, html_file: str | None, as_json: bool) -> None:
    """Show RUN (an id, the beginning of one, or "latest"): its nodes, what they found, and why they failed."""
    runs, record = find_run(run, location)
    if html_file:
        from trueline.cli.report import write_report

        write_report(runs, record.run_id, html_file)
        click.echo(f"Wrote {html_file}", err=as_json)
    if as_json:
        click.echo(json.dumps(_plain(runs, record), indent=1))
    elif not html_file:
        _print_run(runs, record)


def _plain(runs: RunStore, record: RunRecord) -> dict[str, object]:
    outputs = outputs_of(runs.store, record.nodes)
    rows = [row for group in grouped(record.nodes) for row in (group.node, *group.passes) if row is not None]
    return {
        **run_json(record, runs.store.database.place),
        "nodes": [node_json(node, outputs.get(node.node_id)) for node in rows],
    }


def _print_run(runs: RunStore, record: RunRecord) -> None:

    console = table_console()
    for line in _head(record):
        console.print(line, highlight=False)
    console.print(_node_table(record))
    _print_messages(console, record)
    outputs = outputs_of(runs.store, record.nodes)
    if outputs:
        console.print()
        console.print(_artifact_table(outputs))
    _print_logs(console, record)


def _head(record: RunRecord) -> list[str]:
    from rich.markup import escape

    status, settings = status_of(record), record.settings
    took = seconds_of(record)
    lines = [f"Run [bold]{record.run_id}[/] of {escape(record.pipeline)}: {state_text(status)}"]
    lines.append(
        f"Started {moment(record.started)}, " + (f"took {duration(took)}" if took is not None else "not ended")
    )
    if settings.get("sample"):
        lines.append(f"A sampled run: {settings['sample']} rows. It blesses and pushes nothing.")
    if record.resumed:
        lines.append("Resumed once" if record.resumed == 1 else f"Resumed {record.resumed} times")
    if status == "DIED":
        lines.append(f"Its process is gone. Go on with: trueline resume {record.run_id}")
    return lines


def _node_table(record: RunRecord) -> Table:
    """Columns in which nothing stands are left out: most runs have no retries, many no usage."""
    from rich.table import Table

    groups = grouped(record.nodes)
    rows = [row for group in groups for row in _rows(group)]
    headings = ("node", "state", "took", "attempts", "cpu", "memory", "found")
    kept = [i for i, name in enumerate(headings) if name in ("node", "state", "found") or any(row[i] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for i in kept:
        right = headings[i] in ("took", "attempts", "cpu", "memory")
        table.add_column(
            headings[i],
            justify="right" if right else "left",
            no_wrap=right or headings[i] == "state",
            overflow="fold",
            ratio=1 if headings[i] == "found" else None,
        )
    for row in rows:
        table.add_row(*(row[i] for i in kept))
    return table


def _rows(group: Group) -> list[tuple[str, ...]]:
    from rich.markup import escape

    rows: list[tuple[str, ...]] = []
    if group.node is not None:
        rows.append(_row(group.node))
    if group.passes:
        head = rows.pop() if rows else (escape(group.node_id), "", "", "", "", "", "")
        rows.append((head[0], state_text(loop_state(group)), *head[2:6], f"[dim]{passes_text(group)}[/]"))
    return rows + [_row(node, "  ") for node in group.passes]


def _row(node: NodeRecord, indent: str = "") -> tuple[str, ...]:
    from rich.markup import escape

    usage, attempt = usage_of(node), node.attempt
    return (
        indent + escape(node.node_id),
        state_text(node.state),
        duration(node.seconds),
        str(attempt) if attempt is not None and attempt > 1 else "",
        _bounded(duration(usage.get("cpu_seconds")), "≥", usage.get("cpu_scope") == "thread"),
        _bounded(amount(usage.get("peak_memory_bytes")), "≤", usage.get("memory_scope") == "process"),
        escape(found_text(node.found)),
    )


def _bounded(text: str, sign: str, is_bound: bool) -> str:
    """A figure, marked where it is only a bound: a thread's CPU lacks its helpers', memory is the whole process's."""
    return f"{sign} {text}" if text and is_bound else text


def _print_messages(console: Console, record: RunRecord) -> None:
    """Why nodes failed, were skipped or left out; nodes of which the same is said stand in one line."""
    from rich.markup import escape

    said: dict[tuple[str, str], list[str]] = {}
    for node in record.nodes:
        if node.message:
            said.setdefault((node.state, node.message), []).append(node.node_id)
    for i, ((state, message), nodes) in enumerate(said.items()):
        style, names = STYLES.get(state, ""), escape(", ".join(nodes))
        head = f"[{style}]{names}[/]" if style else names
        console.print(("\n" if i == 0 else "") + f"{head}: {escape(message)}", highlight=False)


def _artifact_table(outputs: dict[str, dict[str, list[Artifact]]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("output", "artifact", "", "uri"):
        table.add_column(heading, justify="right" if not heading else "left", overflow="fold")
    for node_id, by_key in outputs.items():
        for key, artifacts in by_key.items():
            for artifact in artifacts:
                state = "" if artifact.state.name == "LIVE" else f" ({artifact.state.name.lower()})"
                name = f"{node_id}.{key}" if key else node_id
                table.add_row(escape(name), artifact.type + state, str(artifact.id), escape(artifact.uri or ""))
    return table


def _print_logs(console: Console, record: RunRecord) -> None:
    """Where the logs are: one folder where all lie in one."""
    from rich.markup import escape

    logs = [node.log for node in record.nodes if node.log]
    if logs:
        folders = {os.path.dirname(log) for log in logs}
        told = folders.pop() if len(folders) == 1 else ", ".join(sorted(folders))
        console.print(f"\nLogs in {escape(told)} (trueline logs {record.run_id})", highlight=False)
