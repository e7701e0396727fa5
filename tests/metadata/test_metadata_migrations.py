"""Databases of older versions: trueline's tables of version 1, and ML Metadata's schemas 0 to 9, each as its own
library left it (written by ml-metadata 1.17.1, then taken down by its `downgrade_schema`)."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from database_servers import new_database, run_sql
from test_metadata_schema import SCHEMA, shapes

from trueline._core.errors import MetadataError
from trueline.metadata import Artifact, MetadataStore, PropertyType, RunStore, TypeKind, TypeSpec
from trueline.metadata.database import Database
from trueline.metadata.migrations import migrate_own_tables
from trueline.metadata.own_tables import OWN_VERSION, alias, own_env, release
from trueline.metadata.records import ProtoValue

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / ".venvs" / "mlmd" / "bin" / "python"
OLD: dict[str, str] = json.loads(gzip.decompress((HERE / "mlmd_old.json.gz").read_bytes()))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A database that trueline wrote when its tables had version 1."""
    path = tmp_path / "first.db"
    path.write_bytes(gzip.decompress((HERE / "trueline_1.db.gz").read_bytes()))
    return path


def old(path: Path, version: int) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(OLD[str(version)])
    connection.close()
    return path


def own_shapes(path: Path) -> dict[str, set[str]]:
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'trueline_%'")]
    found = {name: {str(row[1:4]) for row in connection.execute(f"PRAGMA table_info({name})")} for name in names}
    connection.close()
    return found


def test_opening_for_writing_brings_our_tables_up_and_keeps_what_is_in_them(first: Path, tmp_path: Path) -> None:
    store = MetadataStore(str(first))
    record = RunStore(store).run("r-old")
    assert (record.status, record.params, [n.node_id for n in record.nodes]) == ("COMPLETE", {"n": 1}, ["b", "a"])
    assert record.nodes[1].found == {"rows": 2}
    RunStore(store).start("r-new", "p", "{}", {}, ["a"])
    store.close()
    new = MetadataStore(str(tmp_path / "new.db"))
    new.close()
    assert own_shapes(first) == own_shapes(tmp_path / "new.db")
    assert shapes(first) == SCHEMA
    again = MetadataStore(str(first), readonly=True)
    assert {r.run_id for r in RunStore(again).runs()} == {"r-old", "r-new"}
    again.close()


def test_a_reader_reads_version_1_as_it_is(first: Path) -> None:
    before = digest(first)
    store = MetadataStore(str(first), readonly=True)
    record = RunStore(store).run("r-old")
    assert (record.status, record.nodes[1].seconds) == ("COMPLETE", 2.5)
    assert RunStore(store).runs(pipeline="p", limit=1)[0].run_id == "r-old"
    with store.database.read() as connection:
        assert connection.execute(sa.select(release)).all() == connection.execute(sa.select(alias)).all() == []
    with pytest.raises(MetadataError, match="reading only"):
        store.put_artifacts([Artifact("Data")])
    store.close()
    assert digest(first) == before


def test_several_processes_open_version_1_at_once(first: Path) -> None:
    script = "import sys; from trueline.metadata import MetadataStore; MetadataStore(sys.argv[1]).close()"
    children = [subprocess.Popen([sys.executable, "-c", script, str(first)], stderr=subprocess.PIPE) for _ in range(3)]
    errors = [child.communicate(timeout=60)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], errors
    store = MetadataStore(str(first))
    assert len(RunStore(store).runs()) == 1
    store.close()


def test_a_migration_that_fails_leaves_the_old_version(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: sa.Connection, version: int) -> None:
        migrate_own_tables(connection, version)
        raise OSError("the power is gone")

    before = own_shapes(first)
    monkeypatch.setattr("trueline.metadata.creation.migrate_own_tables", broken)
    with pytest.raises(OSError, match="power"):
        MetadataStore(str(first))
    assert own_shapes(first) == before
    monkeypatch.undo()
    MetadataStore(str(first)).close()


