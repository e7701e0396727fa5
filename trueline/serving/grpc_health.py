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

__all__ = ["NAME", "health_handler"]

NAME = "grpc.health.v1.Health"
_LOOK_SECONDS = 0.25


def health_handler(services: Iterable[str], serving: Callable[[], bool], stopping: Callable[[], bool]) -> Any:
    """The handler of ``grpc.health.v1.Health``.

    Args:
        services: full names of services; their short names are known too, as TensorFlow Serving has it.
        serving: whether requests are taken now; all services share the answer.
        stopping: whether watches are to end, as nothing else would end them.
    """
    known = {"", NAME} | {name for full in services for name in (full, full.rpartition(".")[2])}
    request, response = service_methods(NAME)["Check"]
    states: Mapping[str, int] = enum_numbers("grpc.health.v1.HealthCheckResponse.ServingStatus")

    def state(name: str) -> int:
        if name not in known:
            return states["SERVICE_UNKNOWN"]
        return states["SERVING" if serving() else "NOT_SERVING"]

    async def asked(body: bytes, context: Context) -> str:
        try:
            service: str = parsed(request, body).service
        except RequestError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
            raise AssertionError from error  # abort raises
        return service

    async def check(body: bytes, context: Context) -> bytes:
        name = await asked(body, context)
        if name not in known:
            listed = ", ".join(sorted(known - {""}))
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {name[:80]!r}; there are {listed}")
        answer: bytes = response(status=state(name)).SerializeToString()
        return answer

    async def watch(body: bytes, context: Context) -> AsyncIterator[bytes]:
        name, told = await asked(body, context), None
        while True:
            now = state(name)
            if now != told:
                yield response(status=now).SerializeToString()
                told = now
            if stopping():
                return
            await asyncio.sleep(_LOOK_SECONDS)

    handlers = {
        "Check": grpc.unary_unary_rpc_method_handler(check),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
    }
    return grpc.method_handlers_generic_handler(NAME, handlers)
