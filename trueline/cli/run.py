"""``trueline run``: a pipeline file through the local runner, watched, and ended with an exit code that says how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from trueline.cli.failures import FAILED, GATE, OK
from trueline.cli.format import STYLES, duration

if TYPE_CHECKING:
    from rich.console import Console

    from trueline.pipeline import Pipeline
    from trueline.pipeline.results import NodeResult, RunResult

__all__ = ["closed_gates", "exit_code_of_run", "run", "run_and_watch"]


@click.command()
@click.argument("file")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="For create_pipeline; repeatable.")
@click.option("--no-cache", is_flag=True, help="Run every node, changed or not.")
@click.option("--from", "from_nodes", multiple=True, metavar="NODE", help="Start here; earlier nodes lend outputs.")
@click.option("--to", "to_nodes", multiple=True, metavar="NODE", help="End here.")
@click.option(
    "--isolation",
    type=click.Choice(["thread", "process"]),
    default="thread",
    show_default=True,
    help="Nodes as threads, or each in a process of its own that may die alone.",
)
@click.option("--report", metavar="OUT", help="Write the run's report, one self-contained HTML page, there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no table.")
def run(
    file: str,
    params: tuple[str, ...],
    no_cache: bool,
    from_nodes: tuple[str, ...],
    to_nodes: tuple[str, ...],
    isolation: str,
    report: str | None,
    as_json: bool,
) -> int:
    """Run the pipeline that FILE describes: a Python file with create_pipeline(...) or a ready `pipeline`.

    Nodes that have not changed come from the cache. The exit code is 0 when every node succeeded, 3 when a gate is
    closed (data, model or infrastructure did not pass: nothing was pushed), 1 when a node failed.
    """
    from rich.console import Console

    from trueline.cli.load import load_pipeline

    pipeline = load_pipeline(file, params)
    result = run_and_watch(
        pipeline,
        Console(quiet=as_json),
        params=dict(text.partition("=")[::2] for text in params),
        use_cache=False if no_cache else None,
        from_nodes=from_nodes or None,
        to_nodes=to_nodes or None,
        isolation=isolation,
    )
    if report:
        from trueline.cli.memory import open_runs
        from trueline.cli.report import write_report

        write_report(open_runs(pipeline.metadata), result.run_id, report)
        click.echo(f"Report: {report}", err=as_json)
    if as_json:
        click.echo(json.dumps(_plain(result), indent=1))
    return exit_code_of_run(result)


def run_and_watch(pipeline: Pipeline, console: Console, *, isolation: Any = "thread", **options: Any) -> RunResult:
    """Runs a pipeline on this machine with a live table, and says at the end what came out.

    Args:
        pipeline: what to run.
        console: where the table goes.
        isolation, options: as `trueline.runners.local.LocalRunner.run` takes them.
    """
    from trueline.cli.progress import Progress
    from trueline.runners.local import LocalRunner

    with Progress([node.node_id for node in pipeline.nodes], console) as progress:
        result = LocalRunner(isolation=isolation).run(pipeline, on_event=progress.on_event, **options)
    _conclude(result, console)
    return result


def closed_gates(result: RunResult) -> list[NodeResult]:
    """Nodes that did their work and then closed the line: they failed, and yet their outputs are published."""
    return [node for node in result.nodes.values() if node.state == "FAILED" and node.outputs]


def exit_code_of_run(result: RunResult) -> int:
    """0; 3 when gates alone stopped the line; 1 when anything else did."""
    if result.ok:
        return OK
    gates = {node.node_id for node in closed_gates(result)}
    others = [node for node in result.nodes.values() if node.state == "FAILED" and node.node_id not in gates]
    return GATE if gates and not others else FAILED


def _conclude(result: RunResult, console: Console) -> None:
    from rich.markup import escape

    gates = {node.node_id for node in closed_gates(result)}
    for node in result.nodes.values():
        if node.state in ("FAILED", "CANCELED") and node.message:
            what = "gate closed" if node.node_id in gates else node.state.lower()
            console.print(
                f"[{STYLES['FAILED']}]{escape(node.node_id)} {what}:[/] {escape(node.message)}", soft_wrap=True
            )
            if node.node_id not in gates and node.log:
                console.print(f"  log: {escape(node.log)}", soft_wrap=True)
    seconds = max((node.seconds for node in result.nodes.values()), default=0.0)
    total = sum(node.seconds for node in result.nodes.values())
    status = "gate closed" if gates and exit_code_of_run(result) == GATE else result.status.lower()
    console.print(
        f"Run {result.run_id}: {status}, {duration(total)} of work, longest node {duration(seconds)}", highlight=False
    )


def _plain(result: RunResult) -> Mapping[str, Any]:
    gates = {node.node_id for node in closed_gates(result)}
    return {
        "run_id": result.run_id,
        "status": result.status,
        "exit_code": exit_code_of_run(result),
        "nodes": {
            node.node_id: {
                "state": node.state,
                "gate_closed": node.node_id in gates,
                "seconds": round(node.seconds, 3),
                "found": dict(node.found),
                "message": node.message,
                "cached_reason": node.cached_reason,
                "outputs": {key: [handle.uri for handle in handles] for key, handles in node.outputs.items()},
            }
            for node in result.nodes.values()
        },
    }
