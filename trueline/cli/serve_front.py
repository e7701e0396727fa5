"""The options of ``trueline serve`` that say who may ask, over what, and what is written down of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

__all__ = ["front_options"]

_FILE = "FILE"
_FLAGS: tuple[tuple[str, str | None, Any, str], ...] = (
    ("--tls-cert", _FILE, str, "The server's certificate with its chain, PEM; REST and gRPC then speak TLS alone."),
    ("--tls-key", _FILE, str, "Its private key, PEM."),
    ("--tls-client-ca", _FILE, str, "Authorities that sign clients' certificates, PEM: a client must show one."),
    ("--api-keys-file", _FILE, str, "API keys as JSON: names, SHA-256 and permissions by model."),
    ("--jwks-file", _FILE, str, "Keys that sign tokens (JWKS); with --jwt-audience and --jwt-issuer."),
    ("--jwt-audience", "TEXT", str, "Whom a token must be for."),
    ("--jwt-issuer", "TEXT", str, "Who must have made it."),
    ("--access-log", _FILE, str, "One JSON line for each request; '-' is standard error."),
    ("--trace-endpoint", "URL", str, "Traces by OTLP over HTTP."),
    ("--admin-port", "PORT", click.IntRange(0, 65535), "Admin endpoints there, on 127.0.0.1; 0: any."),
)


def front_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds the options to a command, which gets those that were given as `front`, by the names of `Front`'s fields."""
    names = [flag.removeprefix("--").replace("-", "_") for flag, _, _, _ in _FLAGS]

    @functools.wraps(command)
    def with_front(**given: Any) -> int:
        front = {name: given.pop(name) for name in names}
        return command(front={k: v for k, v in front.items() if v is not None}, **given)

    for flag, metavar, kind, text in reversed(_FLAGS):
        with_front = click.option(flag, metavar=metavar, type=kind, help=text)(with_front)
    return with_front
