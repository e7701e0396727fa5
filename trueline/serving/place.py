"""Where a server listens and how it tells what happens."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError

__all__ = ["Place", "bind", "emit", "write_whole"]


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


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is seen whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)
