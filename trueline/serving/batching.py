"""Natural batching: while the model is busy, requests collect; when it is free, it takes all of them at once.

No timer: a request that finds the model idle runs at the end of the event loop's tick. A batch never spans versions,
because every version owns its batcher, and requests are validated before they come here. When a batch fails, its
requests run one by one, so that each one's error is its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy.typing as npt

from trueline._core.errors import TruelineError
from trueline.serving.errors import Code, RequestError, overloaded

__all__ = ["Arrays", "Batcher", "split"]

Arrays = dict[str, npt.NDArray[Any]]
Result = Arrays | Exception
Data = TypeVar("Data")


@dataclass(slots=True)
class _Waiting(Generic[Data]):
    data: Data
    rows: int
    future: asyncio.Future[Arrays]


class Batcher(Generic[Data]):
    """Runs one model version, one batch at a time.

    Args:
        run: the model: validated data in, named arrays with the same first dimension out.
        merge: one request's data out of several.
        executor: the one slot where runs happen that are too long for the event loop.
        inline: whether small batches run on the event loop.
        inline_rows: the largest batch that does.
        max_batch_rows: rows of one run, unless a single request has more.
        max_queue_rows: rows that may wait.
        observe: told the rows of every run.
    """

    def __init__(
        self,
        run: Callable[[Data], Arrays],
        executor: Executor,
        *,
        merge: Callable[[Sequence[Data]], Data],
        inline: bool,
        inline_rows: int,
        max_batch_rows: int,
        max_queue_rows: int,
        observe: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._run = run
        self._merge = merge
        self._executor = executor
        self._inline_rows = inline_rows if inline else 0
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._observe = observe
        self._queue: deque[_Waiting[Data]] = deque()
        self.queued_rows = 0
        self._busy = False
        self._scheduled = False

    def submit(self, data: Data, rows: int) -> asyncio.Future[Arrays]:
        """The outputs for validated data of `rows` rows. Call it on the event loop.

        Raises:
            RequestError: RESOURCE_EXHAUSTED, when too many rows wait; through the future INTERNAL, when the model
                fails.
        """
        if self._queue and self.queued_rows + rows > self._max_queue_rows:
            raise overloaded(
                f"the queue of this model version is full: {self.queued_rows} rows wait, {self._max_queue_rows} may"
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Arrays] = loop.create_future()
        self._queue.append(_Waiting(data, rows, future))
        self.queued_rows += rows
        if not self._busy and not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def _take(self) -> list[_Waiting[Data]]:
        batch: list[_Waiting[Data]] = []
        rows = 0
        while self._queue and (not batch or rows + self._queue[0].rows <= self._max_batch_rows):
            batch.append(self._queue.popleft())
            rows += batch[-1].rows
        self.queued_rows -= rows
        return batch

    def _flush(self) -> None:
        self._scheduled = False
        while self._queue and not self._busy:
            batch = self._take()
            rows = sum(w.rows for w in batch)
            self._observe(rows)
            if rows <= self._inline_rows:
                _deliver(batch, _run_batch(self._run, self._merge, batch))
            else:
                self._start(batch)

    def _start(self, batch: list[_Waiting[Data]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            job = loop.run_in_executor(self._executor, _run_batch, self._run, self._merge, batch)
        except RuntimeError as error:  # the executor was stopped at the end of the drain time
            _deliver(batch, [_stopped(error)] * len(batch))
            return
        self._busy = True
        job.add_done_callback(lambda done: self._finished(done, batch))

    def _finished(self, done: asyncio.Future[list[Result]], batch: list[_Waiting[Data]]) -> None:
        self._busy = False
        error = done.exception() if not done.cancelled() else asyncio.CancelledError()
        results: list[Result] = done.result() if error is None else [_stopped(error)] * len(batch)
        _deliver(batch, results)
        self._flush()


def _stopped(error: BaseException) -> RequestError:
    return RequestError(Code.UNAVAILABLE, f"the model version was stopped: {error}")


def _deliver(batch: Sequence[_Waiting[Any]], results: Sequence[Result]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if waiting.future.done():
            continue
        if isinstance(result, Exception):
            waiting.future.set_exception(result)
        else:
            waiting.future.set_result(result)


def _run_batch(
    run: Callable[[Data], Arrays], merge: Callable[[Sequence[Data]], Data], batch: Sequence[_Waiting[Data]]
) -> list[Result]:
    if len(batch) == 1:
        return [_run_one(run, batch[0])]
    try:
        outputs = run(merge([w.data for w in batch]))
        return list(split(outputs, [w.rows for w in batch]))
    except Exception:  # any failure of the batch: each request then gets its own result or error
        return [_run_one(run, w) for w in batch]


def _run_one(run: Callable[[Data], Arrays], waiting: _Waiting[Data]) -> Result:
    try:
        return run(waiting.data)
    except TruelineError as error:
        return RequestError(Code.INTERNAL, str(error))
    except Exception as error:
        return RequestError(Code.INTERNAL, f"the model failed on this request: {type(error).__name__}: {error}")


def split(outputs: Mapping[str, npt.NDArray[Any]], rows: Sequence[int]) -> list[Arrays]:
    """The outputs of a batch, cut back into requests of `rows` rows each."""
    parts: list[Arrays] = []
    named = list(outputs.items())
    start = 0
    for count in rows:
        stop = start + count
        parts.append({name: array[start:stop] for name, array in named})
        start = stop
    return parts
