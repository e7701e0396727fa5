"""The report of a run: reads the memory and the artifacts, and hands them to `trueline.display`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trueline._core import store as files
from trueline._core.errors import TruelineError
from trueline.cli.format import moment

if TYPE_CHECKING:
    from trueline.display import Html, NodeView, RunView
    from trueline.metadata import Artifact, NodeRecord, RunRecord, RunStore

__all__ = ["run_view", "write_report"]

Found = tuple[str, "Html"]


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
        state=record.status,
        started=moment(record.started),
        seconds=max(end - record.started, 0) / 1000,
        nodes=_nodes(record),
        sections=sections,
        facts=_facts(record),
    )


def _nodes(record: RunRecord) -> list[NodeView]:
    from trueline.display import NodeView

    try:
        upstream = {node["id"]: tuple(node["upstream"]) for node in json.loads(record.plan)["nodes"]}
    except (ValueError, KeyError, TypeError):
        upstream = {}
    shown = {node.node_id for node in record.nodes}
    return [
        NodeView(
            node.node_id,
            node.state,
            node.seconds,
            node.found or {},
            node.message or node.reason or "",
            tuple(name for name in upstream.get(node.node_id, ()) if name in shown),
        )
        for node in record.nodes
    ]


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
    from trueline.display.html import tag

    view = _VIEWS.get(artifact.type)
    if view is None or artifact.uri is None or not _is_new(node_id, artifact):
        return
    try:
        yield from view(node_id, artifact.uri)
    except (TruelineError, OSError, ValueError, KeyError) as error:
        yield f"{node_id}: {artifact.type}", tag("p", f"The artifact cannot be shown: {error}", class_="soft")


def _is_new(node_id: str, artifact: Artifact) -> bool:
    """A resolver puts out artifacts of other nodes: those belong to the runs that made them."""
    return f"/{node_id}/" in str(artifact.uri)


def _split_names(uri: str) -> list[str]:
    names = [n.removeprefix("Split-") for n in files.listdir(uri) if n.startswith("Split-")]
    return sorted(names, key=lambda name: (name != "train", name != "eval", name))


def _statistics(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.data_validation import load_statistics
    from trueline.display import statistics_view

    names = _split_names(uri)[:2]
    loaded = [load_statistics(files.join(uri, f"Split-{name}", "FeatureStats.pb")) for name in names]
    if loaded:
        other = loaded[1] if len(loaded) > 1 else None
        title = f"Statistics: {' and '.join(names)}"
        yield title, statistics_view(loaded[0], other, names=(names[0], names[-1]))


def _anomalies(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.data_validation import load_anomalies_binary
    from trueline.display import anomalies_view

    for folder, name in _folders(uri):
        findings = files.join(uri, folder, "findings.json")
        explained = json.loads(files.read_text(findings)) if files.exists(findings) else []
        anomalies = load_anomalies_binary(files.join(uri, folder, "SchemaDiff.pb"))
        yield f"Anomalies in {name}", anomalies_view(anomalies, explained)


def _folders(uri: str) -> list[tuple[str, str]]:
    """Folders of splits and of pairs of splits, with what to call them."""
    found = [(f"Split-{name}", name) for name in _split_names(uri)]
    pairs = sorted(n for n in files.listdir(uri) if n.startswith("SplitPair-"))
    return found + [(n, n.removeprefix("SplitPair-").replace("_", " against ", 1)) for n in pairs]


def _skew(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.display import skew_view

    for folder, name in _folders(uri):
        found = json.loads(files.read_text(files.join(uri, folder, "skew.json")))
        yield f"Row by row: {name}", skew_view(found)


def _model(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.display import model_view

    info = json.loads(files.read_text(files.join(uri, "model.json")))
    yield f"Model {info.get('name', '')}".strip(), model_view(info)


def _training(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.display import training_view
    from trueline.training import read_metrics

    entries = read_metrics(uri)
    if entries:
        yield "Training", training_view(entries)


def _evaluation(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.components.evaluator_sections import saved_sections
    from trueline.display.eval_page import evaluation_part_view
    from trueline.model_analysis import EvalResult
    from trueline.model_analysis.page import evaluation_page

    yield "Evaluation", evaluation_part_view(evaluation_page(EvalResult.load(uri), sections=saved_sections(uri)))


def _operations(found: Mapping[str, Any]) -> Iterator[Found]:
    """What was timed in this run: it stands in the memory alone, not in an artifact."""
    from trueline.model_analysis import Operations

    measured = found.get("operational_gates")
    if isinstance(measured, Mapping) and "measurements" in measured:
        yield "Operations", Operations.from_dict(measured["measurements"]).view()


def _card(node_id: str, uri: str) -> Iterator[Found]:
    from trueline.display.card import card_view
    from trueline.model_analysis import ModelCard

    yield "Model card", card_view(ModelCard.load(uri).view())


_VIEWS: Mapping[str, Callable[[str, str], Iterator[Found]]] = {
    "ExampleStatistics": _statistics,
    "ExampleAnomalies": _anomalies,
    "ExamplesDiff": _skew,
    "Model": _model,
    "ModelCard": _card,
    "ModelEvaluation": _evaluation,
    "ModelRun": _training,
}
