"""Lines with an approval in them, for tests of several rooms; what runs is trueline's own launcher and database."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from trueline.metadata import MetadataStore
from trueline.metadata.approvals import decide
from trueline.pipeline import Approval, Pipeline, component
from trueline.pipeline.results import RunEvent, RunResult
from trueline.runners import LocalRunner

__all__ = ["Hook", "deciding", "hook", "line", "make", "push", "run"]


@component
def make() -> int:
    """What the question is about."""
    return 3


@component
def push(number: int) -> int:
    """What must not happen without an approval."""
    return number + 1


def line(root: Path, question: Any = "Push this?", **options: Any) -> Pipeline:
    """make -> Approval -> push."""
    made = make()
    gate = Approval(question, value=made.outputs["result"], **options)
    return Pipeline("line", [push(number=made.outputs["result"]).after(gate)], root=root)


def deciding(metadata: str, approved: bool, by: str = "ann", comment: str | None = None) -> Callable[[RunEvent], None]:
    """A listener that decides as soon as a node waits, through a connection of its own."""

    def on_event(event: RunEvent) -> None:
        if event.kind == "node_waiting":
            store = MetadataStore(metadata)
            decide(store, event.run_id, str(event.node_id), approved, by=by, comment=comment)
            store.close()

    return on_event


def run(pipeline: Pipeline, approved: bool | None = None, **options: Any) -> RunResult:
    """Runs it; `approved` decides at once, None leaves the question open."""
    if approved is not None:
        options["on_event"] = deciding(pipeline.metadata, approved)
    return LocalRunner().run(pipeline, **options)


class Hook(HTTPServer):
    """A web hook: a real server that keeps what it is told."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = status
        self.told: list[dict[str, Any]] = []
        self.heard = threading.Event()

    @property
    def url(self) -> str:
        """Where to post to; its path stands for the key that such addresses hold."""
        return f"http://127.0.0.1:{self.server_address[1]}/T0/K3YK3Y"


class _Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.heard.set()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def hook(status: int = 200) -> Iterator[Hook]:
    """A web hook while the block runs."""
    server = Hook(status)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":  # a run in a process of its own, to be killed while it waits
    LocalRunner().run(line(Path(sys.argv[1])), run_id=sys.argv[2])
