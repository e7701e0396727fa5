"""What goes into the store comes out of it, what does not fit is refused as a whole."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import MetadataError
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    Event,
    EventType,
    Execution,
    ExecutionState,
    MetadataStore,
    PropertyType,
    TypeKind,
    TypeSpec,
)

plain = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).filter(
        lambda text: not text.startswith("mlmd-struct::")
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=6), plain, max_size=5))
def test_custom_properties_come_back_with_value_and_type(store: MetadataStore, values: dict[str, object]) -> None:
    (artifact_id,) = store.put_artifacts([Artifact("Data", custom_properties=values)])  # type: ignore[arg-type]
    (found,) = store.artifacts(ids=[artifact_id])
    assert found.custom_properties == values
    assert {k: type(v) for k, v in found.custom_properties.items()} == {k: type(v) for k, v in values.items()}


def test_dicts_are_structs(store: MetadataStore) -> None:
    value = {"a": [1.0, "x", None, True], "b": {"c": ""}}
    (artifact_id,) = store.put_artifacts([Artifact("Data", custom_properties={"s": value})])
    assert store.artifacts(ids=[artifact_id])[0].custom_properties == {"s": value}


def test_every_wrong_property_is_named_and_nothing_is_stored(store: MetadataStore) -> None:
    good = Artifact("Data", properties={"span": 1})
    bad = Artifact(
        "Data",
        name="bad",
        properties={"spam": 1, "span": "x", "rate": True, "kind": 3},
        custom_properties={"o": object(), "n": float("nan"), "big": 2**63},  # type: ignore[dict-item]
    )
    with pytest.raises(MetadataError) as caught:
        store.put_artifacts([good, bad])
    text = str(caught.value)
    assert len(caught.value.problems) == 7
    assert "Did you mean 'span'" in text
    assert "property 'span' is INT, but was given 'x'" in text
    assert "property 'rate' is DOUBLE, but was given True" in text
    assert store.artifacts() == []


def test_a_declared_double_takes_an_int(store: MetadataStore) -> None:
    (artifact_id,) = store.put_artifacts([Artifact("Data", properties={"rate": 2})])
    assert store.artifacts(ids=[artifact_id])[0].properties == {"rate": 2.0}


def test_types_grow_and_never_change(store: MetadataStore) -> None:
    type_id = store.put_type(TypeSpec("Data", TypeKind.ARTIFACT, {"new": PropertyType.BOOLEAN}))
    stored = store.type(TypeKind.ARTIFACT, "Data")
    assert stored is not None
    assert stored.id == type_id == 10
    assert set(stored.properties) == {"span", "rate", "kind", "new"}
    with pytest.raises(MetadataError, match="'span' is stored as INT and cannot become STRING"):
        store.put_type(TypeSpec("Data", TypeKind.ARTIFACT, {"span": PropertyType.STRING}))
    with pytest.raises(MetadataError, match=r"cannot become mlmd\.Model"):
        store.put_type(TypeSpec("Data", TypeKind.ARTIFACT, base="mlmd.Model"))
    with pytest.raises(MetadataError, match=r"no base type 'mlmd\.Train'"):
        store.put_type(TypeSpec("Other", TypeKind.ARTIFACT, base="mlmd.Train"))
    assert store.type(TypeKind.ARTIFACT, "Other") is None


def test_an_update_replaces_and_a_no_op_does_not_touch_the_time(store: MetadataStore) -> None:
    (artifact_id,) = store.put_artifacts([Artifact("Data", "u", properties={"span": 1}, custom_properties={"x": 1})])
    (first,) = store.artifacts(ids=[artifact_id])
    time.sleep(0.003)
    store.put_artifacts([first])
    assert store.artifacts(ids=[artifact_id]) == [first]
    store.put_artifacts([replace(first, custom_properties={"y": 2})])
    (second,) = store.artifacts(ids=[artifact_id])
    assert second.custom_properties == {"y": 2}
    assert second.properties == {"span": 1}
    assert second.updated > first.updated
    assert second.created == first.created


def test_ids_names_and_types_are_fixed(store: MetadataStore) -> None:
    store.put_type(TypeSpec("Other", TypeKind.ARTIFACT))
    (artifact_id,) = store.put_artifacts([Artifact("Data", name="a")])
    (stored,) = store.artifacts(ids=[artifact_id])
    with pytest.raises(MetadataError, match="names never change"):
        store.put_artifacts([replace(stored, name="b")])
    with pytest.raises(MetadataError, match="cannot become 'Other'"):
        store.put_artifacts([replace(stored, type="Other", type_id=None)])
    with pytest.raises(MetadataError, match="no artifact with id 99"):
        store.put_artifacts([Artifact("Data", id=99)])
    with pytest.raises(MetadataError, match="Did you mean 'Data'"):
        store.put_artifacts([Artifact("Dato")])
    with pytest.raises(MetadataError, match="is taken"):
        store.put_artifacts([Artifact("Data", name="a")])


def test_put_execution_is_all_or_nothing(store: MetadataStore) -> None:
    run = Context("pipeline_run", "r1")
    step = Execution("m.Step", ExecutionState.COMPLETE)
    out = (Artifact("Data", "u", ArtifactState.LIVE), EventType.OUTPUT, ("data", 0))
    execution_id, (artifact_id,), (context_id,) = store.put_execution(step, [out], [run])
    assert [e.id for e in store.executions(context=context_id)] == [execution_id]
    assert [a.id for a in store.artifacts(context=context_id)] == [artifact_id]
    assert store.contexts(execution=execution_id) == store.contexts(artifact=artifact_id)
    bad = (Artifact("Data", properties={"span": "x"}), EventType.OUTPUT, ("data", 0))
    with pytest.raises(MetadataError):
        store.put_execution(step, [out, bad], [Context("pipeline_run", "r2")])
    assert len(store.executions()) == len(store.artifacts()) == len(store.contexts()) == 1


def test_queries_by_type_uri_state_name_and_order(store: MetadataStore) -> None:
    ids = store.put_artifacts(
        [
            Artifact("Data", "u1", ArtifactState.LIVE, name="one"),
            Artifact("Data", "u2", ArtifactState.PENDING),
            Artifact("Data", "u1", ArtifactState.LIVE),
        ]
    )
    assert [a.id for a in store.artifacts(uri="u1")] == [ids[0], ids[2]]
    assert [a.id for a in store.artifacts(type="Data", newest_first=True, limit=2)] == [ids[2], ids[1]]
    assert [a.id for a in store.artifacts(state=ArtifactState.PENDING)] == [ids[1]]
    assert [a.id for a in store.artifacts(type="Data", name="one")] == [ids[0]]
    assert store.artifacts(type="None") == []
    assert [a.id for a in store.artifacts(ids=[ids[1], 99, ids[0]])] == ids[:2], "unknown ids are left out"
    assert len(store.artifacts(ids=range(1, 3000))) == 3, "more ids than a statement can bind"


def test_events_never_change_and_merge_their_paths(store: MetadataStore) -> None:
    (artifact_id,) = store.put_artifacts([Artifact("Data")])
    (execution_id,) = store.put_executions([Execution("m.Step")])
    event = Event(artifact_id, execution_id, EventType.INPUT, ("a", 0))
    store.put_events([event, replace(event, path=("b", 1))])
    (stored,) = store.events(execution_ids=[execution_id])
    assert stored.path == ("a", 0, "b", 1)
    with pytest.raises(MetadataError, match="have an event INPUT already"):
        store.put_events([event])
    with pytest.raises(MetadataError, match="no artifact with id 77"):
        store.put_events([Event(77, execution_id, EventType.INPUT)])
    with pytest.raises(MetadataError, match="exactly one"):
        store.events()


def test_parent_contexts_have_no_circles(store: MetadataStore) -> None:
    ids = store.put_contexts([Context("pipeline", "p"), Context("pipeline_run", "r"), Context("pipeline_run", "s")])
    store.put_parent_context(ids[1], ids[0])
    store.put_parent_context(ids[1], ids[0])
    store.put_parent_context(ids[2], ids[1])
    assert [c.name for c in store.parents(ids[1])] == ["p"]
    assert [c.name for c in store.children(ids[1])] == ["s"]
    with pytest.raises(MetadataError, match="cannot change places"):
        store.put_parent_context(ids[0], ids[2])
    assert store.put_contexts([Context("pipeline", "p")]) == [ids[0]]


def test_a_full_disk_is_told_with_its_remedy(tmp_path) -> None:
    """A database that may grow no further, as on a full disk: the write is refused whole."""
    from trueline._core.errors import MetadataError
    from trueline.metadata.database import Database

    database = Database(str(tmp_path / "metadata.db"))

    def fill(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(1000000) AS x")

    with pytest.raises(MetadataError, match="the disk is full"):
        database.write(fill)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'filler'").scalar() == 0
    database.close()
