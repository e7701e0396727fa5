"""The checks of `auth` and the trace context of `tracing` for gRPC, from metadata, before a message is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from trueline.serving.auth import Auth
from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_calls import status_text
from trueline.serving.tracing import Tracing

__all__ = ["Guard"]

_OPEN = (
    "/grpc.health.v1.Health/",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)
_ADMIN = frozenset({"/tensorflow.serving.ModelService/HandleReloadConfigRequest"})


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets in calls whose metadata shows a key or token; what it may do to which model `Service.permit` asks.

    Args:
        auth: what checks callers, or None.
        tracing: what takes trace contexts, or None.
    """

    def __init__(self, auth: Auth | None = None, tracing: Tracing | None = None) -> None:
        self._auth = auth
        self._tracing = tracing

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """One call; its handler runs in this very context."""
        metadata = details.invocation_metadata or ()
        if self._tracing is not None:
            self._tracing.enter(metadata)
        handler = await continuation(details)
        if self._auth is None or handler is None or details.method.startswith(_OPEN):
            return handler
        try:
            self._auth.identify(metadata)
            if details.method in _ADMIN:
                self._auth.permit(None, "admin")
        except RequestError as error:
            return _refusing(handler, error)
        return handler


def _refusing(handler: Any, error: RequestError) -> Any:
    """A handler of the same kind that refuses."""
    code = grpc.StatusCode.UNAUTHENTICATED if error.code is Code.UNAUTHENTICATED else grpc.StatusCode.PERMISSION_DENIED

    async def refuse(request: Any, context: Any) -> None:
        await context.abort(code, status_text(str(error)))

    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    return kinds[bool(handler.request_streaming), bool(handler.response_streaming)](refuse)
