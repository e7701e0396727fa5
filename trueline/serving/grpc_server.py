"""The gRPC server beside the REST server: the same event loop, models, queues and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from trueline._core.errors import ConfigError
from trueline.serving.errors import RequestError
from trueline.serving.grpc_calls import Method, service_handler
from trueline.serving.grpc_health import Health
from trueline.serving.grpc_model_service import ModelService
from trueline.serving.grpc_prediction import PredictionService
from trueline.serving.oip_grpc import OpenInferenceGrpc
from trueline.serving.options import ServerOptions
from trueline.serving.service import Service

if TYPE_CHECKING:
    from trueline.serving.app import ServingApp

__all__ = ["GrpcServer", "grpc_options"]

_PING_MS = 5000
_HURRY_SECONDS = 0.1
Services = Mapping[str, Mapping[str, Method]]


def grpc_options(options: ServerOptions, *, reuse_port: bool = False) -> list[tuple[str, int]]:
    """gRPC's channel arguments of a server.

    Args:
        options: the largest request comes from here.
        reuse_port: whether several processes may listen on the port; without, a port that is taken is an error.
    """
    return [
        ("grpc.max_receive_message_length", options.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.keepalive_time_ms", round(options.keep_alive_seconds * 1000)),  # a peer that is gone is noticed
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS),  # clients that ping are not sent away
    ]


class GrpcServer:
    """TensorFlow Serving's services, the Open Inference Protocol's and gRPC's health over one app.

    Args:
        app: its service answers, its readiness is the health.
        options: the server's settings.
        services: further services: by full name what answers each method.
        interceptors: gRPC's interceptors, such as one that asks for a key.
        reload_root: the folder or URL below which the models of a configuration by gRPC lie; None takes none.
        reuse_port: whether several processes may listen on the port.
    """

    def __init__(
        self,
        app: ServingApp,
        options: ServerOptions,
        *,
        services: Services | None = None,
        interceptors: Sequence[Any] = (),
        reload_root: str | None = None,
        reuse_port: bool = False,
    ) -> None:
        self._app = app
        self._stopping = False
        self._server = grpc.aio.server(
            interceptors=tuple(interceptors),
            options=grpc_options(options, reuse_port=reuse_port),
            maximum_concurrent_rpcs=options.max_connections,
        )
        open_inference = OpenInferenceGrpc(app.service, self._serving)
        offered = {
            **_tensorflow_services(app.service, reload_root),
            open_inference.NAME: open_inference.methods,
            **(services or {}),
        }
        handlers = [service_handler(name, methods, self._refused, app.bodies) for name, methods in offered.items()]
        self._server.add_generic_rpc_handlers((*handlers, Health(offered, self._serving, self._ending).handler))

    def _serving(self) -> bool:
        return self._app.ready and not self._stopping

    def _ending(self) -> bool:
        return self._stopping

    def _refused(self, error: RequestError) -> None:
        self._app.metrics.refused.labels(str(error.status)).inc()

    async def start(
        self, host: str, port: int | None, credentials: Any = None, *, socket_path: str | None = None
    ) -> int | None:
        """Begins to listen, on a port, on a Unix socket, or on both.

        Args:
            host: address to bind.
            port: port to bind; 0 takes a free one, None none.
            credentials: `grpc.ServerCredentials` for TLS on the port; None listens in plain text.
            socket_path: path of a Unix socket, always in plain text: who may open it is the file system's matter.

        Returns:
            the port.

        Raises:
            ConfigError: the port is taken, the address is not there, or the path cannot be a socket.
        """
        bound = None
        if port is not None:
            bound = self._bind(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", credentials)
        if socket_path is not None:
            self._bind(f"unix:{socket_path}", None)
        await self._server.start()
        return bound

    def _bind(self, place: str, credentials: Any) -> int:
        try:
            if credentials is None:
                bound: int = self._server.add_insecure_port(place)
            else:
                bound = self._server.add_secure_port(place, credentials)
        except RuntimeError as error:
            raise ConfigError(f"cannot listen for gRPC on {place}: {error}") from error
        return bound

    async def stop(self, grace: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Takes no new requests, waits for those in flight, and ends the rest.

        Args:
            grace: the longest wait, in seconds.
            hurry: asked while it waits; when it says so, the wait ends at once.
        """
        self._stopping = True
        stopping = asyncio.ensure_future(self._server.stop(grace))
        while not hurry():
            done, _ = await asyncio.wait([stopping], timeout=_HURRY_SECONDS)
            if done:
                break
        else:
            await self._server.stop(0)
        await stopping


def _tensorflow_services(service: Service, reload_root: str | None) -> Services:
    prediction, models = PredictionService(service), ModelService(service, reload_root)
    return {prediction.NAME: prediction.methods, models.NAME: models.methods}
