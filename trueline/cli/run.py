"""``trueline run``: a pipeline file through the local runner, watched, and ended with an exit code that says how."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from trueline.cli.completion import complete_files
from trueline.cli.config import project_pipeline
from trueline.cli.config_use import env_option
from trueline.cli.failures import FAILED, GATE, INTERRUPTED, OK
from trueline.cli.format import STYLES, duration

if TYPE_CHECKING:
    from rich.console import Console

    from trueline.pipeline import Pipeline
    from trueline.pipeline.results import NodeResult, OnEvent, RunResult

__all__ = [
    "closed_gates",
    "conclude",
    "exit_code_of_run",
    "plain_result",
    "release_pushes",
    "run",
    "run_and_watch",
    "with_listeners",
]

_LOGIN = re.compile(r"(://[^/@:\s]*):[^/@\s]+@")


@click.command()
@click.argument("file", required=False, shell_complete=complete_files)
@env_option
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="For create_pipeline, or a runtime one.")
@click.option("--no-cache", is_flag=True, help="Run every node, changed or not.")
@click.option("--from", "from_nodes", multiple=True, metavar="NODE", help="Start here; earlier nodes lend outputs.")
@click.option("--to", "to_nodes", multiple=True, metavar="NODE", help="End here.")
@click.option("--workers", metavar="N", type=click.IntRange(1), help="At most so many nodes at the same time.")
@click.option(
    "--isolation",
    type=click.Choice(["thread", "process", "main"]),
    help="Nodes as threads (the default), each in a process of its own that may die alone, or all in the main thread.",
)
@click.option("--sample", metavar="N", type=click.IntRange(1), help="Try it on N rows: nothing is blessed or pushed.")
@click.option("--pdb", "debug_node", metavar="NODE", help="Run this node here, and open the debugger where it fails.")
@click.option("--every", metavar="TIME", help="Again and again: 90s, 15min, 1h, 2d from one beginning to the next.")
@click.option("--cron", metavar="EXPR", help="At these times, as cron has them: '0 3 * * mon-fri'.")
@click.option("--stop-on-failure", is_flag=True, help="With --every or --cron: end after a run that did not succeed.")
@click.option("--report", metavar="OUT", help="Write the run's report, one self-contained HTML page, there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no table; one line for each run.")
def run(
    file: str | None,
    every: str | None,
    cron: str | None,
    stop_on_failure: bool,
    as_json: bool,
    report: str | None,
    **o: Any,
) -> int:
    """Run the pipeline that FILE describes: a Python file with create_pipeline(...) or a ready `pipeline`.

    Without FILE it is the one that trueline.toml names, whose environments say where and how it runs.
    Nodes that have not changed come from the cache. The exit code is 0 when every node succeeded, 3 when a gate is
    closed (data, model or infrastructure did not pass: nothing was pushed), 1 when a node failed, 130 when the run was
    cancelled.
    """
    scheduled = every is not None or cron is not None
    if stop_on_failure and not scheduled:
        raise click.UsageError("--stop-on-failure goes with --every or --cron.")
    if scheduled and o["debug_node"]:
        raise click.UsageError("--pdb waits for somebody at the keyboard: leave it out with --every and --cron.")

    def once() -> int:
        return _run_once(file or project_pipeline(), as_json, report, one_line=scheduled, **o)

    if not scheduled:
        return once()
    from trueline.cli.schedule import keep_running, times_of

    return keep_running(once, times_of(every, cron), stop_on_failure=stop_on_failure, quiet=as_json)


def _run_once(
    file: str,
    as_json: bool,
    report: str | None,
    *,
    one_line: bool,
    env: str | None,
    params: tuple[str, ...],
    no_cache: bool,
    from_nodes: tuple[str, ...],
    to_nodes: tuple[str, ...],
    workers: int | None,
    isolation: str | None,
    **options: Any,
) -> int:
    from rich.console import Console

    from trueline.cli.config_use import loaded

    pipeline, runtime, place = loaded(file, env, params)
    result = run_and_watch(
        pipeline,
        Console(quiet=as_json),
        workers=workers or place.workers,
        isolation=isolation or place.isolation or "thread",
        runner=place.runner,
        params={key: _LOGIN.sub(r"\1:***@", value) for key, value in place.recorded(params).items()},
        runtime_parameters=runtime,
        use_cache=False if no_cache else None,
        from_nodes=from_nodes or None,
        to_nodes=to_nodes or None,
        settings={
            **_origin(file),
            **_said(environment=place.name, runner=place.runner, workers=workers or place.workers),
        },
        **options,
    )
    release_pushes(pipeline.metadata, result)
    if report:
        from trueline.cli.memory import open_runs
        from trueline.cli.report import write_report

        write_report(open_runs(pipeline.metadata), result.run_id, report)
        click.echo(f"Report: {report}", err=as_json)
    if as_json:
        click.echo(json.dumps(plain_result(result), indent=None if one_line else 1))
    return exit_code_of_run(result)


def _said(**settings: Any) -> dict[str, Any]:
    """How the run is carried out, for who takes it up again: what was said of it."""
    return {name: value for name, value in settings.items() if value}


def _origin(file: str) -> dict[str, Any]:
    """Where a run came from: the pipeline's file, and the revision of its repository where it lies in one."""
    from trueline.pipeline.revisions import code_revision

    revision = code_revision(file)
    return {"file": os.path.abspath(file), **({"code": revision} if revision else {})}


