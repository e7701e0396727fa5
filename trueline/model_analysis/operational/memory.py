"""Peak memory of a model in a process of its own: what it adds to a process that has the libraries and the rows.

The child reads the rows and imports what every model needs, sets the kernel's high-water mark back
(``/proc/self/clear_refs``, Linux), loads the model, predicts, and tells how far the mark rose above the resident memory
of before. ``ru_maxrss`` is not used where the mark can be read: on Linux it survives ``exec``, so that a child of a
large process would be told its parent's peak. Elsewhere the difference of ``ru_maxrss`` stands in: it is too small
where the imports alone were higher than the model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["measure_memory", "peak_of"]

_STATUS = "/proc/self/status"
_RESET = "/proc/self/clear_refs"


def measure_memory(runtime: ModelRuntime, table: pa.Table, timeout: float = 120.0) -> tuple[int | None, str | None]:
    """Bytes, or None and why not.

    Args:
        runtime: says which model; it is loaded anew, with the same modules allowed.
        table: raw rows that are predicted as one batch.
        timeout: seconds after which the process is stopped.
    """
    import pyarrow.parquet as pq

    with TemporaryDirectory(prefix="trueline-memory-") as folder:
        rows = os.path.join(folder, "rows.parquet")
        pq.write_table(table, rows)
        allowed = None if runtime.allow_host is None else list(runtime.allow_host)
        asked = json.dumps(
            {"uri": runtime.uri, "allow_host": allowed, "providers": list(runtime.providers), "rows": rows}
        )
        command = [sys.executable, "-W", "ignore", "-m", "trueline.model_analysis.operational.memory"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        try:
            ran = subprocess.run(
                command, input=asked, capture_output=True, text=True, timeout=timeout, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            return None, f"the process that measures was stopped after {timeout:g} seconds"
        except OSError as error:
            return None, f"no process can be started: {error}"
    try:
        return int(json.loads(ran.stdout.splitlines()[-1])["peak"]), None
    except (ValueError, KeyError, IndexError, TypeError):
        said = ran.stderr.strip().splitlines()
        return None, f"the process that measures ended with {ran.returncode}: {said[-1][:300] if said else 'no word'}"


def _kilobytes(field: str) -> int | None:
    try:
        with open(_STATUS, encoding="ascii") as status:
            return next((int(line.split()[1]) for line in status if line.startswith(field)), None)
    except OSError:
        return None


def _peak_so_far() -> int:
    """The process's own high-water mark in bytes."""
    if (mark := _kilobytes("VmHWM:")) is not None:
        return mark * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _start() -> int:
    """Sets the mark back where that is possible; the bytes to measure from."""
    now = _kilobytes("VmRSS:")
    if now is None:
        return _peak_so_far()
    try:
        with open(_RESET, "w", encoding="ascii") as reset:
            reset.write("5")
    except OSError:
        return _peak_so_far()
    return now * 1024


def peak_of(asked: dict[str, Any]) -> int:
    """How many bytes this process's memory rises while it loads a model and predicts; for the child."""
    import pyarrow.parquet as pq

    from trueline._core.runtime import ModelRuntime, make_session  # noqa: F401 - imported before the mark is set

    table = pq.read_table(asked["rows"])
    _ = __import__("onnxruntime")
    before = _start()
    runtime = ModelRuntime.load(asked["uri"], allow_host=asked["allow_host"], providers=asked["providers"])
    runtime.predict_arrow(table)
    return max(_peak_so_far() - before, 0)


if __name__ == "__main__":
    print(json.dumps({"peak": peak_of(json.load(sys.stdin))}))
