"""uvicorn on a listening socket that several processes share."""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

from trueline.serving.server import ModelServer

__all__ = ["SharedServer"]

_ACCEPT_PAUSE = 0.1


class SharedServer(ModelServer):
    """A server on a listening socket that other processes share.

    It takes one connection at a time: asyncio and libuv take all that wait, so that a burst of clients ends up in one
    process.

    Attributes:
        listener: the socket, listening.
        on_draining: called when it begins to end.
    """

    listener: socket.socket
    on_draining: Callable[[], None]
    _retry: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's start without sockets of its own."""
        await super().startup(sockets=[])
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop.add_reader(self.listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process took it, or the client went away
        except OSError:  # no file descriptors left: the clients wait
            self._loop.remove_reader(self.listener)
            self._retry = self._loop.call_later(_ACCEPT_PAUSE, self._loop.add_reader, self.listener, self._accept)
            return
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._serve_one(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_one(self, connection: socket.socket) -> None:
        protocol: Any = functools.partial(
            self.config.http_protocol_class,  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        try:
            await self._loop.connect_accepted_socket(protocol, connection, ssl=self.config.ssl)
        except (OSError, asyncio.CancelledError):
            connection.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections: the other processes go on, or the supervisor closes the socket."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self.listener)
        self.listener.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """One drain, however often it is asked for; Ctrl-C is the supervisor's, and haste comes from there alone."""
        if sig != signal.SIGINT and not self._app.draining:
            super().handle_exit(sig, frame)
            self.on_draining()
