"""The main function of a trial's own process: ``python -m trueline.training.tuning.trial_process TASK``."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from trueline.engine.base import resolve
from trueline.training.tuning.trial import TrialEnd

__all__ = ["main"]


def main(task_file: str) -> None:
    """Reads the task, runs it, says how it ended."""
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the user's code prints goes to the trial's log
    answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(answers,), daemon=True).start()
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    sys.path[:] = [*task["sys_path"], *(p for p in sys.path if p not in task["sys_path"])]

    def say(message: dict[str, Any]) -> None:
        said.write(json.dumps(message) + "\n")
        said.flush()

    def report(value: float, step: int | None) -> bool:
        say({"value": repr(value), "step": step})
        return answers.get() == b"stop\n"

    end: TrialEnd = resolve(task["entry"])(task["job"], report)
    say({"end": end.to_json()})


def _listen(answers: queue.SimpleQueue[bytes]) -> None:
    """Our input is a pipe that the search holds: when it ends, the search is gone and so must we be."""
    with os.fdopen(0, "rb", closefd=False, buffering=0) as stream:
        held = b""
        while piece := stream.read(64):
            held += piece
            while b"\n" in held:
                line, _, held = held.partition(b"\n")
                answers.put(line + b"\n")
    os._exit(111)


if __name__ == "__main__":
    main(sys.argv[1])
