"""Our databases have ML Metadata's tables; other databases are let in, or refused, with their bytes untouched."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from trueline._core.errors import MetadataError
from trueline.metadata import Artifact, ArtifactState, MetadataStore, RunStore, TypeKind

SCHEMA = json.loads((Path(__file__).parent / "mlmd_schema_10.json").read_text())


def shapes(path: Path) -> dict[str, Any]:
    connection = sqlite3.connect(path)
    found: dict[str, Any] = {}
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall():
        if name.startswith(("sqlite_", "trueline_")):
            continue
        indices = []
        for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list(`{name}`)"):
            columns = [row[2] for row in connection.execute(f"PRAGMA index_info(`{index}`)")]
            indices.append([origin if origin != "c" else index, unique, partial, columns])
        found[name] = {
            "columns": [list(row) for row in connection.execute(f"PRAGMA table_info(`{name}`)")],
            "indices": sorted(indices, key=str),
            "autoincrement": "AUTOINCREMENT" in sql.upper(),
        }
    found["MLMDEnv rows"] = [list(row) for row in connection.execute("SELECT * FROM MLMDEnv")]
    builtin = "SELECT * FROM Type WHERE name LIKE 'mlmd.%' ORDER BY id"
    found["built-in types"] = [list(row) for row in connection.execute(builtin)]
    connection.close()
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_tables_keys_and_indices_are_those_of_the_real_library(store: MetadataStore, path: Path) -> None:
    assert shapes(path) == SCHEMA
    assert len([name for name in SCHEMA if " " not in name]) == 15


def test_first_user_type_has_id_ten_and_built_in_types_are_not_listed(store: MetadataStore) -> None:
    assert [(t.name, t.id, t.base) for t in store.types(TypeKind.ARTIFACT)] == [("Data", 10, "mlmd.Dataset")]


def test_new_databases_are_in_wal_mode(store: MetadataStore, path: Path) -> None:
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_of_the_real_library_is_read_as_it_is_and_only_read(foreign: Path) -> None:
    before = digest(foreign)
    store = MetadataStore(str(foreign))
    assert store.readonly
    (artifact,) = store.artifacts()
    assert artifact.type == "Examples"
    assert artifact.state is ArtifactState.LIVE
    assert artifact.properties == {"b": True, "j": {"k": "v"}, "span": 3}
    assert artifact.custom_properties == {"x": 1.5}
    assert store.events(artifact_ids=[1])[0].path == ("examples", 0)
    assert [c.name for c in store.contexts(artifact=1)] == ["pipe"]
    with pytest.raises(MetadataError, match="reading only"):
        store.put_artifacts([Artifact("Examples")])
    with pytest.raises(MetadataError, match="store adopt"):
        RunStore(store).runs()
    store.close()
    assert digest(foreign) == before


def test_adopting_adds_our_tables_and_changes_none_of_theirs(foreign: Path) -> None:
    theirs = shapes(foreign)
    store = MetadataStore(str(foreign), adopt=True)
    assert not store.readonly
    assert RunStore(store).runs() == []
    (artifact_id,) = store.put_artifacts([Artifact("Examples", uri="new", properties={"span": 4})])
    assert artifact_id == 2
    store.close()
    assert {k: v for k, v in shapes(foreign).items() if k != "built-in types"} == {
        k: v for k, v in theirs.items() if k != "built-in types"
    }
    again = MetadataStore(str(foreign))
    assert not again.readonly
    again.close()


@pytest.mark.parametrize("version", [9, 11])
def test_another_schema_version_is_refused_untouched(foreign: Path, version: int) -> None:
    connection = sqlite3.connect(foreign)
    connection.execute("UPDATE MLMDEnv SET schema_version = ?", (version,))
    connection.commit()
    connection.close()
    before = digest(foreign)
    with pytest.raises(MetadataError, match=f"version is {version}, this trueline reads 10"):
        MetadataStore(str(foreign), adopt=True)
    assert digest(foreign) == before


def test_another_version_of_our_own_tables_is_refused(store: MetadataStore, path: Path) -> None:
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE trueline_env SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(MetadataError, match="trueline tables version is 99"):
        MetadataStore(str(path))


def test_a_database_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE accounts (id INTEGER)")
    connection.commit()
    connection.close()
    before = digest(other)
    with pytest.raises(MetadataError, match="no table MLMDEnv"):
        MetadataStore(str(other))
    assert digest(other) == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(MetadataError, match="cannot be opened"):
        MetadataStore(str(text))


def test_an_absent_database_is_not_made_for_a_reader(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="no metadata database"):
        MetadataStore(str(tmp_path / "none.db"), readonly=True)
    assert not (tmp_path / "none.db").exists()
