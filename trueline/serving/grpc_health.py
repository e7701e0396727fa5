"""gRPC's health service: whether the server as a whole and each of its services take requests.

``Check`` answers at once. ``Watch`` sends the state, and again whenever it has changed, until the client ends it; a
service that is not known is SERVICE_UNKNOWN there, and NOT_FOUND for ``Check``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import grpc

from trueline.serving.errors import RequestError
from trueline.serving.grpc_calls import Context, parsed
from trueline.serving.grpc_descriptors import enum_numbers, service_methods

__all__ = ["NAME", "Health"]

NAME = "grpc.health.v1.Health"
_LOOK_SECONDS = 0.25


class Health:
    """Answers the methods of ``grpc.health.v1.Health``.

    Args:
        services: full names of services; their short names are known too, as TensorFlow Serving has it.
        serving: whether requests are taken now; all services share the answer.
        stopping: whether watches are to end, as nothing else would end them.
    """

    def __init__(self, services: Iterable[str], serving: Callable[[], bool], stopping: Callable[[], bool]) -> None:
        self._known = {"", NAME} | {name for full in services for name in (full, full.rpartition(".")[2])}
        self._serving = serving
        self._stopping = stopping
        self._request, self._response = service_methods(NAME)["Check"]
        self._states: Mapping[str, int] = enum_numbers("grpc.health.v1.HealthCheckResponse.ServingStatus")

    @property
    def handler(self) -> Any:
        """The handler for a server of gRPC."""
        handlers = {
            "Check": grpc.unary_unary_rpc_method_handler(self.check),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch),
        }
        return grpc.method_handlers_generic_handler(NAME, handlers)

    async def check(self, body: bytes, context: Context) -> bytes:
        """The state of a service now."""
        name = await self._asked(body, context)
        if name not in self._known:
            listed = ", ".join(sorted(self._known - {""}))
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {name[:80]!r}; there are {listed}")
        return self._answer(self._state(name))

    async def watch(self, body: bytes, context: Context) -> AsyncIterator[bytes]:
        """The state of a service, and again whenever it is another one."""
        name, told = await self._asked(body, context), None
        while True:
            now = self._state(name)
            if now != told:
                yield self._answer(now)
                told = now
            if self._stopping():
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _asked(self, body: bytes, context: Context) -> str:
        try:
            service: str = parsed(self._request, body).service
        except RequestError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
            raise AssertionError from error  # abort raises
        return service

    def _state(self, name: str) -> int:
        if name not in self._known:
            return self._states["SERVICE_UNKNOWN"]
        return self._states["SERVING" if self._serving() else "NOT_SERVING"]

    def _answer(self, state: int) -> bytes:
        answer: bytes = self._response(status=state).SerializeToString()
        return answer
