"""A small line for tests of kills: linear, a diamond, values, a loop, a node that fails once, a node for the end.

As a script it serves: each line of JSON on its input, ``{"args": [...], "env": {...}}``, forks a process that carries
the line out (see `carry_out`); it answers with the process's number, and with its status when it has ended.

``KILL_AT`` names a point, as ``publish:whole``: SIGKILL for the launcher when it is reached for that node. Only this
file knows of points: it wraps the functions that it names.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline.pipeline import ForEach, Input, Output, Pipeline, component
from trueline.pipeline.artifacts import Examples, Model
from trueline.runners import LocalRunner


def pace(node: str) -> None:
    """Takes the line's time; kills the launcher here where KILL_AT says ``inside:NODE``."""
    if os.environ.get("KILL_AT") == f"inside:{node}":
        os.kill(int(os.environ["LAUNCHER"]), signal.SIGKILL)
        time.sleep(30)
    time.sleep(float(os.environ.get("PACE", "0")))


@component
def source(examples: Output[Examples], rows: int = 3) -> None:
    store.write_text(examples.path("Split-train", "a.txt"), "row\n" * rows)
    pace("source")
    store.write_text(examples.path("Split-train", "b.txt"), "row\n" * rows)


@component
def left(examples: Input[Examples]) -> int:
    pace("left")
    return len(store.read_text(examples.path("Split-train", "a.txt")))


@component
def right(examples: Input[Examples]) -> list[int]:
    pace("right")
    return [1, 2, 3]


@component
def train(model: Output[Model], size: int = 0, item: int = 0) -> None:
    store.write_text(model.path("native", "part"), "half")
    pace("train")
    store.write_text(model.path("model.onnx"), f"model of {size} and {item}")


@component
def flaky(n: int, flag: str = "") -> int:
    if not Path(flag).exists():
        Path(flag).write_text("failed once")
        raise ValueError("the first attempt fails")
    pace("flaky")
    return n + 1


@component
def join(model: Input[Model], n: int, best: Output[Model]) -> None:
    pace("join")
    store.write_text(best.path("model.onnx"), f"best {n} {store.read_text(model.path('model.onnx'))}")


@component
def farewell(word: str = "bye") -> str:
    return word


def line(root: str, metadata: str) -> Pipeline:
    examples = source().with_settings(isolation="process" if "SOURCE_APART" in os.environ else None)
    size = left(examples=examples.outputs["examples"])
    items = right(examples=examples.outputs["examples"])
    with ForEach(items.outputs["result"], name="items") as item:
        passes = train(size=size.outputs["result"].value, item=item)
    twice = flaky(n=size.outputs["result"], flag=f"{root}.flag").with_settings(retries=2, backoff=0.05)
    whole = train(size=size.outputs["result"].value, node_id="whole")
    best = join(model=whole.outputs["model"], n=twice.outputs["result"])
    return Pipeline("kills", [passes, best], root=root, metadata=metadata, on_exit=[farewell()])


BEFORE = {
    "begin": "trueline.runners.local._begin",
    "resolve": "trueline.pipeline.component_launch.resolve_inputs",
    "look_up": "trueline.pipeline.component_launch.look_up",
    "register": "trueline.pipeline.component_launch.register",
    "manifest": "trueline.pipeline.publish.close_artifact",
    "publish": "trueline.pipeline.component_launch.publish_success",
    "fail": "trueline.pipeline.component_launch.publish_failed",
    "passes": "trueline.runners.execution.add_passes",
    "finish": "trueline.metadata.runs.RunStore.finish",
    "claim": "trueline.runners.local.claim",
    "again": "trueline.runners.local.begin_again",
}
AFTER = {
    "begun": "trueline.runners.local._begin",
    "registered": "trueline.pipeline.component_launch.register",
    "closed": "trueline.pipeline.publish.close_artifact",
    "published": "trueline.pipeline.component_launch.publish_success",
    "counted": "trueline.pipeline.system_launch.publish_loop",
    "failed": "trueline.pipeline.component_launch.publish_failed",
    "added": "trueline.runners.execution.add_passes",
    "finished": "trueline.metadata.runs.RunStore.finish",
    "claimed": "trueline.runners.local.claim",
    "readied": "trueline.runners.local.begin_again",
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(30)


def wrap(point: str) -> None:
    """Makes this process die at the point."""
    name, _, wanted = point.partition(":")
    place = BEFORE.get(name) or AFTER.get(name)
    if place is None:
        return
    parts = place.split(".")
    owner: Any = __import__(".".join(parts[:3]), fromlist=["_"])
    for part in parts[3:-1]:
        owner = getattr(owner, part)
    real: Callable[..., Any] = getattr(owner, parts[-1])

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nodes = [getattr(arg, "id", None) for arg in args] + [
            Path(getattr(arg, "uri", "//")).parts[-3:-2] for arg in args
        ]
        struck = not wanted or wanted in nodes or (wanted,) in nodes
        if struck and name in BEFORE:
            die()
        result = real(*args, **kwargs)
        if struck:
            die()
        return result

    setattr(owner, parts[-1], wrapped)


def carry_out(root: str, metadata: str, run_id: str, action: str, isolation: str) -> None:
    """Runs the line or takes the run up again; what comes of it stands on the error output."""
    os.environ["LAUNCHER"] = str(os.getpid())
    point = os.environ.get("KILL_AT", "")
    wrap(point)

    def told(event: Any) -> None:
        if point == f"{event.kind}:{event.node_id}":
            die()

    runner = LocalRunner(isolation=isolation)  # type: ignore[arg-type]
    if action == "resume":
        result = runner.resume(metadata, run_id, on_event=told)
    else:
        result = runner.run(line(root, metadata), run_id=run_id, on_event=told)
    os._exit(0 if result.ok else 1)


def serve() -> None:
    """Forks a process for every request; the modules are loaded once."""
    waiting: set[int] = set()
    while True:
        if select.select([sys.stdin], [], [], 0.01)[0]:
            text = os.read(0, 1 << 16).decode()
            if not text:
                return
            for request in map(json.loads, text.splitlines()):
                child = os.fork()
                if child == 0:
                    run_child(request)
                waiting.add(child)
                print(json.dumps({"pid": child}), flush=True)
        for child in sorted(waiting):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                waiting.discard(pid)
                print(json.dumps({"ended": pid, "status": os.waitstatus_to_exitcode(status)}), flush=True)


def run_child(request: Any) -> None:
    try:
        os.environ.update(request["env"])
        said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 2)
        os.dup2(said, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        carry_out(*request["args"])
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(3)


if __name__ == "__main__":
    serve()
