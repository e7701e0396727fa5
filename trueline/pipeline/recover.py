"""Cleaning up after runs whose process died: their executions become FAILED, their half-written outputs go."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from trueline._core import store as files
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import ExecutionState
from trueline.metadata.run_ends import DeadRun, dead_runs, end_dead_run
from trueline.metadata.run_rows import close_execution, write_node
from trueline.metadata.store import MetadataStore
from trueline.pipeline.execution_records import EXECUTION_RESULT, execution_result
from trueline.pipeline.publish import AlreadyEndedError

__all__ = ["recover"]

_MESSAGE = "interrupted: the process that ran it is gone"


def recover(store: MetadataStore) -> list[str]:
    """Ends every dead run of the database; returns their ids.

    Nothing half-written was ever visible (no artifact is LIVE before its manifest is there); this frees the space
    and tells the truth about the states. Several processes may do it at once, and one may take the run up meanwhile.
    """
    return [dead.run_id for dead in dead_runs(store) if _end(store, dead)]


def _end(store: MetadataStore, dead: DeadRun) -> bool:
    for execution_id, node_id, uris in dead.executions:
        for uri in uris:
            with contextlib.suppress(FileNotFoundError):  # another process cleans up too
                files.remove_tree(uri)
        with contextlib.suppress(AlreadyEndedError):
            _end_execution(store, dead, execution_id, node_id)
    return end_dead_run(store, dead, _MESSAGE)


def _end_execution(store: MetadataStore, dead: DeadRun, execution_id: int, node_id: str) -> None:
    """FAILED; CANCELED where the run was cancelled and its process did not wait for the node."""
    state = ExecutionState.CANCELED if dead.owner["status"] == "CANCELED" else ExecutionState.FAILED

    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        if not close_execution(connection, execution_id):
            raise AlreadyEndedError
        if state is ExecutionState.FAILED:
            ended: dict[str, Any] = {"state": "FAILED", "message": _MESSAGE, "finished": now_ms()}
            write_node(connection, dead.run_id, node_id, only_of=execution_id, **ended)

    for execution in store.executions(ids=[execution_id]):
        properties = {**execution.custom_properties, EXECUTION_RESULT: execution_result(1, _MESSAGE)}
        ended = replace(execution, name=None, state=state, custom_properties=properties)
        store.put_execution(ended, also=also)
