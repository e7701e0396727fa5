"""Training processes started by torch's elastic launcher, on this machine, over the loopback device.

The launcher runs in a process of its own (`trueline.training.torchrun_worker` with ``launch``), for it takes over
signals, and ends with us: its input is a pipe that we hold. torch picks free ports.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError
from trueline.training.distributed import DistributedJob, Stop, failure_of, result_of

__all__ = ["LOOPBACK", "run_torchrun"]

_WORKER = "trueline.training.torchrun_worker"
_POLL_SECONDS = 0.2
_TAIL = 2000
_HOME = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
_DEVICES = {"darwin": "lo0", "linux": "lo"}


def run_torchrun(job: DistributedJob, stop: Stop | None = None) -> dict[str, Any]:
    """Runs the job; see `run_distributed`.

    Raises:
        ConfigError: torch is not installed.
        TruelineError: a process failed or was killed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ConfigError('distributed="torchrun" needs torch', hint="pip install 'trueline[torch]'")
    job_file, log = job.path("job.json"), job.path("log.txt")
    job_file.write_text(job.to_json(), encoding="utf-8")
    with log.open("wb") as out:
        command = [sys.executable, "-P", "-m", _WORKER, "launch", str(job_file)]
        launcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, env=_environment()
        )
        try:
            code = _wait(launcher, stop)
        finally:
            if launcher.stdin is not None:
                launcher.stdin.close()  # that ends it, and its workers
            if launcher.poll() is None:
                launcher.wait()
    if code != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
        raise failure_of(job, _killed(job), f"the training processes failed with status {code}:\n{tail}")
    return result_of(job)


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(_HOME), os.environ.get("PYTHONPATH", "")]))
    device = _DEVICES.get(sys.platform)
    loopback = {"GLOO_SOCKET_IFNAME": device} if device else {}
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return {**os.environ, **loopback, **threads, "PYTHONPATH": path}


def _wait(launcher: subprocess.Popen[bytes], stop: Stop | None) -> int:
    while True:
        try:
            return launcher.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if stop is not None and stop() and launcher.stdin is not None and not launcher.stdin.closed:
                launcher.stdin.close()


def _killed(job: DistributedJob) -> dict[int, str]:
    """By rank, which signal ended a process, but for those that the launcher ended itself."""
    try:
        ended = json.loads(job.path("ended.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = {}
    for rank, code in ended.items():
        if code < 0 and -code != signal.SIGTERM:
            hint = " (was the memory used up?)" if -code == signal.SIGKILL else ""
            found[int(rank)] = f"killed by signal {-code}{hint}"
    return found
