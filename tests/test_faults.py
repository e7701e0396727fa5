"""Every node of the taxi line under every fault: it fails alone and says why, nothing is pushed, a rerun mends it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faults import KINDS, MESSAGES, NODES, RAW, Kind, Node, executor_with

from trueline._core.errors import ConfigError
from trueline._core.manifest import read_manifest
from trueline.cli.load import load_pipeline
from trueline.cli.run import exit_code_of_run
from trueline.pipeline import Pipeline
from trueline.pipeline.compile import CompiledPipeline, compile_pipeline
from trueline.pipeline.results import NodeResult, RunResult
from trueline.runners.local import LocalRunner

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "examples" / "taxi" / "pipeline.py"
ROWS = 1500
DISK_BYTES = 48 << 20


class Line:
    """The taxi line on a cut of its data, its artifacts on a small file system of their own where one can be had."""

    def __init__(self, home: Path, disk: Path) -> None:
        self.home, self.disk = home, disk
        self.csv = home / "data" / "taxi.csv"
        self.csv.parent.mkdir(parents=True)
        with (PIPELINE.parent / "data" / "taxi.csv").open() as whole:
            self.csv.write_text("".join(line for _, line in zip(range(ROWS + 1), whole, strict=False)))
        self.plan = self.compiled()
        self.first = self.run(self.plan)
        assert self.first.ok, self.first.message
        self.newest = dict(self.first.nodes)

    def pipeline(self) -> Pipeline:
        params = {"data": self.home / "data", "root": self.disk / "line", "serving_dir": self.home / "serving"}
        text = [f"{key}={value}" for key, value in params.items()] + ["min_auc=0.6"]
        return load_pipeline(str(PIPELINE), text)

    def compiled(self) -> CompiledPipeline:
        # The database lies on another disk, so that a full one can be told of.
        return replace(compile_pipeline(self.pipeline()), metadata=f"sqlite:///{self.home}/metadata.db")

    def run(self, plan: CompiledPipeline, node: str | None = None, **options: Any) -> RunResult:
        only = {"from_nodes": [node], "to_nodes": [node], "use_cache": False} if node else {}
        return LocalRunner().run(plan, **{**only, **options})

    def struck(self, node: str, kind: Any) -> CompiledPipeline:
        def change(found: Any) -> Any:
            return replace(found, executor=executor_with(kind, found.executor)) if found.id == node else found

        return replace(self.plan, nodes=tuple(change(n) for n in self.plan.nodes))

    def pushed(self) -> list[str]:
        return sorted(p.relative_to(self.home).as_posix() for p in (self.home / "serving").rglob("*"))

    def artifact(self, node: str, key: str) -> Path:
        """Where the newest artifact lies that a partial run would use."""
        return Path(self.newest[node].outputs[key][0].uri)

    def output_folders(self, node: str) -> set[Path]:
        return {p for p in (self.disk / "line" / node).glob("*/*") if p.is_dir()}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    home, disk = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        made = Line(home, disk)
        made.mounted = mounted  # type: ignore[attr-defined]
        yield made
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def fingerprints(result: NodeResult) -> dict[str, str]:
    return {key: read_manifest(handles[0].uri, "sha256").fingerprint for key, handles in result.outputs.items()}


def check_failed(line: Line, result: RunResult, node: str, message: str, before: set[Path]) -> None:
    """The node failed with that message, the run says so, and nothing of it can be seen."""
    failed = [n for n in result.nodes.values() if n.state == "FAILED"]
    assert failed, {n.node_id: n.state for n in result.nodes.values()}
    assert not result.nodes[node].ok
    assert re.search(message, failed[0].message or "", re.S), failed[0].message
    assert exit_code_of_run(result) == 1
    assert result.nodes[node].outputs == {}
    assert line.output_folders(node) == before, "no half-written artifact is left"


def check_mended(line: Line, node: str, pushed: list[str]) -> None:
    """The same node, undisturbed, makes what the undisturbed run made."""
    assert line.pushed() == pushed, "nothing was pushed"
    again = line.run(line.plan, node)
    assert again.ok, again.message
    line.newest[node] = again.nodes[node]
    assert fingerprints(again.nodes[node]) == fingerprints(line.first.nodes[node])


# Each node meets a kill and damaged data in the fast group, and every other fault in the slow one.
@pytest.mark.parametrize(
    "kind",
    [k if k in ("kill", "corrupt") else pytest.param(k, marks=pytest.mark.slow) for k in KINDS if k != "type"],
)
@pytest.mark.parametrize("node", NODES, ids=lambda n: n.id)
def test_fault(line: Line, node: Node, kind: Kind) -> None:
    before, pushed = line.output_folders(node.id), line.pushed()
    if kind in ("raise", "kill"):
        isolation = "process" if kind == "kill" else "thread"
        result = line.run(line.struck(node.id, kind), node.id, isolation=isolation)
    elif kind == "disk":
        result = full_disk(line, node)
    else:
        result = damaged(line, node, kind)
    message = RAW.get(kind, MESSAGES[kind]) if node.input is None else MESSAGES[kind]
    check_failed(line, result, node.id, message, before)
    check_mended(line, node.id, pushed)


def full_disk(line: Line, node: Node) -> RunResult:
    if not line.mounted:  # type: ignore[attr-defined]
        pytest.skip("NOT TESTED HERE: a file system of its own cannot be mounted, so no disk can be filled for real")
    ballast = line.disk / "ballast"
    with ballast.open("wb", buffering=0) as handle:
        try:
            while True:
                handle.write(b"\0" * 65_536)
        except OSError:
            pass
    try:
        return line.run(line.plan, node.id)
    finally:
        ballast.unlink()


def damaged(line: Line, node: Node, kind: Kind) -> RunResult:
    if node.input is None:
        return damaged_csv(line, node, kind)
    key = {"Transform": "transformed_examples"}.get(str(node.source), node.input)
    artifact = line.artifact(str(node.source), key)
    aside = artifact.with_name("aside")
    if kind == "missing":
        artifact.rename(aside)
        try:
            return line.run(line.plan, node.id)
        finally:
            aside.rename(artifact)
    largest = max(
        (p for p in artifact.rglob("*") if p.is_file() and p.name != "MANIFEST.json"), key=lambda p: p.stat().st_size
    )
    whole = largest.read_bytes()
    middle = len(whole) // 2
    largest.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    try:
        return line.run(line.plan, node.id)
    finally:
        largest.write_bytes(whole)


def damaged_csv(line: Line, node: Node, kind: Kind) -> RunResult:
    whole = line.csv.read_bytes()
    if kind == "missing":
        line.csv.unlink()
    else:
        rows = whole.split(b"\n")
        rows[300] += b",one field too many"
        line.csv.write_bytes(b"\n".join(rows))
    try:
        return line.run(line.plan, node.id)
    finally:
        line.csv.write_bytes(whole)


@pytest.mark.parametrize("node", [n for n in NODES if n.input is not None], ids=lambda n: n.id)
def test_wrong_type_is_refused_before_anything_runs(line: Line, node: Node) -> None:
    pushed = line.pushed()
    nodes = {n.node_id: n for n in line.pipeline().nodes}
    channel = (
        nodes["SchemaGen"].outputs["schema"] if node.id != "SchemaGen" else nodes["CsvExampleGen"].outputs["examples"]
    )
    wrong = nodes[node.id]
    wrong._wire({**wrong.inputs, str(node.input): channel})
    with pytest.raises(ConfigError, match=rf"{node.id} input '{node.input}' takes \w+, but \w+\.\w+ is \w+") as caught:
        Pipeline("taxi", list(nodes.values()))
    assert "pipeline.py:" in caught.value.problems[0]
    assert line.pushed() == pushed


def test_bytes_that_are_no_table(line: Line) -> None:
    before, pushed = line.output_folders("CsvExampleGen"), line.pushed()
    whole = line.csv.read_bytes()
    line.csv.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 64)
    try:
        result = line.run(line.plan, "CsvExampleGen")
    finally:
        line.csv.write_bytes(whole)
    check_failed(line, result, "CsvExampleGen", RAW["type"], before)
    check_mended(line, "CsvExampleGen", pushed)


def test_what_depends_on_a_failed_node_is_skipped_with_the_reason_and_the_exit_code_is_not_zero(line: Line) -> None:
    pushed = line.pushed()
    result = line.run(line.struck("Transform", "raise"), use_cache=True)
    states = {n.node_id: n.state for n in result.nodes.values()}
    assert states["Transform"] == "FAILED"
    for node in ("Trainer", "Evaluator", "InfraValidator", "Pusher"):
        assert states[node] == "SKIPPED"
        assert "Transform" in str(result.nodes[node].message)
    assert states["SchemaGen"] in ("CACHED", "COMPLETE")
    assert exit_code_of_run(result) == 1
    assert line.pushed() == pushed


def test_a_damaged_artifact_is_made_again_by_a_whole_run(line: Line) -> None:
    whole = line.run(line.plan)
    assert whole.ok, whole.message
    artifact = Path(whole.nodes["StatisticsGen"].outputs["statistics"][0].uri)
    for copy in line.output_folders("StatisticsGen"):
        shutil.rmtree(copy)
    result = line.run(line.plan)
    assert result.ok, result.message
    node = result.nodes["StatisticsGen"]
    assert node.state == "COMPLETE"
    assert re.search(r"statistics.*(gone|missing|no MANIFEST)", str(node.cached_reason), re.S), (
        artifact,
        node.cached_reason,
    )
    assert result.nodes["SchemaGen"].state == "CACHED", "the same contents were made again, so nothing after it runs"


@pytest.mark.slow
def test_a_killed_run_is_told_and_mended_by_the_next(line: Line, tmp_path: Path) -> None:
    """The whole process is killed in the middle; the next run says so, cleans up and comes to the same result."""
    home = tmp_path / "killed"
    code = (
        "import os, signal, sys, threading\n"
        "from trueline.cli.load import load_pipeline\nfrom trueline.runners.local import LocalRunner\n"
        "def on_event(event):\n"
        "    if event.kind == 'node_started' and event.node_id == 'Trainer':\n"
        "        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        f"pipeline = load_pipeline({str(PIPELINE)!r}, ['data={line.home / 'data'}', 'root={home / 'line'}',"
        f" 'serving_dir={home / 'serving'}', 'min_auc=0.6'])\n"
        "LocalRunner().run(pipeline, on_event=on_event)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, env={**os.environ})
    assert killed.returncode == -9
    assert not (home / "serving").exists()
    params = [f"data={line.home / 'data'}", f"root={home / 'line'}", f"serving_dir={home / 'serving'}", "min_auc=0.6"]
    result = LocalRunner().run(load_pipeline(str(PIPELINE), params))
    assert result.ok, result.message
    assert result.nodes["CsvExampleGen"].state == "CACHED", "what had finished is not done again"
    for node in ("Transform", "Trainer"):
        assert fingerprints(result.nodes[node]) == fingerprints(line.first.nodes[node])
    finished = {p for p in (home / "line").glob("*/*/*") if p.is_dir() and ".trueline" not in p.parts}
    assert all((p / "MANIFEST.json").exists() for p in finished), "the killed node's half-written outputs are gone"
