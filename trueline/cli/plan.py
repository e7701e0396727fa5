"""``trueline plan``: what a run would do and why, before it does it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from trueline.cli.completion import complete_files
from trueline.cli.config import project_pipeline
from trueline.cli.config_use import env_option
from trueline.cli.failures import FAILED, OK
from trueline.cli.format import table_console

if TYPE_CHECKING:
    from trueline.pipeline.plan_diff import PlanDiff
    from trueline.pipeline.plan_walk import PlannedNode

__all__ = ["plan"]

_STYLES: Mapping[str, str] = {
    "run": "bold green",
    "cached": "blue",
    "reuse": "blue",
    "omit": "dim",
    "skip": "yellow",
    "unknown": "magenta",
    "fail": "bold red",
}


@click.command()
@click.argument("file", required=False, shell_complete=complete_files)
@env_option
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="For create_pipeline, or a runtime one.")
@click.option("--no-cache", is_flag=True, help="Run every node, changed or not.")
@click.option("--from", "from_nodes", multiple=True, metavar="NODE", help="Start here; earlier nodes lend outputs.")
@click.option("--to", "to_nodes", multiple=True, metavar="NODE", help="End here.")
@click.option("--sample", metavar="N", type=click.IntRange(1), help="As a run on N rows.")
@click.option("--diff", is_flag=True, help="Also say what of the pipeline changed since its last run.")
@click.option("--compiled", is_flag=True, help="Print the compiled pipeline, which is JSON, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    file: str | None,
    env: str | None,
    params: tuple[str, ...],
    no_cache: bool,
    from_nodes: tuple[str, ...],
    to_nodes: tuple[str, ...],
    sample: int | None,
    diff: bool,
    compiled: bool,
    as_json: bool,
) -> int:
    """Say what a run of FILE would do: which nodes run, which come from the cache, and why. Nothing is run or written.

    What depends on the outputs of a node that runs is unknown before. The exit code is 1 where a node cannot begin.
    """
    from trueline.cli.config_use import loaded
    from trueline.pipeline.compile import compile_pipeline
    from trueline.pipeline.plan import plan_pipeline

    pipeline, runtime, _ = loaded(file or project_pipeline(), env, params)
    made = compile_pipeline(pipeline)
    if compiled:
        click.echo(made.to_json())
        return OK
    planned = plan_pipeline(
        made,
        runtime_parameters=runtime,
        use_cache=False if no_cache else None,
        from_nodes=from_nodes or None,
        to_nodes=to_nodes or None,
        sample=sample,
    )
    changes: PlanDiff | None = None
    if diff:
        from trueline.pipeline.plan_diff import since_last_run

        changes = since_last_run(made)
    if as_json:
        nodes = [asdict(node) for node in planned]
        told: dict[str, Any] = {"pipeline": made.name, "nodes": nodes, **({"diff": _plain(changes)} if diff else {})}
        click.echo(json.dumps(told, indent=1))
    else:
        if diff:
            _print_diff(changes)
        _print(planned)
    return FAILED if any(node.action == "fail" for node in planned) else OK


def _plain(changes: PlanDiff | None) -> dict[str, Any] | None:
    return None if changes is None else asdict(changes)


def _print(planned: Sequence[PlannedNode]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("component", "would", "because"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "because")
    for node in planned:
        style = _STYLES[node.action]
        table.add_row(escape(node.node_id), f"[{style}]{node.action}[/]", escape(node.reason))
    table_console().print(table)
    counts = Counter(node.action for node in planned)
    click.echo(", ".join(f"{number} {action}" for action, number in counts.items()))


def _print_diff(changes: PlanDiff | None) -> None:
    if changes is None:
        click.echo("The pipeline has never run: there is nothing to compare it with.\n")
        return
    if not changes:
        click.echo(f"The pipeline is as it was in run {changes.run_id}.\n")
        return
    click.echo(f"Since run {changes.run_id}:")
    for sign, colour, names in (("+", "green", changes.added), ("-", "red", changes.removed)):
        for name in names:
            click.echo(click.style(f"{sign} {name}", fg=colour))
    for name, lines in changes.changed.items():
        click.echo(click.style(f"~ {name}", fg="yellow"))
        for line in lines:
            click.echo(f"    {line}")
    click.echo("")
