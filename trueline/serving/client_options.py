"""How a client reaches a server: address, TLS, credentials, and when it asks again."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from trueline._core.errors import ConfigError

__all__ = ["RETRIES", "Attempts", "ClientTls", "Place", "Retries", "credential_headers", "place_of"]

_AGAIN = frozenset({429, 503})
_TICK = 0.002


@dataclass(frozen=True)
class ClientTls:
    """What a client trusts and shows. A server's certificate and name are always checked.

    Attributes:
        ca: file of certificates in PEM that sign servers'; None: those of the system.
        certificate: file with the client's own certificate and chain in PEM, for mutual TLS.
        key: file of its private key; None: it stands in the same file.
        server_name: the name that the server's certificate must have, where it is not the address's.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    def context(self) -> ssl.SSLContext:
        """The settings as the standard library has them.

        Raises:
            ConfigError: a file that is not there or does not hold what it should.
        """
        try:
            made = ssl.create_default_context(cafile=self.ca)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                made.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(f for f in (self.ca, self.certificate, self.key) if f)
            raise ConfigError(
                f"the client's TLS files cannot be used: {type(error).__name__}: {error}",
                where=files,
                hint="expected PEM files: certificates of authorities, a certificate, its private key.",
            ) from None
        return made


@dataclass(frozen=True)
class Place:
    """A server's address.

    Attributes:
        host: name or IP address.
        port: TCP port.
        prefix: the path before ``/v1``, without a slash at its end.
        secure: whether TLS is spoken.
    """

    host: str
    port: int
    prefix: str
    secure: bool

    @property
    def host_header(self) -> str:
        """The header ``host``."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.secure else 80)
        return name if usual else f"{name}:{self.port}"


def place_of(url: str) -> Place:
    """The address in a URL.

    Raises:
        ConfigError: it is not ``http://host:port`` or ``https://host:port``.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ConfigError("this is no server address", where=url.rpartition("@")[2], hint="write http://host:port.")
    secure = parts.scheme == "https"
    return Place(parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"), secure)


def credential_headers(api_key: str | None, bearer: str | Callable[[], str] | None) -> dict[str, str]:
    """The headers that show who asks.

    Args:
        api_key: sent as ``x-api-key``.
        bearer: a token, or what gives one for each call; sent as ``authorization``.

    Raises:
        ConfigError: both are given.
    """
    if api_key is not None and bearer is not None:
        raise ConfigError("give an api_key or a bearer token, not both")
    if api_key is not None:
        return {"x-api-key": api_key}
    if bearer is None:
        return {}
    return {"authorization": f"Bearer {bearer if isinstance(bearer, str) else bearer()}"}


@dataclass(frozen=True)
class Retries:
    """When a call is made again.

    Only where that is safe: the connection was refused, or it broke before a byte of the answer was there, or the
    server says with 429 or 503 and ``retry-after`` that it did nothing. Never past the call's time.

    Attributes:
        attempts: calls at most, the first included.
        first_seconds: the longest pause before the second; each further one may be twice as long.
        longest_seconds: and no longer than this; ``retry-after`` may be.
    """

    attempts: int = 3
    first_seconds: float = 0.1
    longest_seconds: float = 2.0

    def __post_init__(self) -> None:
        problems = [] if self.attempts >= 1 else [f"attempts: expected 1 or more, got {self.attempts}"]
        problems += [
            f"{name}: expected 0 or more, got {value}"
            for name, value in (("first_seconds", self.first_seconds), ("longest_seconds", self.longest_seconds))
            if not value >= 0
        ]
        if problems:
            raise ConfigError("the retries are wrong", problems=problems)


RETRIES = Retries()
"""What a client does unless it is told."""


@dataclass
class Attempts:
    """One call's attempts and its time.

    Args:
        retries: the rules.
        timeout: seconds that the call may take, pauses and all attempts included.

    Attributes:
        made: attempts that failed so far.
        fresh: whether a kept connection broke: the next attempt takes a new one.
    """

    retries: Retries
    timeout: float
    made: int = 0
    fresh: bool = False
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise ConfigError(f"timeout: expected more than 0 seconds, got {self.timeout!r}")
        self._end = time.monotonic() + self.timeout

    @property
    def left(self) -> float:
        """Seconds that are left; not more than 0 when the time is over."""
        return self._end - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time is over, as far as clocks can tell."""
        return self.left <= _TICK

    def pause(self) -> float | None:
        """How long to wait before the next attempt after a connection that failed; None: there is none."""
        return self._next(0.0)

    def pause_after(self, status: int, headers: Mapping[str, str]) -> float | None:
        """The same after an answer."""
        if status not in _AGAIN:
            return None
        asked = headers.get("retry-after", "")  # a date, which the field may be too, is not heeded
        return self._next(float(asked)) if asked.isascii() and asked.isdigit() and len(asked) <= 6 else None

    def _next(self, at_least: float) -> float | None:
        self.made += 1
        if self.made >= self.retries.attempts:
            return None
        longest = min(self.retries.first_seconds * 2 ** (self.made - 1), self.retries.longest_seconds)
        # Somewhere in the whole interval: clients that failed together do not come back together.
        seconds = at_least + random.uniform(0, longest)  # noqa: S311
        return seconds if seconds < self.left else None
