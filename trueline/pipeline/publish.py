"""Step four of a launch: what an executor made goes into the metadata store, each time in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from trueline._core import store as files
from trueline._core.errors import ArtifactError, MetadataError
from trueline._core.manifest import MANIFEST_NAME, read_manifest, write_manifest
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import EventType, Execution, ExecutionState
from trueline.metadata.run_rows import add_cache_entry, change_cache_entry, close_execution, open_execution, write_node
from trueline.pipeline.cache import Key
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.execution_records import EXECUTION_RESULT, Inputs, execution_of, execution_result, input_events
from trueline.pipeline.handles import artifact_of, handle_of
from trueline.pipeline.node_task import Outcome
from trueline.pipeline.run_context import RunContext

__all__ = [
    "AlreadyEndedError",
    "close_artifact",
    "publish_failed",
    "publish_refused",
    "publish_success",
    "register",
]


class AlreadyEndedError(Exception):
    """Somebody else has written the execution's end; this transaction is not to be stored."""


def register(
    run: RunContext, node: CompiledNode, inputs: Inputs, key: Key | None, reason: str
) -> tuple[Execution, dict[str, ArtifactHandle]]:
    """A RUNNING execution with its inputs, and the places for its outputs, which nobody sees yet."""
    outputs: dict[str, ArtifactHandle] = {}

    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        for name, kind in node.outputs.items():
            outputs[name] = ArtifactHandle(kind, run.output_uri(node.id, name, execution_id))
        open_execution(connection, execution_id, run.run_id, node.id, [handle.uri for handle in outputs.values()])
        if key is not None:
            add_cache_entry(connection, execution_id, run.plan.name, node.base_id, key.digest, key.parts)
        write_node(connection, run.run_id, node.id, execution_id=execution_id, reason=reason)

    execution = execution_of(node, ExecutionState.RUNNING)
    execution_id, _, _ = run.store.put_execution(execution, input_events(inputs), run.contexts(node), also)
    return replace(execution, id=execution_id), outputs


def close_artifact(handle: ArtifactHandle, format_version: int) -> str:
    """Writes the manifest, the last file of an artifact, unless the library that wrote the files wrote it too.

    Returns:
        The fingerprint.
    """
    if files.exists(files.join(handle.uri, MANIFEST_NAME)):
        try:
            manifest = read_manifest(handle.uri, verify="size")
        except ArtifactError:
            manifest = None
        if manifest is not None and manifest.kind == handle.type:
            listed = {entry.path for entry in manifest.files} | {MANIFEST_NAME}
            if listed == set(files.walk(handle.uri)):
                return manifest.fingerprint
    return write_manifest(handle.uri, handle.type, format_version).fingerprint


def publish_success(
    run: RunContext,
    node: CompiledNode,
    execution: Execution,
    outputs: Mapping[str, ArtifactHandle],
    outcome: Outcome,
    *,
    unsettled: Key | None = None,
) -> dict[str, list[ArtifactHandle]]:
    """Manifests first, then LIVE artifacts and the execution's end at once.

    With a closed gate the artifacts are there to be looked at, but the execution counts as FAILED. `unsettled` is the
    key that the result must not be found by, because its code was edited while it ran.

    Returns:
        By output key the handles as the cache would give them: with all properties that were stored.

    Raises:
        MetadataError: another process took the run for dead and ended the execution.
    """
    gate = outcome.gate
    fingerprints = {
        name: close_artifact(handle, run.plan.types[handle.type].format) for name, handle in outputs.items()
    }
    listed = [
        (
            artifact_of(handle, run.plan.types[handle.type], fingerprints[name], gate=gate, sample=run.sample),
            EventType.OUTPUT,
            (name, 0),
        )
        for name, handle in outputs.items()
    ]
    properties = dict(execution.custom_properties)
    if gate is not None:
        properties[EXECUTION_RESULT] = execution_result(9, gate)
    state = ExecutionState.COMPLETE if gate is None else ExecutionState.FAILED

    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        if not close_execution(connection, execution_id):
            raise _taken_for_dead(run, execution_id)
        if unsettled is not None:
            change_cache_entry(connection, execution_id, unsettled.digest, unsettled.parts)
        write_node(
            connection,
            run.run_id,
            node.id,
            state="COMPLETE" if gate is None else "FAILED",
            finished=now_ms(),
            found=outcome.found,
            message=gate,
            usage=outcome.usage,
        )

    ended = replace(execution, state=state, custom_properties=properties)
    try:
        _, artifact_ids, _ = run.store.put_execution(ended, listed, run.contexts(node), also)
    except MetadataError as error:
        # The connection was lost while this was being stored: it may be there or not.
        stored = run.outputs_of(execution.id or 0) if error.code == "UNKNOWN" else {}
        artifact_ids = [stored[name][0].id or 0 for name in outputs if name in stored]
        if not stored:
            raise
    return {
        name: [handle_of(replace(artifact, id=artifact_id))]
        for artifact_id, (artifact, _, (name, _)) in zip(artifact_ids, listed, strict=True)
    }


def _taken_for_dead(run: RunContext, execution_id: int) -> MetadataError:
    return MetadataError(
        f"execution {execution_id} was ended by another process, which took run {run.run_id} for dead",
        where=run.store.database.place,
        hint="did this machine sleep, or was the database away, for more than a minute? Take the run up again.",
    )


def publish_failed(
    run: RunContext,
    node: CompiledNode,
    execution: Execution,
    outputs: Mapping[str, ArtifactHandle],
    message: str,
    outcome: Outcome,
    *,
    canceled: bool = False,
) -> None:
    """Removes what was written, then notes the failure with message and trace; what was published stays."""
    if execution.id is not None and run.outputs_of(execution.id):
        return
    for handle in outputs.values():
        files.remove_tree(handle.uri)
    properties = {
        **execution.custom_properties,
        EXECUTION_RESULT: execution_result(1 if canceled else 2, f"{message}\n{outcome.trace or ''}".strip()),
    }
    state = ExecutionState.CANCELED if canceled else ExecutionState.FAILED

    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        if not close_execution(connection, execution_id):
            raise AlreadyEndedError
        write_node(
            connection,
            run.run_id,
            node.id,
            only_of=execution_id,
            state="CANCELED" if canceled else "FAILED",
            finished=now_ms(),
            found=outcome.found,
            message=message,
            usage=outcome.usage,
        )

    with contextlib.suppress(AlreadyEndedError):
        run.store.put_execution(replace(execution, state=state, custom_properties=properties), (), (), also)


def publish_refused(run: RunContext, node: CompiledNode, message: str, trace: str) -> int:
    """A FAILED execution of a node whose executor was never reached; returns its id."""
    execution = execution_of(node, ExecutionState.FAILED)
    properties = {**execution.custom_properties, EXECUTION_RESULT: execution_result(9, f"{message}\n{trace}")}

    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        ended: dict[str, Any] = {
            "state": "FAILED",
            "finished": now_ms(),
            "message": message,
            "execution_id": execution_id,
        }
        write_node(connection, run.run_id, node.id, **ended)

    failed = replace(execution, custom_properties=properties)
    return run.store.put_execution(failed, (), run.contexts(node), also)[0]
