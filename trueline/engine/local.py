"""The engine of this machine: threads by default, or worker processes."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cache, partial
from types import TracebackType
from typing import Any, Self, TypeVar

from trueline._core.errors import ConfigError, EngineError, TruelineError
from trueline.engine.base import Accumulator, AccumulatorSpec, Block, Dataset, Engine, FunctionSpec
from trueline.engine.jobs import call_function, describe_block, loaded, update_here
from trueline.engine.processes import WorkerDied, WorkerPool
from trueline.engine.tree import TreeMerge
from trueline.engine.worker import block_to_message

__all__ = ["ENGINE_VARIABLE", "MAX_ATTEMPTS", "LocalEngine", "default_engine", "usable_processors"]

ENGINE_VARIABLE = "TRUELINE_ENGINE"
MAX_ATTEMPTS = 4
"""How often a block is tried when worker processes die on it: once, and three more times."""
R = TypeVar("R")
T = TypeVar("T")
_first_use = threading.Lock()
"""Nodes in threads ask at the same time; a cluster is joined once."""


class LocalEngine:
    """Runs jobs on this machine. Every block's state passes through ``state()`` and ``load``, in threads as well as in
    processes, unless its accumulator promises the same bits without that (`Detachable`): so both give the same.

    Args:
        workers: how many blocks are worked on at a time; the usable processors by default.
        processes: worker processes instead of threads: user code that holds the interpreter lock runs in parallel, and
            a worker that dies is replaced and its block run again. They live until `close` (or the engine is gone).

    Raises:
        EngineError: for a number of workers below one.
    """

    def __init__(self, workers: int | None = None, processes: bool = False) -> None:
        if workers is not None and workers < 1:
            raise EngineError(f"an engine with {workers} workers does nothing", hint="give at least one.")
        self.workers = workers or usable_processors()
        self.processes = processes
        self._pool = WorkerPool(self.workers) if processes else None
        if self._pool is not None:
            weakref.finalize(self, self._pool.close)

    def __repr__(self) -> str:
        return f"LocalEngine(workers={self.workers}, processes={self.processes})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker processes; a later job starts new ones."""
        if self._pool is not None:
            self._pool.close()

    def run(self, spec: AccumulatorSpec[R], dataset: Dataset, columns: Sequence[str] | None = None) -> R:
        """One state a block, merged in the fixed tree, finished. Without blocks: the empty accumulator's result.

        Raises:
            TruelineError: the first failing block's (in block order), see `update_here`.
            EngineError: when workers died on one block `MAX_ATTEMPTS` times.
        """
        spec.to_json()
        wanted = None if columns is None else list(columns)
        header = {
            "op": "update",
            "name": spec.name,
            "params": dict(spec.params),
            "dictionaries": list(spec.dictionaries),
            "columns": wanted,
        }

        def job(block: Block) -> bytes | Accumulator[R]:
            if self._pool is None:
                return update_here(spec, block, wanted)
            return self._ask(self._pool, header, block, wanted)[1]

        blocks = dataset.blocks
        tree: TreeMerge[bytes | Accumulator[R], Accumulator[R]] = TreeMerge(_merge, partial(loaded, spec))
        results = self._in_order(job, blocks)
        with closing(results):
            for position, state in enumerate(results):
                with _naming(spec, f"load or merge the state of block {blocks[position].number}"):
                    tree.add(position, state)
        with _naming(spec, "merge and finish its states"):
            merged = tree.finish()
            return (spec.new() if merged is None else merged).finish()

    def map_blocks(
        self, function: FunctionSpec, dataset: Dataset, on_result: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """The function's JSON results in block-number order; `on_result` gets each, in that order, as it comes.

        Raises:
            TruelineError: as in `run`.
        """
        header = {"op": "call", "name": function.name, "params": dict(function.params)}

        def job(block: Block) -> Any:
            if self._pool is None:
                return call_function(function, block)
            return self._ask(self._pool, header, block, None)[0]["result"]

        results = []
        for result in self._in_order(job, dataset.blocks):
            results.append(result)
            if on_result is not None:
                on_result(result)
        return results

    def _in_order(self, job: Callable[[Block], T], blocks: Sequence[Block]) -> Generator[T, None, None]:
        """Results in block order, with no more than 2 * workers blocks begun and not yet taken in."""
        if self.workers == 1 and self._pool is None:
            yield from map(job, blocks)
            return
        window = 2 * self.workers
        with ThreadPoolExecutor(self.workers, thread_name_prefix="trueline") as threads:
            pending: list[Future[T]] = [threads.submit(job, block) for block in blocks[:window]]
            try:
                for position in range(len(blocks)):
                    yield pending.pop(0).result()
                    if position + window < len(blocks):
                        pending.append(threads.submit(job, blocks[position + window]))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask(
        self, pool: WorkerPool, header: dict[str, Any], block: Block, columns: list[str] | None
    ) -> tuple[dict[str, Any], bytes]:
        """One block's answer from a worker process, asked again when the worker dies."""
        described, body = block_to_message(block, columns)
        deaths: list[str] = []
        while len(deaths) < MAX_ATTEMPTS:
            try:
                return pool.ask({**header, "block": described}, body)
            except WorkerDied as death:
                deaths.append(str(death))
        raise EngineError(
            f"{len(deaths)} worker processes died on this block, one after the other",
            where=describe_block(block),
            problems=deaths,
            hint="code -9 is usually the system running out of memory: use fewer workers or smaller blocks.",
        )


@contextmanager
def _naming(spec: AccumulatorSpec[Any], what: str) -> Iterator[None]:
    """Turns what an accumulator raises outside of `update` into an error that names it."""
    try:
        yield
    except TruelineError:
        raise
    except Exception as error:
        raise EngineError(f"accumulator {spec.name} cannot {what}: {type(error).__name__}: {error}") from error


def _merge(left: Accumulator[R], right: Accumulator[R]) -> Accumulator[R]:
    left.merge(right)
    return left


def usable_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def default_engine() -> Engine:
    """The engine that is used when none is given: threads, one for each usable processor.

    The variable ``TRUELINE_ENGINE`` chooses another: ``ray`` (a cluster that the process is connected to, or one
    of this machine) or ``ray://HOST:PORT`` (a running cluster). Results have the same bits.

    Raises:
        ConfigError: the variable names no engine, or Ray is not installed.
    """
    with _first_use:
        return _engine(os.environ.get(ENGINE_VARIABLE) or "local")


@cache
def _engine(name: str) -> Engine:
    if name == "local":
        return LocalEngine()
    if name == "ray" or name.startswith("ray://"):
        from trueline.engine.ray import RayEngine

        return RayEngine(None if name == "ray" else name)
    raise ConfigError(f"{ENGINE_VARIABLE} is {name!r}, which is no engine", hint="'local', 'ray' or 'ray://HOST:PORT'.")
