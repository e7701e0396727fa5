"""TLS and mutual TLS over real sockets: who is let in, what noise does, and certificates that change under way."""

from __future__ import annotations

import json
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
from front_helpers import DAY, NOW, PATH, ROW, Authority, client_context, connected, events_named, read_answer
from serving_helpers import Process

from trueline._core.errors import ConfigError
from trueline.serving.tls import Tls, TlsConfig

Start = Callable[..., Process]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def pem_of(path: str) -> str:
    return json.dumps(Path(path).read_text())


def handshake(port: int, context: ssl.SSLContext, name: str | None = "localhost") -> bytes:
    """The certificate that the server shows."""
    if name is None:
        context.check_hostname = False
    with connected(port) as plain, context.wrap_socket(plain, server_hostname=name) as wrapped:
        wrapped.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert read_answer(wrapped)[0] == 200
        return wrapped.getpeercert(binary_form=True) or b""


def health_by_grpc(server: Process, authority: Authority, pair: tuple[str, str] | None) -> bytes:
    """gRPC's health service over mutual TLS: the message ``SERVING``."""
    files = [Path(p).read_bytes() for p in pair] if pair is not None else [None, None]
    credentials = grpc.ssl_channel_credentials(authority.pem().encode(), files[1], files[0])
    port = events_named(server, "listening")[0]["grpc_port"]
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        answer: bytes = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=3)
        return answer


def test_rest_over_tls_survives_noise_and_takes_new_certificates(
    base: Path, tmp_path: Path, start_server: Start, authority: Authority
) -> None:
    cert, key = authority.issue(tmp_path / "tls", "localhost")
    server = start_server(base, "--tls-cert", cert, "--tls-key", key, "--read-seconds", "1")
    trusted = client_context(authority.pem())
    with httpx.Client(verify=trusted, base_url=f"https://localhost:{server.port}") as kept:
        assert kept.post(PATH, content=ROW).status_code == 200
        with connected(server.port) as plain:  # HTTP to the port of TLS is closed, not answered
            plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b"200" not in plain.recv(1000)
        for noise in (b"\x16\x03\x01\x00\xff" + b"\x41" * 300, b"\x00" * 100, b"\x16\x03\x01\xff\xff", b"\x80"):
            with connected(server.port, 3) as plain:
                plain.sendall(noise)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(1000):
                    pass
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            handshake(server.port, old)
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server.port, client_context(Authority("other").pem()))
        first = handshake(server.port, trusted)

        fresh_cert, fresh_key = authority.issue(tmp_path / "fresh", "localhost")
        Path(cert).write_text("no certificate")
        server.popen.send_signal(signal.SIGHUP)
        failed = events_named(server, "reload_failed")[0]
        assert "TLS" in failed["problems"][0]
        assert "PRIVATE" not in server.log.read_text()
        assert handshake(server.port, trusted) == first
        Path(key).write_text(Path(fresh_key).read_text())
        Path(cert).write_text(Path(fresh_cert).read_text())
        server.popen.send_signal(signal.SIGHUP)
        events_named(server, "reloaded")
        assert handshake(server.port, trusted) != first
        assert handshake(server.port, client_context(authority.pem()), name=None) != first
        assert kept.post(PATH, content=ROW).status_code == 200  # the connection that stood
    assert server.stop() == 0


def test_mutual_tls_lets_in_who_was_signed_and_is_not_expired(
    base: Path, tmp_path: Path, start_server: Start, authority: Authority
) -> None:
    cert, key = authority.issue(tmp_path, "localhost")
    good, expired = authority.issue(tmp_path, "good"), authority.issue(tmp_path, "old", until=NOW - DAY)
    stranger = Authority("stranger").issue(tmp_path, "unknown")
    config = tmp_path / "ssl.pbtxt"
    config.write_text(
        f"server_key: {pem_of(key)}\nserver_cert: {pem_of(cert)}\n"
        f"custom_ca: {json.dumps(authority.pem())}\nclient_verify: true\n"
    )
    server = start_server(base, "--ssl-config-file", str(config), "--grpc-port", "0")
    assert handshake(server.port, client_context(authority.pem(), good))
    for pair in (None, expired, stranger):
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            handshake(server.port, client_context(authority.pem(), pair))
    assert handshake(server.port, client_context(authority.pem(), good))
    assert health_by_grpc(server, authority, good) == b"\x08\x01"
    for pair in (None, stranger):
        with pytest.raises(grpc.RpcError):
            health_by_grpc(server, authority, pair)
    # another authority takes the place of the first: who was let in is not any more
    other = Authority("next")
    config.write_text(
        f"server_key: {pem_of(key)}\nserver_cert: {pem_of(cert)}\n"
        f"custom_ca: {json.dumps(other.pem())}\nclient_verify: true\n"
    )
    server.popen.send_signal(signal.SIGHUP)
    events_named(server, "reloaded")
    assert handshake(server.port, client_context(authority.pem(), other.issue(tmp_path, "newcomer")))
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        handshake(server.port, client_context(authority.pem(), good))


def test_settings_that_do_not_go_together_are_told_without_what_they_hold(tmp_path: Path, authority: Authority) -> None:
    cert, key = authority.issue(tmp_path, "localhost")
    _, other_key = authority.issue(tmp_path, "other")
    secret = Path(key).read_text()
    with pytest.raises(ConfigError) as caught:
        TlsConfig("", "", client_verify=True)
    assert len(caught.value.problems) == 3
    broken = tmp_path / "broken.pbtxt"
    broken.write_text(f"server_key: {json.dumps(secret)} server_kay: {json.dumps(secret)}")
    for wrong in (
        lambda: Tls.of(cert, other_key),
        lambda: Tls.of(cert),
        lambda: Tls.of(cert, key, ssl_config="x"),
        lambda: Tls.of(str(tmp_path / "absent"), key),
        lambda: Tls.of(key, key),
        lambda: Tls.of(ssl_config=str(broken)),
        lambda: Tls.of(cert, key, key),
    ):
        with pytest.raises(ConfigError) as caught:
            wrong()
        assert secret.splitlines()[1] not in str(caught.value)
    assert Tls.of() is None
    assert secret.splitlines()[1] not in repr(TlsConfig.from_files(cert, key))
