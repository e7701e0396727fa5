"""Metadata databases with runs in every state, written through the store's own functions: no pipeline runs here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from trueline.metadata import (
    Artifact,
    ArtifactState,
    EventType,
    Execution,
    ExecutionState,
    MetadataStore,
    RunStore,
    TypeKind,
    TypeSpec,
)
from trueline.metadata.own_tables import run as run_table
from trueline.metadata.run_control import add_passes

__all__ = ["EVIL", "loop_run", "make_database", "small_line"]

EVIL = 'Mod<b>el</b> "x" & \\N {|} \u202e'
"""A name that is markup, ends a quoted text, and turns letters around."""


def make_database(place: Path) -> Path:
    """An empty database with the types that `small_line` uses."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with closing(MetadataStore(str(place))) as store:
        for name in ("Examples", "Model", "PushedModel"):
            store.put_type(TypeSpec(name, TypeKind.ARTIFACT))
        for name in ("CsvExampleGen", "Trainer", "Pusher"):
            store.put_type(TypeSpec(f"trueline.components.{name}", TypeKind.EXECUTION))
    return place


def _start(
    store: MetadataStore, run_id: str, nodes: Sequence[str], pipeline: str, upstream: Mapping[str, list[str]]
) -> None:
    plan = {"nodes": [{"id": node, "upstream": upstream.get(node, [])} for node in nodes]}
    RunStore(store).start(run_id, pipeline, json.dumps(plan), {"rows": "5"}, nodes)


def _set_run(store: MetadataStore, run_id: str, **values: Any) -> None:
    same = run_table.c.run_id == run_id
    store.database.write(lambda connection: connection.execute(run_table.update().where(same).values(**values)))


def small_line(
    place: Path,
    run_id: str,
    *,
    pipeline: str = "taxi",
    started: int = 1_700_000_000_000,
    status: str = "COMPLETE",
    logs: Path | None = None,
    model_name: str | None = None,
    examples: int | None = None,
    **columns: Any,
) -> dict[str, int]:
    """A run of three nodes with executions, artifacts and (where `logs` is given) log files.

    Args:
        examples: an artifact that was made before: the reader then came from the cache.

    Returns:
        Ids of the artifacts by type.
    """
    nodes = ["CsvExampleGen", "Trainer", "Pusher"]
    with closing(MetadataStore(str(place))) as store:
        _start(store, run_id, nodes, pipeline, {"Trainer": ["CsvExampleGen"], "Pusher": ["Trainer"]})
        made: dict[str, int] = {} if examples is None else {"Examples": examples}
        chain = [
            ("CsvExampleGen", None, "Examples"),
            ("Trainer", "Examples", "Model"),
            ("Pusher", "Model", "PushedModel"),
        ]
        for i, (node, read, kind) in enumerate(chain):
            cached = node == "CsvExampleGen" and examples is not None
            out = Artifact(
                kind,
                uri=f"/line/{node}/{run_id}",
                state=ArtifactState.LIVE,
                name=model_name if kind == "Model" else None,
            )
            met: list[Any] = [(made[read], EventType.INPUT, (read.lower(), 0))] if read else []
            met.append((examples if cached else out, EventType.OUTPUT, (kind.lower(), 0)))
            state = ExecutionState.CACHED if cached else ExecutionState.COMPLETE
            execution, artifacts, _ = store.put_execution(Execution(f"trueline.components.{node}", state=state), met)
            made[kind] = artifacts[-1]
            log = None
            if logs is not None:
                log = str(logs / run_id / f"{node}.log")
                Path(log).parent.mkdir(parents=True, exist_ok=True)
                Path(log).write_text(f"{node} begins\n{node} works\n{node} ended\n")
            RunStore(store).set_node(
                run_id,
                node,
                state="CACHED" if cached else "COMPLETE",
                execution_id=execution,
                started=started + 1000 * i,
                finished=started + 1000 * i + 500,
                found={"rows": 5},
                log=log,
                usage={"cpu_seconds": 1.5 + i, "peak_memory_bytes": 300 * 2**20}
                | ({"cpu_scope": "thread", "memory_scope": "process"} if node == "Pusher" else {}),
                attempt=2 if node == "Trainer" else 1,
            )
        values = {"started": started, "status": status, "finished": started + 3000, **columns}
        _set_run(store, run_id, **values)
    return made


def loop_run(place: Path, run_id: str = "20260102-000000-loop", *, pid_started: str | None = None) -> str:
    """A failed run with a loop of eleven passes, an omitted node and an approval that is awaited."""
    nodes = ["Reader", "train", "Left", "Approve"]
    with closing(MetadataStore(str(place))) as store:
        _start(store, run_id, nodes, "loops", {"train": ["Reader"], "Left": ["train"], "Approve": ["train"]})
        runs = RunStore(store)
        runs.set_node(run_id, "Reader", state="REUSED", started=1, finished=2)
        runs.set_node(run_id, "Left", state="OMITTED", message="its condition is false")
        runs.set_node(run_id, "Approve", state="WAITING", started=5)
        add_passes(store, run_id, {f"train[{i}]": "train" for i in reversed(range(11))})
        for i in range(10):
            runs.set_node(run_id, f"train[{i}]", state="COMPLETE", attempt=1)
        runs.set_node(run_id, "train[10]", state="FAILED", attempt=3, message="[red] no luck")
        _set_run(
            store, run_id, status="FAILED", finished=9_000_000_000_000, settings=json.dumps({"sample": 7}), resumed=2
        )
    return run_id
