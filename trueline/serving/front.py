"""What stands between the network and the app: TLS, keys and tokens, permissions, access log, traces, the admin port.

All of it is off by default, comes in one record of paths and switches (`Front`), and is put around an app by
`Front.install`. The record holds no secrets, only where they lie, so it may be shown.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from trueline._core.errors import ConfigError, TruelineError
from trueline._core.extras import missing_extra_hint
from trueline._core.proto_text import Field, Types, read_text
from trueline.serving.access_log import AccessLog, writer_to
from trueline.serving.admin import is_loopback
from trueline.serving.app import ServingApp
from trueline.serving.asgi import Request
from trueline.serving.auth import KEYS_VARIABLE, Auth, read_keys
from trueline.serving.tls import Tls
from trueline.serving.tracing import Tracing, provider_for

__all__ = ["Front", "Installed"]

_OPEN = frozenset({b"/healthz", b"/readyz", b"/v2/health/live", b"/v2/health/ready", b"/", b"/try"})
_METRICS = (b"/metrics", b"/monitoring/prometheus/metrics")
_MONITORING = Types(
    {
        "MonitoringConfig": {"prometheus_config": Field("PrometheusConfig")},
        "PrometheusConfig": {"enable": Field("bool"), "path": Field("string")},
    }
)
Reload = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True)
class Front:
    """Security and telemetry of a server, as paths and switches.

    Attributes:
        tls_cert: the server's certificate with its chain, a PEM file; with it REST and gRPC speak TLS alone.
        tls_key: its private key, a PEM file.
        tls_client_ca: authorities that sign clients' certificates, a PEM file; with it a client must show one.
        ssl_config_file: the same three as TensorFlow Serving's ``SSLConfig``.
        api_keys_file: API keys as JSON, see `trueline.serving.auth`.
        api_keys_from_environment: whether the variable ``TRUELINE_API_KEYS`` holds keys.
        jwks_file: public keys or shared secrets that sign tokens, a JSON Web Key Set.
        jwt_audience: whom a token must be for.
        jwt_issuer: who must have made it.
        protect_metrics: whether metrics need a key or token too.
        monitoring_config_file: TensorFlow Serving's ``prometheus_config``: whether and where metrics are shown.
        access_log: a file for the access log, ``-`` for standard error, None for none.
        access_log_sample: the share of requests that were answered well which it holds.
        trace_endpoint: where traces go by OTLP over HTTP, or None.
        trace_sample: the share of requests that is traced where the client says nothing.
        admin_host: address of the admin port; another one than loopback needs keys or tokens.
        admin_port: port of the admin endpoints; 0 takes a free one, None leaves them out.
    """

    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    ssl_config_file: str | None = None
    api_keys_file: str | None = None
    api_keys_from_environment: bool = False
    jwks_file: str | None = None
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    protect_metrics: bool = False
    monitoring_config_file: str | None = None
    access_log: str | None = None
    access_log_sample: float = 1.0
    trace_endpoint: str | None = None
    trace_sample: float = 1.0
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None

    def install(self, app: ServingApp) -> Installed:
        """Puts all of it around an app.

        Raises:
            ConfigError: what is wrong or does not go together, an extra that is not installed.
        """
        try:
            return self._install(app)
        except ModuleNotFoundError as error:
            raise ConfigError(f"tokens or traces need a package: {error}", hint=missing_extra_hint(error)) from error

    def _install(self, app: ServingApp) -> Installed:
        tls = Tls.of(self.tls_cert, self.tls_key, self.tls_client_ca, self.ssl_config_file)
        auth = self._auth()
        if self.admin_port is not None and auth is None and not is_loopback(self.admin_host):
            raise ConfigError(
                f"the admin port would be open to everybody on {self.admin_host}",
                hint="give --api-keys-file or --jwks-file, or leave --admin-host at 127.0.0.1.",
            )
        installed = Installed(self, tls, auth)
        self._pages(app)
        if auth is not None:
            installed.reloads["API keys"] = lambda: self._reread(auth)
            app.doors.append(_Door(auth, self._open_pages(app)))
            app.service.permit = auth.permit
        if tls is not None:
            installed.reloads["TLS"] = tls.reload
        if self.trace_endpoint is not None:
            installed.trace(app, Tracing(provider_for(self.trace_endpoint, self.trace_sample)))
        if self.access_log is not None:
            installed.log(app, AccessLog(writer_to(self.access_log), self.access_log_sample, installed.notes))
        return installed

    def shown(self) -> dict[str, Any]:
        """The settings for whoever runs the server."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def _auth(self) -> Auth | None:
        from_environment = self.api_keys_from_environment
        if self.api_keys_file is None and self.jwks_file is None and not from_environment:
            if self.jwt_audience or self.jwt_issuer:
                raise ConfigError("an audience or issuer for tokens, but no keys that sign them: give --jwks-file")
            return None
        return self._read_auth()

    def _read_auth(self) -> Auth:
        environment = os.environ if self.api_keys_from_environment else {}
        if self.api_keys_from_environment and KEYS_VARIABLE not in environment:
            raise ConfigError(f"the variable {KEYS_VARIABLE} is not set")
        keys = read_keys(self.api_keys_file, environment)
        if self.jwks_file is None:
            return Auth(keys)
        from trueline.serving.jwt_tokens import TokenVerifier

        return Auth(keys, TokenVerifier(self.jwks_file, self.jwt_audience or "", self.jwt_issuer or ""))

    def _reread(self, auth: Auth) -> None:
        auth.replace(self._read_auth())

    def _pages(self, app: ServingApp) -> None:
        if self.monitoring_config_file is None:
            return
        where = self.monitoring_config_file
        try:
            text = Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the monitoring configuration cannot be read: {type(error).__name__}", where=where
            ) from None
        config = read_text(text, "MonitoringConfig", _MONITORING).get("prometheus_config", {})
        path = config.get("path") or _METRICS[1].decode()
        if not path.startswith("/") or not path.isascii():
            raise ConfigError("the path of metrics begins with '/'", where=where)
        page = app.pages[_METRICS[0]]
        for known in _METRICS:
            app.pages.pop(known, None)
        if config.get("enable", False):
            app.pages[_METRICS[0]] = app.pages[path.encode()] = page

    def _open_pages(self, app: ServingApp) -> frozenset[bytes]:
        if self.protect_metrics:
            return _OPEN
        metrics = app.pages.get(_METRICS[0])
        return _OPEN | {path for path, page in app.pages.items() if metrics is not None and page == metrics}


