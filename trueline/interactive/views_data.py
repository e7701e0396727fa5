"""Views of data's artifacts: examples, statistics, schemas, anomalies, transform graphs, predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from trueline._core import store as files
from trueline._core.rowid import ROW_COLUMN
from trueline.interactive.views import Found, View

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data import Examples
    from trueline.display.artifact_tables import FeatureOrigin
    from trueline.models.bulk_result import Predictions
    from trueline.transform.graph import Graph
    from trueline.transform.output import TransformOutput

__all__ = ["DATA_VIEWS"]

_FIRST = 5
_LEARNED = 60
Properties = Mapping[str, Any]


def _split_names(uri: str) -> list[str]:
    names = [n.removeprefix("Split-") for n in files.listdir(uri) if n.startswith("Split-")]
    return sorted(names, key=lambda name: (name != "train", name != "eval", name))


def _examples(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.data import Examples

    examples = Examples.open(uri)
    yield "Examples", _rows(examples, examples.arrow_schema)


def _inference(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.models.bulk_result import Predictions

    refused = files.join(uri, "refused.json")
    if files.exists(refused):
        from trueline.display.html import tag

        yield "Predictions", tag("p", str(json.loads(files.read_text(refused)).get("reason", "")), class_="bad")
        return
    result = Predictions.open(uri)
    yield "Predictions", _rows(result, result.arrow_schema)


def _rows(source: Examples | Predictions, schema: pa.Schema) -> Any:
    from trueline.display.artifact_tables import rows_view

    columns = [field for field in schema if field.name != ROW_COLUMN]
    splits = sorted(source.splits, key=lambda name: (name != "train", name != "eval", name))
    first: list[list[Any]] = []
    of = next((name for name in splits if source.num_rows(name)), None)
    if of is not None:
        batch = next(iter(source.dataset(of).batches()))
        cells = [batch.column(batch.schema.get_field_index(c.name)).slice(0, _FIRST).to_pylist() for c in columns]
        first = [list(row) for row in zip(*cells, strict=True)]
    counts = [(name, source.num_rows(name)) for name in splits]
    return rows_view(counts, [(c.name, str(c.type)) for c in columns], first, of or "")


def _statistics(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.data_validation import load_statistics
    from trueline.display import statistics_view

    names = _split_names(uri)[:2]
    loaded = [load_statistics(files.join(uri, f"Split-{name}", "FeatureStats.pb")) for name in names]
    if loaded:
        other = loaded[1] if len(loaded) > 1 else None
        title = f"Statistics: {' and '.join(names)}"
        yield title, statistics_view(loaded[0], other, names=(names[0], names[-1]))


def _schema(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.data_validation.frames import domain_rows, feature_rows
    from trueline.display.artifact_tables import schema_rows_view
    from trueline.schema import load_schema_text

    schema = load_schema_text(files.join(uri, "schema.pbtxt"))
    yield "Schema", schema_rows_view(feature_rows(schema), domain_rows(schema))


def _anomalies(uri: str, properties: Properties) -> Iterator[Found]:
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


def _skew(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display import skew_view

    for folder, name in _folders(uri):
        found = json.loads(files.read_text(files.join(uri, folder, "skew.json")))
        yield f"Row by row: {name}", skew_view(found)


def _transform(uri: str, properties: Properties) -> Iterator[Found]:
    from trueline.display.artifact_tables import transform_view
    from trueline.transform.output import TransformOutput

    output = TransformOutput.load(uri)
    features = [_origin(output, name, index) for name, index in output.graph.outputs]
    yield "Transform", transform_view(features, [step.output for step in output.host_steps()])


def _origin(output: TransformOutput, name: str, index: int) -> FeatureOrigin:
    """What one feature reads and goes through: the user's own calls where they are known, else the operations."""
    from trueline.display.artifact_tables import FeatureOrigin

    traced = output.traced
    root = dict(traced.outputs).get(name, index)
    reached = sorted(traced.reachable([root], through_analyzers=True))
    nodes = [traced.nodes[i] for i in reached]
    steps = [n.scope or n.op for n in nodes if n.op not in ("input", "constant") and not n.is_analyzer]
    kind = traced.nodes[root].type
    shape = "" if kind.kind == "scalar" else f"[{'' if kind.size is None else kind.size}]"
    return FeatureOrigin(
        name,
        f"{kind.dtype}{shape}",
        sorted(_raw_columns(traced, root)),
        list(dict.fromkeys(steps)),
        [text for i in reached if traced.nodes[i].is_analyzer and (text := _learned(output, i))],
    )


def _raw_columns(graph: Graph, root: int) -> frozenset[str]:
    return graph.raw_names(graph.input_names([root], through_analyzers=True))


def _learned(output: TransformOutput, index: int) -> str:
    """What an analyzer found, in a few words."""
    name = output.traced.nodes[index].op.rpartition(".")[2]
    found = output.findings.get(index)
    tokens = getattr(found, "tokens", None)
    if tokens is not None:
        shown = ", ".join(map(str, islice(tokens, 3)))
        return f"{name}: {len(tokens):,} tokens ({shown}{', …' if len(tokens) > 3 else ''})"
    text = "" if found is None else str(found)
    return f"{name}: {text}" if 0 < len(text) <= _LEARNED and "\n" not in text else name


DATA_VIEWS: Mapping[str, View] = {
    "ExampleAnomalies": _anomalies,
    "Examples": _examples,
    "ExamplesDiff": _skew,
    "ExampleStatistics": _statistics,
    "InferenceResult": _inference,
    "Schema": _schema,
    "TransformGraph": _transform,
}
