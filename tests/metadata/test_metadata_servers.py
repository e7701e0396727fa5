"""The store is the same store on SQLite, PostgreSQL and MySQL: values, names, order, refusals, old and new tables."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import database_servers
import pytest
import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    EventType,
    Execution,
    ExecutionState,
    MetadataStore,
    PropertyType,
    RunStore,
    TypeKind,
    TypeSpec,
)
from trueline.metadata.records import ProtoValue

DATA = TypeSpec("Data", TypeKind.ARTIFACT, {"span": PropertyType.INT, "rate": PropertyType.DOUBLE}, base="mlmd.Dataset")


@pytest.fixture
def anywhere(store_url: str) -> Iterator[MetadataStore]:
    """A store on each database in turn."""
    made = MetadataStore(store_url)
    made.put_type(DATA)
    made.put_type(TypeSpec("m.Step", TypeKind.EXECUTION))
    made.put_type(TypeSpec("pipeline", TypeKind.CONTEXT))
    yield made
    made.close()


def test_every_kind_of_value_comes_back(anywhere: MetadataStore) -> None:
    long = "ж" * 100_000 + "\n'\"\\%_"
    values: dict[str, Any] = {
        "big": 2**63 - 1,
        "small": -(2**63),
        "beyond": 2**31,
        "tiny": 5e-324,
        "no": False,
        "yes": True,
        "zero": 0,
        "text": long,
        "smile": "😀",
        "empty": "",
        "dict": {"a": [1.0, None, "x"]},
        "bytes": ProtoValue(bytes(range(256))),
    }
    (artifact_id,) = anywhere.put_artifacts(
        [
            Artifact(
                "Data",
                "u" * 2000,
                ArtifactState.LIVE,
                properties={"span": 2**40, "rate": 0.1},
                custom_properties=values,
            )
        ]
    )
    (found,) = anywhere.artifacts(ids=[artifact_id])
    assert found.custom_properties == values
    assert {k: type(v) for k, v in found.custom_properties.items()} == {k: type(v) for k, v in values.items()}
    assert found.properties == {"span": 2**40, "rate": 0.1}
    assert found.uri == "u" * 2000
    assert anywhere.artifacts(ids=[2**40]) == [], "an id that no column holds is unknown, and no error"
    anywhere.put_artifacts([replace(found, custom_properties={"zero": 1.5})])
    assert anywhere.artifacts(ids=[artifact_id])[0].custom_properties == {"zero": 1.5}


def test_names_differ_by_case_and_are_unique_within_their_type(anywhere: MetadataStore) -> None:
    ids = anywhere.put_artifacts([Artifact("Data", name=name) for name in ("model", "Model", "modèl", "MODEL")])
    assert len(set(ids)) == 4
    assert [a.id for a in anywhere.artifacts(type="Data", name="Model")] == [ids[1]]
    assert anywhere.artifacts(type="data") == []
    with pytest.raises(MetadataError, match="name or external id is taken") as caught:
        anywhere.put_artifacts([Artifact("Data", uri="x"), Artifact("Data", name="model")])
    assert caught.value.code == "ALREADY_EXISTS"
    assert len(anywhere.artifacts()) == 4, "nothing of a refused write is stored"
    first = anywhere.put_contexts([Context("pipeline", "p"), Context("pipeline", "P")])
    assert anywhere.put_contexts([Context("pipeline", "P"), Context("pipeline", "p")]) == first[::-1]


def test_paths_of_events_keep_their_order(anywhere: MetadataStore) -> None:
    path: tuple[str | int, ...] = ("zeta", 3, "alpha", 1, "mid", 0, "alpha", 2)
    for _ in range(3):
        made = anywhere.put_execution(
            Execution("m.Step", ExecutionState.COMPLETE),
            [(Artifact("Data"), EventType.OUTPUT, path), (Artifact("Data"), EventType.INPUT, path[::-1])],
            [Context("pipeline", "p")],
        )
    events = anywhere.events(execution_ids=[made[0]])
    assert [(e.type, e.path) for e in events] == [(EventType.OUTPUT, path), (EventType.INPUT, path[::-1])]
    assert [a.id for a in anywhere.artifacts(context=made[2][0], newest_first=True, limit=2)] == made[1][::-1]


def test_a_new_database_is_made_once_by_all_who_open_it_at_once(store_url: str) -> None:
    def opened(_: int) -> int:
        with closing(MetadataStore(store_url)) as store:
            return len(store.get_artifact_types())

    with ThreadPoolExecutor(6) as several:
        assert len(set(several.map(opened, range(6)))) == 1


def test_builtin_types_come_first(anywhere: MetadataStore) -> None:
    stored = anywhere.type(TypeKind.ARTIFACT, "Data")
    assert stored is not None
    assert (stored.id, stored.base, dict(stored.properties)) == (10, "mlmd.Dataset", dict(DATA.properties))


def test_runs_of_any_size(anywhere: MetadataStore, store_url: str) -> None:
    runs = RunStore(anywhere)
    plan = '{"nodes": [{"id": "b"}, {"id": "a"}], "note": "' + "x" * 200_000 + '"}'
    runs.start("r1", "p", plan, {"n": 1}, ["a", "b"])
    runs.set_node("r1", "a", state="FAILED", found={"rows": 2}, message="m" * 100_000)
    with pytest.raises(MetadataError, match="there is a run 'r1' already"):
        runs.start("r1", "p", plan, {}, ["a"])
    again = MetadataStore(store_url, readonly=True)
    record = RunStore(again).run("r")
    assert (record.plan, [n.node_id for n in record.nodes], record.nodes[1].found) == (plan, ["b", "a"], {"rows": 2})
    with pytest.raises(MetadataError, match="reading only"):
        again.put_artifacts([Artifact("Data")])
    again.close()


def test_a_reader_sees_one_state_and_stops_nobody(anywhere: MetadataStore) -> None:
    with anywhere.database.read() as connection:
        count = sa.text("SELECT count(*) FROM Artifact")
        assert connection.execute(count).scalar() == 0
        anywhere.put_artifacts([Artifact("Data")])
        assert connection.execute(count).scalar() == 0, "one consistent view"
    assert len(anywhere.artifacts()) == 1


def test_values_that_do_not_fit_are_refused_with_their_reason(anywhere: MetadataStore) -> None:
    if anywhere.database.is_sqlite:
        pytest.skip("SQLite's columns have no limits")
    with pytest.raises(MetadataError, match="does not fit"):
        anywhere.put_artifacts([Artifact("Data", name="n" * 256)])
    assert anywhere.artifacts() == []


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_lost_connection_is_made_anew(kind: str, tmp_path: Any) -> None:
    """The server ends a connection while a transaction writes: the work is done again, once."""
    with database_servers.new_database(kind, tmp_path) as url:
        store = MetadataStore(url)
        store.put_type(DATA)
        calls: list[int] = []

        def work(connection: sa.Connection) -> None:
            calls.append(1)
            values = {"name": "T", "type_kind": 1}
            if len(calls) == 1:
                own = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}[kind]
                number = connection.execute(sa.text(own)).scalar()
                end = f"SELECT pg_terminate_backend({number})" if kind == "postgresql" else f"KILL {number}"
                database_servers.run_sql(url, end)
            from trueline.metadata.tables import type_

            connection.execute(type_.insert().values(**values))

        store.database.write(work)
        assert len(calls) == 2
        assert [t.name for t in store.types(TypeKind.ARTIFACT)] == ["Data", "T"]
        store.close()


def test_passwords_are_in_no_message(tmp_path: Any) -> None:
    with database_servers.new_database("postgresql", tmp_path) as url:
        store = MetadataStore(url, create=True)
        assert database_servers.PASSWORD not in store.database.place
        store.close()
        address = sa.make_url(url)
        cases = [
            (address.set(password="wr0ng/pa ss"), "password authentication failed"),
            (address.set(database="nowhere"), 'database "nowhere" does not exist'),
        ]
        for wrong, said in cases:
            with pytest.raises(MetadataError, match=said) as caught:
                MetadataStore(wrong.render_as_string(hide_password=False))
            for secret in (database_servers.PASSWORD, "wr0ng", "s3cr"):
                assert secret not in f"{caught.value} {caught.value.__cause__}"
        database_servers.run_sql(
            url, *(f"DROP TABLE {name}" for name in ("trueline_env", "trueline_run")), "TRUNCATE Artifact"
        )
        foreign = MetadataStore(url)
        with pytest.raises(MetadataError, match="store adopt") as caught:
            RunStore(foreign).runs()
        assert "s3cr" not in str(caught.value)
        foreign.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:p@ss@w0rd@[host/db", "is no URL"),
        ("oracle://me:passw0rd@host/db", "oracle"),
        ("nosuch://me:passw0rd@host/db", "nosuch"),
    ],
)
def test_addresses_that_cannot_be_are_refused_without_their_password(url: str, said: str) -> None:
    with pytest.raises(MetadataError, match=said) as caught:
        MetadataStore(url)
    assert "w0rd" not in str(caught.value)
