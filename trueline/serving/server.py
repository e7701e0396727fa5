"""The server as a process: a socket, uvicorn with uvloop and httptools, events as JSON lines, an orderly end.

``python -m trueline.serving --model taxi=/models/taxi --port 8501``. Every event is one JSON line on standard output:
``listening``, ``ready``, ``draining``, ``stopped``, and those of `ModelManager`.
SIGTERM and SIGINT: readiness turns false, requests in flight are answered, the process ends with status 0.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any

import uvicorn

from trueline._core.errors import ConfigError
from trueline.serving.admin import AdminApp, is_loopback
from trueline.serving.admin_server import AdminServer
from trueline.serving.app import EventSink, ServingApp, create_app
from trueline.serving.config import ServerConfig
from trueline.serving.front import Front, Installed
from trueline.serving.options import ServerOptions
from trueline.serving.protocol import limited, sweep
from trueline.serving.reload import ConfigFile
from trueline.serving.sources import Plugs

if TYPE_CHECKING:
    from trueline.serving.grpc_server import GrpcServer

__all__ = [
    "ModelServer",
    "Place",
    "bind",
    "emit",
    "main",
    "serve",
    "serve_models",
    "start_grpc",
    "uvicorn_config",
    "watch_certificates",
    "write_whole",
]

_READY_POLL = 0.02
_TLS_POLL = 5.0


@dataclass(frozen=True)
class Place:
    """Where a server listens and how it tells so.

    Attributes:
        host: address to bind.
        port: port to bind; 0 takes a free one.
        grpc_port: port for gRPC; 0 takes a free one, None leaves gRPC out.
        grpc_socket: path of a Unix socket for gRPC, with or without a port.
        grpc_reload_root: folder or URL below which lie the models of a configuration that comes by gRPC
            (``HandleReloadConfigRequest``); None takes none.
        ready_file: written once every model answers: ``{"host", "port", "pid", "models"}`` as JSON, and ``grpc_port``.
        fail_fast: end with status 1 when a look at any model's source leaves it without a version that answers.
        model_config_file: a file of models that is followed; or None.
        model_config_file_poll_wait_seconds: how often it is looked at; 0: on SIGHUP alone.
        drain_delay: seconds between SIGTERM and the end of listening, for load balancers to notice `/readyz`.
        workers: processes that answer; with more than one, this process only looks after them.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int | None = None
    grpc_socket: str | None = None
    grpc_reload_root: str | None = None
    ready_file: str | None = None
    fail_fast: bool = False
    model_config_file: str | None = None
    model_config_file_poll_wait_seconds: float = 0.0
    drain_delay: float = 0.0
    workers: int = 1


def emit(event: str, facts: Mapping[str, Any]) -> None:
    """One event as one JSON line on standard output."""
    print(json.dumps({"event": event, **facts}), flush=True)


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


def bind(place: Place) -> socket.socket:
    """A socket on the place's address, not listening yet.

    Raises:
        ConfigError: the port is taken or the address is not there.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((place.host, place.port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"cannot listen on {place.host} port {place.port}: {error}") from error
    return bound


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


def serve(base_dir: str, name: str, host: str = "127.0.0.1", port: int = 8501, **settings: Any) -> int:
    """Serves one model until SIGTERM; see `ServerOptions`, `Place` and `Front` for further settings.

    Args:
        base_dir: folder whose integer subfolders are versions.
        name: the model's name in URLs.
        host: address to bind.
        port: port to bind; 0 takes a free one.
        settings: fields of `ServerOptions`, `Place` and `Front`.

    Returns:
        the exit status: 0 after an orderly end.
    """
    place_names = {f.name for f in fields(Place)}
    place = Place(host, port, **{k: v for k, v in settings.items() if k in place_names})
    front_names = {f.name for f in fields(Front)}
    front = Front(**{k: v for k, v in settings.items() if k in front_names})
    options = ServerOptions(**{k: v for k, v in settings.items() if k not in place_names | front_names})
    return serve_models({name: base_dir}, place, options, front)


def serve_models(
    models: Mapping[str, str] | ServerConfig,
    place: Place,
    options: ServerOptions | None = None,
    front: Front | None = None,
    *,
    plugs: Plugs = MappingProxyType({}),
    tell: EventSink = emit,
) -> int:
    """Serves several models until SIGTERM. Call it on the main thread.

    Args:
        models: a configuration, or base directory by model name.
        place: where to listen.
        options: the server's settings.
        front: who may ask, and how.
        plugs: further kinds of sources, by scheme.
        tell: told every event; by default they are written to standard output.

    Returns:
        the exit status: 0 after an orderly end, 1 when `Place.fail_fast` ended it.

    Raises:
        ConfigError: names or options that are wrong, a port that is taken.
    """
    options, front = options or ServerOptions(), front or Front()
    if place.workers != 1:
        from trueline.serving.workers import supervise

        return supervise(models, place, options, front, plugs=plugs, tell=tell)
    failed: list[str] = []

    def on_event(event: str, facts: Mapping[str, Any]) -> None:
        tell(event, facts)
        if event == "no_version" and place.fail_fast:
            failed.append(facts["error"])
            server.should_exit = True

    app = create_app(models, options, on_event=on_event, plugs=plugs)
    installed = front.install(app)
    bound = bind(place)
    config = uvicorn_config(app, options, lambda reason: app.metrics.rejected.labels(reason).inc())
    server = ModelServer(config, app, place.drain_delay)
    before = {s: signal.signal(s, server.handle_exit) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.config.load()
        server.config.ssl = installed.tls.context if installed.tls is not None else None
        runner = asyncio.Runner(loop_factory=server.config.get_loop_factory())
        with runner:
            runner.run(_run(server, app, bound, place, options, installed))
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    emit("stopped", {"pid": os.getpid()})
    return 1 if failed else 0


async def _run(
    server: ModelServer,
    app: ServingApp,
    bound: socket.socket,
    place: Place,
    options: ServerOptions,
    installed: Installed,
) -> None:
    file, poll = place.model_config_file, place.model_config_file_poll_wait_seconds
    followed = ConfigFile(file, app.manager, options, emit) if file is not None else None
    installed.reloads["models"] = followed.reload if followed is not None else functools.partial(_refresh, app)
    _on_hangup(installed)
    ports = {"grpc_port": await start_grpc(server, app, place, options, installed)}
    admin = _admin_server(app, options, installed)
    if admin is not None:
        ports["admin_port"] = await admin.start(
            installed.front.admin_host, installed.front.admin_port or 0, _admin_tls(installed)
        )
    helpers = [
        asyncio.ensure_future(sweep(server.server_state.connections, options.read_seconds, options.write_seconds)),
        asyncio.ensure_future(watch_certificates(installed, _reload)),
        asyncio.ensure_future(_announce(server, app, bound, place, ports)),
    ]
    if followed is not None and poll > 0:
        helpers.append(asyncio.ensure_future(followed.poll(poll)))
    try:
        await server.serve(sockets=[bound])
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        if admin is not None:
            await admin.stop()
        installed.close()
        if place.ready_file is not None:
            Path(place.ready_file).unlink(missing_ok=True)


async def _refresh(app: ServingApp) -> None:
    """A look at every model's source."""
    for name in list(app.manager.config.by_name):
        await app.manager.refresh(name)


