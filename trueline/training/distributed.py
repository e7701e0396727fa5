"""One training in several processes: `run_distributed` starts them, tells each its rank, and says why one failed.

A job is data: an importable function, a JSON payload and a number of processes. Nothing is pickled between the
processes: a worker reads the job from a file, and what rank 0 returns comes back as JSON. The function itself decides
what each rank does; a Trainer's rank 0 exports the model and writes the artifact.

Within a worker `group()` is what the processes have in common: sums of arrays and barriers, by torch.distributed under
torchrun and by an actor under Ray.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, EngineError, did_you_mean
from trueline.engine.worker import error_from_json

__all__ = [
    "LAUNCHERS",
    "DistributedJob",
    "Group",
    "call_entry",
    "failure_of",
    "group",
    "result_of",
    "run_distributed",
    "set_group",
]

Floats = npt.NDArray[np.float64]
Stop = Callable[[], bool]


class Group(Protocol):
    """The processes that train together."""

    @property
    def rank(self) -> int:
        """Which of them this is."""
        ...

    @property
    def world_size(self) -> int:
        """How many they are."""
        ...

    def sum(self, array: npt.NDArray[Any]) -> Floats:
        """The sum of all processes' arrays of this shape, float64, the same in each; all of them must call it."""
        ...

    def barrier(self) -> None:
        """Waits until all have come here."""
        ...


@dataclass(frozen=True)
class _Alone:
    """A group of one."""

    rank: int = 0
    world_size: int = 1

    def sum(self, array: npt.NDArray[Any]) -> Floats:
        return np.array(array, np.float64)

    def barrier(self) -> None:
        return None


_GROUP: list[Group] = []


def group() -> Group:
    """The processes that train together with this one; a group of one where none do."""
    return _GROUP[-1] if _GROUP else _Alone()


def set_group(found: Group | None) -> None:
    """Tells `group` what to say; workers call it as they begin and end."""
    _GROUP.clear()
    if found is not None:
        _GROUP.append(found)


@dataclass(frozen=True)
class DistributedJob:
    """What every process is told.

    Attributes:
        entry: ``package.module:function`` of trueline, called as ``function(payload, rank, world_size)``; what rank 0
            returns, a JSON object, is the job's result.
        payload: JSON values.
        processes: how many.
        folder: an empty local folder for the job's own files; on a cluster all nodes must reach it.
        backend: torch.distributed's: ``gloo`` or ``nccl``; "" for none.
        sys_path: where modules are found.
    """

    entry: str
    payload: Mapping[str, Any]
    processes: int
    folder: str
    backend: str = "gloo"
    sys_path: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """JSON; `from_json` is its inverse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DistributedJob:
        """The job that `to_json` described."""
        data = json.loads(text)
        return cls(**{**data, "sys_path": tuple(data["sys_path"])})

    def path(self, name: str) -> Path:
        """A file of the job."""
        return Path(self.folder, name)


LAUNCHERS: Mapping[str, str] = {
    "torchrun": "trueline.training.torchrun:run_torchrun",
    "ray": "trueline.training.ray_train:run_ray",
}
"""What starts the processes, by the name that ``Trainer(distributed=...)`` gives."""


def run_distributed(job: DistributedJob, launcher: str = "torchrun", stop: Stop | None = None) -> dict[str, Any]:
    """Runs the job in its processes; what rank 0 returned.

    Args:
        job: what to run.
        launcher: a key of `LAUNCHERS`.
        stop: asked now and then; True ends all processes.

    Raises:
        ConfigError: an unknown launcher, or its framework is not installed.
        TruelineError: what went wrong in the process that failed first, in the class of its own error where that is
            one of trueline's; EngineError where a process was killed.
    """
    if launcher not in LAUNCHERS:
        raise ConfigError(f"there is no launcher {launcher!r}", hint=did_you_mean(launcher, LAUNCHERS))
    module, _, name = LAUNCHERS[launcher].partition(":")
    run: Callable[[DistributedJob, Stop | None], dict[str, Any]] = getattr(importlib.import_module(module), name)
    return run(job, stop)


def call_entry(job: DistributedJob, rank: int) -> dict[str, Any]:
    """Calls the job's function in this process.

    Raises:
        EngineError: the entry is no function of trueline's own.
    """
    module, _, name = job.entry.partition(":")
    if module.split(".")[0] != "trueline":
        raise EngineError(f"the entry {job.entry!r} is no function of trueline")
    found = getattr(importlib.import_module(module), name)(job.payload, rank, job.processes)
    return dict(found or {})


def error_file(job: DistributedJob, rank: int) -> Path:
    """Where a worker that fails says why."""
    return job.path(f"error-{rank}.json")


def write_error(job: DistributedJob, rank: int, error: BaseException) -> None:
    """Says why this worker failed, and when."""
    from trueline.engine.worker import error_to_json

    text = json.dumps({"time": time.time(), "error": error_to_json(error)})
    undone = error_file(job, rank).with_suffix(".undone")
    undone.write_text(text, encoding="utf-8")
    undone.rename(error_file(job, rank))


def failure_of(job: DistributedJob, ended: Mapping[int, str], otherwise: str) -> Exception:
    """The error to raise for a failed job: of a killed process first, for the others fail of it; else the first told.

    Args:
        job: that failed.
        ended: by rank, how a process was killed.
        otherwise: what to say where nothing is known.
    """
    if ended:
        rank, how = min(ended.items())
        return EngineError(f"training process {rank} of {job.processes} was {how}; the others were ended")
    told = []
    for rank in range(job.processes):
        if error_file(job, rank).exists():
            found = json.loads(error_file(job, rank).read_text(encoding="utf-8"))
            told.append((float(found["time"]), rank, found["error"]))
    if not told:
        return EngineError(otherwise)
    _, rank, data = min(told)
    error = error_from_json(data)
    error.add_note(f"This was training process {rank} of {job.processes}.")
    return error


def result_of(job: DistributedJob) -> dict[str, Any]:
    """What rank 0 returned.

    Raises:
        EngineError: it left nothing.
    """
    try:
        found = json.loads(job.path("result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError("the training processes ended and left no result") from error
    return dict(found)
