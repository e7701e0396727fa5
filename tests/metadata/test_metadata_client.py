"""The methods with the names of ML Metadata's client: what they store, give back and refuse, by kind of refusal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trueline._core.errors import MetadataError
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    Event,
    EventType,
    Execution,
    ExecutionState,
    LineageSubgraphQueryOptions,
    ListOptions,
    MetadataStore,
    OrderByField,
    ParentContext,
    PropertyType,
    StartingNodes,
    TypeKind,
    TypeSpec,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from database_servers import new_database

A = TypeKind.ARTIFACT


def refused(code: str, call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(MetadataError) as caught:
        call(*args, **options)
    assert caught.value.code == code, str(caught.value)
    return str(caught.value)


@pytest.fixture
def world(store: MetadataStore) -> MetadataStore:
    ids = store.put_artifacts(
        [
            Artifact("Data", "/1", ArtifactState.LIVE, "one", {"span": 1}, {"k": "x", "l": 2}, external_id="e1"),
            Artifact("Data", "/2", name="two"),
            Artifact("Data", "/1"),
        ]
    )
    executions = store.put_executions([Execution("m.Step", name=name, external_id=name) for name in "stu"])
    contexts = store.put_contexts([Context("pipeline", "p"), Context("pipeline_run", "r", external_id="er")])
    store.put_events([Event(ids[0], executions[0], EventType.OUTPUT, ("out", 0))])
    store.put_attributions_and_associations(contexts[0], ids[:2], executions)
    store.put_parent_contexts([ParentContext(contexts[1], contexts[0])])
    return store


def test_types_grow_and_shrink_only_with_leave(store: MetadataStore) -> None:
    spec = TypeSpec("New", A, {"a": PropertyType.INT, "b": PropertyType.STRING})
    type_id = store.put_artifact_type(spec)
    assert type_id == store.put_artifact_type(spec)
    wider, narrower = (
        replace(spec, properties={**spec.properties, "c": PropertyType.BOOLEAN}),
        replace(spec, properties={}),
    )
    assert "property 'c' is new" in refused("ALREADY_EXISTS", store.put_artifact_type, wider, can_omit_fields=True)
    assert "property 'a' is left out" in refused(
        "ALREADY_EXISTS", store.put_artifact_type, narrower, can_add_fields=True
    )
    assert store.put_artifact_type(wider, can_add_fields=True) == type_id
    assert store.put_artifact_type(narrower, can_omit_fields=True) == type_id
    assert set(store.get_artifact_type("New").properties) == {"a", "b", "c"}  # the union is kept
    other = replace(spec, properties={"a": PropertyType.STRING})
    refused("ALREADY_EXISTS", store.put_artifact_type, other, can_add_fields=True, can_omit_fields=True)
    assert store.put_artifact_type(replace(other, version="2")) != type_id
    assert store.put_artifact_type(replace(spec, version=""), can_omit_fields=True) == type_id  # no version
    assert store.get_artifact_type("New", "2").properties == {"a": PropertyType.STRING}


def test_types_are_found_by_name_and_id(store: MetadataStore) -> None:
    execution_type = store.put_execution_type(TypeSpec("E", TypeKind.EXECUTION))
    context_type = store.put_context_type(TypeSpec("C", TypeKind.CONTEXT))
    assert [spec.name for spec in store.get_artifact_types()] == ["Data"]
    assert [spec.name for spec in store.get_execution_types()] == ["m.Step", "E"]
    assert [spec.name for spec in store.get_context_types()] == ["pipeline", "pipeline_run", "C"]
    assert store.get_execution_type("E").id == execution_type
    assert store.get_context_type("C").id == context_type
    assert [spec.name for spec in store.get_execution_types_by_id([99, execution_type, context_type])] == ["E"]
    assert [spec.name for spec in store.get_context_types_by_id([context_type])] == ["C"]
    assert store.get_artifact_types_by_id([]) == []
    assert "Did you mean 'Data'" in refused("NOT_FOUND", store.get_artifact_type, "Date")
    refused("NOT_FOUND", store.get_artifact_type, "Data", "7")
    refused("INVALID_ARGUMENT", store.put_artifact_type, TypeSpec("", A, {"x": PropertyType.UNKNOWN}))
    refused("INVALID_ARGUMENT", store.put_context_type, TypeSpec("C", A))
    refused("UNIMPLEMENTED", store.put_artifact_type, replace(store.get_artifact_type("Data"), base="mlmd.Model"))


def test_a_mask_touches_what_it_names(world: MetadataStore) -> None:
    def put(*paths: str, **fields: Any) -> Artifact:
        world.put_artifacts([Artifact("Data", id=1, **fields)], field_mask_paths=paths)
        return world.get_artifacts_by_id([1])[0]

    before = world.get_artifacts_by_id([1])[0]
    after = put("uri", uri="/new", properties={"span": 9})
    assert after == replace(before, uri="/new", updated=after.updated)
    assert after.updated > before.updated
    assert put("uri").uri is None
    assert put("properties.span", properties={"span": 2, "kind": "z"}).properties == {"span": 2}
    assert put("properties.kind", "state", properties={"kind": "z"}).properties == {"span": 2, "kind": "z"}
    assert put("properties.kind").properties == {"span": 2}  # named and not given: deleted
    assert put("properties", properties={"rate": 1.0}).properties == {"rate": 1.0}
    assert put("custom_properties.k", custom_properties={"k": 1, "m": 2}).custom_properties == {"k": 1, "l": 2}
    assert put("external_id").external_id is None
    last = put("custom_properties", custom_properties={"m": 2})
    assert last.custom_properties == {"m": 2}
    assert put("custom_properties.m", custom_properties={"m": 2}) == last  # nothing changed: no new time
    assert last.name == "one"
    assert "Did you mean 'uri'" in refused("INVALID_ARGUMENT", put, "url")
    refused("INVALID_ARGUMENT", world.put_artifacts, [Artifact("Data", id=99)], field_mask_paths=["uri"])
    refused("INVALID_ARGUMENT", world.put_artifacts, [Artifact("Other", id=1)], field_mask_paths=["uri"])


def test_a_new_node_is_stored_whole_whatever_the_mask(world: MetadataStore) -> None:
    (new,) = world.put_artifacts([Artifact("Data", "/9", properties={"span": 4})], field_mask_paths=["uri"])
    assert world.get_artifacts_by_id([new])[0].properties == {"span": 4}
    world.put_executions([Execution("m.Step", ExecutionState.COMPLETE, id=1)], field_mask_paths=["last_known_state"])
    assert world.get_executions_by_id([1])[0] == replace(
        world.get_executions_by_id([1])[0], state=ExecutionState.COMPLETE, name="s", external_id="s"
    )
    world.put_contexts([Context("pipeline", "p", custom_properties={"x": 1}, id=1)], field_mask_paths=["properties"])
    assert world.get_contexts_by_id([1])[0].custom_properties == {}


def test_an_update_replaces_and_a_name_never_changes(world: MetadataStore) -> None:
    one = world.get_artifacts_by_id([1])[0]
    world.put_artifacts([one])
    assert world.get_artifacts_by_id([1]) == [one]  # nothing changed: no new time
    world.put_artifacts([Artifact("Data", id=1)])
    bare = world.get_artifacts_by_id([1])[0]
    assert (bare.uri, bare.properties, bare.custom_properties, bare.name) == (None, {}, {}, "one")
    refused("INVALID_ARGUMENT", world.put_artifacts, [Artifact("Data", name="other", id=1)])
    refused("INVALID_ARGUMENT", world.put_artifacts, [Artifact("Data", id=99)])
    refused("NOT_FOUND", world.put_artifacts, [Artifact("Nope")])
    refused("ALREADY_EXISTS", world.put_artifacts, [Artifact("Data", name="two")])
    refused("ALREADY_EXISTS", world.put_executions, [Execution("m.Step", external_id="s")])
    refused("INVALID_ARGUMENT", world.put_artifacts, [Artifact("Data", properties={"span": "x"})])


def test_an_optimistic_lock_lets_the_first_writer_through(world: MetadataStore) -> None:
    one = world.get_artifacts_by_id([1])[0]
    first, second = replace(one, uri="/first"), replace(one, uri="/second")
    world.put_artifacts([first], abort_if_latest_updated_time_changed=True)
    message = refused("FAILED_PRECONDITION", world.put_artifacts, [second], abort_if_latest_updated_time_changed=True)
    assert "read it again" in message
    assert world.get_artifacts_by_id([1])[0].uri == "/first"
    world.put_artifacts([Artifact("Data")], abort_if_latest_updated_time_changed=True)  # new: nothing to compare


def count_up(url: str, rounds: int) -> int:
    """Counts in a property from four threads, each by what it read; an update that came too late is done again."""

    def one(_: int) -> None:
        store = MetadataStore(url)
        done = 0
        while done < rounds:
            (read,) = store.get_artifacts_by_id([1])
            new = replace(read, properties={"span": int(str(read.properties["span"])) + 1})
            try:
                store.put_artifacts([new], abort_if_latest_updated_time_changed=True)
            except MetadataError as error:
                if error.code != "FAILED_PRECONDITION":
                    raise
            else:
                done += 1
        store.close()

    store = MetadataStore(url)
    store.put_artifact_type(TypeSpec("Data", A, {"span": PropertyType.INT}))
    store.put_artifacts([Artifact("Data", properties={"span": 0})])
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, range(4)))
    (counted,) = store.get_artifacts_by_id([1])
    store.close()
    return int(str(counted.properties["span"]))


def test_no_update_is_lost(tmp_path: Path) -> None:
    assert count_up(str(tmp_path / "metadata.db"), 5) == 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_no_update_is_lost_on_servers(tmp_path: Path, kind: str) -> None:
    with new_database(kind, tmp_path) as url:
        assert count_up(url, 20) == 80


def test_put_execution_reuses_what_it_is_told_to(world: MetadataStore) -> None:
    put, step, run = world.put_execution, Execution("m.Step"), Context("pipeline_run", "r")
    assert put(step, (), [run])[2] == [2]
    refused("ALREADY_EXISTS", put, step, (), [run], reuse_context_if_already_exist=False)
    same = Artifact("Data", "/moved", external_id="e1")
    refused("ALREADY_EXISTS", put, step, [(same, EventType.OUTPUT, ())])
    count = len(world.get_executions())
    _, artifact_ids, _ = put(step, [(same, EventType.OUTPUT, ())], reuse_artifact_if_already_exist_by_external_id=True)
    assert artifact_ids == [1]
    assert world.get_artifacts_by_id([1])[0].uri == "/moved"
    assert len(world.get_executions()) == count + 1  # what was refused left nothing
    changed = Context("pipeline_run", "r", custom_properties={"x": 1}, id=2)
    put(step, (), [changed], force_reuse_context=True)
    assert world.get_contexts_by_id([2])[0].custom_properties == {}
    put(step, (), [changed])
    assert world.get_contexts_by_id([2])[0].custom_properties == {"x": 1}
    execution_id, artifact_ids, _ = put(step, [(Artifact("Data"), None, ())])  # no event
    assert world.get_events_by_artifact_ids(artifact_ids) == []
    stored = world.get_executions_by_id([execution_id])[0]
    put(stored)
    assert world.get_executions_by_id([execution_id])[0].updated == stored.updated
    put(stored, force_update_time=True)
    assert world.get_executions_by_id([execution_id])[0].updated > stored.updated


def test_a_subgraph_is_stored_whole_or_not_at_all(world: MetadataStore) -> None:
    put, nothing = world.put_lineage_subgraph, Event(0, 0, EventType.OUTPUT)
    executions, artifacts = (
        [Execution("m.Step"), Execution("m.Step")],
        [Artifact("Data", "/s1"), Artifact("Data", "/s2")],
    )
    edges = [
        (0, 0, nothing),
        (1, 0, replace(nothing, type=EventType.INPUT)),
        (1, None, replace(nothing, artifact_id=1)),
    ]
    execution_ids, artifact_ids, (context_id,) = put(executions, artifacts, [Context("pipeline_run", "sub")], edges)
    assert world.get_contexts_by_artifact(artifact_ids[1])[0].id == context_id
    assert [e.id for e in world.get_executions_by_context(context_id)] == execution_ids[::-1]
    assert [(e.artifact_id, e.execution_id) for e in world.get_events_by_execution_ids(execution_ids)] == [
        (artifact_ids[0], execution_ids[0]),
        (artifact_ids[0], execution_ids[1]),
        (1, execution_ids[1]),
    ]
    count = len(world.get_artifacts())
    refused("OUT_OF_RANGE", put, executions, artifacts, [], [(0, 5, nothing)])
    refused("OUT_OF_RANGE", put, executions, artifacts, [], [(-1, 0, nothing)])
    refused("INVALID_ARGUMENT", put, executions, artifacts, [], [(0, None, nothing)])
    refused(
        "INVALID_ARGUMENT", put, [replace(executions[0], id=1)], artifacts, [], [(0, 0, Event(0, 2, EventType.INPUT))]
    )
    refused("INVALID_ARGUMENT", put, executions, artifacts, [], [(0, None, Event(99, 0, EventType.INPUT))])
    context = Context("pipeline_run", "sub")
    refused("ALREADY_EXISTS", put, executions, artifacts, [context], [], reuse_context_if_already_exist=False)
    assert len(world.get_artifacts()) == count


def test_events_and_links(world: MetadataStore) -> None:
    refused("ALREADY_EXISTS", world.put_events, [Event(1, 1, EventType.OUTPUT)])
    refused("INVALID_ARGUMENT", world.put_events, [Event(99, 1, EventType.OUTPUT)])
    world.put_attributions_and_associations(1, [1], [1])  # again is no error
    pair = ParentContext(child_id=2, parent_id=1)
    refused("ALREADY_EXISTS", world.put_parent_contexts, [pair])
    refused("INVALID_ARGUMENT", world.put_parent_contexts, [ParentContext(1, 2)])
    refused("INVALID_ARGUMENT", world.put_parent_contexts, [ParentContext(1, 1)])
    refused("INVALID_ARGUMENT", world.put_parent_contexts, [ParentContext(99, 1)])
    assert [c.name for c in world.get_parent_contexts_by_context(2)] == ["p"]
    assert [c.name for c in world.get_children_contexts_by_context(1)] == ["r"]
    assert world.get_parent_contexts_by_context(99) == []


def test_nodes_are_found_by_what_is_known(world: MetadataStore) -> None:
    assert [a.id for a in world.get_artifacts()] == [1, 2, 3]
    assert [a.id for a in world.get_artifacts_by_id([3, 99, 1, 3])] == [1, 3]
    assert world.get_artifacts_by_id([]) == []
    assert [a.id for a in world.get_artifacts_by_uri("/1")] == [1, 3]
    assert [a.id for a in world.get_artifacts_by_type("Data")] == [1, 2, 3]
    assert world.get_artifacts_by_type("Data", "2") == world.get_artifacts_by_type("Nope") == []
    one = world.get_artifact_by_type_and_name("Data", "one")
    assert one is not None
    assert one.external_id == "e1"
    assert world.get_artifact_by_type_and_name("Nope", "one") is None
    assert [a.id for a in world.get_artifacts_by_external_ids(["e1", "none"])] == [1]
    refused("NOT_FOUND", world.get_artifacts_by_external_ids, ["none"])
    refused("INVALID_ARGUMENT", world.get_artifacts_by_external_ids, ["e1", ""])
    assert [a.id for a in world.get_artifacts_by_context(1)] == [1, 2]
    assert [a.id for a in world.get_artifacts_by_context(1, ListOptions(filter_query="name = 'two'"))] == [2]
    found, types = world.get_artifacts_and_types_by_artifact_ids([1, 99])
    assert ([a.id for a in found], [spec.name for spec in types]) == ([1], ["Data"])
    assert [e.id for e in world.get_executions_by_type("m.Step")] == [1, 2, 3]
    assert [e.id for e in world.get_executions_by_context(1)] == [3, 2, 1]  # the newest first
    assert [e.id for e in world.get_executions_by_context(1, ListOptions())] == [1, 2, 3]
    assert [e.id for e in world.get_executions_by_external_ids(["t"])] == [2]
    execution, context = (
        world.get_execution_by_type_and_name("m.Step", "u"),
        world.get_context_by_type_and_name("pipeline", "p"),
    )
    assert execution is not None and execution.id == 3  # noqa: PT018
    assert context is not None and context.id == 1  # noqa: PT018
    assert [c.name for c in world.get_contexts_by_type("pipeline_run")] == ["r"]
    assert [c.name for c in world.get_contexts_by_external_ids(["er"])] == ["r"]
    assert (
        [c.name for c in world.get_contexts_by_artifact(1)]
        == ["p"]
        == [c.name for c in world.get_contexts_by_execution(3)]
    )
    assert world.get_contexts_by_artifact(3) == []
    assert world.get_events_by_artifact_ids([1, 2]) == world.get_events_by_execution_ids([1])
    assert world.get_events_by_execution_ids([1])[0].path == ("out", 0)


def test_pages_hold_every_node_once_also_where_times_are_equal(store: MetadataStore) -> None:
    store.put_artifacts([Artifact("Data", f"/{i}", properties={"span": i % 3}) for i in range(40)])
    store.database.write(lambda c: c.exec_driver_sql("UPDATE Artifact SET create_time_since_epoch = id % 4"))
    for order in (*OrderByField, None):
        for is_asc in (True, False):
            options = ListOptions(order_by=order, is_asc=is_asc, limit=7, where="properties['span'] != 1")
            pages, last = [], None
            while page := store.get_artifacts(replace(options, after=last)):
                pages.append(page)
                last = page[-1]
            whole = store.get_artifacts(replace(options, limit=None))
            assert [a for page in pages for a in page] == whole
            assert len(whole) == 27
            times = [(a.created if order is OrderByField.CREATE_TIME else 0, a.id or 0) for a in whole]
            assert times == sorted(times, reverse=not is_asc)
    refused("INVALID_ARGUMENT", ListOptions, limit=0)
    refused("INVALID_ARGUMENT", store.get_artifacts, ListOptions(after=Artifact("Data")))


def test_a_database_that_ml_metadata_made_answers_filters_and_lineage(foreign: Path) -> None:
    """Its nodes have no state, no URI and no name where nobody gave one: all are null in its tables."""
    store = MetadataStore(str(foreign))
    assert store.readonly
    every = [a.id for a in store.artifacts()]
    either = ListOptions(filter_query="state = LIVE OR state != LIVE", where="state == LIVE or state != LIVE")
    assert [a.id for a in store.get_artifacts(either)] == every != []
    started = LineageSubgraphQueryOptions(starting_artifacts=StartingNodes(ids=tuple(a or 0 for a in every)))
    found = store.get_lineage_subgraph(started)
    assert [a.id for a in found.artifacts] == every
    assert found.events == tuple(store.get_events_by_artifact_ids(every))
    refused("FAILED_PRECONDITION", store.put_artifacts, [Artifact("Data")])
    store.close()
