"""JSON Web Tokens (RFC 7519) checked against a file of keys (JWKS, RFC 7517), with PyJWT where it is asked for.

A key's kind decides the algorithm, never the token: ``oct`` is HS256, ``RSA`` RS256, ``EC`` on P-256 ES256. So a token
cannot name ``none``, and a public key is never taken for a shared secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError

__all__ = ["TokenVerifier"]

_ALGORITHMS = {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}
_SHORTEST_SECRET = 32
_SHORTEST_RSA = 2048
_MAX_LEEWAY = 60


class TokenVerifier:
    """Checks tokens.

    Args:
        jwks_file: the keys.
        audience: whom a token must be for.
        issuer: who must have made it.
        leeway: seconds by which clocks may differ.

    Raises:
        ConfigError: a file that is no JWKS, kinds of keys that are not known, no audience or issuer.
        ModuleNotFoundError: PyJWT is not installed (extra ``serving-auth``).
    """

    def __init__(self, jwks_file: str, audience: str, issuer: str, leeway: float = 10.0) -> None:
        problems = []
        if not audience:
            problems.append("no audience: a token for another service would be taken")
        if not issuer:
            problems.append("no issuer")
        if not 0 <= leeway <= _MAX_LEEWAY:
            problems.append(f"leeway: expected 0 to {_MAX_LEEWAY} seconds")
        if problems:
            raise ConfigError("the settings of tokens are not complete", problems=problems)
        self._audience, self._issuer, self._leeway = audience, issuer, leeway
        self._keys = _read_jwks(jwks_file)

    def verify(self, token: str) -> tuple[str, Mapping[str, Any]]:
        """Why a token is refused, or "" and its claims."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return "malformed", {}
        kid = header.get("kid")
        candidates = [k for k in self._keys if k[0] == kid] if kid is not None else list(self._keys)
        if len(candidates) != 1:
            return "it names no key that is known", {}
        _, algorithm, key = candidates[0]
        if header.get("alg") != algorithm:
            return "its algorithm is not the key's", {}
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            return _reason(error), {}
        return "", claims


def _reason(error: Exception) -> str:
    import jwt

    table: tuple[tuple[type[Exception], str], ...] = (
        (jwt.ExpiredSignatureError, "expired"),
        (jwt.ImmatureSignatureError, "not valid yet"),
        (jwt.InvalidIssuedAtError, "issued in the future"),
        (jwt.InvalidAudienceError, "for another audience"),
        (jwt.InvalidIssuerError, "from another issuer"),
        (jwt.InvalidSignatureError, "its signature is wrong"),
    )
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no {error.claim}"
    return next((text for kind, text in table if isinstance(error, kind)), "malformed")


def _read_jwks(path: str) -> list[tuple[str | None, str, Any]]:
    """(key id, algorithm, key) of each key."""
    try:
        keys = json.loads(Path(path).read_text(encoding="utf-8"))["keys"]
    except OSError as error:
        raise ConfigError(f"the file of keys for tokens cannot be read: {error.strerror}", where=path) from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError('expected a JSON Web Key Set: {"keys": [...]}', where=path) from None
    if not isinstance(keys, list) or not keys:
        raise ConfigError("the JSON Web Key Set holds no keys", where=path)
    found, problems = [], []
    for i, key in enumerate(keys):
        made = _key(key)
        if isinstance(made, str):
            problems.append(f"key {i}: {made}")
        else:
            found.append(made)
    names = [kid for kid, _, _ in found]
    if len(set(names)) != len(names):
        problems.append("two keys share an id ('kid'), or several have none")
    if problems:
        raise ConfigError("keys for tokens are wrong", where=path, problems=problems)
    return found


def _key(entry: Any) -> tuple[str | None, str, Any] | str:
    import jwt

    if not isinstance(entry, dict) or entry.get("kty") not in _ALGORITHMS:
        return f"'kty' is one of {', '.join(_ALGORITHMS)}"
    algorithm = _ALGORITHMS[entry["kty"]]
    if entry.get("alg", algorithm) != algorithm:
        return f"a key of kind {entry['kty']} is used with {algorithm} alone"
    if entry["kty"] == "EC" and entry.get("crv") != "P-256":
        return "an EC key is on the curve P-256"
    try:
        key = jwt.PyJWK({**entry, "alg": algorithm}).key
    except Exception as error:  # PyJWT's own errors and those of the parts that it reads
        return f"it does not parse ({type(error).__name__})"
    if entry["kty"] == "oct" and len(key) < _SHORTEST_SECRET:
        return f"a shared secret has at least {_SHORTEST_SECRET} bytes"
    if entry["kty"] == "RSA" and key.key_size < _SHORTEST_RSA:
        return f"an RSA key has at least {_SHORTEST_RSA} bits"
    kid = entry.get("kid")
    return (kid if isinstance(kid, str) else None), algorithm, key
