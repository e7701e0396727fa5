"""Taking a recorded run up again: which of its nodes have ended for good."""

from __future__ import annotations

from collections.abc import Sequence

from trueline._core.errors import ArtifactError
from trueline.metadata.run_records import NodeRecord, RunRecord
from trueline.pipeline.handles import verified_fingerprint
from trueline.pipeline.results import SUCCESS, NodeResult, RunResult
from trueline.pipeline.run_context import Done, RunContext

__all__ = ["ended_nodes", "nothing_left", "result_of"]


def ended_nodes(run: RunContext, records: Sequence[NodeRecord]) -> None:
    """Notes in the run what stays: nodes that succeeded and whose outputs are whole, as long as all before them stay
    too. A condition is judged again, and so is what hangs on it."""
    kept: dict[str, Done] = {}
    by_id = {record.node_id: record for record in records}
    unsettled: set[str] = set()
    for node in run.plan.nodes:
        if any(before in unsettled for before in node.upstream):
            unsettled.add(node.id)
            continue
        for one in [one for one in by_id if one.partition("[")[0] == node.id]:
            record = by_id[one]
            done = _whole(run, record) if record.state in SUCCESS and not node.on_exit else None
            if done is None:
                unsettled.add(node.id)
            else:
                kept[one] = done
    run.done.update(kept)
    for one, done in kept.items():
        if run.plan.node(one.partition("[")[0]).system == "loop":
            run.counts[one] = int(done.found["items"])


def nothing_left(run: RunContext, records: Sequence[NodeRecord]) -> bool:
    """Of a run that is COMPLETE: whether all that it made is whole. What conditions left out stays left out, and its
    nodes for the end have seen the end."""
    return all(
        record.state == "OMITTED" or (record.state in SUCCESS and _whole(run, record) is not None) for record in records
    )


def _whole(run: RunContext, record: NodeRecord) -> Done | None:
    if record.execution_id is None:
        return None
    outputs = run.outputs_of(record.execution_id)
    try:
        for artifact in (artifact for artifacts in outputs.values() for artifact in artifacts):
            verified_fingerprint(artifact)
    except ArtifactError:
        return None
    return Done(record.state, record.execution_id, outputs, dict(record.found or {}))


def result_of(record: RunRecord) -> RunResult:
    """A recorded run as its runner gave it back."""
    nodes = {
        node.node_id: NodeResult(
            node.node_id,
            node.state,
            node.seconds or 0.0,
            dict(node.found or {}),
            node.message,
            cached_reason=node.reason,
            execution_id=node.execution_id,
            log=node.log,
        )
        for node in record.nodes
    }
    return RunResult(record.run_id, record.status, nodes, record.message)
