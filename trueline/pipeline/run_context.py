"""What all steps of a launch share: the plan, the stores, the names of contexts, where files go."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

from trueline._core import store as files
from trueline.metadata.records import Artifact, Context, TypeKind, TypeSpec
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledNode, CompiledPipeline
from trueline.pipeline.handles import outputs_by_key, type_spec
from trueline.pipeline.results import SUCCESS
from trueline.pipeline.settings import Isolation

__all__ = ["Done", "Isolation", "RunContext", "register_types"]


@dataclass(frozen=True)
class Done:
    """A node (one pass of it) that has ended: where its outputs are found.

    Attributes:
        state: how it ended.
        execution_id: the execution whose outputs count.
        artifacts: the outputs, where they are known without asking the store.
        found: what it reported.
    """

    state: str
    execution_id: int | None = None
    artifacts: Mapping[str, list[Artifact]] | None = None
    found: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunContext:
    """One run of one compiled pipeline.

    Attributes:
        plan: the pipeline.
        run_id: unique in the metadata store.
        store, runs: the metadata database.
        use_cache: whether unchanged nodes are taken from the cache.
        isolation: ``thread``: executors run in this process; ``process``: each in a process of its own; ``main``: in
            the thread that runs the pipeline.
        on_found: told of findings while a node runs: (node id, found).
        on_waiting: told that a node waits for somebody: (node id, message).
        cancelled: set when the run is being given up.
        sample: rows that a sampled run works on, or None.
        runtime: values of the runtime parameters.
        done: nodes that have ended, by pass id.
        counts: items of loops, by the loop's pass id.
        status: how the run goes, for nodes at its end.
        debug_node: the node that runs in this thread under the debugger.
        attempt: which try of a node this is, from 1 on.
    """

    plan: CompiledPipeline
    run_id: str
    store: MetadataStore
    runs: RunStore
    use_cache: bool = True
    isolation: Isolation = "thread"
    isolation_by_node: Mapping[str, Isolation] = field(default_factory=dict)
    on_found: Callable[[str, dict[str, Any]], None] = lambda node_id, found: None
    on_waiting: Callable[[str, str], None] = lambda node_id, message: None
    cancelled: Flag = field(default_factory=Flag)
    sample: int | None = None
    runtime: Mapping[str, Any] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    status: Callable[[], Mapping[str, Any]] = dict
    debug_node: str | None = None
    attempt: int = 1

    def contexts(self, node: CompiledNode) -> list[Context]:
        """TFX's contexts of an execution: pipeline, pipeline run, node; in a sub-pipeline also that one's."""
        name = self.plan.name
        found = [
            Context("pipeline", name),
            Context("pipeline_run", self.run_id),
            Context("node", f"{name}.{node.base_id}"),
        ]
        if node.group:
            found += [
                Context("pipeline", f"{name}.{node.group}"),
                Context("pipeline_run", f"{node.group}_{self.run_id}"),
            ]
        return found

    def output_uri(self, node_id: str, key: str, execution_id: int) -> str:
        """``<root>/<node>/<key>/<execution id>``, with ``-2`` and so on where that is taken.

        Another database may have given out the same number below this root (one was deleted, or ``--metadata`` names
        another): its artifacts are not written into.
        """
        place = files.join(self.plan.root, node_id.partition("[")[0], key, str(execution_id))
        names = itertools.chain([place], (f"{place}-{number}" for number in itertools.count(2)))
        return next(name for name in names if not files.exists(name))

    @property
    def work_dir(self) -> Path:
        """The local folder for logs and temporary files."""
        if files.is_local(self.plan.root):
            return files.local_path(self.plan.root) / ".trueline"
        return Path(tempfile.gettempdir()) / "trueline" / self.plan.name

    def log_path(self, node_id: str) -> Path:
        """The node's log file in this run."""
        return self.work_dir / "logs" / self.run_id / f"{node_id}.log"

    def outputs_of(self, execution_id: int) -> dict[str, list[Artifact]]:
        """Output artifacts of an execution by output name."""
        events = self.store.events(execution_ids=[execution_id])
        artifacts = self.store.artifacts(ids={event.artifact_id for event in events if event.type.is_output})
        return outputs_by_key(events, artifacts)

    def artifacts_of(self, node_id: str) -> Mapping[str, list[Artifact]]:
        """Outputs of a node (one pass of it) that has ended in this run; of one that was left out, nothing."""
        done = self.done.get(node_id)
        if done is None or done.state not in SUCCESS:
            return {}
        if done.artifacts is not None:
            return done.artifacts
        return self.outputs_of(done.execution_id) if done.execution_id is not None else {}


def register_types(store: MetadataStore, plan: CompiledPipeline) -> None:
    """Makes all types that a run will use."""
    for name in ("pipeline", "pipeline_run", "node"):
        store.put_type(TypeSpec(name, TypeKind.CONTEXT))
    for name, record in sorted(plan.types.items()):
        store.put_type(type_spec(name, record))
    for name in sorted({node.type for node in plan.nodes}):
        store.put_type(TypeSpec(name, TypeKind.EXECUTION))
