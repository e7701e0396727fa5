"""A Transform that is killed at a chosen place: its real executor, and a function of it that ends the process."""

from __future__ import annotations

import importlib
import itertools
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from trueline.components.transform import execute
from trueline.pipeline import ExecutionContext

PLACES: Mapping[str, tuple[str, int]] = {
    "first block analysed": ("trueline.transform.accumulator:PhaseAccumulator.update", 1),
    "second phase": ("trueline.transform.accumulator:PhaseAccumulator.update", 9),
    "states put into the cache": ("trueline.transform.cache:AnalyzerCache.put", 2),
    "graph saved": ("trueline.transform.storage:save", 1),
    "block written": ("trueline.components.transform_job:write_block", 3),
    "statistics": ("trueline.components.transform:write_transform_statistics", 1),
    "a file renamed": ("os:replace", 4),
}
"""Place -> a function, and at which of its calls the process is killed: half of them before it, half after it."""


def executor(place: str, after: bool) -> dict[str, Any]:
    """The reference of an executor that dies there."""
    os.environ["STRIKE"] = f"{place}|{int(after)}"
    return {"name": "struck", "module": None, "file": os.path.abspath(__file__)}


def struck(ctx: ExecutionContext) -> None:
    """Transform's own work, up to the chosen place."""
    place, _, after = os.environ["STRIKE"].partition("|")
    path, call = PLACES[place]
    module, _, names = path.partition(":")
    *owners, name = names.split(".")
    owner: Any = importlib.import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    setattr(owner, name, _dying(getattr(owner, name), call, bool(int(after))))
    execute(ctx)


def _dying(function: Callable[..., Any], call: int, after: bool) -> Callable[..., Any]:
    calls = itertools.count(1)  # several threads call

    def dies(*args: Any, **kwargs: Any) -> Any:
        own = next(calls)
        if own == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        made = function(*args, **kwargs)
        if own == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    return dies