def run_and_watch(
    pipeline: Pipeline,
    console: Console,
    *,
    isolation: Any = "thread",
    workers: int | None = None,
    runner: str | None = None,
    **options: Any,
) -> RunResult:
    """Runs a pipeline with a live table, and says at the end what came out.

    Args:
        pipeline: what to run.
        console: where the table goes.
        workers: how many nodes at most run at the same time.
        runner: the class of the runner by name; by default this machine's.
        isolation, options: as `trueline.runners.local.LocalRunner.run` takes them.
    """
    from trueline.cli.config_use import runner_class
    from trueline.cli.progress import Progress

    result: RunResult
    carrier = runner_class(runner)(max_workers=workers, isolation=isolation)
    if options.get("debug_node") is not None:  # a table that is drawn again and again leaves no place to type
        result = carrier.run(pipeline, on_event=with_listeners(pipeline.metadata, lambda event: None), **options)
    else:
        with Progress([node.node_id for node in pipeline.nodes], console) as progress:
            result = carrier.run(pipeline, on_event=with_listeners(pipeline.metadata, progress.on_event), **options)
    conclude(result, console)
    return result


def with_listeners(metadata: str, first: OnEvent) -> OnEvent:
    """Hands events to `first`, and to OpenLineage where the environment asks for it.

    Raises:
        ConfigError: its settings lead nowhere.
    """
    if not any(name.startswith("OPENLINEAGE_") for name in os.environ):
        return first
    from trueline.pipeline.openlineage import OpenLineageListener

    listener = OpenLineageListener.from_environment(metadata)
    return first if listener is None else _both(first, listener)


def _both(first: OnEvent, second: Callable[[Any], None]) -> OnEvent:
    def tell(event: Any) -> None:
        first(event)
        second(event)

    return tell


def release_pushes(metadata: str, result: RunResult) -> None:
    """Makes the models that a run pushed releases; what stands in the way is said, and the run is none the worse."""
    pushed = [
        handle
        for node in result.nodes.values()
        if node.state == "COMPLETE"
        for handles in node.outputs.values()
        for handle in handles
        if handle.type == "PushedModel"
    ]
    if not pushed:
        return
    from contextlib import closing

    from trueline._core.errors import TruelineError
    from trueline.metadata import MetadataStore, release_pushed

    try:
        with closing(MetadataStore(metadata, create=False)) as store:
            release_pushed(store)
    except TruelineError as error:
        click.echo(f"(the pushed model is no release yet: {error.message})", err=True)


def closed_gates(result: RunResult) -> list[NodeResult]:
    """Nodes that did their work and then closed the line: they failed, and yet their outputs are published."""
    return [node for node in result.nodes.values() if node.state == "FAILED" and node.outputs]


def exit_code_of_run(result: RunResult) -> int:
    """0; 130 when it was cancelled; 3 when gates alone stopped the line; 1 when anything else did."""
    if result.ok:
        return OK
    if result.status == "CANCELED":
        return INTERRUPTED
    gates = {node.node_id for node in closed_gates(result)}
    others = [node for node in result.nodes.values() if node.state == "FAILED" and node.node_id not in gates]
    return GATE if gates and not others else FAILED


_CANCELLED = "the run was cancelled"
"""What nodes say that ended with their run; the table has shown it already."""


def conclude(result: RunResult, console: Console) -> None:
    """Says what failed, where its log is, and how the run ended."""
    from rich.markup import escape

    gates = {node.node_id for node in closed_gates(result)}
    for node in result.nodes.values():
        if node.state in ("FAILED", "CANCELED") and node.message and node.message != _CANCELLED:
            what = "gate closed" if node.node_id in gates else node.state.lower()
            console.print(
                f"[{STYLES['FAILED']}]{escape(node.node_id)} {what}:[/] {escape(node.message)}", soft_wrap=True
            )
            if node.node_id not in gates and node.log and os.path.isfile(node.log):
                console.print(f"  log: {escape(node.log)}", soft_wrap=True)
    seconds = max((node.seconds for node in result.nodes.values()), default=0.0)
    total = sum(node.seconds for node in result.nodes.values())
    status = "gate closed" if gates and exit_code_of_run(result) == GATE else result.status.lower()
    console.print(
        f"Run {result.run_id}: {status}, {duration(total)} of work, longest node {duration(seconds)}", highlight=False
    )


def plain_result(result: RunResult) -> Mapping[str, Any]:
    """The result of a run as JSON tells it."""
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
