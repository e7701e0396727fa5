"""Disks that are full, folders and databases that refuse or go away while a run is under way: said clearly, with the
database consistent afterwards and a run that can be taken up again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from database_servers import postgres, postgres_bin
from pipeline_nodes import Source, Train

from trueline._core.errors import TruelineError
from trueline._core.manifest import read_manifest
from trueline.metadata import ArtifactState, ExecutionState, MetadataStore, RunStore
from trueline.metadata.deletion import collect
from trueline.metadata.retention_rules import GcPolicy
from trueline.pipeline import Pipeline, component
from trueline.runners import LocalRunner


def consistent(url: str) -> None:
    """Nothing is at work, and every LIVE artifact is whole."""
    store = MetadataStore(url)
    runs = RunStore(store)
    assert runs.dead_runs() == []
    assert [e for e in store.executions() if e.state is ExecutionState.RUNNING] == []
    for artifact in store.artifacts():
        if artifact.state is ArtifactState.LIVE:
            read_manifest(artifact.uri or "", "sha256")
    store.close()


def line(data: Path, root: Path, metadata: str | None = None, **train: Any) -> Pipeline:
    source = Source(path=str(data))
    model = Train(examples=source.outputs.examples, **train)
    after = Train(examples=source.outputs.examples, node_id="after", steps=3).after(model)
    return Pipeline("faults", [after], root=root, metadata=metadata)


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    return tmp_path / "flag"


def run_with(fault: Any, pipeline: Pipeline, flag: Path) -> tuple[Any, str]:
    """The line's node hangs; the fault strikes; the node goes on: (result or None, what was said)."""

    def strike() -> None:
        while not flag.exists():
            time.sleep(0.01)
        fault()
        flag.with_suffix(".go").touch()

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        result = LocalRunner().run(pipeline, run_id="run")
        return result, str(result.message)
    except TruelineError as error:
        return None, str(error)
    finally:
        thread.join()


@component
def waits(flag: str = "") -> int:
    """Says that it works, and goes on when it may."""
    Path(flag).touch()
    end = time.monotonic() + 30
    while not Path(flag).with_suffix(".go").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return 7


@component
def adds(n: int) -> int:
    return n + 1


def slow_line(root: Path, flag: Path, metadata: str | None = None) -> Pipeline:
    first = waits(flag=str(flag))
    return Pipeline("faults", [adds(n=first.outputs["result"])], root=root, metadata=metadata)


def test_a_server_that_stops_in_the_middle(tmp_path: Path, flag: Path) -> None:
    programs = postgres_bin()
    pytest.importorskip("psycopg")
    if programs is None:
        pytest.skip("NOT TESTED HERE: no PostgreSQL server (Debian: apt install postgresql)")
    with postgres(programs) as url:
        folder = Path(url.rpartition("host=")[2])
        owner = (folder / "data").stat()

        def control(*words: str) -> None:
            who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
            call = [str(programs / "pg_ctl"), "-D", str(folder / "data"), "-w", "-s", *words]
            subprocess.run(call, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)

        result, said = run_with(lambda: control("-m", "immediate", "stop"), slow_line(tmp_path / "r", flag, url), flag)
        assert result is None
        assert "the metadata database" in said
        assert "does the server run" in said
        assert "s3cr" not in said, "the password is told nobody"
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB"
        control("-l", str(folder / "log"), "-o", options, "start")
        # In the same process, as in a notebook: the run is not under way any more, though its process lives.
        assert LocalRunner().resume(url, "run").ok
        consistent(url)
        store = MetadataStore(url)
        assert len([a for a in store.artifacts() if a.state is ArtifactState.LIVE]) == 2
        store.close()


def test_a_database_file_that_is_moved_away_for_a_while(tmp_path: Path, flag: Path) -> None:
    """The run goes on in the file that it has open, wherever that lies; nothing of it is lost."""
    root, away = tmp_path / "r", tmp_path / "away"

    def fault() -> None:
        away.mkdir()
        for file in root.glob("metadata.db*"):
            shutil.move(file, away)

    run_with(fault, slow_line(root, flag), flag)
    for file in root.glob("metadata.db*"):
        file.unlink()
    for file in away.iterdir():
        shutil.move(file, root)
    assert LocalRunner().resume(str(root / "metadata.db"), "run").ok
    consistent(str(root / "metadata.db"))


