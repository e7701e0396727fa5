"""uvicorn's HTTP protocol with limits that it lacks, and with one system call for each answer.

uvicorn waits for ever for a client that opens a connection and sends its head or body byte by byte. Each connection
here notes when it began to read a request; a sweep once a second answers 408 to those that took too long. That costs
a request nothing but two assignments. The same sweep cuts off clients that do not take their answers, and connections
that were to be closed and do not end: an answer waits in memory for its reader. There is a bound on connections and
one on the bytes of a head, which neither uvicorn nor its parser has.

uvicorn writes an answer's head and body one by one, and every write is a system call that wakes the client; here the
head waits for the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from trueline.serving.at_once import knows

__all__ = ["TimedProtocol", "limited", "sweep"]

_REFUSED = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
_TIMEOUT = b"408 Request Timeout"
_FULL = b"503 Service Unavailable"
_HEAD_TOO_LARGE = b"431 Request Header Fields Too Large"

_CONTINUE = b"HTTP/1.1 100 "
_JOINED_BYTES = 64 * 1024


class _Together:
    """A transport that keeps an answer's head back until its body comes or `flush` is called."""

    __slots__ = ("_head", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            if len(data) > _JOINED_BYTES:
                self.flush()
            else:
                data, self._head = self._head + data, b""
            self._transport.write(data)
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n") and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class TimedProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        reading_since: the loop's clock since when a request is awaited, or None.
        writing_since: the loop's clock since when the client takes no more, or None.
        closing_since: the loop's clock when a sweep first saw it closing, or None.
        max_connections: as many may be open at once.
        max_head_bytes: the largest head of a request.
        on_refused: told the reason when something is turned away here.
    """

    reading_since: float | None = None
    writing_since: float | None = None
    closing_since: float | None = None
    max_connections: int = 1 << 30
    max_head_bytes: int = 64 * 1024
    _head_bytes = 0

    @staticmethod
    def on_refused(reason: str) -> None:
        """Told ``connections``, ``header``, ``slow_request`` or ``slow_reader``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection counts as slow from its first moment: the first request is awaited."""
        self.reading_since = self.loop.time()
        joined: Any = _Together(transport)
        super().connection_made(joined)
        if len(self.connections) > self.max_connections:
            self.refuse(_FULL, "this server has as many connections as it takes", "connections")

    def data_received(self, data: bytes) -> None:
        """Bytes of requests. A head that came in many pieces is counted; one that came in one piece was read whole."""
        super().data_received(data)
        if self.reading_since is not None or len(data) > self.max_head_bytes:
            self._count_head(len(data))

    def _count_head(self, size: int) -> None:
        scope: Any = self.scope  # None before the first request
        if self.reading_since is None or (scope and "method" in scope):
            head = len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers)
        else:
            self._head_bytes += size
            head = self._head_bytes
        if head > self.max_head_bytes:
            self.refuse(_HEAD_TOO_LARGE, f"the request's head is larger than {self.max_head_bytes} bytes", "header")

    def pause_writing(self) -> None:
        """The client does not take what is written."""
        self.writing_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It took what was there."""
        self.writing_since = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.reading_since = self.loop.time()
        self._head_bytes = 0
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self.reading_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The end of an answer; one to HEAD has no body that its head could wait for."""
        together: Any = self.transport
        together.flush()
        super().on_response_complete()

    def expire(self, seconds: float) -> None:
        """Answers 408, if nothing was answered yet, and closes the connection."""
        self.refuse(_TIMEOUT, f"the request was not sent within {seconds:g} seconds", "slow_request")

    def refuse(self, status: bytes, message: str, reason: str) -> None:
        """Answers an error, if nothing was answered yet, and closes the connection."""
        if self.transport.is_closing():
            return
        self.on_refused(reason)
        cycle: Any = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            text = b'{"error":"%s"}' % message.encode()
            self.transport.write(_REFUSED % (status, len(text), text))
        self.transport.close()

    def cut_off(self) -> None:
        """Ends the connection without waiting for what its client has not taken."""
        self.on_refused("slow_reader")
        self.transport.abort()

    def look(self, now: float, read_seconds: float, write_seconds: float) -> None:
        """What a sweep does with one connection."""
        if self.transport.is_closing():
            self.closing_since = now if self.closing_since is None else self.closing_since
        stuck = self.writing_since if self.closing_since is None else self.closing_since
        if stuck is not None and now - stuck > write_seconds:
            self.cut_off()
        elif self.reading_since is not None and now - self.reading_since > read_seconds and not self.pipeline:
            self.expire(read_seconds)
        elif self.reading_since is None and self.timeout_keep_alive_task is None and self._idle():
            self.reading_since = now  # bytes between requests ended uvicorn's wait for an idle connection

    def _idle(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline


def limited(
    max_connections: int, max_head_bytes: int, on_refused: Callable[[str], None] = lambda reason: None
) -> type[TimedProtocol]:
    """The protocol with the limits of one server."""
    knows(RequestResponseCycle)
    members = {
        "max_connections": max_connections,
        "max_head_bytes": max_head_bytes,
        "on_refused": staticmethod(on_refused),
    }
    return type("LimitedProtocol", (TimedProtocol,), members)


async def sweep(connections: set[Any], read_seconds: float, write_seconds: float) -> None:
    """Ends, until it is cancelled, connections whose client sends a request or takes an answer too slowly."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, read_seconds / 4, write_seconds / 4))
        now = loop.time()
        for connection in list(connections):
            connection.look(now, read_seconds, write_seconds)
