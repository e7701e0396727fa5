"""Shadow traffic: copies of requests go to a challenger after the champion has answered.

The copies are parsed and run in one thread of their own, one after the other, past the challenger's queue: they wait
for each other and nothing waits for them. What does not fit the bounded queue is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trueline.serving.batching import Arrays
from trueline.serving.compare import Difference, compared, label_disagreements
from trueline.serving.feedback_metrics import FeedbackMetrics
from trueline.serving.service import Answered, Call, Given, Service
from trueline.serving.surroundings import told
from trueline.serving.versions import Live, Version

__all__ = ["Shadows"]

Parse = Callable[[Live], Given]
Challenged = Callable[[Call, Answered], None]
_Result = tuple[Given, Arrays, dict[str, Difference], int | None]


class Shadows:
    """The challengers of one app.

    Args:
        service: whose requests are copied.
        metrics: where comparisons are counted.
        max_requests: copies that may wait.
        max_bytes: what their values may take in memory, texts not counted.
        challenged: told of a challenger's answer to a call.
        on_event: told ``shadow_failed``, once for each routing table.
    """

    def __init__(
        self,
        service: Service,
        metrics: FeedbackMetrics,
        max_requests: int,
        challenged: Challenged,
        on_event: Callable[[str, Mapping[str, Any]], None],
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._challenged = challenged
        self._on_event = on_event
        self._queue: deque[tuple[Call, Parse, Answered, int]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-shadow")

    def offer(self, call: Call, parse: Parse, answered: Answered) -> None:
        """Copies a request, if it is one of the sample, to the challenger of its model."""
        router = call.router
        if router is None or call.api == "explain" or not router.shadows(call.request_id):
            return
        size = _size(answered)
        if self._closed or len(self._queue) >= self._max_requests or self._bytes + size > self._max_bytes:
            self._metrics.dropped.labels(answered.name, "stopped" if self._closed else "queue").inc()
            return
        self._queue.append((call, parse, answered, size))
        self._bytes += size
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())

    async def close(self, seconds: float) -> None:
        """Answers what waits, for so long at most; what is left is dropped and counted."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, _, answered, _ in self._queue:
            self._metrics.dropped.labels(answered.name, "stopped").inc()
        self._queue.clear()
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        while self._queue:
            call, parse, answered, size = self._queue.popleft()
            try:
                await self._ask(call, parse, answered)
            finally:
                self._bytes -= size

    async def _ask(self, call: Call, parse: Parse, answered: Answered) -> None:
        version = self._challenger(answered.name)
        if version is None:
            self._metrics.dropped.labels(answered.name, "absent").inc()
            return
        if version.number == answered.number:
            return
        live = version.acquire()
        try:
            loop = asyncio.get_running_loop()
            given, outputs, differences, labels = await loop.run_in_executor(self._thread, _run, live, parse, answered)
        except Exception as error:  # whatever it is, it is the challenger's and nobody's answer
            self._failed(call, answered, version, error)
            return
        finally:
            version.release()
        self._metrics.compared(answered.name, answered.number, version.number, answered.given.rows, differences, labels)
        self._challenged(call, Answered(answered.name, version.number, live, given, outputs))

    def _challenger(self, name: str) -> Version | None:
        routes = self._service.manager.table.get(name)
        return routes.router.challenger if routes is not None and routes.router is not None else None

    def _failed(self, call: Call, answered: Answered, version: Version, error: Exception) -> None:
        self._metrics.failed.labels(answered.name, str(answered.number), str(version.number)).inc()
        router = call.router
        if router is not None and "shadow_failed" not in router.told:
            router.told.add("shadow_failed")
            facts = {"model": answered.name, "version": version.number, "error": told(error)[:500]}
            self._on_event("shadow_failed", facts)


def _run(live: Live, parse: Parse, answered: Answered) -> _Result:
    given = parse(live)
    outputs = live.runtime.graph.run_packed(given.packed)
    differences = compared(answered.outputs, outputs)
    return given, outputs, differences, label_disagreements(answered.live.runtime.outputs, answered.outputs, outputs)


def _size(answered: Answered) -> int:
    packed = answered.given.packed
    arrays = [*packed.blocks, *packed.lists.values(), *answered.outputs.values()]
    return sum(array.nbytes for array in arrays)
