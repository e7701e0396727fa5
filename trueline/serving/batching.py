"""Natural batching: while the model is busy, requests collect; when it is free, it takes all of them at once.

No timer: a request that finds the model idle runs at the end of the event loop's tick. A batch never spans versions,
because every version owns its batcher, and requests are validated before they come here. When a batch fails, its
requests run one by one, so that each one's error is its own.

A request may have a deadline, a moment of the event loop's clock. Nothing waits on it by itself: a batch is made
without the requests that are late, and while a run occupies the model, one timer looks at those that wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy.typing as npt

from trueline._core.errors import TruelineError
from trueline.serving.errors import Code, RequestError, late, overloaded

__all__ = ["Arrays", "BatchObserver", "Batcher", "split", "unobserved"]

Arrays = dict[str, npt.NDArray[Any]]
Result = Arrays | Exception
_Ran = tuple[list[Result], float, float]
Data = TypeVar("Data")
_LATE_CHECK_SECONDS = 0.02


@dataclass(slots=True)
class _Waiting(Generic[Data]):
    data: Data
    rows: int
    future: asyncio.Future[Arrays]
    deadline: float | None
    since: float


BatchObserver = Callable[[Sequence[Data], int, float, float], None]
"""Told the data of the requests of one run, their rows, the seconds that the first one waited, and those of the run."""


def unobserved(data: Sequence[Any], rows: int, waited: float, ran: float) -> None:
    """The observer that does nothing."""


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
        observe: told of every run, on the event loop when its results are there: see `BatchObserver`.

    Attributes:
        queued_rows: rows that wait.
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
        observe: BatchObserver[Data] = unobserved,
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
        self._running: Sequence[_Waiting[Data]] = ()
        self._watched = False

    def admit(self, rows: int = 1) -> None:
        """Refuses what would find the queue full: before its body is parsed, too.

        Raises:
            RequestError: RESOURCE_EXHAUSTED, when too many rows wait.
        """
        if self._queue and self.queued_rows + rows > self._max_queue_rows:
            raise overloaded(
                f"the queue of this model version is full: {self.queued_rows} rows wait, {self._max_queue_rows} may"
            )

    def submit(self, data: Data, rows: int, deadline: float | None = None) -> asyncio.Future[Arrays]:
        """The outputs for validated data of `rows` rows. Call it on the event loop.

        Args:
            data: what the model takes.
            rows: how many.
            deadline: the loop's clock at which nobody waits any more; a request that is late is never run.

        Raises:
            RequestError: RESOURCE_EXHAUSTED, when too many rows wait; through the future INTERNAL, when the model
                fails, and DEADLINE_EXCEEDED.
        """
        self.admit(rows)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Arrays] = loop.create_future()
        self._queue.append(_Waiting(data, rows, future, deadline, time.perf_counter()))
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
        now = asyncio.get_running_loop().time()
        while self._queue and not self._busy:
            batch = self._take()
            for waiting in batch:
                if waiting.deadline is not None and waiting.deadline <= now:
                    batch = _in_time(batch, now)
                    break
            rows = sum(w.rows for w in batch)
            if not batch:
                continue
            if rows <= self._inline_rows:
                self._done(batch, rows, _run_timed(self._run, self._merge, batch))
            else:
                self._start(batch, rows)

    def _start(self, batch: list[_Waiting[Data]], rows: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            job = loop.run_in_executor(self._executor, _run_timed, self._run, self._merge, batch)
        except RuntimeError as error:  # the executor was stopped at the end of the drain time
            _deliver(batch, [_stopped(error)] * len(batch))
            return
        self._busy = True
        self._running = batch
        if not self._watched:
            self._watched = True
            loop.call_later(_LATE_CHECK_SECONDS, self._watch)
        job.add_done_callback(lambda done: self._finished(done, batch, rows))

    def _watch(self) -> None:
        """While the model is busy: answers those who no longer wait, in the queue and in the run."""
        self._watched = self._busy
        if not self._busy:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        _in_time(self._running, now)
        if any(w.deadline is not None and w.deadline <= now for w in self._queue):
            self._queue = deque(_in_time(self._queue, now))
            self.queued_rows = sum(w.rows for w in self._queue)
        loop.call_later(_LATE_CHECK_SECONDS, self._watch)

    def _finished(self, done: asyncio.Future[_Ran], batch: list[_Waiting[Data]], rows: int) -> None:
        self._busy = False
        self._running = ()
        error = done.exception() if not done.cancelled() else asyncio.CancelledError()
        if error is None:
            self._done(batch, rows, done.result())
        else:
            _deliver(batch, [_stopped(error)] * len(batch))
        self._flush()

    def _done(self, batch: list[_Waiting[Data]], rows: int, ran: _Ran) -> None:
        results, start, stop = ran
        _deliver(batch, results)
        self._observe([w.data for w in batch], rows, start - batch[0].since, stop - start)


def _in_time(batch: Iterable[_Waiting[Data]], now: float) -> list[_Waiting[Data]]:
    """Those of a batch who still wait; the others are answered."""
    waiting = []
    for one in batch:
        if one.deadline is None or one.deadline > now:
            waiting.append(one)
        elif not one.future.done():
            one.future.set_exception(late())
    return waiting


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


def _run_timed(
    run: Callable[[Data], Arrays], merge: Callable[[Sequence[Data]], Data], batch: Sequence[_Waiting[Data]]
) -> _Ran:
    start = time.perf_counter()
    return _run_batch(run, merge, batch), start, time.perf_counter()


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
