"""Which models were trained from a span of data, and which spans a model was trained from.

The way goes over data and models alone: Examples that were made of Examples (a transform, a filter), models trained
from Examples, and models that were made of models (a warm start, a smaller variant). A schema or statistics of another
span that a training read as well do not make it a training from that span.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import tables as t
from trueline.metadata.node_rows import ARTIFACTS, chunks, read_nodes
from trueline.metadata.records import Artifact, TypeKind
from trueline.metadata.store import MetadataStore
from trueline.metadata.walk import LineageDirection, edges_of

__all__ = ["models_from_span", "spans_of"]

_EXAMPLES, _MODEL = "Examples", "Model"


def models_from_span(store: MetadataStore, pipeline: str | None, span: int) -> list[Artifact]:
    """Models that were trained from a span of data, directly or over other data and models, by id.

    Args:
        store: the store.
        pipeline: whose data; the models may be of others. None: any pipeline's.
        span: the span's number, as Examples have it; of Examples that were read from several spans the newest.
    """
    with store.database.read() as connection:
        query = _with_span(span, pipeline)
        parts = chunks(int(row[0]) for row in connection.execute(query))
        data = [a for part in parts for a in read_nodes(connection, ARTIFACTS, t.artifact.c.id.in_(part))]
        start = [artifact.id or 0 for artifact in data if _span(artifact) == span]
        reached = _followed(connection, start, LineageDirection.DOWNSTREAM)
    return [artifact for artifact in reached if artifact.type == _MODEL]


def spans_of(store: MetadataStore, model: int | Artifact) -> list[int]:
    """Spans of the data that a model was trained from, directly or over other data and models, ascending.

    Data without a span is passed over; a model of such data alone has none.

    Raises:
        MetadataError: NOT_FOUND: there is no such artifact.
    """
    model_id = model if isinstance(model, int) else model.id
    with store.database.read() as connection:
        reached = _followed(connection, [model_id] if model_id is not None else [], LineageDirection.UPSTREAM)
    if not reached:
        raise MetadataError(f"there is no model with id {model_id}", code="NOT_FOUND")
    spans = (_span(artifact) for artifact in reached if artifact.type == _EXAMPLES)
    return sorted({span for span in spans if span is not None})


def _with_span(span: int, pipeline: str | None) -> sa.Select[Any]:
    """Examples with the span as a property, or as TFX keeps it: a custom property, a number or text."""
    values, of_context = t.properties["Artifact"], t.type_.alias()
    same = sa.or_(values.c.int_value == span, values.c.string_value == str(span))
    query = (
        sa.select(values.c.artifact_id)
        .join(t.artifact, t.artifact.c.id == values.c.artifact_id)
        .join(t.type_, t.type_.c.id == t.artifact.c.type_id)
        .join(t.attribution, t.attribution.c.artifact_id == values.c.artifact_id)
        .join(t.context, t.context.c.id == t.attribution.c.context_id)
        .join(of_context, of_context.c.id == t.context.c.type_id)
        .where(values.c.name == "span", same, t.type_.c.name == _EXAMPLES)
        .where(of_context.c.name == "pipeline")
        .distinct()
    )
    return query if pipeline is None else query.where(t.context.c.name == pipeline)


def _span(artifact: Artifact) -> int | None:
    """TFX declares the property and fills the custom one: what is there counts, the custom one first."""
    for values in (artifact.custom_properties, artifact.properties):
        value = values.get("span")
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            return int(value)
    return None


def _followed(connection: sa.Connection, start: Iterable[int], direction: LineageDirection) -> list[Artifact]:
    """Examples and models on the way, those at the start too, by id."""
    found: dict[int, Artifact] = {}
    asked, front = set[int](), set(start)
    while front:
        parts = [read_nodes(connection, ARTIFACTS, *_passable(), t.artifact.c.id.in_(p)) for p in chunks(sorted(front))]
        level = {artifact.id or 0: artifact for part in parts for artifact in part}
        found.update(level)
        executions = {e.execution_id for e in edges_of(connection, TypeKind.ARTIFACT, level, direction)} - asked
        asked |= executions
        front = {e.artifact_id for e in edges_of(connection, TypeKind.EXECUTION, executions, direction)} - found.keys()
    return [found[key] for key in sorted(found)]


def _passable() -> list[sa.ColumnElement[bool]]:
    return [t.type_.c.name.in_((_EXAMPLES, _MODEL))]
