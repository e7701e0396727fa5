"""Reads and writes one of our databases with ML Metadata's own client, and compares table schemas.

Run by a Python that has ml-metadata (3.11 or older) and no trueline:

    python mlmd_client.py DATABASE            opens READWRITE, lists everything, puts an artifact and an execution
    python mlmd_client.py DATABASE --schema   compares its tables with those of a database the real library makes

Prints one JSON object; the exit status is 1 where something differs or fails.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from pathlib import Path

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd


def open_store(path: str) -> metadata_store.MetadataStore:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return metadata_store.MetadataStore(config)


def listing(store: metadata_store.MetadataStore) -> dict:
    artifacts, executions, contexts = store.get_artifacts(), store.get_executions(), store.get_contexts()
    events = store.get_events_by_execution_ids([e.id for e in executions]) if executions else []
    runs = store.get_contexts_by_type("pipeline_run")
    return {
        "artifact_types": sorted(t.name for t in store.get_artifact_types()),
        "execution_types": sorted(t.name for t in store.get_execution_types()),
        "context_types": sorted(t.name for t in store.get_context_types()),
        "artifacts": [
            {
                "id": a.id,
                "type": a.type,
                "uri": a.uri,
                "state": mlmd.Artifact.State.Name(a.state),
                "properties": {k: value_of(v) for k, v in sorted(a.properties.items())},
                "custom_properties": {k: value_of(v) for k, v in sorted(a.custom_properties.items())},
            }
            for a in artifacts
        ],
        "executions": [
            {
                "id": e.id,
                "type": e.type,
                "state": mlmd.Execution.State.Name(e.last_known_state),
                "custom_properties": {k: value_of(v) for k, v in sorted(e.custom_properties.items())},
            }
            for e in executions
        ],
        "contexts": [{"id": c.id, "type": c.type, "name": c.name} for c in contexts],
        "parents": {c.name: [p.name for p in store.get_parent_contexts_by_context(c.id)] for c in runs},
        "members": {c.name: [a.id for a in store.get_artifacts_by_context(c.id)] for c in contexts},
        "events": [
            {
                "artifact": e.artifact_id,
                "execution": e.execution_id,
                "type": mlmd.Event.Type.Name(e.type),
                "path": [s.key if s.WhichOneof("value") == "key" else s.index for s in e.path.steps],
            }
            for e in events
        ],
    }


def value_of(value: mlmd.Value) -> object:
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        return {"struct": sorted(value.struct_value.fields)}
    return getattr(value, kind) if kind else None


def write(store: metadata_store.MetadataStore) -> dict:
    """Puts an execution with an artifact of an existing type into an existing context."""
    kind = store.get_artifact_types()[0]
    artifact = mlmd.Artifact(type_id=kind.id, uri="written/by/mlmd", state=mlmd.Artifact.LIVE)
    artifact.custom_properties["by"].string_value = "mlmd"
    execution_type = store.put_execution_type(mlmd.ExecutionType(name="written.by.Mlmd"))
    execution = mlmd.Execution(type_id=execution_type, last_known_state=mlmd.Execution.COMPLETE)
    event = mlmd.Event(type=mlmd.Event.OUTPUT)
    event.path.steps.add().key = "result"
    event.path.steps.add().index = 0
    context = store.get_contexts_by_type("pipeline")[0]
    execution_id, artifact_ids, _ = store.put_execution(execution, [(artifact, event)], [context])
    return {"execution": execution_id, "artifact": artifact_ids[0], "artifact_type": kind.name}


def table_shapes(path: str) -> dict:
    """Columns, keys and indices of ML Metadata's tables in one database."""
    connection = sqlite3.connect(path)
    shapes = {}
    names = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND name NOT LIKE 'trueline_%'"
    ).fetchall()
    for name, sql in names:
        indices = []
        for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list(`{name}`)"):
            columns = [row[2] for row in connection.execute(f"PRAGMA index_info(`{index}`)")]
            indices.append([origin if origin != "c" else index, unique, partial, columns])
        shapes[name] = {
            "columns": [list(row) for row in connection.execute(f"PRAGMA table_info(`{name}`)")],
            "indices": sorted(indices, key=str),
            "autoincrement": "AUTOINCREMENT" in sql.upper(),
        }
    shapes["MLMDEnv rows"] = connection.execute("SELECT * FROM MLMDEnv").fetchall()
    shapes["built-in types"] = connection.execute("SELECT * FROM Type WHERE name LIKE 'mlmd.%' ORDER BY id").fetchall()
    connection.close()
    return shapes


def compare(path: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        real = str(Path(folder) / "real.db")
        open_store(real)
        theirs, ours = table_shapes(real), table_shapes(path)
    names = sorted(set(theirs) | set(ours))
    return {n: {"real": theirs.get(n), "ours": ours.get(n)} for n in names if theirs.get(n) != ours.get(n)}


def main() -> int:
    path = sys.argv[1]
    if "--schema" in sys.argv[2:]:
        differences = compare(path)
        print(json.dumps({"differences": differences}, indent=1, default=str))
        return 1 if differences else 0
    store = open_store(path)
    before = listing(store)
    written = write(store)
    print(json.dumps({"before": before, "written": written, "after": listing(store)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
