"""The metadata store with a long history behind it: how long questions take, and how fast executions are written.

    python benchmarks/metadata.py [--runs 100000] [--nodes 10] [--rounds 7] [--puts 300] [--keep FOLDER]

First an SQLite database is filled with that many finished runs, table by table: executions, artifacts with properties,
events with paths, contexts and links, the runs and nodes themselves, and cache entries. Then the questions that a
command, a page or a resolver asks are put, each with a store opened anew, so that no question warms the next; medians
over the rounds, and the slowest. Last, executions with two inputs, an output and three contexts are written by
trueline and, where ``.venvs/mlmd`` is (``scripts/mlmd_env.sh``), by ML Metadata's own client in its environment: the
same work, each into an SQLite file of its own, one after the other. Prints one JSON object; times are in milliseconds.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / ".venvs" / "mlmd" / "bin" / "python"
START = 1_700_000_000_000
_STEPS = (
    ("gen", "Examples", ()),
    ("statistics", "ExampleStatistics", (0,)),
    ("schema", "Schema", (1,)),
    ("validate", "ExampleAnomalies", (1, 2)),
    ("transform", "TransformGraph", (0, 2)),
    ("train", "Model", (0, 2, 4)),
    ("evaluate", "ModelBlessing", (0, 5)),
    ("infra", "InfraBlessing", (5,)),
    ("push", "PushedModel", (5, 6, 7)),
    ("report", "Report", (3, 6)),
)
"""Nodes of the pipeline: name, type of the output, inputs by their places."""

MLMD_SCRIPT = """
import json, sys, time
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb
path, count = sys.argv[1], int(sys.argv[2])
config = pb.ConnectionConfig()
config.sqlite.filename_uri, config.sqlite.connection_mode = path, 3
store = metadata_store.MetadataStore(config)
data = pb.ArtifactType(name="Data"); data.properties["span"] = pb.INT
data = store.put_artifact_type(data)
step = store.put_execution_type(pb.ExecutionType(name="m.Step"))
kinds = [store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline", "pipeline_run", "node")]
inputs = store.put_artifacts([pb.Artifact(type_id=data, uri="a"), pb.Artifact(type_id=data, uri="b")])
def put(number):
    out = pb.Artifact(type_id=data, uri=f"o/{number}", state=pb.Artifact.LIVE)
    out.properties["span"].int_value = number
    out.custom_properties["fingerprint"].string_value = f"{number:064x}"
    pairs = []
    for key, artifact, kind in (("x", inputs[0], 3), ("y", inputs[1], 3), ("out", None, 4)):
        event = pb.Event(type=kind)
        event.path.steps.add().key = key
        event.path.steps.add().index = 0
        known = pb.Artifact(id=artifact, type_id=data, uri="ab"[artifact - inputs[0]]) if artifact else out
        pairs.append((known, event))
    run = pb.Execution(type_id=step, name=f"e{number}", last_known_state=pb.Execution.COMPLETE)
    run.custom_properties["p"].int_value = number
    contexts = [pb.Context(type_id=kind, name=name) for kind, name in zip(kinds, ("p", f"r{number // 10}", "p.n"))]
    store.put_execution(run, pairs, contexts, reuse_context_if_already_exist=True)
put(count)
started = time.perf_counter()
for number in range(count):
    put(number)
print(json.dumps(time.perf_counter() - started))
"""


def fill(path: Path, runs: int, nodes: int, folder: Path) -> dict[str, Any]:
    """Writes the history; returns what the questions need."""
    from trueline.metadata import MetadataStore, PropertyType, TypeKind, TypeSpec

    store = MetadataStore(str(path))
    steps = [_STEPS[i % len(_STEPS)] for i in range(nodes)]
    kinds = {
        name: store.put_type(TypeSpec(name, TypeKind.ARTIFACT, {"span": PropertyType.INT}))
        for name in dict.fromkeys(kind for _, kind, _ in steps)
    }
    types = {name: store.put_type(TypeSpec(name, TypeKind.CONTEXT)) for name in ("pipeline", "pipeline_run", "node")}
    step = store.put_type(TypeSpec("m.Step", TypeKind.EXECUTION))
    store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000"):
        connection.execute(f"PRAGMA {pragma}")
    indices = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indices:
        connection.execute(f"DROP INDEX `{name}`")
    connection.execute("BEGIN")
    for table, rows in _tables(runs, steps, kinds, types, step, _files(folder)):
        _insert(connection, table, rows)
    connection.execute("COMMIT")
    for _, sql in indices:
        connection.execute(sql)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return {"newest_model": _artifact(runs - 1, nodes, 5), "runs": runs, "nodes": nodes}


def _files(folder: Path) -> dict[str, tuple[str, str]]:
    """Real files of a model and its verdict, which a resolver looks at: their place and fingerprint by type."""
    from trueline._core.manifest import write_manifest

    made: dict[str, tuple[str, str]] = {}
    for kind in ("Model", "ModelBlessing", "InfraBlessing", "PushedModel"):
        place = folder / kind
        place.mkdir(parents=True)
        (place / "data").write_text(kind)
        made[kind] = (str(place), write_manifest(str(place), kind, 1).fingerprint)
    return made


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    first = next(rows)
    statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(first))})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)


def _artifact(run: int, nodes: int, place: int) -> int:
    return run * nodes + place + 1


def _tables(
    runs: int,
    steps: list[tuple[str, str, tuple[int, ...]]],
    kinds: dict[str, int],
    types: dict[str, int],
    step: int,
    files: dict[str, tuple[str, str]],
) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
    """Each table's rows; execution n made artifact n."""
    nodes, count = len(steps), runs * len(steps)

    def cells() -> Iterable[tuple[int, int, int]]:
        return ((run * nodes + place + 1, run, place) for run in range(runs) for place in range(nodes))

    def uri(number: int, kind: str) -> str:
        return files[kind][0] if kind in files else f"/line/{number}"

    yield (
        "Artifact(id, type_id, uri, state, create_time_since_epoch, last_update_time_since_epoch)",
        ((n, kinds[steps[p][1]], uri(n, steps[p][1]), 2, START + n, START + n) for n, _, p in cells()),
    )
    yield (
        "Execution(id, type_id, last_known_state, name, create_time_since_epoch, last_update_time_since_epoch)",
        ((n, step, 3, f"e{n}", START + n, START + n) for n, _, _ in cells()),
    )
    yield (
        "Context(id, type_id, name)",
        iter(
            [(1, types["pipeline"], "p")]
            + [(2 + p, types["node"], f"p.{steps[p][0]}-{p}") for p in range(nodes)]
            + [(2 + nodes + run, types["pipeline_run"], _run_id(run)) for run in range(runs)]
        ),
    )
    for link, member in (("Association", "execution_id"), ("Attribution", "artifact_id")):
        yield (
            f"{link}(context_id, {member})",
            ((context, n) for n, run, p in cells() for context in (1, 2 + p, 2 + nodes + run)),
        )
    yield (
        "ArtifactProperty(artifact_id, name, is_custom_property, int_value, string_value)",
        _properties(cells(), steps, files),
    )
    yield (
        "ExecutionProperty(execution_id, name, is_custom_property, int_value, string_value)",
        (row for n, _, p in cells() for row in ((n, "steps", 1, p, None), (n, "optimizer", 1, None, "adam"))),
    )
    # Event n is the output of execution n; the inputs follow.
    inputs = [
        (p, key, place) for p, (_, _, places) in enumerate(steps) for key, place in enumerate(places) if place < nodes
    ]
    yield "Event(id, artifact_id, execution_id, type)", ((n, n, n, 4) for n, _, _ in cells())
    yield (
        "Event(id, artifact_id, execution_id, type)",
        (
            (count + run * len(inputs) + i + 1, _artifact(run, nodes, place), _artifact(run, nodes, p), 3)
            for run in range(runs)
            for i, (p, _, place) in enumerate(inputs)
        ),
    )
    yield (
        "EventPath(event_id, is_index_step, step_index, step_key)",
        (
            row
            for event in range(1, count + runs * len(inputs) + 1)
            for row in ((event, 0, None, "data"), (event, 1, 0, None))
        ),
    )
    yield from _own_tables(runs, steps)


def _properties(
    cells: Iterable[tuple[int, int, int]],
    steps: list[tuple[str, str, tuple[int, ...]]],
    files: dict[str, tuple[str, str]],
) -> Iterator[tuple[Any, ...]]:
    for n, run, p in cells:
        kind = steps[p][1]
        fingerprint = files[kind][1] if kind in files else f"{n:064x}"
        yield n, "fingerprint", 1, None, fingerprint
        yield n, "span", 0, run, None
        if kind.endswith("Blessing"):
            yield n, "blessed", 1, int(run % 3 != 2), None
            yield n, "current_model_id", 1, n - p + 5, None
        if kind == "PushedModel":
            yield n, "pushed", 1, int(run % 3 != 2), None


def _run_id(run: int) -> str:
    return f"20260101-{run:08d}-{run * 2654435761 % 2**32:08x}"


def _ended(run: int) -> tuple[str, int, int]:
    """Status, start and end; one run in ten failed."""
    began = START + run * 1000
    return "FAILED" if run % 10 == 9 else "COMPLETE", began, began + 9


def _own_tables(
    runs: int, steps: list[tuple[str, str, tuple[int, ...]]]
) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
    nodes = len(steps)
    names = [f"{name}-{p}" for p, (name, _, _) in enumerate(steps)]
    plan = json.dumps({"nodes": [{"id": name} for name in names], "rest": "x" * 2000})
    params = json.dumps({"steps": 100})
    yield (
        "trueline_run(run_id, pipeline, context_id, status, started, finished, params, plan, host, pid, pid_started, "
        "heartbeat)",
        ((_run_id(r), "p", 2 + nodes + r, *_ended(r), params, plan, "bench", 1, "", START) for r in range(runs)),
    )
    yield (
        "trueline_node(run_id, node_id, state, execution_id, started, finished, found)",
        (
            (_run_id(r), names[p], "COMPLETE", _artifact(r, nodes, p), START, START + 9, '{"rows": 1000}')
            for r in range(runs)
            for p in range(nodes)
        ),
    )
    yield (
        "trueline_cache(execution_id, pipeline, node_id, cache_key, parts)",
        (
            (_artifact(r, nodes, p), "p", names[p], f"{_artifact(r, nodes, p):064x}", '{"code": "abc", "inputs": {}}')
            for r in range(runs)
            for p in range(nodes)
        ),
    )


def questions(facts: dict[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """Name to question; each gets an open store."""
    from trueline.metadata import RunStore, downstream, upstream
    from trueline.metadata.records import ExecutionState
    from trueline.pipeline.resolvers_policy import latest_of_policy
    from trueline.pipeline.resolvers_query import ArtifactQuery

    middle, nodes = facts["runs"] // 2, facts["nodes"]
    run_id = _run_id(middle)

    def page(store: Any) -> Any:
        record = RunStore(store).run(run_id)
        (context,) = store.contexts(type="pipeline_run", name=run_id)
        executions = store.executions(context=context.id)
        events = store.events(execution_ids=[e.id for e in executions])
        assert len(record.nodes) == len(executions) == len(store.artifacts(context=context.id)) == nodes
        return events

    def blessed(store: Any) -> Any:
        found = latest_of_policy(ArtifactQuery(store, "p"), "evaluator_blessed", {"model": "Model"})
        assert found["model"], "a model is blessed"
        return found

    def mistyped(store: Any) -> None:
        with suppress(Exception):
            RunStore(store).run(run_id[:-1] + "_")

    return {
        "latest blessed model": blessed,
        "a run's page": page,
        "lineage, 3 hops up": lambda store: upstream(store, [facts["newest_model"]], hops=3),
        "lineage, 3 hops down": lambda store: downstream(store, [_artifact(middle, nodes, 0)], hops=3),
        "runs --limit 20": lambda store: RunStore(store).runs(limit=20),
        "runs of a pipeline": lambda store: RunStore(store).runs(pipeline="p", limit=20),
        "failed runs": lambda store: RunStore(store).runs(status="FAILED", limit=20),
        "run by beginning": lambda store: RunStore(store).run(_run_id(middle)[:17]),
        "run mistyped": mistyped,
        "dead runs": lambda store: RunStore(store).dead_runs(),
        "cache lookup": lambda store: RunStore(store).cache_entries(key=f"{middle * nodes + 1:064x}", limit=1),
        "cache, why not": lambda store: RunStore(store).cache_entries(pipeline="p", node_id="train-5", limit=1),
        "run of an execution": lambda store: RunStore(store).run_of_execution(middle * nodes + 1),
        "newest models": lambda store: store.artifacts(type="Model", newest_first=True, limit=20),
        "newest of the pipeline": lambda store: store.artifacts(context=1, newest_first=True, limit=20),
        "running executions": lambda store: store.executions(state=ExecutionState.RUNNING, limit=20),
    }


def asked(path: Path, facts: dict[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each question, on a store opened anew each time; opening itself is a question of its own."""
    from trueline.metadata import MetadataStore

    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, question in questions(facts).items():
            started = time.perf_counter()
            store = MetadataStore(str(path), readonly=True)
            opened = time.perf_counter()
            question(store)
            times.setdefault(name, []).append((time.perf_counter() - opened) * 1000)
            times.setdefault("opening", []).append((opened - started) * 1000)
            store.close()
    return {
        name: {"median": round(statistics.median(took), 2), "slowest": round(max(took), 2)}
        for name, took in times.items()
    }


def own_puts(path: Path, count: int) -> float:
    """Seconds in which trueline writes so many executions."""
    from trueline.metadata import (
        Artifact,
        ArtifactState,
        Context,
        EventType,
        Execution,
        ExecutionState,
        MetadataStore,
        PropertyType,
        TypeKind,
        TypeSpec,
    )

    store = MetadataStore(str(path))
    store.put_type(TypeSpec("Data", TypeKind.ARTIFACT, {"span": PropertyType.INT}))
    store.put_type(TypeSpec("m.Step", TypeKind.EXECUTION))
    for name in ("pipeline", "pipeline_run", "node"):
        store.put_type(TypeSpec(name, TypeKind.CONTEXT))
    first, second = store.put_artifacts([Artifact("Data", "a"), Artifact("Data", "b")])

    def put(number: int) -> None:
        custom = {"fingerprint": f"{number:064x}"}
        out = Artifact("Data", f"o/{number}", ArtifactState.LIVE, properties={"span": number}, custom_properties=custom)
        store.put_execution(
            Execution("m.Step", ExecutionState.COMPLETE, name=f"e{number}", custom_properties={"p": number}),
            [
                (first, EventType.INPUT, ("x", 0)),
                (second, EventType.INPUT, ("y", 0)),
                (out, EventType.OUTPUT, ("out", 0)),
            ],
            [Context("pipeline", "p"), Context("pipeline_run", f"r{number // 10}"), Context("node", "p.n")],
        )

    put(count)
    started = time.perf_counter()
    for number in range(count):
        put(number)
    took = time.perf_counter() - started
    store.close()
    return took


def their_puts(path: Path, count: int) -> float | None:
    """The same by ML Metadata's client; None where it is not installed."""
    if not CLIENT.exists():
        return None
    command = [str(CLIENT), "-c", MLMD_SCRIPT, str(path), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return float(json.loads(done.stdout))


def puts(folder: Path, count: int, rounds: int = 3) -> dict[str, Any]:
    """Executions a second of both, in turns; the median of the rounds."""
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(count / own_puts(folder / f"own{number}.db", count))
        seconds = their_puts(folder / f"mlmd{number}.db", count)
        theirs += [count / seconds] if seconds else []
    report: dict[str, Any] = {"trueline_per_second": round(statistics.median(ours), 1)}
    report["ml_metadata_per_second"] = round(statistics.median(theirs), 1) if theirs else None
    report["ratio"] = round(statistics.median(ours) / statistics.median(theirs), 2) if theirs else None
    return report


def main() -> None:
    """Fills, asks, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=len(_STEPS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--puts", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="a folder whose database is filled once and asked again later")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="metadata-"))
    try:
        facts_file, path = folder / "facts.json", folder / "history.db"
        started = time.perf_counter()
        if not facts_file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            facts_file.write_text(json.dumps(fill(path, options.runs, options.nodes, folder / "files")))
        facts = json.loads(facts_file.read_text())
        report: dict[str, Any] = {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "cpus": os.cpu_count(),
            "runs": facts["runs"],
            "nodes": facts["nodes"],
            "fill_seconds": round(time.perf_counter() - started, 1),
            "database_megabytes": round(path.stat().st_size / 1e6, 1),
            "questions": asked(path, facts, options.rounds),
        }
        with tempfile.TemporaryDirectory() as writing:
            report["put_execution"] = puts(Path(writing), options.puts)
        print(json.dumps(report, indent=1))
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
