"""Certificates, sockets and servers of the tests of what stands between the network and the app."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)
ROW = b'{"instances":[{"fare":1.0,"company":"Flash"}]}'
PATH = "/v1/models/taxi:predict"


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "tests") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.cert = self._build(self.name, self.key, ca=True, until=NOW + 30 * DAY)

    def _build(self, subject: x509.Name, key: Any, *, ca: bool, until: datetime.datetime) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 10 * DAY)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, folder: Path, name: str, *, until: datetime.datetime = NOW + 5 * DAY) -> tuple[str, str]:
        """Paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert = self._build(subject, key, ca=False, until=until)
        folder.mkdir(exist_ok=True, parents=True)
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        return str(paths[0]), str(paths[1])

    def pem(self) -> str:
        """The authority's own certificate."""
        return self.cert.public_bytes(serialization.Encoding.PEM).decode()


def client_context(ca: str, pair: tuple[str, str] | None = None) -> ssl.SSLContext:
    """A client that trusts one authority, with its own certificate where `pair` is given."""
    context = ssl.create_default_context(cadata=ca)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def request_bytes(path: str = PATH, body: bytes = ROW, headers: str = "") -> bytes:
    """One POST."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer with a content-length, or (0, b"") where the connection ends."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return 0, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = next(int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:"))
    while len(body) < wanted:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return int(head.split()[1]), body


@contextlib.contextmanager
def connected(port: int, timeout: float = 10.0) -> Iterator[socket.socket]:
    """A connection to a server on this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        yield connection


def events_named(server: Any, name: str, count: int = 1, seconds: float = 10.0) -> list[dict[str, Any]]:
    """Waits for events of a server's log."""
    deadline = time.monotonic() + seconds
    while True:
        found = [e for e in server.events() if e["event"] == name]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.02)


class Collector(threading.Thread):
    """Runs a function in many threads and keeps what each call returned."""

    def __init__(self, function: Any) -> None:
        super().__init__(daemon=True)
        self.function = function
        self.result: Any = None
        self.start()

    def run(self) -> None:
        self.result = self.function()


def keys_file(folder: Path, *entries: dict[str, Any]) -> str:
    """A file of API keys."""
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": list(entries)}))
    return str(path)