def test_version_1_on_every_database_even_half_way(store_url: str) -> None:
    """MySQL keeps the changes of a migration that was interrupted: the next opening goes on from there."""
    Database(store_url).close()
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        for column in ("cancel_requested", "resumed"):
            connection.exec_driver_sql(f"ALTER TABLE trueline_run DROP COLUMN {column}")
        for table in ("trueline_approval", "trueline_release"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.execute(own_env.update().values(version=1))
    engine.dispose()
    if not store_url.startswith("sqlite"):
        with pytest.raises(MetadataError, match="have version 1, which is older"):
            MetadataStore(store_url, readonly=True)
    store = MetadataStore(store_url)
    RunStore(store).start("r", "p", "{}", {}, ["a"])
    with store.database.read() as connection:
        assert connection.execute(sa.select(own_env.c.version)).scalars().all() == [OWN_VERSION]
        assert connection.execute(sa.select(release)).all() == []
    store.close()


def test_a_creation_on_mysql_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    with new_database("mysql", tmp_path) as url:  # elsewhere a creation is one transaction
        Database(url).close()
        gone = [f"DROP TABLE {table}" for table in ("trueline_env", "trueline_run", "Association", "Type")]
        run_sql(url, *gone, "DELETE FROM MLMDEnv")
        store = MetadataStore(url)
        assert store.types(TypeKind.ARTIFACT) == []
        RunStore(store).start("r", "p", "{}", {}, ["a"])
        store.close()
        MetadataStore(url).close()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_an_old_schema_on_a_server_is_upgraded(kind: str, tmp_path: Path) -> None:
    """Version 8 by hand: no external ids, no protos, no booleans; and nothing of ours."""
    with new_database(kind, tmp_path) as url:
        store = MetadataStore(url)
        store.put_type(TypeSpec("Data", TypeKind.ARTIFACT, {"span": PropertyType.INT}))
        store.put_artifacts([Artifact("Data", "u", name="n", properties={"span": 3})])
        own = [table.name for table in own_env.metadata.sorted_tables if table.name.startswith("trueline_")]
        store.close()
        run_sql(url, *(f"DROP TABLE {name}" for name in own), "UPDATE MLMDEnv SET schema_version = 8")
        for table in ("Type", "Artifact", "Execution", "Context"):
            run_sql(url, f"ALTER TABLE {table} DROP COLUMN external_id")
        for table in ("ArtifactProperty", "ExecutionProperty", "ContextProperty"):
            run_sql(url, *(f"ALTER TABLE {table} DROP COLUMN {column}" for column in ("proto_value", "bool_value")))
        with pytest.raises(MetadataError, match="version is 8"):
            MetadataStore(url)
        upgraded = MetadataStore(url, upgrade=True, adopt=True)
        values: dict[str, Any] = {"yes": True, "p": ProtoValue(b"x")}
        upgraded.put_artifacts([Artifact("Data", "v", external_id="e", custom_properties=values)])
        assert [(a.uri, a.properties, a.custom_properties) for a in upgraded.artifacts()] == [
            ("u", {"span": 3}, {}),
            ("v", {}, values),
        ]
        with pytest.raises(MetadataError, match="is taken"):
            upgraded.put_artifacts([Artifact("Data", external_id="e")])
        upgraded.close()


@pytest.mark.parametrize("version", range(10))
def test_old_schemas_are_refused_untouched_and_upgraded_when_asked(tmp_path: Path, version: int) -> None:
    path = old(tmp_path / "old.db", version)
    before = digest(path)
    for options in ({}, {"adopt": True}, {"readonly": True, "upgrade": True}):
        with pytest.raises(MetadataError, match=rf"version is {version}, this trueline reads 10[\s\S]*store upgrade"):
            MetadataStore(str(path), **options)
    assert digest(path) == before
    store = MetadataStore(str(path), upgrade=True)
    assert store.readonly, "upgraded, and not adopted"
    (artifact,) = store.artifacts()
    assert (artifact.type, artifact.uri, artifact.properties) == ("Examples", "/x", {"span": 3, "label": "s"})
    assert artifact.custom_properties == {"f": 1.5}
    (event,) = store.events(artifact_ids=[1])
    assert event.path == ("examples", 0)
    assert [c.name for c in store.contexts(artifact=1)] == (["pipe"] if version >= 4 else [])
    store.close()
    found, wanted = shapes(path), dict(SCHEMA)
    builtin = {tuple(row[1:4:2]) for row in found.pop("built-in types")}
    assert len(builtin) == 9
    wanted.pop("built-in types")
    # An index of ML Metadata's version 6 that its later versions no longer make, and columns in another order.
    for table in wanted:
        if table == "MLMDEnv rows":
            continue
        assert {str(c[1:]) for c in found[table]["columns"]} == {str(c[1:]) for c in wanted[table]["columns"]}, table
        assert found[table]["indices"] == wanted[table]["indices"], table
        assert found[table]["autoincrement"] == wanted[table]["autoincrement"]
    writer = MetadataStore(str(path), adopt=True)
    assert writer.put_artifacts([Artifact("Examples", uri="new")]) == [2]
    writer.close()


def test_of_several_events_the_newest_stays(tmp_path: Path) -> None:
    path = old(tmp_path / "old.db", 7)
    connection = sqlite3.connect(path)
    row = connection.execute("SELECT artifact_id, execution_id, type FROM Event").fetchone()
    connection.execute("INSERT INTO Event (id, artifact_id, execution_id, type) VALUES (7, ?, ?, ?)", row)
    connection.execute("INSERT INTO EventPath (event_id, is_index_step, step_key) VALUES (7, 0, 'newer')")
    connection.commit()
    connection.close()
    store = MetadataStore(str(path), upgrade=True)
    assert [(e.id, e.path) for e in store.events(artifact_ids=[1])] == [(7, ("newer",))]
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT DISTINCT event_id FROM EventPath").fetchall() == [(7,)]
    connection.close()


@pytest.mark.slow
@pytest.mark.skipif(
    not CLIENT.exists(), reason="NOT TESTED HERE: no environment with ml-metadata; make it with scripts/mlmd_env.sh"
)
@pytest.mark.parametrize("version", range(10))
def test_the_real_client_opens_what_was_upgraded(tmp_path: Path, version: int) -> None:
    path = old(tmp_path / "old.db", version)
    MetadataStore(str(path), upgrade=True).close()
    script = """
import json, sys
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb
config = pb.ConnectionConfig()
config.sqlite.filename_uri, config.sqlite.connection_mode = sys.argv[1], 3
store = metadata_store.MetadataStore(config)
(one,) = store.get_artifacts()
(event,) = store.get_events_by_artifact_ids([one.id])
made = store.put_artifacts([pb.Artifact(type_id=one.type_id, uri="/y", name="n", external_id="e")])
print(json.dumps([one.uri, one.properties["span"].int_value, event.path.steps[0].key, made]))
"""
    done = subprocess.run([str(CLIENT), "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["/x", 3, "examples", [2]]