async def _reload(installed: Installed) -> list[str]:
    """Reads everything anew and tells of it."""
    problems = await installed.reload()
    emit("reloaded" if not problems else "reload_failed", {"problems": problems})
    return problems


def _on_hangup(installed: Installed) -> None:
    """SIGHUP reads certificates, keys and models anew."""
    if not hasattr(signal, "SIGHUP"):
        return
    tasks: set[asyncio.Task[list[str]]] = set()

    def hang_up() -> None:
        task = asyncio.ensure_future(_reload(installed))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)


async def watch_certificates(installed: Installed, reload: Callable[[Installed], Awaitable[object]]) -> None:
    """Takes over certificates whose files change, until it is cancelled."""
    while installed.tls is not None:
        await asyncio.sleep(_TLS_POLL)
        if installed.tls.changed:
            await reload(installed)


def _admin_server(app: ServingApp, options: ServerOptions, installed: Installed) -> AdminServer | None:
    if installed.front.admin_port is None:
        return None
    settings = {"options": asdict(options), "front": installed.front.shown()}
    admin = AdminApp(app, settings, functools.partial(_reload, installed), installed.auth)
    return AdminServer(uvicorn_config(admin, options))


def _admin_tls(installed: Installed) -> ssl.SSLContext | None:
    """TLS where the admin port is reached over a network."""
    if installed.tls is None or is_loopback(installed.front.admin_host):
        return None
    return installed.tls.context


async def start_grpc(
    server: ModelServer,
    app: ServingApp,
    place: Place,
    options: ServerOptions,
    installed: Installed,
    *,
    reuse_port: bool = False,
) -> int | None:
    """Starts gRPC beside a server, where it is asked for; its port."""
    if place.grpc_port is None and place.grpc_socket is None:
        return None
    from trueline.serving.grpc_server import GrpcServer  # grpcio is loaded only where it listens

    interceptors: list[Any] = []
    if installed.auth is not None or installed.tracing is not None:
        from trueline.serving.grpc_guard import Guard

        interceptors.append(Guard(installed.auth, installed.tracing))
    server.grpc = GrpcServer(
        app, options, interceptors=interceptors, reload_root=place.grpc_reload_root, reuse_port=reuse_port
    )
    credentials = installed.tls.grpc_credentials() if installed.tls is not None else None
    return await server.grpc.start(place.host, place.grpc_port, credentials, socket_path=place.grpc_socket)


async def _announce(
    server: ModelServer, app: ServingApp, bound: socket.socket, place: Place, ports: Mapping[str, int | None]
) -> None:
    while not server.started:
        await asyncio.sleep(_READY_POLL)
    host, port = bound.getsockname()[:2]
    facts: dict[str, Any] = {
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "models": sorted(app.manager.config.by_name),
    }
    facts |= {name: port for name, port in ports.items() if port is not None}
    emit("listening", facts)
    while not app.ready:
        if app.draining:
            return
        await asyncio.sleep(_READY_POLL)
    if place.ready_file is not None:
        write_whole(Path(place.ready_file), json.dumps(facts) + "\n")
    gc.collect()
    gc.freeze()  # what lives as long as the server is not walked by every collection
    emit("ready", facts)
    while not app.draining:
        await asyncio.sleep(5 * _READY_POLL)
    emit("draining", {"pid": os.getpid()})


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is seen whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    from trueline.serving import command  # which stands on this module

    return command.main(argv)