CHILD = """
import os, resource, signal, sys
sys.path.insert(0, {here!r})
from pathlib import Path
from pipeline_nodes import Source, Train
from trueline.pipeline import Pipeline
from trueline.runners import LocalRunner
{first}
source = Source(path={data!r})
try:
    line = Pipeline("faults", [Train(examples=source.outputs.examples)], root={root!r})
    result = LocalRunner().run(line, run_id="run")
    print(result.status, result.message)
except Exception as error:
    print(type(error).__name__, error)
"""


def apart(data: Path, root: Path, first: str) -> str:
    """What a process says that runs the line with a limit, or without the superuser's rights."""
    code = CHILD.format(here=str(Path(__file__).parent), data=str(data), root=str(root), first=first)
    # The superuser may write everywhere, unless it gives that right away.
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*drop, sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    return done.stdout + done.stderr


def test_a_disk_that_takes_no_more(data: Path, root: Path) -> None:
    """Files may have 4 KiB, then EFBIG; the database is older and larger, so that it refuses too."""
    LocalRunner().run(line(data, root), run_id="before")
    data.write_text("row\n" * 4096)
    limit = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    said = apart(data, root, limit)
    assert "metadata.db" in said
    assert "Traceback" not in said
    assert LocalRunner().run(line(data, root)).ok
    consistent(str(root / "metadata.db"))


@pytest.mark.parametrize("what", ["root", "database", "logs"])
def test_rights_that_are_lacking(data: Path, root: Path, what: str) -> None:
    LocalRunner().run(line(data, root), run_id="before")
    places = {"root": root / "Train" / "model", "database": root / "metadata.db", "logs": root / ".trueline" / "logs"}
    shut = places[what]
    shut.chmod(0o555 if shut.is_dir() else 0o444)
    data.write_text("another\n")
    said = apart(data, root, "")
    assert str(shut) in said, said
    assert "Traceback" not in said
    shut.chmod(0o755 if shut.is_dir() else 0o644)
    url = str(root / "metadata.db")
    again = LocalRunner().resume(url, "run") if what == "root" else LocalRunner().run(line(data, root))
    assert again.ok
    consistent(url)


TWO = """
import sys
sys.path.insert(0, {here!r})
from test_pipeline_store_faults import line
from pathlib import Path
from trueline.runners import LocalRunner
assert LocalRunner().run(line(Path({data!r}), Path({root!r}), how="sleep", seconds=0.5)).ok
"""


@pytest.mark.slow
def test_two_runs_of_one_pipeline_at_once_do_not_disturb_each_other(data: Path, root: Path) -> None:
    code = TWO.format(here=str(Path(__file__).parent), data=str(data), root=str(root))
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    consistent(str(root / "metadata.db"))
    store = MetadataStore(str(root / "metadata.db"))
    runs = RunStore(store)
    assert [record.status for record in runs.runs()] == ["COMPLETE", "COMPLETE"]
    for record in runs.runs():
        for node in runs.run(record.run_id).nodes:
            outputs = [e.artifact_id for e in store.events(execution_ids=[node.execution_id or 0]) if e.type.is_output]
            assert len(outputs) == 1
    live = {artifact.uri for artifact in store.artifacts()}
    assert {str(path) for path in root.glob("*/*/*") if ".trueline" not in path.parts} == live
    store.close()


@pytest.mark.slow
def test_hits_while_a_collection_deletes(data: Path, root: Path) -> None:
    """Each run finds results that are LIVE and whole, or makes them anew; none fails, none is deleted under it."""
    texts = ["one\n", "two\n"]
    over = threading.Event()
    failures: list[str] = []

    def collects() -> None:
        store = MetadataStore(str(root / "metadata.db"))
        while not over.is_set():
            failures.extend(failure.message for failure in collect(store, GcPolicy(keep_last=1)).failed)
        store.close()

    data.write_text(texts[0])
    assert LocalRunner().run(line(data, root)).ok
    thread = threading.Thread(target=collects)
    thread.start()
    states: set[str] = set()
    try:
        for number in range(12):
            data.write_text(texts[number // 2 % 2])
            result = LocalRunner().run(line(data, root))
            assert result.ok, result.message
            states |= {node.state for node in result.nodes.values()}
            for node in result.nodes.values():
                for handle in (handle for handles in node.outputs.values() for handle in handles):
                    read_manifest(handle.uri, "sha256")
    finally:
        over.set()
        thread.join()
    assert failures == []
    assert states == {"COMPLETE", "CACHED"}
    consistent(str(root / "metadata.db"))
