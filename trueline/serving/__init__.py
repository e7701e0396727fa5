"""The model server: versions, batching, REST, health and metrics over models that trueline wrote.

It stands on `_core` alone and imports numpy, onnxruntime and the ``serving`` extra; pyarrow, onnx, sqlalchemy and
fsspec are never loaded by it, so that a server installs without them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.serving.app import ServingApp, create_app
    from trueline.serving.client import Client, Prediction
    from trueline.serving.errors import RequestError
    from trueline.serving.infra import InfraReport, validate_in_server
    from trueline.serving.options import ServerOptions
    from trueline.serving.server import serve

__all__ = [
    "Client",
    "InfraReport",
    "Prediction",
    "RequestError",
    "ServerOptions",
    "ServingApp",
    "create_app",
    "serve",
    "validate_in_server",
]

_HOMES = {
    "Client": "client",
    "InfraReport": "infra",
    "Prediction": "client",
    "RequestError": "errors",
    "ServerOptions": "options",
    "ServingApp": "app",
    "create_app": "app",
    "serve": "server",
    "validate_in_server": "infra",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"trueline.serving.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
