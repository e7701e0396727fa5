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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trueline.serving.admin import AdminApp, is_loopback
from trueline.serving.admin_server import AdminServer
from trueline.serving.app import EventSink, ServingApp, create_app
from trueline.serving.config import ServerConfig
from trueline.serving.front import Front, Installed
from trueline.serving.http_server import ModelServer, uvicorn_config
from trueline.serving.options import ServerOptions
from trueline.serving.place import Place, bind, emit, write_whole
from trueline.serving.protocol import sweep
from trueline.serving.reload import ConfigFile
from trueline.serving.sources import Plugs

__all__ = ["main", "serve", "serve_models", "start_grpc", "watch_certificates"]

_READY_POLL = 0.02
_TLS_POLL = 5.0


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


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    from trueline.serving import command  # which stands on this module

    return command.main(argv)
