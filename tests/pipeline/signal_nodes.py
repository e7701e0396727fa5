"""A line for tests of signals: a node that does not want to end, a node after it, a node for the end.

Script: ``python signal_nodes.py ROOT ISOLATION`` carries it out as run ``run``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from trueline._core import store
from trueline.pipeline import Input, Output, Pipeline, component
from trueline.pipeline.artifacts import Model
from trueline.runners import LocalRunner


@component
def stubborn(model: Output[Model], folder: str = "") -> None:
    """Writes half a model, starts a process of its own, and sleeps whatever it is told; with a file ``go``, not."""
    store.write_text(model.path("native", "part"), "half")
    if not Path(folder, "go").exists():
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(
            [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(120)"],
            stderr=subprocess.DEVNULL,
        )
        store.write_text(str(Path(folder, "pids")), f"{os.getpid()} {child.pid}")
        time.sleep(120)
    store.write_text(model.path("model.onnx"), "whole")


@component
def after(model: Input[Model]) -> int:
    return len(store.read_text(model.path("model.onnx")))


@component
def farewell(folder: str = "") -> int:
    Path(folder, "farewell").write_text("said")
    return 1


def line(root: Path, timeout: float | None = None) -> Pipeline:
    folder = str(root.parent)
    model = stubborn(folder=folder).with_settings(timeout=timeout)
    last = after(model=model.outputs["model"])
    return Pipeline("signals", [last], root=root, on_exit=[farewell(folder=folder)])


if __name__ == "__main__":
    LocalRunner(isolation=sys.argv[2]).run(line(Path(sys.argv[1])), run_id="run")  # type: ignore[arg-type]
