"""A run whose process is killed outright: nothing half-written is ever visible, and the next run cleans up."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trueline._core import store as files
from trueline._core.manifest import MANIFEST_NAME, read_manifest
from trueline.metadata import ExecutionState, MetadataStore, RunStore
from trueline.pipeline import Pipeline
from trueline.pipeline.node_errors import describe_error
from trueline.runners import LocalRunner

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from pipeline_nodes import Source, Train
from trueline.pipeline import Pipeline
from trueline.runners import LocalRunner

if __name__ == "__main__":
    source = Source(path={data!r})
    model = Train(examples=source.outputs.examples, how="hang", flag={flag!r})
    after = Train(examples=source.outputs.examples, node_id="after").after(model)
    LocalRunner(isolation={isolation!r}).run(Pipeline("line", [after], root={root!r}), run_id="killed")
"""


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(params=["thread", "process"])
def killed(request: pytest.FixtureRequest, tmp_path: Path, data: Path, root: Path) -> int:
    """The process that was hanging in the node's executor when the whole run was killed."""
    flag = tmp_path / "flag"
    names = {"here": str(Path(__file__).parent), "data": str(data), "flag": str(flag), "root": str(root)}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(**names, isolation=request.param))
    child = subprocess.Popen([sys.executable, str(script)])
    wait_for(lambda: flag.exists() and flag.read_text() != "")
    worker = int(flag.read_text())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return worker


def test_the_next_run_tells_the_truth_and_removes_the_half_written(
    killed: int, root: Path, build: Callable[..., Pipeline]
) -> None:
    wait_for(lambda: not alive(killed))  # the node's own process ends with the run that began it
    store = MetadataStore(str(root / "metadata.db"))
    runs = RunStore(store)
    assert [e.state for e in store.executions(type="pipeline_nodes.Train")] == [ExecutionState.RUNNING]
    ((execution_id, node_id, (uri,)),) = runs.open_executions("killed")
    assert node_id == "Train"
    assert files.exists(files.join(uri, "native", "part1"))
    assert not files.exists(files.join(uri, MANIFEST_NAME))
    assert store.artifacts(type="Model") == [], "never visible"

    result = LocalRunner().run(build())
    assert result.ok
    assert not files.exists(uri)
    assert not (root / ".trueline" / "tmp" / "killed").exists(), "nor is its scratch space left"
    (execution,) = store.executions(ids=[execution_id])
    assert execution.state is ExecutionState.FAILED
    assert "interrupted" in json.loads(str(execution.custom_properties["__execution_result__"]))["resultMessage"]
    record = runs.run("killed")
    assert record.status == "FAILED"
    assert {n.node_id: n.state for n in record.nodes} == {"Source": "COMPLETE", "Train": "FAILED", "after": "SKIPPED"}
    assert result.nodes["Source"].state == "CACHED", "what was finished before the kill is kept"
    store.close()


def test_a_living_run_is_left_alone(root: Path, data: Path, tmp_path: Path, build: Callable[..., Pipeline]) -> None:
    flag = tmp_path / "flag"
    names = {"here": str(Path(__file__).parent), "data": str(data), "flag": str(flag), "root": str(root)}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(**names, isolation="thread"))
    child = subprocess.Popen([sys.executable, str(script)])
    try:
        wait_for(lambda: flag.exists() and flag.read_text() != "")
        assert LocalRunner().run(build()).ok
        store = MetadataStore(str(root / "metadata.db"))
        assert RunStore(store).run("killed").status == "RUNNING"
        ((_, _, (uri,)),) = RunStore(store).open_executions("killed")
        assert files.exists(files.join(uri, "native", "part1"))
        store.close()
    finally:
        child.kill()
        child.wait()


def test_ctrl_c_cancels_the_run(root: Path, data: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    names = {"here": str(Path(__file__).parent), "data": str(data), "flag": str(flag), "root": str(root)}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(**names, isolation="process"))
    child = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: flag.exists() and flag.read_text() != "")
    os.kill(child.pid, signal.SIGINT)
    _, shown = child.communicate(timeout=30)
    assert child.returncode != 0
    assert "KeyboardInterrupt" in shown
    store = MetadataStore(str(root / "metadata.db"))
    record = RunStore(store).run("killed")
    assert record.status == "CANCELED"
    assert {n.node_id: n.state for n in record.nodes} == {
        "Source": "COMPLETE",
        "Train": "CANCELED",
        "after": "CANCELED",
    }
    assert RunStore(store).open_executions("killed") == []
    assert [e.state for e in store.executions(type="pipeline_nodes.Train")] == [ExecutionState.CANCELED]
    assert list((root / "Train" / "model").iterdir()) == []
    assert not alive(int(flag.read_text()))
    store.close()


def test_a_new_database_does_not_write_into_the_artifacts_of_a_lost_one(
    build: Callable[..., Pipeline], runner: LocalRunner, data: Path, root: Path
) -> None:
    """Its numbers begin again at 1, and what lies in those folders belongs to runs that it does not know."""
    runner.run(build())
    before = {path: path.read_bytes() for path in root.glob("*/*/*/**/*") if path.is_file()}
    for file in root.glob("metadata.db*"):
        file.unlink()
    data.write_text("x\ny\nz\n")
    again = runner.run(build())
    assert again.ok
    assert {path: path.read_bytes() for path in before} == before
    uris = [handle.uri for node in again.nodes.values() for (handle,) in node.outputs.values()]
    assert [Path(uri).name for uri in uris] == [f"{number}-2" for number in (1, 2, 3)]
    for uri in uris:
        read_manifest(uri, "sha256")
    assert all(node.state == "CACHED" for node in runner.run(build()).nodes.values())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), OSError("[Errno 28] No space left on device")])
def test_a_full_disk_is_named_also_where_a_library_lost_the_number(error: OSError) -> None:
    """pyarrow passes the error of a file object on as text alone."""
    assert "the disk is full (/line)" in describe_error(error, "/line")
