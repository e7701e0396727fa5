"""uvicorn's HTTP protocol with a time limit on sending a request, and with one system call for each answer.

uvicorn waits for ever for a client that opens a connection and sends its head or body byte by byte. Each connection
here notes when it began to read a request; a sweep once a second answers 408 to those that took too long. That costs a
request nothing but two assignments. uvicorn writes an answer's head and body one by one, and every write is a system
call that wakes the client; here the head waits for the body.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["TimedProtocol", "sweep"]

_TIMEOUT = (
    b"HTTP/1.1 408 Request Timeout\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
)

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
    """One connection; `reading_since` is the loop's clock since when a request is awaited, or None."""

    reading_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection counts as slow from its first moment: the first request is awaited."""
        self.reading_since = self.loop.time()
        joined: Any = _Together(transport)
        super().connection_made(joined)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.reading_since = self.loop.time()
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
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            text = b'{"error":"the request was not sent within %g seconds"}' % seconds
            self.transport.write(_TIMEOUT % (len(text), text))
        self.transport.close()


async def sweep(connections: set[Any], seconds: float) -> None:
    """Closes, until it is cancelled, connections that have been sending one request for longer than `seconds`."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, seconds / 4))
        oldest = loop.time() - seconds
        for connection in list(connections):
            since = getattr(connection, "reading_since", None)
            if since is not None and since < oldest and not connection.pipeline:
                connection.expire(seconds)
