"""Training processes on a Ray cluster: one actor a rank, told of the job as JSON; this file imports ray in functions.

A run_fn that needs no framework uses `trueline.training.distributed.group`, whose sums go through an actor. Where torch
is installed on the nodes, its process group is joined as well (gloo, or nccl on GPUs). The job's folder, the inputs and
the outputs must lie where every node reaches them, and the same code must be installed on every node.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import socket
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, EngineError
from trueline._core.extras import missing_extra_hint
from trueline.engine.worker import error_from_json, error_to_json
from trueline.training.distributed import DistributedJob, Stop, call_entry, set_group

__all__ = ["RayGroup", "run_ray"]

_POLL_SECONDS = 0.2
_WAIT_SECONDS = 0.005


def run_ray(job: DistributedJob, stop: Stop | None = None) -> dict[str, Any]:
    """Runs the job on the cluster that this process is connected to, or on one that it starts on this machine.

    Raises:
        ConfigError: Ray is not installed.
        EngineError: the cluster has too few processors, or a process was killed.
        TruelineError: what went wrong in the process that failed first.
    """
    ray = _import_ray()
    owned = not ray.is_initialized()
    if owned:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    meeting: Any = None
    workers: list[Any] = []
    try:
        _check_room(ray, job)
        meeting = ray.remote(_Meeting).options(num_cpus=0).remote(job.processes)
        gpus = 1 if job.backend == "nccl" else 0
        worker = ray.remote(_Worker).options(num_cpus=1, num_gpus=gpus, max_restarts=0)
        workers = [worker.remote(job.to_json(), rank) for rank in range(job.processes)]
        address = ray.get(workers[0].address.remote())
        return _gather(ray, job, [w.run.remote(meeting, address) for w in workers], stop)
    finally:
        for actor in [*workers, *([meeting] if meeting is not None else [])]:
            ray.kill(actor)
        if owned:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ConfigError('distributed="ray" needs Ray', hint=missing_extra_hint(error)) from error


def _check_room(ray: Any, job: DistributedJob) -> None:
    """All processes must run at once: they wait for each other."""
    room = int(ray.cluster_resources().get("CPU", 0))
    if room < job.processes:
        raise EngineError(
            f"the Ray cluster has {room} processors, {job.processes} processes must run at once",
            hint="train in fewer processes, or add nodes.",
        )


def _gather(ray: Any, job: DistributedJob, calls: list[Any], stop: Stop | None) -> dict[str, Any]:
    """What rank 0 returned, once all have ended; the first failure ends all."""
    results: dict[int, str] = {}
    left = {call: rank for rank, call in enumerate(calls)}
    while left:
        ready, _ = ray.wait(list(left), num_returns=1, timeout=_POLL_SECONDS)
        if stop is not None and stop():
            raise EngineError("the training was stopped")
        for call in ready:
            rank = left.pop(call)
            try:
                answer = json.loads(ray.get(call))
            except Exception as error:  # Ray's own: the actor is gone
                raise EngineError(
                    f"training process {rank} of {job.processes} was killed; the others were ended"
                ) from error
            if "error" in answer:
                failed = error_from_json(answer["error"])
                failed.add_note(f"This was training process {rank} of {job.processes}.")
                raise failed
            results[rank] = answer["result"]
    return dict(results[0])  # type: ignore[arg-type]


class _Meeting:
    """Where sums are made: parts are added in the order of ranks, so the bits do not depend on who comes first."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self.parts: dict[int, dict[int, Any]] = {}
        self.taken: dict[int, int] = {}
        self.sums: dict[int, Any] = {}

    def put(self, turn: int, rank: int, array: Any) -> None:
        """A rank's part of the sum number `turn`."""
        parts = self.parts.setdefault(turn, {})
        parts[rank] = array
        if len(parts) == self.world_size:
            total = np.zeros_like(parts[0])
            for number in range(self.world_size):
                total = total + parts[number]
            self.sums[turn], self.taken[turn] = total, 0
            del self.parts[turn]

    def take(self, turn: int) -> Any:
        """The sum, or None while a part is missing; forgotten once all have it."""
        if turn not in self.sums:
            return None
        found = self.sums[turn]
        self.taken[turn] += 1
        if self.taken[turn] == self.world_size:
            del self.sums[turn], self.taken[turn]
        return found


class RayGroup:
    """The group of a job's actors; see `trueline.training.distributed.Group`."""

    def __init__(self, ray: Any, meeting: Any, rank: int, world_size: int) -> None:
        self._ray, self._meeting = ray, meeting
        self.rank, self.world_size = rank, world_size
        self._turn = 0

    def sum(self, array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The sum over all processes."""
        turn, self._turn = self._turn, self._turn + 1
        self._ray.get(self._meeting.put.remote(turn, self.rank, np.array(array, np.float64)))
        while (found := self._ray.get(self._meeting.take.remote(turn))) is None:
            time.sleep(_WAIT_SECONDS)
        return np.array(found)

    def barrier(self) -> None:
        """Waits for all."""
        self.sum(np.zeros(1))


class _Worker:
    """One rank."""

    def __init__(self, job: str, rank: int) -> None:
        self.job, self.rank = DistributedJob.from_json(job), rank

    def address(self) -> str:
        """``host:port`` of this node, with a port that is free now: where torch's group meets."""
        ray = _import_ray()
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def run(self, meeting: Any, address: str) -> str:
        """Calls the entry; JSON of its result, or of its error."""
        job = self.job
        sys.path[:] = [*job.sys_path, *(p for p in sys.path if p not in job.sys_path)]
        try:
            set_group(RayGroup(_import_ray(), meeting, self.rank, job.processes))
            joined = _join_torch(job, self.rank, address)
            result = call_entry(job, self.rank)
            if joined:
                importlib.import_module("torch.distributed").destroy_process_group()
            return json.dumps({"result": result})
        except (Exception, SystemExit) as error:
            return json.dumps({"error": error_to_json(error)})


def _join_torch(job: DistributedJob, rank: int, address: str) -> bool:
    """Joins torch's process group where torch is installed; whether it did."""
    if not job.backend or importlib.util.find_spec("torch") is None:
        return False
    distributed = importlib.import_module("torch.distributed")
    distributed.init_process_group(job.backend, init_method=f"tcp://{address}", rank=rank, world_size=job.processes)
    return True
