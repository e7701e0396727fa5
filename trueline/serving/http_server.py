"""uvicorn as every server of this room runs it: with uvloop and httptools, and an orderly end."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from trueline.serving.app import ServingApp
from trueline.serving.options import ServerOptions
from trueline.serving.protocol import limited

if TYPE_CHECKING:
    from trueline.serving.grpc_server import GrpcServer

__all__ = ["ModelServer", "uvicorn_config"]


class ModelServer(uvicorn.Server):
    """uvicorn's server which turns readiness off at the first signal.

    Args:
        config: uvicorn's settings.
        app: what it serves.
        drain_delay: see `Place`.
    """

    def __init__(self, config: uvicorn.Config, app: ServingApp, drain_delay: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_delay = drain_delay
        self._exit_at: float | None = None
        self.grpc: GrpcServer | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """gRPC ends before the models do; uvicorn's own end takes them down."""
        if self.grpc is not None:
            await self.grpc.stop(self._app.options.drain_seconds, lambda: self.force_exit)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: drain; second: end without waiting for requests in flight."""
        if self._app.draining:
            self.should_exit = self.force_exit = True
        self._app.draining = True
        if self._exit_at is None:
            self._exit_at = time.monotonic() + self._drain_delay
        self.should_exit = self.should_exit or not self._drain_delay

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's tick, which also ends the drain delay."""
        if self._exit_at is not None and time.monotonic() >= self._exit_at:
            self.should_exit = True
        return await super().on_tick(counter)


def uvicorn_config(
    app: Any, options: ServerOptions, on_refused: Callable[[str], None] = lambda reason: None
) -> uvicorn.Config:
    """The settings of uvicorn that every server of this room runs on, for any ASGI app."""
    uvloop_there = sys.platform != "win32"
    return uvicorn.Config(
        app,
        loop="uvloop" if uvloop_there else "asyncio",
        http=limited(options.max_connections, options.max_header_bytes, on_refused),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=False,  # nothing here asks for the client's address
        backlog=2048,
        timeout_keep_alive=max(1, round(options.keep_alive_seconds)),
        timeout_graceful_shutdown=max(1, round(options.drain_seconds)),
    )
