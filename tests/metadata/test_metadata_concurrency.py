"""Several processes and threads write at once: nothing is lost, nothing is doubled, nobody is told "locked"."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trueline.metadata import Artifact, EventType, Execution, MetadataStore, RunStore, TypeKind

WORKER = Path(__file__).parent / "metadata_worker.py"


def written_by(url: str, processes: int, count: int) -> None:
    """So many processes write at once, from the creation of the database on; then everything is looked for."""
    commands = [[sys.executable, str(WORKER), url, str(worker), str(count)] for worker in range(processes)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [child.communicate(timeout=900)[1] for child in children]
    assert [child.returncode for child in children] == [0] * processes, errors
    store = MetadataStore(url)
    executions, artifacts, contexts = store.executions(), store.artifacts(), store.contexts()
    wanted = {(worker, number) for worker in range(processes) for number in range(count)}
    assert {tuple(map(int, str(e.name).split("-"))) for e in executions} == wanted
    assert {tuple(map(int, str(a.uri).split("/"))) for a in artifacts} == wanted
    assert len(executions) == len(artifacts) == len({e.id for e in executions}) == len(wanted)
    assert sorted(c.name for c in contexts) == [*(f"own-{i}" for i in range(processes)), "shared"]
    shared = next(c.id for c in contexts if c.name == "shared")
    assert len(store.executions(context=shared)) == len(store.artifacts(context=shared)) == len(wanted)
    events = store.events(execution_ids=[e.id for e in executions if e.id])
    by_id = {e.id: str(e.name) for e in executions}
    uris = {a.id: str(a.uri) for a in artifacts}
    assert all(by_id[e.execution_id].replace("-", "/") == uris[e.artifact_id] for e in events)
    assert {e.path for e in events} == {("data", 0)}
    assert len(events) == len(wanted)
    kinds = (TypeKind.ARTIFACT, TypeKind.EXECUTION, TypeKind.CONTEXT)
    assert [[t.name for t in store.types(kind)] for kind in kinds] == [["Data"], ["m.Step"], ["pipeline"]]
    store.close()


def test_processes_write_from_the_very_first_moment(store_url: str) -> None:
    written_by(store_url, 3, 15)


@pytest.mark.slow
def test_eight_processes_write_a_thousand_executions_each(store_url: str) -> None:
    written_by(store_url, 8, 1000)


def test_threads_share_one_store_with_readers_between(store: MetadataStore) -> None:
    problems: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(25):
                store.put_execution(Execution("m.Step"), [(Artifact("Data"), EventType.OUTPUT, ("d", 0))])
                store.artifacts(type="Data", newest_first=True, limit=3)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(store.executions()) == len(store.artifacts()) == 200


def test_a_reader_in_the_middle_of_a_read_does_not_stop_a_writer(store: MetadataStore) -> None:
    with store.database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM Artifact").scalar()
        store.put_artifacts([Artifact("Data")])
        assert connection.exec_driver_sql("SELECT count(*) FROM Artifact").scalar() == 0, "one consistent view"
    assert len(store.artifacts()) == 1


def test_run_rows_written_from_many_threads(store: MetadataStore) -> None:
    runs = RunStore(store)
    nodes = [f"n{i}" for i in range(20)]
    runs.start("r", "p", '{"nodes": []}', {}, nodes)
    threads = [
        threading.Thread(target=runs.set_node, args=("r", n), kwargs={"state": "COMPLETE", "found": {"n": n}})
        for n in nodes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n.node_id: n.found for n in runs.run("r").nodes} == {n: {"n": n} for n in nodes}
