"""Keys, tokens and permissions by model: who is let in, what a refusal says, and that secrets show up nowhere."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from front_helpers import PATH, ROW, events_named, keys_file
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_helpers import Process, running

from trueline._core.errors import ConfigError
from trueline.serving import ServingApp, create_app
from trueline.serving.auth import ApiKey, Auth, read_keys
from trueline.serving.errors import Code, RequestError
from trueline.serving.front import Front

ALL, TAXI, READER, OLD = (
    "key-for-all-0123456789",
    "key-for-taxi-0123456789",
    "key-for-reading-0123",
    "key-that-ended-0123",
)


def entry(name: str, key: str, *scopes: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": list(scopes), **more}


@pytest.fixture
def keys(tmp_path: Path) -> str:
    return keys_file(
        tmp_path,
        entry("boss", ALL, "predict:*", "admin"),
        entry("taxi client", TAXI, "predict:taxi"),
        entry("watcher", READER, "read:*"),
        entry("gone", OLD, "predict:*", expires=time.time() - 5),
    )


@asynccontextmanager
async def guarded(base: Path, front: Front) -> AsyncIterator[tuple[ServingApp, httpx.AsyncClient]]:
    async with running({"taxi": base, "other": base}) as (app, client):
        front.install(app)
        yield app, client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_scopes_decide_by_model_and_the_health_pages_stay_open(base: Path, keys: str) -> None:
    async def main() -> None:
        async with guarded(base, Front(api_keys_file=keys)) as (app, client):
            other = PATH.replace("taxi", "other")
            cases = [
                (PATH, bearer(TAXI), 200),
                (PATH, {"x-api-key": TAXI}, 200),
                (PATH, {"Authorization": f"bearer {TAXI}"}, 200),
                (other, bearer(TAXI), 403),
                (other, bearer(ALL), 200),
                (PATH, bearer(READER), 403),
                (PATH, bearer(OLD), 401),
                (PATH, bearer(TAXI + "x"), 401),
                (PATH, bearer(TAXI[:-1]), 401),
                (PATH, {"authorization": f"Basic {TAXI}"}, 401),
                (PATH, {"authorization": "Bearer "}, 401),
                (PATH, {"x-api-key": "\xe9".encode("latin-1").decode("latin-1") * 20000}, 401),
                (PATH, {}, 401),
                ("/v1/models/%74axi:predict", bearer(TAXI), 200),
                ("/V1/MODELS/other:predict", bearer(TAXI), 403),
                ("/v1/models/not-there:predict", bearer(TAXI), 403),
                ("/v1/models/not-there:predict", bearer(ALL), 404),
                ("/v2/models/taxi/infer", {}, 401),
                ("/v2/models/other/infer", bearer(TAXI), 403),
            ]
            for path, headers, status in cases:
                encoded = {k: v.encode("latin-1") for k, v in headers.items()}
                answer = await client.post(path, content=ROW, headers=encoded)
                assert answer.status_code == status, (path, headers, answer.text)
                assert not any(key in answer.text for key in (ALL, TAXI, READER, OLD))
            for path, key, status in (
                ("/v1/models/other", READER, 200),
                ("/v1/models/other/metadata", READER, 200),
                ("/v1/models/other", TAXI, 403),
                ("/v1/models/taxi", TAXI, 200),
                ("/v2/models/other", TAXI, 403),
            ):
                assert (await client.get(path, headers=bearer(key))).status_code == status, path
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await client.get(path)).status_code == 200
            assert (await client.get("/v2")).status_code == 401
            text = (await client.get("/metrics")).text + (await client.get("/readyz")).text
            assert not any(key in text for key in (ALL, TAXI, READER, OLD))
            assert app.service.permit is not None

    asyncio.run(main())


def test_metrics_may_be_closed_too_and_who_slips_past_the_door_is_stopped_at_the_model(base: Path, keys: str) -> None:
    async def main() -> None:
        async with guarded(base, Front(api_keys_file=keys, protect_metrics=True)) as (app, client):
            assert (await client.get("/metrics")).status_code == 401
            assert (await client.get("/metrics", headers=bearer(READER))).status_code == 200
            assert (await client.get("/healthz")).status_code == 200
            app.doors.clear()
            post = client.post(PATH, content=ROW, headers=bearer(ALL))
            answer = await asyncio.create_task(post, context=contextvars.Context())
            assert answer.status_code == 401

    asyncio.run(main())


@settings(deadline=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_a_key_lets_in_itself_alone(key: str, shown: str) -> None:
    auth = Auth(
        [ApiKey("k", hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest(), frozenset({"predict:*"}))]
    )
    error = auth.check([(b"x-api-key", shown.encode("utf-8"))], "m", "predict")
    assert (error is None) == (shown.strip() == key)


def test_what_is_wrong_with_keys_is_told_at_once_and_without_them(tmp_path: Path) -> None:
    path = keys_file(
        tmp_path,
        {"name": "a", "key": "plain-secret-in-a-file", "scopes": []},
        {"name": "", "sha256": "zz", "scopes": "predict:taxi"},
        {"name": "c", "sha256": "0" * 64, "scopes": ["x"], "expires": True, "extra": 1},
        "no object",
    )
    with pytest.raises(ConfigError) as caught:
        read_keys(path, {})
    text = str(caught.value)
    assert "plain-secret" not in text
    for part in ("key 0", "key 1: 'name'", "key 1: 'scopes'", "key 1: 'sha256'", "key 2: 'expires'", "key 3"):
        assert part in text
    with pytest.raises(ConfigError, match="share a name"):
        read_keys(keys_file(tmp_path, entry("a", "1"), entry("a", "2")), {})
    variable = json.dumps({"keys": [{"name": "ci", "key": "from-the-environment", "scopes": ["predict:taxi"]}]})
    found = read_keys(None, {"TRUELINE_API_KEYS": variable})
    assert Auth(found).check({"x-api-key": "from-the-environment"}, "taxi", "predict") is None
    assert "from-the-environment" not in repr(found)
    for wrong in ("", "[]", '{"keys": []}', "{"):
        with pytest.raises(ConfigError):
            read_keys(None, {"TRUELINE_API_KEYS": wrong})
    with pytest.raises(ConfigError, match="no keys that sign"):
        Front(jwt_audience="x")._auth()


def jwks(folder: Path) -> tuple[str, dict[str, Any]]:
    """A key of each kind: the file, and the private ones by kind."""
    jwt = pytest.importorskip("jwt")
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    private = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}
    secret = b"0123456789abcdef0123456789abcdef"
    entries = [
        {**json.loads(RSAAlgorithm.to_jwk(private["RS256"].public_key())), "kid": "RS256"},
        {**json.loads(ECAlgorithm.to_jwk(private["ES256"].public_key())), "kid": "ES256"},
        {"kty": "oct", "k": jwt.utils.base64url_encode(secret).decode(), "kid": "HS256"},
    ]
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": entries}))
    return str(path), {**private, "HS256": secret}


def claims(**changes: Any) -> dict[str, Any]:
    made = {"sub": "ann", "aud": "taxis", "iss": "https://login", "exp": time.time() + 60, "scope": "predict:taxi x"}
    return {k: v for k, v in (made | changes).items() if v is not None}


def test_tokens_are_taken_and_refused_with_the_reason_alone(tmp_path: Path) -> None:
    jwt = pytest.importorskip("jwt")
    path, private = jwks(tmp_path)
    auth = Front(jwks_file=path, jwt_audience="taxis", jwt_issuer="https://login")._read_auth()

    def ask(token: str, model: str = "taxi") -> RequestError | None:
        return auth.check({"authorization": f"Bearer {token}"}, model, "predict")

    def token(kind: str = "RS256", kid: str | None = None, **changes: Any) -> str:
        made: str = jwt.encode(claims(**changes), private[kind], kind, headers={"kid": kid or kind})
        return made

    for kind in ("RS256", "ES256", "HS256"):
        assert ask(token(kind)) is None
        assert ask(token(kind, scope=None, scopes=["predict:taxi"])) is None
        denied = ask(token(kind), "other")
        assert denied is not None
        assert denied.code is Code.PERMISSION_DENIED
        for changes, reason in (
            ({"exp": time.time() - 60}, "expired"),
            ({"exp": None}, "it has no exp"),
            ({"nbf": time.time() + 60}, "not valid yet"),
            ({"aud": "others"}, "for another audience"),
            ({"aud": None}, "it has no aud"),
            ({"iss": "https://evil"}, "from another issuer"),
            ({"iss": None}, "it has no iss"),
        ):
            refused = ask(token(kind, **changes))
            assert refused is not None
            assert refused.code is Code.UNAUTHENTICATED
            assert refused.message == f"token refused: {reason}"
    whole = token()
    attacks = {
        jwt.encode(claims(), None, "none", headers={"kid": "RS256"}): "its algorithm is not the key's",
        jwt.encode(claims(), b"x" * 40, "HS256", headers={"kid": "RS256"}): "its algorithm is not the key's",
        jwt.encode(claims(), b"x" * 40, "HS256", headers={"kid": "HS256"}): "its signature is wrong",
        jwt.encode(claims(), private["RS256"], "RS256", headers={"kid": "nobody"}): "it names no key that is known",
        jwt.encode(claims(), private["RS256"], "RS256"): "it names no key that is known",
        whole[:-8] + "AAAAAAAA": "its signature is wrong",
        "a.b.c": "malformed",
        whole.replace(".", ".x", 1): "its signature is wrong",
    }
    for attack, reason in attacks.items():
        refused = ask(attack)
        assert refused is not None, attack
        assert refused.message in (f"token refused: {reason}", "token refused: malformed"), (attack, refused.message)
        assert attack not in str(refused)


def test_an_extra_that_is_not_there_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{"kty": "oct", "k": "A" * 60}]}))
    with pytest.raises(ConfigError) as caught:
        Front(jwks_file=str(path), jwt_audience="a", jwt_issuer="b").install(create_app({"taxi": str(tmp_path)}))
    assert "trueline[serving-auth]" in str(caught.value)


def test_weak_or_odd_keys_for_tokens_are_not_taken(tmp_path: Path) -> None:
    pytest.importorskip("jwt")
    path = tmp_path / "jwks.json"
    for entries, part in (
        ([{"kty": "oct", "k": "c2hvcnQ", "kid": "1"}], "at least 32 bytes"),
        ([{"kty": "oct", "k": "A" * 60, "kid": "1", "alg": "none"}], "HS256 alone"),
        ([{"kty": "OKP", "kid": "1"}], "'kty' is one of"),
        ([{"kty": "RSA", "n": "x", "e": "AQAB"}], "key 0"),
        ([{"kty": "oct", "k": "A" * 60}, {"kty": "oct", "k": "B" * 60}], "share an id"),
        ([], "no keys"),
    ):
        path.write_text(json.dumps({"keys": entries}))
        with pytest.raises(ConfigError, match=part):
            Front(jwks_file=str(path), jwt_audience="a", jwt_issuer="b")._read_auth()
    with pytest.raises(ConfigError) as caught:
        Front(jwks_file=str(path))._read_auth()
    assert len(caught.value.problems) == 2


def test_grpc_asks_for_the_same_keys_and_no_secret_is_in_log_or_events(
    base: Path, keys: str, tmp_path: Path, start_server: Callable[..., Process]
) -> None:
    log = tmp_path / "access.jsonl"
    server = start_server(
        base, "--api-keys-file", keys, "--grpc-port", "0", "--admin-port", "0", "--access-log", str(log)
    )  # fmt: skip
    facts = events_named(server, "listening")[0]
    told: list[str] = []
    with grpc.insecure_channel(f"127.0.0.1:{facts['grpc_port']}") as channel:

        def ask(method: str, body: bytes, *metadata: tuple[str, str]) -> grpc.StatusCode:
            try:
                channel.unary_unary(method)(body, timeout=5, metadata=metadata)
            except grpc.RpcError as error:
                told.append(error.details())
                code: grpc.StatusCode = error.code()
                return code
            return grpc.StatusCode.OK

        spec = b"\x0a\x06\x0a\x04taxi"  # model_spec { name: "taxi" }
        status, metadata = "GetModelStatus", "/tensorflow.serving.PredictionService/GetModelMetadata"
        status = f"/tensorflow.serving.ModelService/{status}"
        wanted = spec + b"\x12\x0dsignature_def"
        assert ask("/grpc.health.v1.Health/Check", b"") is grpc.StatusCode.OK
        assert ask(status, spec) is grpc.StatusCode.UNAUTHENTICATED
        assert ask(status, spec, ("x-api-key", TAXI)) is grpc.StatusCode.OK
        assert ask(metadata, wanted, ("authorization", f"Bearer {TAXI}")) is grpc.StatusCode.OK
        assert ask(metadata, wanted, ("authorization", f"Bearer {OLD}")) is grpc.StatusCode.UNAUTHENTICATED
        assert ask(metadata, wanted.replace(b"taxi", b"cars"), ("x-api-key", TAXI)) is grpc.StatusCode.PERMISSION_DENIED
        reload = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
        assert ask(reload, b"", ("x-api-key", TAXI)) is grpc.StatusCode.PERMISSION_DENIED
    assert httpx.post(server.url + PATH, content=ROW, headers=bearer(TAXI)).status_code == 200
    assert httpx.post(server.url + PATH + "?key=" + TAXI, content=ROW).status_code == 401
    admin = f"http://127.0.0.1:{facts['admin_port']}/admin/config"
    assert httpx.get(admin, headers=bearer(TAXI)).status_code == 403
    shown = httpx.get(admin, headers=bearer(ALL))
    assert shown.status_code == 200
    assert server.stop() == 0
    text = " ".join(told) + server.log.read_text() + log.read_text() + shown.text
    assert '"caller": "taxi client"' in text
    digests = [hashlib.sha256(key.encode()).hexdigest() for key in (ALL, TAXI, READER, OLD)]
    assert not any(secret in text for secret in (ALL, TAXI, READER, OLD, *digests))
