"""What a client is given and keeps: how each of its calls becomes bytes, and whether a failed one is made again."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from trueline._core.errors import ConfigError
from trueline.serving.client_common import Call
from trueline.serving.client_http import BadAnswerError, Reply, request_bytes
from trueline.serving.client_options import Attempts, ClientTls, Retries, credential_headers, place_of

__all__ = ["BROKEN", "BrokenError", "Caller", "again_after"]

BROKEN = (OSError, EOFError, BadAnswerError)
"""What a connection raises that cannot go on."""


class BrokenError(Exception):
    """A connection that broke.

    Args:
        cause: why.
        safe: whether the server cannot have answered: asking again changes nothing.
        stale: whether it had been kept from an earlier call, and was closed meanwhile.
    """

    def __init__(self, cause: BaseException, *, safe: bool, stale: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.safe = safe and not isinstance(cause, ssl.SSLError)  # a certificate that is refused stays refused
        self.stale = stale


class Caller:
    """The settings of a client; see `Client`."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        timeout: float,
        api_key: str | None,
        bearer: str | Callable[[], str] | None,
        tls: ClientTls | None,
        retries: Retries,
        headers: Mapping[str, str] | None,
    ) -> None:
        self.url = url
        self.model = model
        self.place = place_of(url)
        self.timeout = timeout
        self.retries = retries
        Attempts(retries, timeout)
        if tls is not None and not self.place.secure:
            raise ConfigError("tls is given, but the address is http", where=url, hint="write https://host:port.")
        self.tls = (tls or ClientTls()).context() if self.place.secure else None
        self.server_name = (tls.server_name if tls is not None else None) or self.place.host
        self._api_key, self._bearer = api_key, bearer
        credential_headers(api_key, None if bearer is None else "")
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}

    def attempts(self, timeout: float | None) -> Attempts:
        """The attempts of one call; `timeout` in place of the client's own."""
        return Attempts(self.retries, self.timeout if timeout is None else timeout)

    def wire(self, call: Call[Any], request_id: str | None, attempts: Attempts) -> bytes:
        """The request's bytes; the server is told how long it is waited for.

        Raises:
            ConfigError: a header that no HTTP request may have.
        """
        headers = {
            "host": self.place.host_header,
            **call.headers(),
            **self._headers,
            **credential_headers(self._api_key, self._bearer),
            "x-request-timeout-ms": str(max(1, int(attempts.left * 1000))),
        }
        if request_id is not None:
            headers["x-request-id"] = request_id
        try:
            return request_bytes(call.method, self.place.prefix + call.path, headers, call.body)
        except ValueError as error:  # without the header's value, which may be a secret
            told = "a header is not Latin-1 text" if isinstance(error, UnicodeError) else str(error)
            raise ConfigError(told) from None


def again_after(found: Reply | BrokenError, attempts: Attempts) -> float | None:
    """How long to wait before the call is made again; None: what was found is how it ends."""
    if isinstance(found, Reply):
        return attempts.pause_after(found.status, found.headers)
    if not found.safe or attempts.over:
        return None
    return 0.0 if found.stale else attempts.pause()
