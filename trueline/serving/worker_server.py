"""uvicorn on a listening socket that several processes share."""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

from trueline.serving.http_server import ModelServer
from trueline.serving.worker_sockets import ABSENT

__all__ = ["SharedServer"]

_ACCEPT_PAUSE = 0.1
_TURN = 0.002


class SharedServer(ModelServer):
    """A server on a listening socket that other processes share.

    asyncio and libuv take all connections that wait, so that a burst of clients, or all clients of an idle server, end
    up in one process. Here a process takes one at a time, and when another one has fewer it lets a moment pass first.

    Attributes:
        listener: the socket, listening.
        counts: the connections of every process, in memory that they share; see `Sockets`.
        index: which of them are this one's.
        on_draining: called when it begins to end.
    """

    listener: socket.socket
    counts: memoryview[int]
    index: int
    on_draining: Callable[[], None]
    _retry: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's start without sockets of its own."""
        await super().startup(sockets=[])
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop.add_reader(self.listener, self._accept)

    def _accept(self) -> None:
        if self._count() > min(self.counts):
            self._loop.remove_reader(self.listener)
            self._retry = self._loop.call_later(_TURN, self._after_others)
        else:
            self._accept_one()

    def _after_others(self) -> None:
        self._loop.add_reader(self.listener, self._accept)
        self._accept_one()

    def _count(self) -> int:
        own = self.counts[self.index] = len(self.server_state.connections) + len(self._tasks)
        return own

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's tick, ten times a second: connections that ended are not counted any more."""
        self._count()
        return await super().on_tick(counter)

    def _accept_one(self) -> None:
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
        self.counts[self.index] = ABSENT
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """One drain, however often it is asked for; Ctrl-C is the supervisor's, and haste comes from there alone."""
        if sig != signal.SIGINT and not self._app.draining:
            super().handle_exit(sig, frame)
            self.on_draining()
