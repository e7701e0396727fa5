"""TLS for REST and gRPC: a certificate, its key, and for mutual TLS the authorities that sign clients' certificates.

Certificates are re-read without a restart (`Tls.reload`, on SIGHUP and when the files change): every handshake takes
the newest context, connections that stand keep theirs. What does not load is told and changes nothing. Neither keys
nor certificates are part of any text that this module makes.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError
from trueline._core.proto_text import Field, Types, read_text

__all__ = ["Tls", "TlsConfig"]

_SSL_CONFIG = Types(
    {
        "SSLConfig": {
            "server_key": Field("string"),
            "server_cert": Field("string"),
            "custom_ca": Field("string"),
            "client_verify": Field("bool"),
        }
    }
)


@dataclass(frozen=True)
class TlsConfig:
    """What a server shows its clients, and whether it asks them for a certificate.

    Attributes:
        cert: the certificate with its chain, as PEM.
        key: its private key, as PEM without a password.
        client_ca: certificates of the authorities that sign clients' certificates, as PEM, or "".
        client_verify: whether a client must show a certificate that one of them signed.
    """

    cert: str = field(repr=False)
    key: str = field(repr=False)
    client_ca: str = field(default="", repr=False)
    client_verify: bool = False

    def __post_init__(self) -> None:
        problems = []
        if not self.cert.strip():
            problems.append("there is no certificate")
        if not self.key.strip():
            problems.append("there is no private key")
        if self.client_verify and not self.client_ca.strip():
            problems.append("clients are to be verified, but no authority is given that signs them")
        if problems:
            raise ConfigError("the settings of TLS are not complete", problems=problems)

    @classmethod
    def from_files(cls, cert: str, key: str, client_ca: str | None = None) -> TlsConfig:
        """From files; an authority for clients turns mutual TLS on.

        Raises:
            ConfigError: a file that cannot be read.
        """
        return cls(_read(cert), _read(key), _read(client_ca) if client_ca else "", bool(client_ca))

    @classmethod
    def from_ssl_config(cls, path: str) -> TlsConfig:
        """From TensorFlow Serving's ``--ssl_config_file``: a text proto with the PEM texts inline.

        Raises:
            ConfigError: a file that cannot be read or is no ``SSLConfig``.
        """
        try:
            found = read_text(_read(path), "SSLConfig", _SSL_CONFIG)
        except ConfigError:  # its message may quote what stands there
            hint = "it has server_key, server_cert, custom_ca (texts in quotes, \\n for line ends) and client_verify."
            raise ConfigError("the file is no SSLConfig", where=path, hint=hint) from None
        verify = bool(found.get("client_verify", False))
        return cls(found.get("server_cert", ""), found.get("server_key", ""), found.get("custom_ca", ""), verify)

    def context(self) -> ssl.SSLContext:
        """A context for a server: TLS 1.2 or newer, HTTP/1.1.

        Raises:
            ConfigError: texts that are no certificate or key, or do not belong together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            with _as_files(cert=self.cert, key=self.key) as files:
                context.load_cert_chain(files["cert"], files["key"], password=_no_password)
            if self.client_verify:
                context.load_verify_locations(cadata=self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, ValueError) as error:
            told = getattr(error, "reason", None) or type(error).__name__
            raise ConfigError(f"the certificate, its key or the authorities do not load: {told}") from None
        return context


class Tls:
    """TLS of a running server, whose certificates may change.

    Args:
        read: reads the settings anew.

    Attributes:
        config: what is in force.
        context: what a server listens with; each handshake is led to the newest certificates.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.config = source.read()
        self.context = self.config.context()
        self._newest = self.context
        self._seen = source.state()
        self.context.sni_callback = self._lead

    @classmethod
    def of(
        cls,
        cert: str | None = None,
        key: str | None = None,
        client_ca: str | None = None,
        ssl_config: str | None = None,
    ) -> Tls | None:
        """TLS from paths, or None where none is given.

        Raises:
            ConfigError: paths that do not go together; what `TlsConfig` refuses.
        """
        if not (cert or key or client_ca or ssl_config):
            return None
        if ssl_config and (cert or key or client_ca):
            raise ConfigError("an SSLConfig file holds certificate, key and authorities: give no other")
        if not ssl_config and not (cert and key):
            raise ConfigError("TLS takes a certificate and its key", hint="give --tls-cert and --tls-key.")
        return cls(_Source(cert or "", key or "", client_ca, ssl_config))

    def _lead(self, handshake: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if self._newest is not context:
            handshake.context = self._newest

    @property
    def changed(self) -> bool:
        """Whether the files look different from when they were last read."""
        return self._source.state() != self._seen

    def reload(self) -> None:
        """Takes the files as they are now. Whether clients are asked for a certificate cannot change.

        Raises:
            ConfigError: what does not load; the certificates before stay in force.
        """
        self._seen = self._source.state()
        config = self._source.read()
        if config.client_verify != self.config.client_verify:
            raise ConfigError("whether clients are verified cannot change while the server runs")
        newest = config.context()
        self.config, self._newest = config, newest

    def grpc_credentials(self) -> Any:
        """`grpc.ServerCredentials` with the same certificates, re-read with them."""
        import grpc

        def configured() -> Any:
            config = self.config
            pair = (config.key.encode(), config.cert.encode())
            return grpc.ssl_server_certificate_configuration([pair], config.client_ca.encode() or None)

        return grpc.dynamic_ssl_server_credentials(configured(), configured, self.config.client_verify)


@dataclass(frozen=True)
class _Source:
    """Where the certificates lie."""

    cert: str
    key: str
    client_ca: str | None
    ssl_config: str | None

    def read(self) -> TlsConfig:
        if self.ssl_config:
            return TlsConfig.from_ssl_config(self.ssl_config)
        return TlsConfig.from_files(self.cert, self.key, self.client_ca)

    def state(self) -> tuple[tuple[int, int], ...]:
        """Time and size of each file; a file that is gone counts as such."""
        states = []
        for path in (self.cert, self.key, self.client_ca, self.ssl_config):
            try:
                found = os.stat(path) if path else None
            except OSError:
                found = None
            states.append((found.st_mtime_ns, found.st_size) if found else (0, 0))
        return tuple(states)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"a file of TLS cannot be read: {reason}", where=path) from None


def _no_password() -> str:
    """Asked for by a key with a password; without this the process would wait at its terminal."""
    raise ValueError("the key has a password")


@contextlib.contextmanager
def _as_files(**texts: str) -> Any:
    """The texts as files that only this user can read, gone at the end: OpenSSL's binding loads chains from files."""
    with tempfile.TemporaryDirectory(prefix="trueline-tls-") as folder:  # made with mode 0700
        paths: Mapping[str, Path] = {name: Path(folder) / name for name in texts}
        for name, text in texts.items():
            handle = os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
        yield paths
