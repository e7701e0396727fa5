"""Where OpenLineage events go: an HTTP endpoint, a file of lines, the console. A loss is told, never raised."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from trueline._core.errors import ConfigError

__all__ = ["ConsoleTransport", "FileTransport", "HttpTransport", "Transport", "transport_from_environment"]

LOG = logging.getLogger("trueline.openlineage")
_ENDPOINT = "api/v1/lineage"
_DEAD_SECONDS = 30.0
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Transport(Protocol):
    """Takes events one by one."""

    def send(self, event: Mapping[str, Any]) -> str | None:
        """Sends an event; None, or why it is lost."""
        ...


@dataclass
class ConsoleTransport:
    """Events as lines of JSON on the standard output, or as given."""

    stream: Any = None

    def send(self, event: Mapping[str, Any]) -> str | None:
        try:
            print(json.dumps(event), file=self.stream or sys.stdout, flush=True)
        except (OSError, ValueError) as error:
            return f"the console cannot be written: {error}"
        return None


@dataclass(frozen=True)
class FileTransport:
    """Events as lines of JSON at the end of a file; several processes may write to one."""

    path: Path

    def send(self, event: Mapping[str, Any]) -> str | None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(handle, (json.dumps(event) + "\n").encode())
            finally:
                os.close(handle)
        except OSError as error:
            return f"{self.path} cannot be written: {error.strerror}"
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host, and make a GET of the POST."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class HttpTransport:
    """Events by POST. After one is lost the endpoint counts as dead for 30 seconds: no run waits for it once more.

    Attributes:
        url: of the server, such as ``http://localhost:5000``.
        api_key: sent as a bearer token; None sends none.
        endpoint: the path below the server.
        timeout: of one attempt, in seconds.
        attempts: for one event; another after a time-out, a broken connection, or a status that says "later".
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    endpoint: str = _ENDPOINT
    timeout: float = 5.0
    attempts: int = 3
    _dead_until: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                "the address of the OpenLineage server is no http or https address", where="OPENLINEAGE_URL"
            )
        if parts.username or parts.password:
            raise ConfigError(
                "the address of the OpenLineage server holds a user or password",
                where="OPENLINEAGE_URL",
                hint="put the key into OPENLINEAGE_API_KEY.",
            )
        self._address = urljoin(self.url.rstrip("/") + "/", self.endpoint.lstrip("/"))
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, event: Mapping[str, Any]) -> str | None:
        if time.monotonic() < self._dead_until:
            return "the endpoint did not answer a moment ago"
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(self._address, json.dumps(event).encode(), headers, method="POST")  # noqa: S310
        why, again = "", True
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(0.2 * 3 ** (attempt - 1))
            why, again = self._attempt(request)
            if not why:
                return None
            if not again:
                return why
        self._dead_until = time.monotonic() + _DEAD_SECONDS
        return why

    def _attempt(self, request: urllib.request.Request) -> tuple[str, bool]:
        """Why it failed, or nothing; and whether another attempt may help."""
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            return f"the endpoint answered {error.code}", error.code in _RETRIED
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            return f"the endpoint cannot be reached: {type(reason).__name__}", True
        return "", True


def transport_from_environment(environment: Mapping[str, str] | None = None) -> Transport | None:
    """As OpenLineage's own variables say; None where none is set or ``OPENLINEAGE_DISABLED`` is true.

    ``OPENLINEAGE_URL`` with ``OPENLINEAGE_ENDPOINT`` and ``OPENLINEAGE_API_KEY``; or
    ``OPENLINEAGE__TRANSPORT__TYPE`` (``http``, ``file``, ``console``) with ``OPENLINEAGE__TRANSPORT__URL``,
    ``OPENLINEAGE__TRANSPORT__ENDPOINT``, ``OPENLINEAGE__TRANSPORT__AUTH__API_KEY`` (both also spelt ``API_KEY`` and
    ``APIKEY``), ``OPENLINEAGE__TRANSPORT__LOG_FILE_PATH``.

    Raises:
        ConfigError: settings that lead nowhere.
    """
    given = os.environ if environment is None else environment
    if given.get("OPENLINEAGE_DISABLED", "").strip().lower() in ("true", "1"):
        return None
    settings = {
        name.removeprefix("OPENLINEAGE__TRANSPORT__"): value
        for name, value in given.items()
        if name.startswith("OPENLINEAGE__TRANSPORT__")
    }
    url = given.get("OPENLINEAGE_URL") or settings.get("URL")
    kind = settings.get("TYPE", "http" if url else "").strip().lower()
    if not kind:
        return None
    if kind == "console":
        return ConsoleTransport()
    if kind == "file":
        return FileTransport(Path(_needed(settings, "LOG_FILE_PATH")))
    if kind != "http":
        raise ConfigError(
            f"there is no OpenLineage transport {kind!r} here",
            where="OPENLINEAGE__TRANSPORT__TYPE",
            hint="http, file or console.",
        )
    key = given.get("OPENLINEAGE_API_KEY") or settings.get("AUTH__API_KEY") or settings.get("AUTH__APIKEY")
    endpoint = given.get("OPENLINEAGE_ENDPOINT") or settings.get("ENDPOINT") or _ENDPOINT
    return HttpTransport(url or _needed(settings, "URL"), key or None, endpoint)


def _needed(settings: Mapping[str, str], name: str) -> str:
    if not settings.get(name):
        raise ConfigError(f"OPENLINEAGE__TRANSPORT__{name} is not set", where="OPENLINEAGE__TRANSPORT__TYPE")
    return settings[name]
