"""The model server: versions, batching, REST, health and metrics over models that trueline wrote.

It stands on `_core` alone and imports numpy, onnxruntime and the ``serving`` extra; pyarrow, onnx, sqlalchemy and
fsspec are never loaded by it, so that a server installs without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.serving.app import ServingApp, create_app
    from trueline.serving.client import Client, Prediction
    from trueline.serving.client_async import AsyncClient
    from trueline.serving.client_common import Classification, Regression, TablePrediction
    from trueline.serving.client_options import ClientTls, Retries
    from trueline.serving.errors import RequestError
    from trueline.serving.infra import InfraReport, validate_in_server
    from trueline.serving.options import ServerOptions
    from trueline.serving.server import serve

__all__ = [
    "AsyncClient",
    "Classification",
    "Client",
    "ClientTls",
    "InfraReport",
    "Prediction",
    "Regression",
    "RequestError",
    "Retries",
    "ServerOptions",
    "ServingApp",
    "TablePrediction",
    "create_app",
    "serve",
    "validate_in_server",
]

_HOMES = {
    "AsyncClient": "client_async",
    "Classification": "client_common",
    "Client": "client",
    "ClientTls": "client_options",
    "InfraReport": "infra",
    "Prediction": "client",
    "Regression": "client_common",
    "RequestError": "errors",
    "Retries": "client_options",
    "ServerOptions": "options",
    "ServingApp": "app",
    "TablePrediction": "client_common",
    "create_app": "app",
    "serve": "server",
    "validate_in_server": "infra",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
