"""The launcher and the workers of `trueline.training.torchrun`, as processes; this file imports torch.

``python -m trueline.training.torchrun_worker launch JOB`` starts as many ``... work JOB`` as the job says, with torch's
elastic launcher. A worker reads the job, joins the group, calls the entry, and says why it failed if it did.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

from trueline._core import store
from trueline.training.distributed import DistributedJob, call_entry, set_group, write_error
from trueline.training.torchrun import LOOPBACK

__all__ = ["TorchGroup", "launch", "main", "work"]

_CHECK_SECONDS = 0.5


class TorchGroup:
    """torch.distributed's default group, for numpy."""

    @property
    def rank(self) -> int:
        """Which process this is."""
        return int(distributed.get_rank())

    @property
    def world_size(self) -> int:
        """How many there are."""
        return int(distributed.get_world_size())

    def sum(self, array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The sum over all processes."""
        tensor = torch.from_numpy(np.array(array, np.float64))
        if distributed.get_backend() == "nccl":
            tensor = tensor.cuda()
        distributed.all_reduce(tensor)
        return np.asarray(tensor.cpu().numpy())

    def barrier(self) -> None:
        """Waits for all."""
        distributed.barrier()


def launch(job_file: str) -> int:
    """Starts the workers and waits for them; 0 when all ended well."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = DistributedJob.from_json(Path(job_file).read_text(encoding="utf-8"))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=job.processes,
        run_id="trueline",
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:0",
        local_addr=LOOPBACK,
        max_restarts=0,
        monitor_interval=0.1,
        start_method="spawn",
    )
    command = ["-P", "-m", "trueline.training.torchrun_worker", "work", job_file]
    try:
        elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as error:
        ended = {str(rank): int(failure.exitcode) for rank, failure in error.failures.items()}
        store.write_text(str(job.path("ended.json")), json.dumps(ended))
        return 1
    return 0


def _end_with_parent() -> None:
    """Our input is a pipe that the node's process holds: when it ends, so must we; the workers see that."""
    while os.read(0, 1024):
        pass
    os._exit(111)


def _end_with_launcher(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(_CHECK_SECONDS)
    os._exit(111)


def work(job_file: str) -> int:
    """One process of the job; 0 when it ended well."""
    threading.Thread(target=_end_with_launcher, args=(os.getppid(),), daemon=True).start()
    job = DistributedJob.from_json(Path(job_file).read_text(encoding="utf-8"))
    sys.path[:] = [*job.sys_path, *(p for p in sys.path if p not in job.sys_path)]
    rank = int(os.environ["RANK"])
    try:
        distributed.init_process_group(job.backend)
        set_group(TorchGroup())
        result = call_entry(job, rank)
        if rank == 0:
            store.write_text(str(job.path("result.json")), json.dumps(result))
        distributed.destroy_process_group()
    except (Exception, SystemExit) as error:
        write_error(job, rank, error)
        raise
    return 0


def main(mode: str, job_file: str) -> int:
    """What the command line asks for."""
    return {"launch": launch, "work": work}[mode](job_file)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
