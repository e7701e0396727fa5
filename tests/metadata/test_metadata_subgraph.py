"""Lineage as a graph, as lists and as a tree: the rules of hops and ends, few queries, models of spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Association,
    Attribution,
    Context,
    EndingNodes,
    EventType,
    Execution,
    LineageDirection,
    LineageGraph,
    LineageSubgraphQueryOptions,
    MetadataStore,
    PropertyType,
    StartingNodes,
    TypeKind,
    TypeSpec,
    downstream,
    lineage_tree,
    models_from_span,
    spans_of,
    upstream,
)


@pytest.fixture
def chain(store: MetadataStore) -> dict[str, int]:
    """raw -> (clean, rejects); clean -> model; (model, clean) -> report; raw and clean in run r, model in p."""
    ids: dict[str, int] = {}

    def step(inputs: list[str], outputs: list[str], context: Context) -> None:
        events = [(ids[name], EventType.INPUT, (name, 0)) for name in inputs]
        made = [
            (Artifact("Data", name=name, state=ArtifactState.LIVE), EventType.OUTPUT, (name, 0)) for name in outputs
        ]
        _, artifact_ids, _ = store.put_execution(
            Execution("m.Step", name="+".join(outputs)), [*events, *made], [context]
        )
        ids.update(zip([*inputs, *outputs], artifact_ids, strict=True))

    run, pipeline = Context("pipeline_run", "r"), Context("pipeline", "p")
    step([], ["raw"], run)
    step(["raw"], ["clean", "rejects"], run)
    step(["clean"], ["model"], pipeline)
    step(["model", "clean"], ["report"], pipeline)
    return ids


def graph(store: MetadataStore, start: str, *mask: str, **options: Any) -> LineageGraph:
    starting = StartingNodes(filter_query=f"name = '{start}'")
    asked = LineageSubgraphQueryOptions(**{"starting_artifacts": starting, **options})
    return store.get_lineage_subgraph(asked, mask)


def names(found: LineageGraph) -> str:
    return " ".join([str(a.name) for a in found.artifacts] + [f"<{e.name}>" for e in found.executions])


@pytest.mark.parametrize(
    ("hops", "direction", "expected"),
    [
        (0, "BIDIRECTIONAL", "clean"),
        (1, "UPSTREAM", "clean <clean+rejects>"),
        (2, "UPSTREAM", "raw clean <clean+rejects>"),
        (1, "DOWNSTREAM", "clean <model> <report>"),
        (2, "DOWNSTREAM", "clean model report <model> <report>"),
        (1, "BIDIRECTIONAL", "clean <clean+rejects> <model> <report>"),
        (None, "UPSTREAM", "raw clean <raw> <clean+rejects>"),
        (None, "BIDIRECTIONAL", "raw clean rejects model report <raw> <clean+rejects> <model> <report>"),
    ],
)
def test_a_hop_is_an_event(
    store: MetadataStore, chain: dict[str, int], hops: int | None, direction: str, expected: str
) -> None:
    found = graph(store, "clean", max_num_hops=hops, direction=LineageDirection[direction])
    assert names(found) == expected


def test_ends_stop_the_walk(store: MetadataStore, chain: dict[str, int]) -> None:
    down = {"direction": LineageDirection.DOWNSTREAM}
    model, clean = "name = 'model'", "name = 'clean+rejects'"
    assert names(graph(store, "clean", ending_artifacts=EndingNodes(filter_query=model), **down)) == (
        "clean report <model> <report>"
    )
    found = graph(store, "raw", ending_executions=EndingNodes(where="name == 'model'"), **down)
    assert names(found) == "raw clean rejects report <clean+rejects> <report>"
    found = graph(store, "raw", ending_executions=EndingNodes(filter_query=clean, include_ending_nodes=True), **down)
    assert names(found) == "raw <clean+rejects>"
    assert [(e.artifact_id, e.path) for e in found.events] == [(chain["raw"], ("raw", 0))]
    assert names(graph(store, "raw", ending_artifacts=EndingNodes(ids=(chain["raw"],)))) == ""


def test_the_graph_has_contexts_links_and_types(store: MetadataStore, chain: dict[str, int]) -> None:
    found = graph(store, "model", direction=LineageDirection.UPSTREAM, max_num_hops=2)
    assert names(found) == "clean model <model>"
    run, pipeline = (c.id for c in store.contexts())
    assert [c.id for c in found.contexts] == [run, pipeline]
    assert set(found.attributions) == {
        Attribution(run, chain["clean"]),
        Attribution(pipeline, chain["clean"]),
        Attribution(pipeline, chain["model"]),
    }
    assert found.associations == (Association(pipeline, found.executions[0].id),)
    kinds = (*found.artifact_types, *found.execution_types, *found.context_types)
    assert [spec.name for spec in kinds] == ["Data", "m.Step", "pipeline", "pipeline_run"]
    assert [e.type for e in found.events] == [EventType.INPUT, EventType.OUTPUT]


def test_a_mask_leaves_the_rest_out(store: MetadataStore, chain: dict[str, int]) -> None:
    found = graph(store, "model", "events", "context_types")
    assert (found.artifacts, found.executions, found.contexts, found.attributions) == ((), (), (), ())
    assert len(found.events) == 9
    assert [spec.name for spec in found.context_types] == ["pipeline", "pipeline_run"]
    with pytest.raises(MetadataError, match="Did you mean 'events'"):
        graph(store, "model", "event")


def test_what_cannot_be_asked(store: MetadataStore, chain: dict[str, int]) -> None:
    with pytest.raises(MetadataError) as caught:
        graph(store, "nobody")
    assert caught.value.code == "NOT_FOUND"
    wrong = LineageSubgraphQueryOptions(ending_artifacts=EndingNodes(filter_query=""), max_num_hops=-1)
    with pytest.raises(MetadataError) as caught:
        store.get_lineage_subgraph(wrong)
    assert (caught.value.code, len(caught.value.problems)) == ("INVALID_ARGUMENT", 3)
    both = LineageSubgraphQueryOptions(
        starting_artifacts=StartingNodes(ids=(chain["raw"], 99)),
        starting_executions=StartingNodes(ids=(4,)),
        max_num_hops=0,
    )
    assert names(store.get_lineage_subgraph(both)) == "raw <report>"


@contextmanager
def counted(store: MetadataStore) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    engine = store.database._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield said
    sa.event.remove(engine, "before_cursor_execute", note)


def test_a_wide_level_is_one_query(store: MetadataStore) -> None:
    """60 chains of three steps side by side: queries grow with hops, not with nodes."""
    roots = store.put_artifacts([Artifact("Data") for _ in range(60)])
    for root in roots:
        level = root
        for _ in range(3):
            _, ids, _ = store.put_execution(
                Execution("m.Step"), [(level, EventType.INPUT, ()), (Artifact("Data"), EventType.OUTPUT, ())]
            )
            level = ids[1]
    with counted(store) as said:
        assert len(downstream(store, roots)) == 180
    assert len(said) < 20
    with counted(store) as said:
        found = store.get_lineage_subgraph(LineageSubgraphQueryOptions(StartingNodes(ids=tuple(roots))))
    assert (len(found.artifacts), len(found.events)) == (240, 360)
    assert len(said) < 50


def test_a_deep_lineage_is_a_tree_without_recursion(store: MetadataStore) -> None:
    level = store.put_artifacts([Artifact("Data", name="root")])[0]
    first = level

    def work(connection: sa.Connection) -> None:
        for table, rows in (
            ("Artifact", [{"i": i} for i in range(first + 1, first + 1501)]),
            ("Execution", [{"i": i} for i in range(1, 1501)]),
        ):
            type_id = "(SELECT id FROM Type WHERE name = :t)"
            name = "Data" if table == "Artifact" else "m.Step"
            connection.execute(
                sa.text(f"INSERT INTO {table} (id, type_id) VALUES (:i, {type_id})"), [{**r, "t": name} for r in rows]
            )
        events = [(first + i - 1, i, 3) for i in range(1, 1501)] + [(first + i, i, 4) for i in range(1, 1501)]
        connection.execute(
            sa.text("INSERT INTO Event (artifact_id, execution_id, type) VALUES (:a, :e, :t)"),
            [{"a": a, "e": e, "t": t} for a, e, t in events],
        )

    store.database.write(work)
    node, depth = lineage_tree(store, first, "downstream", hops=10_000), 0
    while node.branches:
        (node,), depth = node.branches, depth + 1
    assert depth == 3000
    assert len(upstream(store, [first + 1500], hops=10_000)) == 1500
    assert len(upstream(store, [first + 1500])) == 50  # a hundred hops unless told otherwise


@pytest.fixture
def spans(store: MetadataStore) -> dict[str, int]:
    """Examples of spans 1 to 3; a model of 1, one of 2 and 3 that began with it, and one of 3 with 1's schema."""
    for name in ("Examples", "Model", "Schema"):
        store.put_type(TypeSpec(name, TypeKind.ARTIFACT, {"span": PropertyType.INT}))
    ids: dict[str, int] = {}

    def step(name: str, type_: str, inputs: list[str], pipeline: str = "p", **fields: Any) -> None:
        made = Artifact(type_, name=name, **fields)
        events = [*[(ids[i], EventType.INPUT, (i,)) for i in inputs], (made, EventType.OUTPUT, (name,))]
        _, found, _ = store.put_execution(Execution("m.Step"), events, [Context("pipeline", pipeline)])
        ids[name] = found[-1]

    for span in (1, 2):
        step(f"x{span}", "Examples", [], properties={"span": span})
    step("x3", "Examples", [], properties={"span": 0}, custom_properties={"span": "3"})  # as TFX keeps it
    step("schema", "Schema", ["x1"])
    step("t1", "Examples", ["x1", "schema"], properties={"span": 1})
    step("m1", "Model", ["t1", "schema"])
    step("m23", "Model", ["x2", "x3", "m1"])
    step("m3", "Model", ["x3", "schema"])
    step("small", "Model", ["m3"])
    step("y1", "Examples", [], "other", properties={"span": 1})
    step("other", "Model", ["y1"], "other")
    return ids


def test_models_of_a_span_and_spans_of_a_model(store: MetadataStore, spans: dict[str, int]) -> None:
    def models(span: int, pipeline: str = "p") -> list[str | None]:
        return [artifact.name for artifact in models_from_span(store, pipeline, span)]

    assert models(1) == ["m1", "m23"]  # m3 read its schema alone
    assert models(2) == ["m23"]
    assert models(3) == ["m23", "m3", "small"]
    assert models(0) == models(9) == []
    assert models(1, "other") == ["other"]
    assert spans_of(store, spans["m1"]) == [1]
    assert spans_of(store, store.artifacts(name="m23")[0]) == [1, 2, 3]
    assert spans_of(store, spans["small"]) == [3]
    with pytest.raises(MetadataError, match="no model with id 999"):
        spans_of(store, 999)
