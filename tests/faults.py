"""The fault matrix as a table: node x fault -> state, message, and what must hold afterwards. More nodes: more rows.

Faults are real. ``raise`` and ``kill`` strike after the node's own executor has written its outputs and one of them
was cut in half; ``disk`` fills a small file system of its own before the node runs; ``corrupt`` flips a byte of an
input's largest file; ``missing`` takes an input away; ``type`` wires an input of another type, or feeds bytes that
are no table.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trueline.pipeline import ExecutionContext
from trueline.pipeline.user_function import UserFunction

Kind = Literal["raise", "kill", "disk", "corrupt", "missing", "type"]
KINDS: tuple[Kind, ...] = ("raise", "kill", "disk", "corrupt", "missing", "type")


@dataclass(frozen=True)
class Node:
    """A row: a node, the input that is damaged (None: the raw file), and its upstream node in the line."""

    id: str
    input: str | None
    source: str | None


NODES = (
    Node("CsvExampleGen", None, None),
    Node("StatisticsGen", "examples", "CsvExampleGen"),
    Node("SchemaGen", "statistics", "StatisticsGen"),
    Node("ExampleValidator", "statistics", "StatisticsGen"),
    Node("Transform", "examples", "CsvExampleGen"),
    Node("Trainer", "examples", "Transform"),
    Node("Evaluator", "model", "Trainer"),
    Node("InfraValidator", "model", "Trainer"),
    Node("Pusher", "model", "Trainer"),
)

MESSAGES: dict[Kind, str] = {
    "raise": "RuntimeError: struck",
    "kill": "signal 9",
    "disk": "the disk is full",
    "corrupt": r"other contents than were written|not whole",
    "missing": r"no MANIFEST\.json|is gone|does not exist",
    "type": "takes ",
}
"""What the failure must say, by kind; `RAW` has the sentences for the node that reads the raw file."""
RAW: dict[Kind, str] = {
    "corrupt": r"taxi\.csv.*line 301",
    "missing": r"no files|does not exist|no file",
    "type": r"taxi\.csv",
}


def executor_with(kind: Literal["raise", "kill"], executor: dict[str, Any]) -> dict[str, Any]:
    """The reference of an executor that works like the given one and is then struck."""
    os.environ["FAULT_KIND"] = kind
    reference = UserFunction.from_json(executor)
    os.environ["FAULT_EXECUTOR"] = f"{reference.module}:{reference.name}"
    return {"name": "struck", "module": None, "file": str(Path(__file__).resolve())}


def struck(ctx: ExecutionContext) -> None:
    """Does the node's real work, leaves one output half-written, and dies as told."""
    UserFunction.of(os.environ["FAULT_EXECUTOR"]).load()(ctx)
    for handle in ctx.outputs.values():
        for path in sorted(Path(handle.uri).rglob("*")):
            if path.is_file() and path.stat().st_size > 1:
                os.truncate(path, path.stat().st_size // 2)
                break
    if os.environ["FAULT_KIND"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("struck")
