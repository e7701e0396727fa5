"""The admin endpoints' own socket, in the event loop of the server that they look after."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from trueline._core.errors import ConfigError

__all__ = ["AdminServer"]


class AdminServer:
    """Serves an ASGI app on a port of its own, without uvicorn's signals and ticks.

    Args:
        config: uvicorn's settings, with the app.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._config = config
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(
        self, host: str, port: int, context: ssl.SSLContext | None = None, bound: socket.socket | None = None
    ) -> int:
        """Begins to listen; the port is given back.

        Args:
            host: address to bind.
            port: port to bind; 0 takes a free one.
            context: TLS, or None.
            bound: a socket that is bound already, instead of host and port.

        Raises:
            ConfigError: the port is taken or the address is not there.
        """
        if not self._config.loaded:
            self._config.load()
        made: Any = functools.partial(
            self._config.http_protocol_class,  # type: ignore[call-arg]
            config=self._config,
            server_state=self._state,
            app_state={},
        )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            loop = asyncio.get_running_loop()
            if bound is not None:
                self._server = await loop.create_server(made, sock=bound, ssl=context, backlog=16)
            else:
                self._server = await loop.create_server(made, host, port, family=family, ssl=context, backlog=16)
        except OSError as error:
            raise ConfigError(f"cannot listen for the admin endpoints on {host} port {port}: {error}") from error
        listens: int = self._server.sockets[0].getsockname()[1]
        return listens

    async def stop(self) -> None:
        """Ends the socket and its connections."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        for task in list(self._state.tasks):
            task.cancel()
