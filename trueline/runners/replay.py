"""A recorded execution carried out once more, with its own inputs and parameters, to see whether it comes to the same.

Nothing is published: outputs go to a folder of their own, and the database is only read. The code is as its files are
now, so that a replay under the debugger shows what it did, and a mended function whether it would do better.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trueline._core import store as files
from trueline._core.errors import ConfigError, MetadataError
from trueline._core.manifest import Manifest, read_manifest
from trueline.metadata.records import Artifact, EventType
from trueline.metadata.run_records import NodeRecord, RunRecord
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.cache import has_users_code
from trueline.pipeline.compile import CompiledNode, CompiledPipeline
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.evaluate import evaluate
from trueline.pipeline.execute import run_here
from trueline.pipeline.handles import FINGERPRINT, artifact_of, handle_of, verified_fingerprint
from trueline.pipeline.loaded import edited_since_loading
from trueline.pipeline.node_child import run_in_process
from trueline.pipeline.node_task import NodeTask, Outcome, task_of
from trueline.pipeline.passes import at_pass
from trueline.pipeline.publish import close_artifact
from trueline.pipeline.resolve import check_contents
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.run_scope import RunScope, with_values
from trueline.pipeline.runtime import runtime_values
from trueline.pipeline.take_up import ended_nodes

__all__ = ["Replay", "ReplayedOutput", "replay"]


@dataclass(frozen=True)
class ReplayedOutput:
    """One output, compared with what was recorded.

    Attributes:
        key: the output's name.
        uri: where the new files are.
        same: whether files and properties are the same; None where there is no record to compare with.
        files: files that differ, ``path: why``.
        properties: properties that differ, as ``name: recorded -> now``.
    """

    key: str
    uri: str
    same: bool | None
    files: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """How a replay ended.

    Attributes:
        run_id, node_id, execution_id: what was carried out again.
        outputs: by output name; empty where it failed.
        error, trace: what it raised, or None.
        gate: the sentence of a gate that it closed.
        found: what it reported.
        log: the log file.
        was: the recorded state.
    """

    run_id: str
    node_id: str
    execution_id: int
    was: str
    log: str
    outputs: Mapping[str, ReplayedOutput] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    gate: str | None = None
    error: str | None = None
    trace: str | None = None

    @property
    def same(self) -> bool | None:
        """Whether all outputs are as recorded; None where that cannot be said."""
        if self.error is not None or any(output.same is False for output in self.outputs.values()):
            return False
        return None if any(output.same is None for output in self.outputs.values()) else True


def replay(store: MetadataStore, run_id: str, node_id: str, out: str | Path, *, debug: bool = False) -> Replay:
    """Carries a recorded execution out again.

    Args:
        store: the metadata database, which is only read.
        run_id: the run, the beginning of its id, or ``latest``.
        node_id: the node; of a loop, one pass of it.
        out: an empty or absent local folder for the outputs and the log.
        debug: in this thread, with the debugger where it fails.

    Raises:
        ConfigError: a node that trueline itself carries out, one that pushes, or a folder that holds something.
        MetadataError: no such run or node, or it never ran.
        ArtifactError: an input's files are gone or changed.
    """
    record = RunStore(store).run(run_id)
    row = RunStore(store).node(record.run_id, node_id)
    plan = CompiledPipeline.from_json(record.plan)
    node = _node_of(plan, row)
    if row.execution_id is None:
        raise MetadataError(f"node {node_id!r} of run {record.run_id} is {row.state}: it never ran")
    folder = _fresh(out)
    run = _recorded_run(store, record, plan)
    node, scope = with_values(run, node)
    check_contents({f"{producer}.{key}": read for (producer, key), read in scope.artifacts.items()})
    inputs = _recorded_inputs(run, node, row.execution_id)
    outputs = {key: ArtifactHandle(kind, files.join(str(folder), key)) for key, kind in node.outputs.items()}
    for handle in outputs.values():
        files.makedirs(handle.uri)
    with tempfile.TemporaryDirectory(prefix="trueline-replay-") as tmp:
        task = _task(run, node, row.execution_id, inputs, outputs, folder, Path(tmp) / "work")
        outcome = _carried_out(task, node, debug=debug)
    found = Replay(record.run_id, row.node_id, row.execution_id, row.state, task.log, found=outcome.found)
    if outcome.error is not None:
        return replace(found, error=outcome.error, trace=outcome.trace)
    for key, properties in outcome.properties.items():
        outputs[key].properties = dict(properties)
    return replace(found, gate=outcome.gate, outputs=_compared(run, row.execution_id, outputs))


def _node_of(plan: CompiledPipeline, row: NodeRecord) -> CompiledNode:
    """The node of the plan, or the pass of it, that a row tells of."""
    base, bracket, rest = row.node_id.partition("[")
    index = tuple(int(number) for number in rest.rstrip("]").split("][")) if bracket else ()
    node = plan.node(base)
    if node.system is not None:
        raise ConfigError(
            f"node {row.node_id!r} is carried out by trueline itself: there is nothing to replay",
            where=f"{node.type}, {node.location}",
        )
    if "PushedModel" in node.outputs.values():
        raise ConfigError(
            f"node {row.node_id!r} pushes: a replay would push once more",
            hint="use `trueline models rollback` to serve an earlier model.",
        )
    return at_pass(node, index)


def _fresh(out: str | Path) -> Path:
    folder = Path(out).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError("the folder for the outputs holds something", where=str(folder), hint="give another one.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _recorded_run(store: MetadataStore, record: RunRecord, plan: CompiledPipeline) -> RunContext:
    """The run as it was, with all nodes that had succeeded."""
    kept = record.settings
    run = RunContext(
        plan=plan,
        run_id=record.run_id,
        store=store,
        runs=RunStore(store),
        sample=kept.get("sample"),
        runtime=kept["runtime"] if "runtime" in kept else runtime_values(plan, {}),
        status=lambda: _ending(record),
    )
    ended_nodes(run, record.nodes)
    return run


def _ending(record: RunRecord) -> dict[str, Any]:
    """How the run went, as its nodes for the end were told."""
    states = {"COMPLETE": "SUCCEEDED", "CANCELED": "CANCELLED"}
    failed = [node.node_id for node in record.nodes if node.state in ("FAILED", "CANCELED")]
    state = states.get(record.status, "FAILED" if failed else "SUCCEEDED")
    return {"state": state, "run_id": record.run_id, "error": record.message, "failed": failed}


def _recorded_inputs(run: RunContext, node: CompiledNode, execution_id: int) -> dict[str, list[ArtifactHandle]]:
    """The artifacts that went into an execution, each with its contents checked."""
    events = [e for e in run.store.events(execution_ids=[execution_id]) if e.type is EventType.INPUT]
    artifacts = {artifact.id: artifact for artifact in run.store.artifacts(ids={e.artifact_id for e in events})}
    placed: dict[str, list[tuple[int, Artifact]]] = {key: [] for key in node.inputs}
    for event in events:
        for key, index in zip(event.path[0::2], event.path[1::2], strict=False):
            placed.setdefault(str(key), []).append((int(index), artifacts[event.artifact_id]))
    inputs: dict[str, list[ArtifactHandle]] = {}
    for key, items in placed.items():
        inputs[key] = [handle_of(artifact) for _, artifact in sorted(items, key=lambda item: item[0])]
        for handle, (_, artifact) in zip(inputs[key], sorted(items, key=lambda item: item[0]), strict=True):
            handle.fingerprint = verified_fingerprint(artifact, thorough=True)
    return inputs


def _task(
    run: RunContext,
    node: CompiledNode,
    execution_id: int,
    inputs: Mapping[str, list[ArtifactHandle]],
    outputs: Mapping[str, ArtifactHandle],
    folder: Path,
    work: Path,
) -> NodeTask:
    for place in ("tmp", "resume"):
        (work / place).mkdir(parents=True)
    task = task_of(
        run,
        node,
        execution_id,
        inputs,
        outputs,
        tmp_dir=str(work / "tmp"),
        resume_dir=str(work / "resume"),
        log=str(folder / "replay.log"),
    )
    return replace(task, environment=evaluate(task.environment, RunScope(run, node)))


def _carried_out(task: NodeTask, node: CompiledNode, *, debug: bool) -> Outcome:
    """In this process, or in one of its own where the node needs that or its code was edited.

    The database is not told: a search for parameters would write its trials there.
    """
    outdated = has_users_code(node) and bool(edited_since_loading())
    if not debug and (outdated or node.node_settings.own_process):
        return run_in_process(task, None, lambda: None)
    return run_here(task, stream=sys.stderr if debug else None, debug=debug)


# -- the same? ---------------------------------------------------------------------------------------------------------


def _compared(run: RunContext, execution_id: int, outputs: Mapping[str, ArtifactHandle]) -> dict[str, ReplayedOutput]:
    recorded = run.outputs_of(execution_id)
    compared = {}
    for key, handle in outputs.items():
        record = run.plan.types[handle.type]
        fingerprint = close_artifact(handle, record.format)
        before = next(iter(recorded.get(key, ())), None)
        if before is None:
            compared[key] = ReplayedOutput(key, handle.uri, None)
            continue
        properties = _property_differences(before, artifact_of(handle, record, fingerprint, sample=run.sample))
        same_files = before.custom_properties.get(FINGERPRINT) == fingerprint
        differing = () if same_files else _file_differences(before, handle)
        compared[key] = ReplayedOutput(key, handle.uri, same_files and not properties, differing, properties)
    return compared


def _property_differences(before: Artifact, now: Artifact) -> tuple[str, ...]:
    old, new = handle_of(before).properties, handle_of(now).properties
    return tuple(
        f"{name}: {json.dumps(old.get(name))} -> {json.dumps(new.get(name))}"
        for name in sorted({*old, *new})
        if _plain(old.get(name)) != _plain(new.get(name))
    )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _file_differences(before: Artifact, now: ArtifactHandle) -> tuple[str, ...]:
    """Which files differ; where the recorded ones are gone, that alone can be said."""
    try:
        old = _hashes(read_manifest(before.uri or "", verify="none"))
    except Exception:
        return ("(the recorded files are gone: only that something differs is known)",)
    new = _hashes(read_manifest(now.uri, verify="none"))
    what = {
        path: "new" if path not in old else "gone" if path not in new else "other contents" for path in {*old, *new}
    }
    return tuple(f"{path}: {what[path]}" for path in sorted(what) if old.get(path) != new.get(path))


def _hashes(manifest: Manifest) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in manifest.files}
