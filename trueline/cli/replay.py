"""``trueline replay``: one execution of a run once more, to see whether it comes to the same, or why it failed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueline.cli.completion import complete_files, complete_nodes, complete_runs
from trueline.cli.failures import FAILED, OK
from trueline.cli.memory import find_run, metadata_option
from trueline.cli.taken_up import stand_as_started

if TYPE_CHECKING:
    from trueline.runners.replay import Replay, ReplayedOutput

__all__ = ["replay"]


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("node", shell_complete=complete_nodes)
@metadata_option
@click.option(
    "--out", metavar="DIR", shell_complete=complete_files, help="For outputs and log; by default one of /tmp."
)
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where it fails.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(run: str, node: str, location: str | None, out: str | None, debug: bool, as_json: bool) -> int:
    """Carry NODE of RUN (an id, the beginning of one, or "latest") out again with its own inputs and parameters.

    Nothing is published. The exit code is 0 when the outputs are as they were recorded, or when there is no record of
    them and it succeeds now; 1 when they differ or the node fails. The code is as its files are now.
    """
    from trueline.runners.replay import replay as carry_out

    runs, record = find_run(run, location)
    stand_as_started(record)
    done = carry_out(runs.store, record.run_id, node, out or _folder(), debug=debug)
    if as_json:
        told = {"same": done.same, **asdict(done)}
        click.echo(json.dumps(told, indent=1))
    else:
        _print(done)
    return OK if done.error is None and done.same is not False else FAILED


def _folder() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="trueline-replay-"))


def _print(done: Replay) -> None:
    head = f"{done.node_id} of run {done.run_id}, execution {done.execution_id} (was {done.was.lower()})"
    if done.error is not None:
        click.echo(f"{head}: " + click.style("failed", fg="red", bold=True))
        click.echo(done.error)
    else:
        word = {True: ("the same again", "green"), False: ("not the same", "red"), None: ("succeeded", "green")}
        text, colour = word[done.same]
        click.echo(f"{head}: " + click.style(text, fg=colour, bold=True))
        if done.gate is not None:
            click.echo(f"It closed its gate: {done.gate}")
    for output in done.outputs.values():
        _print_output(output)
    click.echo(f"Log: {done.log}")


def _print_output(output: ReplayedOutput) -> None:
    said = {True: "same", False: "differs", None: "nothing was recorded"}[output.same]
    click.echo(f"  {output.key}: {said}, {output.uri}")
    for line in (*output.files, *output.properties):
        click.echo(f"    {line}")
