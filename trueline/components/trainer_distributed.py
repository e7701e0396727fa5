"""A Trainer's work in several processes: each is given the node's inputs and parameters, rank 0 writes the model."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.errors import EngineError, TruelineError
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.params import decode_params, encode_params

__all__ = ["train_in_processes", "train_rank"]

ENTRY = "trueline.components.trainer_distributed:train_rank"
_FOUND_FILE = "found.jsonl"
_POLL_SECONDS = 0.5


def train_in_processes(ctx: ExecutionContext) -> None:
    """Trains in ``processes`` processes; afterwards the node's outputs and findings are as if it had been one.

    Raises:
        TruelineError: what went wrong in the process that failed first.
    """
    from trueline.training.distributed import DistributedJob, run_distributed

    params = ctx.params
    backend = "nccl" if str(params["device"]).startswith("cuda") else "gloo"
    with tempfile.TemporaryDirectory(prefix="processes-", dir=ctx.tmp_dir or None) as folder:
        job = DistributedJob(ENTRY, _payload(ctx, folder), params["processes"], folder, backend, tuple(sys.path))
        over = threading.Event()
        listener = threading.Thread(target=_listen, args=(ctx, Path(folder, _FOUND_FILE), over), daemon=True)
        listener.start()
        try:
            result = run_distributed(job, params["distributed"] or "torchrun")
        finally:
            over.set()
            listener.join()
    ctx.found.clear()
    ctx.report(**result["found"])
    for key, properties in result["properties"].items():
        ctx.output(key).properties.update(properties)


def _payload(ctx: ExecutionContext, folder: str) -> dict[str, Any]:
    return {
        "inputs": {key: [handle.to_json() for handle in handles] for key, handles in ctx.inputs.items()},
        "outputs": {key: handle.to_json() for key, handle in ctx.outputs.items()},
        "params": encode_params(ctx.params),
        "node_id": ctx.node_id,
        "pipeline_name": ctx.pipeline_name,
        "run_id": ctx.run_id,
        "execution_id": ctx.execution_id,
        "resume_dir": ctx.resume_dir,
        "folder": folder,
    }


def _listen(ctx: ExecutionContext, path: Path, over: threading.Event) -> None:
    """Passes on what rank 0 reports while it trains."""
    seen = 0
    while not over.wait(_POLL_SECONDS):
        if path.exists():
            whole = [line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
            if len(whole) > seen:
                seen = len(whole)
                ctx.report(**json.loads(whole[-1]))


def train_rank(payload: Mapping[str, Any], rank: int, world_size: int) -> dict[str, Any]:
    """One process' share; of rank 0 what the node found, and its outputs' properties.

    Raises:
        TruelineError: as the training does; any other error becomes one, with the user's line.
    """
    from trueline.components.trainer_job import work

    ctx = _context(payload, rank)
    store.makedirs(ctx.tmp_dir)
    try:
        work(ctx, rank, world_size)
    except TruelineError:
        raise
    except (Exception, SystemExit) as error:
        raise EngineError(describe_error(error, ctx.tmp_dir)) from error
    found: dict[str, Any] = json.loads(json.dumps(ctx.found, default=_plain))
    return {"found": found, "properties": {key: handle.properties for key, handle in ctx.outputs.items()}}


def _context(payload: Mapping[str, Any], rank: int) -> ExecutionContext:
    folder = Path(payload["folder"])
    ctx = ExecutionContext(
        inputs={key: [ArtifactHandle.from_json(h) for h in handles] for key, handles in payload["inputs"].items()},
        outputs={key: ArtifactHandle.from_json(handle) for key, handle in payload["outputs"].items()},
        params=decode_params(payload["params"]),
        node_id=payload["node_id"],
        pipeline_name=payload["pipeline_name"],
        run_id=payload["run_id"],
        execution_id=payload["execution_id"],
        tmp_dir=str(folder / f"rank-{rank}"),
        resume_dir=payload["resume_dir"],
    )
    return ctx if rank else replace(ctx, on_report=_reporter(folder / _FOUND_FILE))


def _reporter(path: Path) -> Callable[[dict[str, Any]], None]:
    def report(found: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(found, default=_plain) + "\n")

    return report


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's."""
    return value.item() if callable(getattr(value, "item", None)) else str(value)
