"""JSON over HTTPS to a service's API, for targets that need no library of its vendor: requests, errors, waiting."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from trueline._core.errors import ArtifactError

__all__ = ["POLL_SECONDS", "JsonService", "ServiceError", "service_url_problems", "until_done"]

POLL_SECONDS = 5.0
_TRIES = 3
_TIMEOUT = 60.0
_MOST = 16 * 1024 * 1024
_BUSY = frozenset({429, 502, 503, 504})
T = TypeVar("T")


class ServiceError(ArtifactError):
    """A service that refused or could not be reached.

    Attributes:
        status: the HTTP status, or None where there was no answer.
    """

    status: int | None = None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the credentials elsewhere: it is an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


class JsonService:
    """One API.

    Args:
        what: its name, for errors.
        url: its address; paths are below it.
        headers: sent with each request, such as credentials; never part of an error.
        tls: whom to trust; None: the system.
    """

    def __init__(self, what: str, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None) -> None:
        self._what = what
        self._url = url.rstrip("/")
        self._headers = dict(headers)
        handlers: list[Any] = [_NoRedirect]
        if url.startswith("https://"):
            handlers.append(urllib.request.HTTPSHandler(context=tls or ssl.create_default_context()))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> dict[str, Any] | None:
        """What is there; None where nothing is (404). Tried again when the service is busy or cannot be reached.

        Raises:
            ServiceError: the service's own words.
        """
        for attempt in range(_TRIES):
            try:
                return self._send("GET", path, None, "")
            except ServiceError as error:
                if error.status == 404:
                    return None
                if attempt == _TRIES - 1 or not (error.status is None or error.status in _BUSY):
                    raise
                time.sleep(min(POLL_SECONDS, 2.0**attempt))
        raise AssertionError

    def send(
        self, method: str, path: str, body: Mapping[str, Any], content_type: str = "application/json"
    ) -> dict[str, Any]:
        """A change, asked for once.

        Raises:
            ServiceError: the service's own words.
        """
        return self._send(method, path, json.dumps(body).encode(), content_type)

    def _send(self, method: str, path: str, body: bytes | None, content_type: str) -> dict[str, Any]:
        headers = self._headers | ({"content-type": content_type} if body is not None else {})
        url = f"{self._url}/{path.lstrip('/')}"
        request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - checked before
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                data = answer.read(_MOST)
            found = json.loads(data or b"{}")
        except urllib.error.HTTPError as error:
            raise self._error(f"{method} {path}", _said(error), error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise self._error(f"{method} {path}", f"{type(reason).__name__}: {reason}", None) from None
        if not isinstance(found, dict):
            raise self._error(f"{method} {path}", "the answer is no JSON object", None)
        return found

    def _error(self, call: str, why: str, status: int | None) -> ServiceError:
        told = f"{self._what} refused {call} with status {status}: {why}" if status else f"{self._what}: {call}: {why}"
        made = ServiceError(told[:1000])
        made.status = status
        return made


def _said(error: urllib.error.HTTPError) -> str:
    try:
        data = json.loads(error.read(64 * 1024))
        found = data.get("error", data)
        return str(found.get("message", found) if isinstance(found, dict) else found)
    except (ValueError, OSError, AttributeError):
        return str(error.reason)


def service_url_problems(variable: str, url: str) -> list[str]:
    """What is wrong with a service's address: it is https, or on this machine."""
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and local):
        return []
    return [f"{variable}: expected https://..., or an address of this machine"]


def until_done(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """Looks again and again until something is found.

    Raises:
        ArtifactError: not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            raise ArtifactError(f"{what} did not come to an end within {seconds:g} s")
        time.sleep(POLL_SECONDS)
