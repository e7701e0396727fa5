"""The model server: versions, batching, REST, health and metrics over models that trueline wrote.

It stands on `_core` alone and imports numpy, onnxruntime and the ``serving`` extra; pyarrow, onnx and sqlalchemy
are never loaded by it, so that a server installs without them; fsspec only for models in an object store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.serving.app import ServingApp, create_app
    from trueline.serving.client import Client
    from trueline.serving.client_async import AsyncClient
    from trueline.serving.client_options import ClientTls, Retries
    from trueline.serving.client_results import Classification, Prediction, Regression, TablePrediction
    from trueline.serving.config import AllVersions, BatchSettings, Latest, ModelConfig, ServerConfig, Specific
    from trueline.serving.config_file import read_config_file
    from trueline.serving.errors import RequestError
    from trueline.serving.infra import InfraReport, validate_in_server
    from trueline.serving.options import ServerOptions
    from trueline.serving.server import serve

__all__ = [
    "AllVersions",
    "AsyncClient",
    "BatchSettings",
    "Classification",
    "Client",
    "ClientTls",
    "InfraReport",
    "Latest",
    "ModelConfig",
    "Prediction",
    "Regression",
    "RequestError",
    "Retries",
    "ServerConfig",
    "ServerOptions",
    "ServingApp",
    "Specific",
    "TablePrediction",
    "create_app",
    "read_config_file",
    "serve",
    "validate_in_server",
]

_HOMES = {
    "AllVersions": "config",
    "AsyncClient": "client_async",
    "BatchSettings": "config",
    "Classification": "client_results",
    "Client": "client",
    "ClientTls": "client_options",
    "InfraReport": "infra",
    "Latest": "config",
    "ModelConfig": "config",
    "Prediction": "client_results",
    "Regression": "client_results",
    "RequestError": "errors",
    "Retries": "client_options",
    "ServerConfig": "config",
    "ServerOptions": "options",
    "ServingApp": "app",
    "Specific": "config",
    "TablePrediction": "client_results",
    "create_app": "app",
    "read_config_file": "config_file",
    "serve": "server",
    "validate_in_server": "infra",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
