"""Cleaning up after runs whose process died: their executions become FAILED, their half-written outputs go."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from trueline._core import store as files
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import ExecutionState
from trueline.metadata.run_rows import close_execution, write_node
from trueline.metadata.runs import RunRecord, RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.publish import EXECUTION_RESULT, execution_result

__all__ = ["recover"]

_MESSAGE = "interrupted: the process that ran it is gone"


def recover(store: MetadataStore) -> list[str]:
    """Ends every dead run of the database; returns their ids.

    Nothing half-written was ever visible (no artifact is LIVE before its manifest is there); this frees the space
    and tells the truth about the states.
    """
    runs = RunStore(store)
    dead = runs.dead_runs()
    for record in dead:
        _end(store, runs, record)
    return [record.run_id for record in dead]


def _end(store: MetadataStore, runs: RunStore, record: RunRecord) -> None:
    for execution_id, node_id, uris in runs.open_executions(record.run_id):
        for uri in uris:
            files.remove_tree(uri)
        _fail(store, record.run_id, execution_id, node_id)
    for node in runs.run(record.run_id).nodes:
        if node.state == "RUNNING":
            runs.set_node(record.run_id, node.node_id, state="FAILED", message=_MESSAGE, finished=now_ms())
        elif node.state == "PENDING":
            runs.set_node(record.run_id, node.node_id, state="SKIPPED", message="the run was interrupted")
    if record.status == "RUNNING":
        runs.finish(record.run_id, "FAILED", _MESSAGE)


def _fail(store: MetadataStore, run_id: str, execution_id: int, node_id: str) -> None:
    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        close_execution(connection, execution_id)
        write_node(connection, run_id, node_id, state="FAILED", message=_MESSAGE, finished=now_ms())

    for execution in store.executions(ids=[execution_id]):
        properties = {**execution.custom_properties, EXECUTION_RESULT: execution_result(1, _MESSAGE)}
        ended = replace(execution, name=None, state=ExecutionState.FAILED, custom_properties=properties)
        store.put_execution(ended, also=also)