@dataclass
class Installed:
    """What stands around one app.

    Attributes:
        front: the settings.
        tls: TLS, or None.
        auth: what checks callers, or None.
        reloads: by name what is read anew on SIGHUP; more may be added.
    """

    front: Front
    tls: Tls | None
    auth: Auth | None
    reloads: dict[str, Reload] = field(default_factory=dict)
    tracing: Tracing | None = None
    access_log: AccessLog | None = None

    def trace(self, app: ServingApp, tracing: Tracing) -> None:
        """Traces an app's requests."""
        self.tracing = tracing
        app.doors.insert(0, tracing.door)
        tracing.install(app.service)

    def log(self, app: ServingApp, access_log: AccessLog) -> None:
        """Logs an app's requests."""
        self.access_log = access_log
        app.doors.insert(0, access_log.door)
        app.watchers.append(access_log.watcher)
        app.service.observers.append(access_log)

    def notes(self) -> Mapping[str, Any]:
        """What the access log tells of a request beside the request itself: who asked."""
        caller = self.auth.caller if self.auth is not None else None
        return {"caller": caller.name} if caller is not None else {}

    async def reload(self) -> list[str]:
        """Reads everything anew; what fails is told and stays as it was."""
        problems = []
        for name, function in list(self.reloads.items()):
            try:
                made = function()
                if inspect.isawaitable(made):
                    await made
            except (TruelineError, OSError) as error:
                problems.append(f"{name}: {error}")
        return problems

    def close(self) -> None:
        """Writes what is left of log and traces."""
        if self.access_log is not None:
            with contextlib.suppress(OSError):
                self.access_log.flush()
        if self.tracing is not None:
            self.tracing.close()


class _Door:
    """Lets in who shows a key or token that may do what the path asks."""

    def __init__(self, auth: Auth, open_pages: frozenset[bytes]) -> None:
        self._auth = auth
        self._open = open_pages

    def __call__(self, request: Request) -> None:
        if request.path in self._open or request.method == "OPTIONS":
            return
        self._auth.identify(request.scope["headers"])
        model = _model_of(request.path)
        if model is not None:
            api = "metadata" if request.method in ("GET", "HEAD") else "predict"
            self._auth.permit(model, api)


def _model_of(path: bytes) -> str | None:
    """The model that a path of either REST protocol names."""
    parts = path.split(b"/")
    if len(parts) < 4 or parts[1].lower() not in (b"v1", b"v2") or parts[2].lower() != b"models":
        return None
    return unquote_to_bytes(parts[3].partition(b":")[0]).decode("utf-8", "replace")
