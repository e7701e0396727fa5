"""The main function of a node's own process: ``python -m trueline.pipeline.node_process TASK OUTCOME REPORTS``."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline.pipeline.execute import run_here
from trueline.pipeline.node_task import STORE_VARIABLE, NodeTask
from trueline.pipeline.source_hash import is_installed
from trueline.pipeline.user_function import SourceOnlyLoader

__all__ = ["main"]


def main(task_file: str, outcome_file: str, reports_file: str) -> None:
    """Reads the task, runs it, writes its outcome at once and whole."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task = NodeTask.from_json(Path(task_file).read_text(encoding="utf-8"))
    sys.path[:] = [*task.sys_path, *(p for p in sys.path if p not in task.sys_path)]
    sys.path_hooks.insert(0, _finder_of_users_code)
    sys.path_importer_cache.clear()
    reports = Path(reports_file)

    def report(found: dict[str, Any]) -> None:
        with reports.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(found, default=str) + "\n")

    outcome = run_here(task, report, stream=sys.stderr, store_url=os.environ.pop(STORE_VARIABLE, ""))
    store.write_text(outcome_file, json.dumps(asdict(outcome)))


def _finder_of_users_code(folder: str) -> FileFinder:
    """Imports the user's own modules from their source: bytecode knows it by second and size alone, and this process
    may be here just because a file was edited."""
    if is_installed(Path(folder)) or not Path(folder).is_dir():
        raise ImportError(folder)  # left to the finders behind this one: installed packages keep their bytecode
    return FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceOnlyLoader, SOURCE_SUFFIXES))


def _end_with_parent() -> None:
    """Our input is a pipe that the launcher holds: when it ends, the launcher is gone and so must we be, with all
    that we started."""
    while os.read(0, 1024):  # not sys.stdin: its lock would be held when this process ends by itself
        pass
    if os.name != "nt" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(111)


if __name__ == "__main__":
    main(*sys.argv[1:4])
