"""The report of a run: reads the memory and the artifacts, and hands them to `trueline.display`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trueline._core import store as files
from trueline.cli.format import moment
from trueline.cli.report_run import run_lineage, run_node_views, run_note
from trueline.cli.run_nodes import status_of

if TYPE_CHECKING:
    from trueline.display import Html, RunView
    from trueline.metadata import Artifact, NodeRecord, RunRecord, RunStore

__all__ = ["run_view", "write_report"]

Found = tuple[str, "Html"]
_SHOWN = frozenset(
    {"ExampleAnomalies", "ExampleStatistics", "ExamplesDiff", "Model", "ModelCard", "ModelEvaluation", "ModelRun"}
)
"""Types of artifacts that have a section in the report of a run; a notebook shows all types."""


def write_report(runs: RunStore, run_id: str, out: str) -> None:
    """Writes a run's report as one self-contained HTML page."""
    from trueline.display import run_report_html

    files.write_text(out, run_report_html(run_view(runs, run_id)))


def run_view(runs: RunStore, run_id: str) -> RunView:
    """A run as the report shows it.

    Raises:
        MetadataError: when there is no such run.
    """
    from trueline.display import RunView, Section

    record = runs.run(run_id)
    end = record.finished or max((n.finished or n.started or 0 for n in record.nodes), default=record.started)
    found = [
        (node.node_id, title, body)
        for node in record.nodes
        for views in (
            *(_sections(node.node_id, artifact) for artifact in _outputs(runs, node)), _operations(node.found or {})
        )
        for title, body in views
    ]  # fmt: skip
    titles = Counter(title for _, title, _ in found)
    sections = [Section(f"{title} ({node})" if titles[title] > 1 else title, body) for node, title, body in found]
    return RunView(
        pipeline=record.pipeline,
        run_id=record.run_id,
        state=status_of(record),
        started=moment(record.started),
        seconds=max(end - record.started, 0) / 1000,
        nodes=run_node_views(record),
        sections=sections,
        facts=_facts(record),
        lineage=run_lineage(runs, record),
        note=run_note(record),
    )


def _facts(record: RunRecord) -> dict[str, Any]:
    states = [node.state for node in record.nodes]
    facts: dict[str, Any] = {"nodes": len(states), "from the cache": states.count("CACHED") + states.count("REUSED")}
    readers = [n.found for n in record.nodes if n.found and "rows" in n.found and "rejects" in n.found]
    if readers:
        facts["rows read"] = sum(found["rows"] for found in readers)
        facts["rows rejected"] = sum(found["rejects"] for found in readers)
    for node in record.nodes:
        found = node.found or {}
        if "parity_max_diff" in found:
            facts["largest difference between trained and exported model"] = found["parity_max_diff"]
        if isinstance(found.get("metrics"), Mapping):
            facts.update(found["metrics"])
        if found.get("version") is not None:
            facts["pushed version"] = str(found["version"])
    return facts


def _outputs(runs: RunStore, node: NodeRecord) -> list[Artifact]:
    if node.execution_id is None:
        return []
    events = runs.store.events(execution_ids=[node.execution_id])
    return runs.store.artifacts(ids=[event.artifact_id for event in events if event.type.is_output])


def _sections(node_id: str, artifact: Artifact) -> Iterator[Found]:
    """The views of an artifact; one whose files are gone or unreadable says so instead of spoiling the report."""
    from trueline.interactive.views import artifact_sections

    if artifact.type in _SHOWN and artifact.uri is not None and _is_new(node_id, artifact):
        yield from artifact_sections(artifact.type, artifact.uri)


def _is_new(node_id: str, artifact: Artifact) -> bool:
    """A resolver puts out artifacts of other nodes: those belong to the runs that made them."""
    return f"/{node_id}/" in str(artifact.uri)


def _operations(found: Mapping[str, Any]) -> Iterator[Found]:
    """What was timed in this run: it stands in the memory alone, not in an artifact."""
    from trueline.model_analysis import Operations

    measured = found.get("operational_gates")
    if isinstance(measured, Mapping) and "measurements" in measured:
        yield "Operations", Operations.from_dict(measured["measurements"]).view()
