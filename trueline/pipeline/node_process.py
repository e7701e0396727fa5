"""The main function of a node's own process: ``python -m trueline.pipeline.node_process TASK OUTCOME REPORTS``."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline.pipeline.execute import NodeTask, run_here

__all__ = ["main"]


def main(task_file: str, outcome_file: str, reports_file: str) -> None:
    """Reads the task, runs it, writes its outcome at once and whole."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task = NodeTask.from_json(Path(task_file).read_text(encoding="utf-8"))
    sys.path[:] = [*task.sys_path, *(p for p in sys.path if p not in task.sys_path)]
    reports = Path(reports_file)

    def report(found: dict[str, Any]) -> None:
        with reports.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(found, default=str) + "\n")

    outcome = run_here(task, report, stream=sys.stderr)
    store.write_text(outcome_file, json.dumps(asdict(outcome)))


def _end_with_parent() -> None:
    """Our input is a pipe that the launcher holds: when it ends, the launcher is gone and so must we be."""
    while os.read(0, 1024):  # not sys.stdin: its lock would be held when this process ends by itself
        pass
    os._exit(111)


if __name__ == "__main__":
    main(*sys.argv[1:4])
