"""The engine of a Ray cluster: one task a block, and one task a merge of the same fixed tree as everywhere.

The bits are those of the local engine: a state passes from task to task as bytes, and which states meet depends on
block numbers alone. Ray runs a task again whose worker died, and makes lost states anew from the blocks they came of.
Files must lie where every node reaches them, and the same code must be installed on every node.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from trueline._core.errors import ConfigError, EngineError
from trueline._core.extras import missing_extra_hint
from trueline.engine.base import Accumulator, AccumulatorSpec, Block, Dataset, FunctionSpec
from trueline.engine.tree import TreeMerge
from trueline.engine.worker import block_to_message, error_from_json

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["MAX_ATTEMPTS", "RayEngine"]

MAX_ATTEMPTS = 4
"""How often a task is tried when workers or nodes die under it."""
R = TypeVar("R")


class RayEngine:
    """Runs jobs on a Ray cluster.

    Args:
        address: of a running cluster (``"auto"``, ``"ray://host:10001"``); None starts one on this machine, unless
            the process is connected already.
        num_cpus: what a task asks the scheduler for.
        window: how many blocks are begun and not yet merged; twice the cluster's processors by default.
        max_attempts: how often a task is tried when workers or nodes die under it.
        runtime_env: Ray's own, for instance ``{"working_dir": "."}`` to ship code to the nodes.

    Raises:
        ConfigError: when Ray is not installed.
        EngineError: for a window or number of attempts below one.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        num_cpus: float = 1.0,
        window: int | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        runtime_env: Mapping[str, Any] | None = None,
    ) -> None:
        for name, number in (("window", window), ("max_attempts", max_attempts)):
            if number is not None and number < 1:
                raise EngineError(f"{name} is {number}", hint="give at least one.")
        self._ray = _import_ray()
        self._owned = not self._ray.is_initialized()
        if self._owned:
            self._ray.init(
                address=address,
                runtime_env=dict(runtime_env) if runtime_env else None,
                include_dashboard=False if address is None else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        self._window = window
        options: dict[str, Any] = {"num_cpus": num_cpus, "max_retries": max_attempts - 1, "retry_exceptions": False}
        self._update = self._ray.remote(update_task).options(num_returns=2, **options)
        self._merge = self._ray.remote(merge_task).options(**options)
        self._call = self._ray.remote(call_task).options(**options)

    def __repr__(self) -> str:
        return f"RayEngine(window={self._window or 'twice the processors'})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the cluster, if this engine joined or started it."""
        if self._owned and self._ray.is_initialized():
            self._ray.shutdown()

    def run(
        self,
        spec: AccumulatorSpec[R],
        dataset: Dataset,
        columns: Sequence[str] | None = None,
    ) -> R:
        """One state a block, merged in the fixed tree, finished; the same bits as `LocalEngine.run`.

        Raises:
            TruelineError: the first failing block's, in block order.
            EngineError: when a task died `max_attempts` times.
        """
        described = spec.to_json()
        wanted = None if columns is None else list(columns)
        tree: TreeMerge[Any, Any] = TreeMerge(lambda one, other: self._merge.remote(described, one, other), _itself)

        def begin(block: Block) -> tuple[Any, Any]:
            header, body = block_to_message(block, wanted)
            job = {"spec": described, "block": header, "columns": wanted, "path": sys.path}
            status, state = self._update.remote(json.dumps(job), body)
            return status, state

        for position, (status, state) in enumerate(self._in_order(begin, dataset.blocks)):
            failed = self._get(status)
            if failed is not None:
                raise error_from_json(json.loads(failed))
            tree.add(position, state)
        merged = tree.finish()
        if merged is None:
            return spec.new().finish()
        final: Accumulator[R] = spec.load(self._get(merged))
        return final.finish()

    def map_blocks(
        self, function: FunctionSpec, dataset: Dataset, on_result: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """The function's JSON results in block-number order; `on_result` gets each, in that order, as it comes.

        Raises:
            TruelineError: as in `run`.
        """

        def begin(block: Block) -> Any:
            header, body = block_to_message(block, None)
            job = {"name": function.name, "params": dict(function.params), "block": header, "path": sys.path}
            return self._call.remote(json.dumps(job), body)

        results = []
        for reference in self._in_order(begin, dataset.blocks):
            answer = json.loads(self._get(reference))
            if "error" in answer:
                raise error_from_json(answer["error"])
            results.append(answer["result"])
            if on_result is not None:
                on_result(answer["result"])
        return results

    def _in_order(self, begin: Callable[[Block], Any], blocks: Sequence[Block]) -> Iterator[Any]:
        """What `begin` gave, in block order, with no more than a window of blocks begun and not taken."""
        window = self._window or 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        pending = [begin(block) for block in blocks[:window]]
        for position in range(len(blocks)):
            yield pending.pop(0)
            if position + window < len(blocks):
                pending.append(begin(blocks[position + window]))

    def _get(self, reference: Any) -> Any:
        """The value of a reference.

        Raises:
            EngineError: when the task died, or what it needed is gone for good.
        """
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise EngineError(
                f"a task on the cluster could not be run to its end: {str(cause).strip().splitlines()[-1]}",
                hint="a worker that is killed over and over is usually out of memory: use smaller blocks.",
            ) from error


def _itself(state: Any) -> Any:
    return state


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ConfigError("the Ray engine needs Ray", hint=f"{missing_extra_hint(error)}.") from error
    return ray


def _join_path(path: Sequence[str]) -> None:
    """The driver's import path behind the worker's own, so that a user's modules are found on this machine."""
    sys.path.extend(entry for entry in path if entry not in sys.path)


def update_task(job: str, body: bytes) -> tuple[str | None, bytes]:
    """On a worker: None and the state of one block, or the error as JSON and nothing."""
    from trueline.engine.jobs import update_block
    from trueline.engine.worker import block_from_message, error_to_json

    described = json.loads(job)
    _join_path(described["path"])
    try:
        spec = AccumulatorSpec.from_json(described["spec"])
        return None, update_block(spec, block_from_message(described["block"], body), described["columns"])
    except Exception as error:
        return json.dumps(error_to_json(error)), b""


def merge_task(described: str, left: bytes, right: bytes) -> bytes:
    """On a worker: the state of two ranges of blocks, the first right before the second."""
    spec = AccumulatorSpec.from_json(described)
    accumulator = spec.load(left)
    accumulator.merge(spec.load(right))
    return accumulator.state()


def call_task(job: str, body: bytes) -> str:
    """On a worker: a function's result on one block, or its error, as JSON."""
    from trueline.engine.jobs import call_function
    from trueline.engine.worker import block_from_message, error_to_json

    described = json.loads(job)
    _join_path(described["path"])
    function = FunctionSpec(described["name"], described["params"])
    try:
        return json.dumps({"result": call_function(function, block_from_message(described["block"], body))})
    except Exception as error:
        return json.dumps({"error": error_to_json(error)})
