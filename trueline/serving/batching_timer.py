"""Batching with a timer, as TensorFlow Serving's ``batch_timeout_micros`` asks for it.

An idle model waits for more rows than it has. It gains nothing where requests come faster than they are answered
(natural batches are as large), and costs every lone request the whole wait; so it is there for those who ask.
"""

from __future__ import annotations

import asyncio
from typing import Any

from trueline.serving.batching import Arrays, Batcher, Data

__all__ = ["PatientBatcher"]


class PatientBatcher(Batcher[Data]):
    """A batcher that runs when it has a full batch, or `timeout` seconds after the first request that waits.

    Args:
        arguments: see `Batcher`.
        timeout: in seconds.
        keywords: see `Batcher`.
    """

    def __init__(self, *arguments: Any, timeout: float, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._timeout = timeout
        self._timer: asyncio.Handle | None = None
        self._full = False

    def submit(self, data: Data, rows: int, deadline: float | None = None) -> asyncio.Future[Arrays]:
        """See `Batcher.submit`."""
        self._scheduled = True  # when to run is decided here
        future = super().submit(data, rows, deadline)
        if not self._busy:
            loop = asyncio.get_running_loop()
            if self.queued_rows >= self._max_batch_rows:
                if not self._full:
                    self._full = True
                    self._unset()
                    self._timer = loop.call_soon(self._flush)
            elif self._timer is None:
                self._timer = loop.call_later(self._timeout, self._flush)
        return future

    def _flush(self) -> None:
        self._full = False
        self._unset()
        super()._flush()

    def _unset(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
