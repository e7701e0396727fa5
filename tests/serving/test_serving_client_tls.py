"""TLS of the clients: servers are always checked, clients show their certificate where they have one."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from serving_client_helpers import ROW, Acting, answer, asked, send

from trueline._core.errors import ConfigError
from trueline.serving import ClientTls, RequestError
from trueline.serving.errors import Code


def certificate(folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None):
    """A certificate in `folder`, signed by an issuer or by itself; (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("models.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names if name == "server" else [x509.DNSName(name)]), False)
    )
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    return made, key


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = certificate(folder, "authority")
    for name in ("server", "client"):
        certificate(folder, name, authority)
    return folder


def server_context(files: Path, *, mutual: bool) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(files / "server.pem", files / "server.key")
    if mutual:
        made.load_verify_locations(files / "authority.pem")
        made.verify_mode = ssl.CERT_REQUIRED
    return made


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("mutual", [False, True])
def test_who_is_trusted_and_who_is_not(kind, mutual, files):
    ca, own = str(files / "authority.pem"), {}
    if mutual:
        own = {"certificate": str(files / "client.pem"), "key": str(files / "client.key")}
    with Acting(*[send(answer(), keep=True)] * 3, tls=server_context(files, mutual=mutual)) as server:
        assert asked(kind, server.url, [ROW, ROW], tls=ClientTls(ca, **own)).version == 3
        assert server.connections == 1
        named = ClientTls(ca, **own, server_name="models.example")
        assert asked(kind, server.url, [ROW], tls=named).version == 3
        wrong = [ClientTls(), ClientTls(ca, **own, server_name="other.example"), *([ClientTls(ca)] if mutual else [])]
        for tls in wrong:
            before = server.connections
            with pytest.raises(RequestError) as caught:
                asked(kind, server.url, [ROW], tls=tls)
            assert caught.value.code is Code.UNAVAILABLE
            # A server that was found wrong stays so; that it refuses the client may look like a cut connection.
            assert server.connections == before + 1 or (mutual and tls == wrong[-1])
        assert len(server.requests) == 3


def test_files_that_are_no_certificates_are_named(files, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    for tls in (
        ClientTls(str(tmp_path / "empty.pem")),
        ClientTls(str(tmp_path / "absent.pem")),
        ClientTls(certificate=str(files / "client.pem"), key=str(files / "server.key")),
    ):
        with pytest.raises(ConfigError, match="pem"):
            asked("sync", "https://127.0.0.1:1", [ROW], tls=tls)


def test_the_real_server_with_mutual_tls_and_an_api_key(files, base, start_server, tmp_path):
    keys = tmp_path / "keys.json"
    digest = hashlib.sha256(b"right").hexdigest()
    keys.write_text(json.dumps({"keys": [{"name": "ci", "sha256": digest, "scopes": ["predict:taxi"]}]}))
    paths = {name: str(files / f"{name}.pem") for name in ("server", "authority", "client")}
    server = start_server(base, "--tls-cert", paths["server"], "--tls-key", str(files / "server.key"),
                          "--tls-client-ca", paths["authority"], "--api-keys-file", str(keys))  # fmt: skip
    url = server.url.replace("http://", "https://")
    tls = ClientTls(paths["authority"], paths["client"], str(files / "client.key"))
    for kind in ("sync", "async"):
        assert asked(kind, url, [ROW], tls=tls, api_key="right").version == 1
        assert asked(kind, url, [ROW], tls=tls, bearer="right").version == 1
        with pytest.raises(RequestError) as caught:
            asked(kind, url, [ROW], tls=tls, api_key="wrong")
        assert caught.value.code is Code.UNAUTHENTICATED
        with pytest.raises(RequestError) as caught:
            asked(kind, url, [ROW], tls=ClientTls(paths["authority"]), api_key="right")
        assert caught.value.code is Code.UNAVAILABLE
