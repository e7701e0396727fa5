"""A TCP server that does as it is told, connection by connection, and one way to call both clients."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from trueline.serving import AsyncClient, Client

GOOD = b'{"outputs": {"label": [true]}}'


def answer(body: bytes = GOOD, status: str = "200 OK", *, extra: str = "") -> bytes:
    """An HTTP answer as the model server gives it."""
    head = f"HTTP/1.1 {status}\r\nx-model-version: 3\r\nx-request-id: r1\r\n{extra}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def send(*parts: bytes, pause: float = 0.0, keep: bool = False) -> Callable[[socket.socket], bool]:
    """An act: reads one request and answers; the connection is kept for the next act if `keep`."""

    def act(connection: socket.socket) -> bool:
        for part in parts:
            time.sleep(pause)
            connection.sendall(part)
        return keep

    return act


def reset(connection: socket.socket) -> bool:
    """An act: the connection is cut without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


class Acting:
    """A server that does one act a request; the requests that came stand in `requests`."""

    def __init__(self, *acts: Callable[[socket.socket], bool], tls: ssl.SSLContext | None = None) -> None:
        self._acts = list(acts)
        self._tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._tls is not None:
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    connection.close()
                    continue
            with connection:
                while request := self._read(connection):
                    self.requests.append(request)
                    try:
                        if not (self._acts.pop(0)(connection) if self._acts else reset(connection)):
                            break
                    except OSError:
                        break

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                part = connection.recv(65536)
            except OSError:
                return b""
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        sizes = [int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        while sizes and len(body) < sizes[0]:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


def asked(kind: str, url: str, calls: Sequence[tuple[str, tuple[Any, ...], dict[str, Any]]], **settings: Any) -> Any:
    """The result of the last of several calls of one client, ``sync`` or ``async``."""
    if kind == "sync":
        with Client(url, "taxi", **settings) as client:
            return [getattr(client, name)(*args, **more) for name, args, more in calls][-1]

    async def run() -> Any:
        async with AsyncClient(url, "taxi", **settings) as client:
            return [await getattr(client, name)(*args, **more) for name, args, more in calls][-1]

    return asyncio.run(run())


ROW = ("predict", ([{"fare": 1.0}],), {})
