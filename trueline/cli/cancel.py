"""``trueline cancel``: asks a run to end, from another terminal or another machine."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from trueline._core.errors import MetadataError
from trueline.cli.completion import complete_runs
from trueline.cli.failures import FAILED, OK
from trueline.cli.memory import find_run, metadata_option
from trueline.cli.run_nodes import status_of

if TYPE_CHECKING:
    from trueline.metadata import RunStore

__all__ = ["cancel"]

_POLL_SECONDS = 0.2


@click.command()
@click.argument("run", shell_complete=complete_runs)
@metadata_option
@click.option("--wait", is_flag=True, help="Until it has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cancel(run: str, location: str | None, wait: bool, as_json: bool) -> int:
    """Ask RUN (an id, the beginning of one, or "latest") to end.

    Its process looks about once a second. Nodes with a process of their own are ended; others publish nothing more.
    What had finished is kept: `trueline resume` goes on from there. With --wait the exit code is 1 where the run came
    to another end first.
    """
    from trueline.metadata import MetadataStore
    from trueline.metadata.run_control import request_cancel

    runs, record = find_run(run, location)
    if status_of(record) == "DIED":
        raise MetadataError(
            f"the process of run {record.run_id} is gone: there is nothing to cancel",
            hint=f"go on with it: trueline resume {record.run_id}",
        )
    with closing(MetadataStore(runs.store.url, create=False)) as store:
        request_cancel(store, record.run_id)
    status = _wait(runs, record.run_id) if wait else "RUNNING"
    if as_json:
        click.echo(json.dumps({"run_id": record.run_id, "status": status}))
    elif wait:
        click.echo(f"Run {record.run_id}: {status.lower()}")
    else:
        click.echo(f"Run {record.run_id} is asked to end.")
    return OK if status in ("RUNNING", "CANCELED") else FAILED


def _wait(runs: RunStore, run_id: str) -> str:
    while True:
        status = status_of(runs.run(run_id))
        if status != "RUNNING":
            return status
        time.sleep(_POLL_SECONDS)
