"""What every local app does: one secret in the address, this machine's names alone, no foreign page, small bodies.

A page of another site could send requests to an app on loopback, or reach it under a name of its own that resolves to
127.0.0.1 (DNS rebinding). So the host must be a loopback name, the origin the app's own, and the address must hold a
token that only who started the app knows.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from trueline._core.errors import ConfigError, DataError

__all__ = ["HEADERS", "MOST_BYTES", "TooLargeError", "check_request", "json_of", "need_web", "read_body"]

MOST_BYTES = 4_000_000
"""Of one request's body."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_DEEPEST = "the request's JSON is nested too deeply"


class TooLargeError(DataError):
    """A body beyond `MOST_BYTES`."""


def need_web() -> None:
    """Raises the error that names the extra, where Starlette or uvicorn is not installed."""
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise ConfigError(f"the local app needs {error.name}", hint="pip install 'trueline[web]'") from error
    del starlette, uvicorn


def check_request(headers: Mapping[str, str], token: str, given: str) -> str | None:
    """Why a request is not answered; None where it is.

    Args:
        headers: the request's, by lower-case name.
        token: the app's secret.
        given: what the address holds.
    """
    host = headers.get("host", "")
    name = host[: host.rindex(":")] if ":" in host and not host.endswith("]") else host
    if name not in _HOSTS:
        return "this app answers to 127.0.0.1 and localhost alone"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "another page may not ask this app"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "another page may not ask this app"
    if not hmac.compare_digest(token.encode(), given.encode("utf-8", "replace")):
        return "the address lacks the token that was printed when the app began"
    return None


async def read_body(stream: AsyncIterator[bytes]) -> bytes:
    """The body, refused as soon as it is too long.

    Raises:
        TooLargeError: more than `MOST_BYTES`.
    """
    parts, size = [], 0
    async for part in stream:
        size += len(part)
        if size > MOST_BYTES:
            raise TooLargeError(f"the request has more than {MOST_BYTES:,} bytes", hint="ask for fewer rows at once.")
        parts.append(part)
    return b"".join(parts)


def json_of(body: bytes) -> Any:
    """The JSON value; ``NaN`` and ``Infinity``, which are none, are refused.

    Raises:
        DataError: no JSON in UTF-8.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError as error:
        raise DataError(_DEEPEST) from error
    except ValueError as error:
        raise DataError(f"the request is no JSON: {error}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
