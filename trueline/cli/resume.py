"""``trueline resume``: goes on with a run that failed, was cancelled or whose process died."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from trueline.cli.completion import complete_nodes, complete_runs
from trueline.cli.config_use import runner_class
from trueline.cli.memory import find_run, metadata_option
from trueline.cli.run import conclude, exit_code_of_run, plain_result, release_pushes, with_listeners
from trueline.cli.taken_up import stand_as_started

if TYPE_CHECKING:
    from rich.console import Console

    from trueline.metadata import RunRecord
    from trueline.pipeline.results import RunEvent, RunResult
    from trueline.runners.local import LocalRunner

__all__ = ["resume"]


@click.command()
@click.argument("run", shell_complete=complete_runs)
@metadata_option
@click.option(
    "--pdb",
    "debug_node",
    metavar="NODE",
    shell_complete=complete_nodes,
    help="Run this node here, and open the debugger where it fails.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no table.")
def resume(run: str, location: str | None, debug_node: str | None, as_json: bool) -> int:
    """Go on with RUN (an id, the beginning of one, or "latest"), which failed, was cancelled or died.

    What had succeeded, and whose files are whole, stays. The pipeline, its parameters, its engine and its runner are as
    they were recorded, or as --env says; the code is as its files are now. Exit codes are those of `trueline run`.
    """
    from rich.console import Console

    runs, record = find_run(run, location)
    place = stand_as_started(record)
    carrier = runner_class(place.runner)(max_workers=place.workers)
    result = _carry_on(carrier, runs.store.url, record, Console(quiet=as_json), debug_node)
    release_pushes(runs.store.url, result)
    if as_json:
        click.echo(json.dumps(plain_result(result), indent=1))
    return exit_code_of_run(result)


def _carry_on(
    carrier: LocalRunner, metadata: str, record: RunRecord, console: Console, debug_node: str | None
) -> RunResult:
    from trueline.cli.progress import Progress

    told: list[RunEvent] = []
    if debug_node is not None:
        quiet = with_listeners(metadata, told.append)
        result = carrier.resume(metadata, record.run_id, on_event=quiet, debug_node=debug_node)
    else:
        with Progress([node.node_id for node in record.nodes], console) as progress:

            def tell(event: RunEvent) -> None:
                told[:] = [event]
                progress.on_event(event)

            result = carrier.resume(metadata, record.run_id, on_event=with_listeners(metadata, tell))
    if not told:
        console.print(f"Run {record.run_id} is complete, and what it made is whole: there is nothing to resume.")
        return result
    conclude(result, console)
    return result
