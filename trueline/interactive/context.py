"""The interactive context: one node at a time, by the launcher that production uses."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from trueline._core.errors import ConfigError, did_you_mean
from trueline.interactive.checks import check_lent, check_ready, check_stale, closure, failure
from trueline.interactive.magics import SKIPPING
from trueline.interactive.notebook import equip_notebook, notebook_name
from trueline.interactive.result import ExecutionResult, ShownArtifact, ShownArtifacts
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.node import Component

if TYPE_CHECKING:
    from trueline.display import Html
    from trueline.pipeline.pipeline import Pipeline
    from trueline.pipeline.results import NodeResult

__all__ = ["InteractiveContext"]


class InteractiveContext:
    """Runs components one by one, in a notebook or in any Python session.

        context = InteractiveContext("taxi")
        examples = CsvExampleGen(input_base="data")
        context.run(examples)
        statistics = StatisticsGen(examples=examples.outputs["examples"])
        context.run(statistics)
        context.export_pipeline("pipeline.py")

    Runs are those of production: recorded in the metadata store, cached, each node launched as `LocalRunner` does.

    Args:
        pipeline_name: names the session in the metadata store; the notebook's name by default. Two sessions of one
            name share their cache, and resolvers of one find what the other made.
        pipeline_root: where artifacts go; ``trueline-out/<name>`` by default, so that a restarted kernel finds
            everything in the cache again.
        metadata: the metadata database's URL; SQLite in the root folder by default.

    Raises:
        ConfigError: a name or root that no pipeline may have.
    """

    def __init__(
        self,
        pipeline_name: str | None = None,
        pipeline_root: str | os.PathLike[str] | None = None,
        metadata: str | None = None,
    ) -> None:
        self.pipeline_name = pipeline_name if pipeline_name is not None else notebook_name()
        self._root, self._metadata = pipeline_root, metadata
        self._nodes: dict[str, Component] = {}
        self._results: dict[str, ExecutionResult] = {}
        self._skipped: set[str] = set()
        place = self._pipeline([_Nothing()])
        self.pipeline_root, self.metadata = place.root, place.metadata
        self._root, self._metadata = place.root, place.metadata
        equip_notebook()

    def run(self, component: Component, enable_cache: bool = True) -> ExecutionResult:
        """Runs one node on what the nodes before it have made in this session.

        A node with the id of an earlier one takes its place.

        Args:
            component: the node.
            enable_cache: whether an unchanged node may come from the cache.

        Returns:
            The result, which a notebook shows. A closed gate is a result too (``state`` FAILED with the sentence);
            nodes after it refuse to run.

        Raises:
            ConfigError: a node before it has not run or has been run again since, or anything is wrong with it.
            GateError: a node before it did not succeed.
            TruelineError: the executor failed; the message holds the end of its log.
        """
        from trueline.pipeline.node_output import shown_output
        from trueline.runners.local import LocalRunner

        check_ready(component, self._nodes, self._results)
        pipeline = self._pipeline([component])
        node_id = component.node_id
        use_cache = None if enable_cache else False
        with shown_output():
            run = LocalRunner().run(pipeline, from_nodes=[node_id], to_nodes=[node_id], use_cache=use_cache)
        check_lent(component, run.nodes, self._results, self.pipeline_name)
        found = run.nodes[node_id]
        if not found.ok and found.state != "OMITTED" and not found.outputs:
            raise failure(found)
        result = self._result(component, found, run.run_id)
        self._note(component, result)
        return result

    def show(self, item: Channel | ArtifactHandle | ExecutionResult | Component | list[ArtifactHandle]) -> Html:
        """A channel, an artifact, several, or a result as HTML, which a notebook shows.

        Raises:
            ConfigError: something else, or a node that has not run.
        """
        if isinstance(item, Component):
            item = self.result(item)
        if isinstance(item, Channel):
            return ShownArtifacts(item.get()).view()
        if isinstance(item, ArtifactHandle):
            return ShownArtifact.of(item).view()
        if isinstance(item, ExecutionResult):
            return item.view()
        if isinstance(item, list) and all(isinstance(a, ArtifactHandle) for a in item):
            return ShownArtifacts(item).view()
        raise ConfigError(
            f"{item!r} cannot be shown", hint="give a channel (node.outputs['...']), an artifact, a node or a result."
        )

    def lineage(self, item: Channel | ArtifactHandle, *, up: bool = True, down: bool = False, hops: int = 100) -> Html:
        """What artifacts were made from, drawn and listed, from the metadata store: of earlier sessions and runs too.

        Args:
            item: an artifact, or a channel (``node.outputs["..."]``) with all its artifacts.
            up: show what they were made from.
            down: show what was made from them.
            hops: how far to look, in events.

        Raises:
            ConfigError: something else, a node that has not run, or an artifact that the store does not know.
        """
        from trueline.interactive.lineage import lineage_of

        return lineage_of(self.metadata, item, up=up, down=down, hops=hops)

    def result(self, node: Component | str) -> ExecutionResult:
        """The newest result of a node of this session.

        Raises:
            ConfigError: it has not run.
        """
        node_id = node if isinstance(node, str) else node.node_id
        if node_id not in self._results:
            raise ConfigError(
                f"node {node_id!r} has not run in this session", hint=did_you_mean(node_id, self._results)
            )
        return self._results[node_id]

    def export_pipeline(self, path: str | os.PathLike[str] = "pipeline.py", overwrite: bool = False) -> str:
        """Writes the nodes that ran as a pipeline file for ``trueline run``.

        The file is loaded in a process of its own, and what it describes is compared with this session: it is kept
        only where both are equal. Files of user code that lie elsewhere are copied beside it.

        Args:
            path: the file.
            overwrite: replace files that another hand wrote.

        Returns:
            The file's path.

        Raises:
            ConfigError: nothing ran, an argument that cannot be written as source, a file in the way (all at once).
        """
        from trueline.interactive.export import export

        kept = self._exported()
        if not kept:
            raise ConfigError("no node has run in this session yet: there is nothing to export")
        check_stale(kept, self._nodes)
        return export(kept, self._pipeline(kept), Path(path), overwrite=overwrite)

    def _exported(self) -> list[Component]:
        """Nodes that ran outside cells marked to be skipped, and those that they need."""
        wanted = [node for node_id, node in self._nodes.items() if node_id not in self._skipped]
        needed = {node.node_id for start in wanted for node in closure(start)}
        return [node for node_id, node in self._nodes.items() if node_id in needed]

    def _pipeline(self, nodes: list[Component]) -> Pipeline:
        from trueline.pipeline.pipeline import Pipeline

        return Pipeline(self.pipeline_name, nodes, root=self._root, metadata=self._metadata)

    def _result(self, component: Component, found: NodeResult, run_id: str) -> ExecutionResult:
        return ExecutionResult(
            component=component,
            state=found.state,
            seconds=found.seconds,
            message=found.message,
            cached_reason=found.cached_reason,
            found=dict(found.found),
            inputs=self._inputs(found.execution_id),
            outputs={key: ShownArtifacts(found.outputs[key]) for key in _in_order(component, found.outputs)},
            run_id=run_id,
            execution_id=found.execution_id,
            log=found.log,
        )

    def _inputs(self, execution_id: int | None) -> dict[str, ShownArtifacts]:
        """The artifacts that an execution was given, as the metadata store says."""
        from trueline.metadata.store import MetadataStore
        from trueline.pipeline.handles import handle_of

        if execution_id is None:
            return {}
        store = MetadataStore(self.metadata)
        try:
            events = [e for e in store.events(execution_ids=[execution_id]) if e.type.is_input]
            artifacts = {a.id: a for a in store.artifacts(ids=[e.artifact_id for e in events])}
        finally:
            store.close()
        found: dict[str, list[ArtifactHandle]] = {}
        for event in events:
            if event.path and event.artifact_id in artifacts:
                found.setdefault(str(event.path[0]), []).append(handle_of(artifacts[event.artifact_id]))
        return {key: ShownArtifacts(handles) for key, handles in found.items()}

    def _note(self, component: Component, result: ExecutionResult) -> None:
        node_id = component.node_id
        self._nodes[node_id], self._results[node_id] = component, result
        component.artifacts = dict(result.outputs)
        if SKIPPING.get():
            self._skipped.add(node_id)
        else:
            self._skipped.discard(node_id)

    def __repr__(self) -> str:
        return f"<InteractiveContext {self.pipeline_name!r} in {self.pipeline_root}: {len(self._nodes)} nodes ran>"


def _in_order(component: Component, outputs: Iterable[str]) -> list[str]:
    """Names of outputs as the component declares them: what it is for comes first."""
    declared = list(component.outputs)
    return sorted(outputs, key=lambda key: declared.index(key) if key in declared else len(declared))


class _Nothing(Component):
    """Stands in a pipeline that is made only to check its name and root."""

    EXECUTOR = "trueline.interactive.context:execute"


def execute(ctx: object) -> None:
    """Does nothing: the node that stands for it never runs."""
