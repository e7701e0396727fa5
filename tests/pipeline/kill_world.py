"""Running, killing and checking the line of `kill_nodes`."""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from trueline._core import store as files
from trueline._core.errors import ArtifactError
from trueline._core.manifest import read_manifest
from trueline.metadata import ArtifactState, ExecutionState, MetadataStore, RunStore

HERE = Path(__file__).parent
_NUMBERS = itertools.count(1)


class Server:
    """A process that forks one for each run (see `kill_nodes.serve`)."""

    def __init__(self) -> None:
        code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import kill_nodes; kill_nodes.serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._pids: queue.Queue[int] = queue.Queue()
        self._ended: dict[int, int] = {}
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            told = json.loads(text)
            if "pid" in told:
                self._pids.put(told["pid"])
                continue
            with self._news:
                self._ended[told["ended"]] = told["status"]
                self._news.notify_all()

    def start(self, args: list[str], said: Path, **env: str) -> int:
        """Begins a run; its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"args": args, "env": env, "said": str(said)}) + "\n")
        return self._pids.get(timeout=60)

    def wait(self, pid: int, seconds: float = 120) -> int:
        """The status with which it ended; minus the signal."""
        with self._news:
            assert self._news.wait_for(lambda: pid in self._ended, seconds), "it does not end"
            return self._ended[pid]

    def kill_after(self, pid: int, seconds: float) -> int:
        """SIGKILL after a while, if it has not ended before; its status."""
        with self._news:
            if not self._news.wait_for(lambda: pid in self._ended, seconds):
                os.kill(pid, signal.SIGKILL)
        return self.wait(pid)

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._reader.join()
        self._process.stdout.close()


class World:
    """One root with its database, watched all the time."""

    def __init__(self, server: Server, folder: Path, url: str | None = None, isolation: str = "thread") -> None:
        self.server, self.isolation = server, isolation
        self.folder = folder / f"world{next(_NUMBERS)}"
        self.folder.mkdir()
        self.root = self.folder / "root"
        self.url = url or str(self.root / "metadata.db")
        self.said = self.folder / "said.txt"
        self.run_id = "run"

    def start(self, action: str, **env: str) -> int:
        """Begins the run, or takes it up again; its process."""
        args = [str(self.root), self.url, self.run_id, action, self.isolation]
        return self.server.start(args, self.said, **env)

    def do(self, action: str, **env: str) -> int:
        """Runs, or takes up again, to the end or to the kill; the status."""
        return self.server.wait(self.start(action, **env))

    @property
    def words(self) -> str:
        """What the processes said."""
        return self.said.read_text() if self.said.exists() else ""

    def has_run(self) -> bool:
        """Whether the run was noted."""
        if "://" not in self.url and not Path(self.url).exists():
            return False
        store = MetadataStore(self.url)
        try:
            return any(record.run_id == self.run_id for record in RunStore(store).runs())
        finally:
            store.close()

    def fingerprints(self) -> dict[tuple[str, str], str]:
        """By (node, output) the fingerprint in the run; checks states and events as it goes."""
        store = MetadataStore(self.url)
        found = {}
        for node in RunStore(store).run(self.run_id).nodes:
            assert node.execution_id is not None, node
            events = store.events(execution_ids=[node.execution_id])
            for event in events:
                if event.type.is_output:
                    (artifact,) = store.artifacts(ids=[event.artifact_id])
                    assert artifact.state is ArtifactState.LIVE
                    key = (node.node_id, str(event.path[0]))
                    assert key not in found
                    found[key] = read_manifest(artifact.uri or "", "sha256").fingerprint
        store.close()
        return found

    def check(self, expected: dict[tuple[str, str], str]) -> None:
        """The run is complete and right, and nothing else is there."""
        store = MetadataStore(self.url)
        runs = RunStore(store)
        record = runs.run(self.run_id)
        assert record.status == "COMPLETE", (record, self.words)
        assert {node.state for node in record.nodes} <= {"COMPLETE", "CACHED"}, record.nodes
        assert self.fingerprints() == expected
        assert runs.open_executions(self.run_id) == []
        assert runs.dead_runs() == []
        assert [e for e in store.executions() if e.state is ExecutionState.RUNNING] == []
        live = [a for a in store.artifacts() if a.state is ArtifactState.LIVE]
        kept = {event.artifact_id for event in self._successes(store)}
        assert {a.id for a in live} == kept, "an artifact is LIVE once for each success, and never otherwise"
        made = Counter(event.artifact_id for event in self._successes(store))
        assert set(made.values()) <= {1}
        folders = {str(path) for path in self.root.glob("*/*/*") if ".trueline" not in path.parts}
        assert folders == {a.uri for a in live}, "no folder belongs to nobody"
        assert list((self.root / ".trueline" / "tmp").glob("*")) == []
        store.close()

    def _successes(self, store: MetadataStore) -> list[Any]:
        done = [e.id for e in store.executions() if e.state is ExecutionState.COMPLETE]
        return [event for event in store.events(execution_ids=done) if event.type.is_output]


class Watch:
    """Looks all the time whether every LIVE artifact is whole."""

    def __init__(self, world: World) -> None:
        self._world, self._over = world, threading.Event()
        self.broken: list[str] = []
        self.looks = 0
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        assert self.broken == []

    def _work(self) -> None:
        while not self._over.is_set() and not self._world.has_run():
            time.sleep(0.05)
        store = MetadataStore(self._world.url)
        while not self._over.wait(0.02):
            for artifact in store.artifacts():
                uri = artifact.uri or ""
                if artifact.state is not ArtifactState.LIVE:
                    self.broken.append(f"{uri} is {artifact.state.name}")
                    continue
                try:
                    read_manifest(uri, "size")
                except ArtifactError as error:
                    self.broken.append(str(error))
            self.looks += 1
        store.close()


def folders_of(root: Path) -> list[str]:
    """Artifact folders below a root."""
    return sorted(str(p) for p in root.glob("*/*/*") if files.exists(str(p)) and ".trueline" not in p.parts)
