"""Who may ask what: API keys and JSON Web Tokens, with permissions by model. Off unless it is configured.

A caller shows ``authorization: Bearer <key or token>`` or ``x-api-key: <key>``. Its scopes say what it may do:
``predict:<model>`` (any inference, and reading what the model is), ``read:<model>`` (status and metadata), ``admin``;
``*`` stands for every model. Keys are kept as SHA-256 alone and compared in constant time. No message says more than
why a token was refused, and none repeats what was shown.
"""

from __future__ import annotations

import contextvars
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError
from trueline.serving.errors import Code, RequestError
from trueline.serving.jwt_tokens import TokenVerifier

__all__ = ["KEYS_VARIABLE", "ApiKey", "Auth", "Caller", "Headers", "read_keys"]

KEYS_VARIABLE = "TRUELINE_API_KEYS"
Headers = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
_READING = frozenset({"metadata", "status"})
_MAX_SECRET = 16 * 1024
_DIGEST_DIGITS = 64


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the key, or the subject of the token; fit for a log.
        scopes: what it may do.
    """

    name: str
    scopes: frozenset[str]

    def may(self, verb: str, model: str | None) -> bool:
        """Whether a scope allows it; ``predict`` allows ``read`` too."""
        if model is None:
            return verb in self.scopes
        verbs = ("predict", "read") if verb == "read" else (verb,)
        return any(f"{v}:{m}" in self.scopes for v in verbs for m in (model, "*"))


@dataclass(frozen=True)
class ApiKey:
    """One key.

    Attributes:
        name: whose it is, for logs.
        digest: SHA-256 of the key.
        scopes: what it may do.
        expires: seconds since 1970 at which it ends, or None.
    """

    name: str
    digest: bytes = field(repr=False)
    scopes: frozenset[str]
    expires: float | None = None


class Auth:
    """Checks callers.

    Args:
        keys: the keys that are known.
        tokens: what checks JSON Web Tokens, or None.
    """

    def __init__(self, keys: Sequence[ApiKey] = (), tokens: TokenVerifier | None = None) -> None:
        self.keys = tuple(keys)
        self.tokens = tokens
        self._caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("trueline-caller", default=None)

    def replace(self, other: Auth) -> None:
        """Takes over the keys of another one: after a file changed."""
        self.keys, self.tokens = other.keys, other.tokens

    @property
    def caller(self) -> Caller | None:
        """Who was identified in this context."""
        return self._caller.get()

    def identify(self, headers: Headers) -> Caller:
        """The caller that the headers (or gRPC's metadata) show, kept for `permit` in this context.

        Raises:
            RequestError: UNAUTHENTICATED.
        """
        self._caller.set(None)
        caller = self._known(_shown(headers))
        self._caller.set(caller)
        return caller

    def permit(self, model: str | None, api: str) -> None:
        """Lets the caller of this context do something to a model, or to the server where `model` is None.

        Raises:
            RequestError: UNAUTHENTICATED where nobody was identified, PERMISSION_DENIED.
        """
        caller = self._caller.get()
        if caller is None:
            raise _unauthenticated("no key or token was shown")
        verb = api if model is None else "read" if api in _READING else "predict"
        if not caller.may(verb, model):
            scope = verb if model is None else f"{verb}:{model}"
            raise RequestError(Code.PERMISSION_DENIED, f"this key or token does not allow {scope}")

    def check(self, headers: Headers, model: str | None, api: str) -> RequestError | None:
        """`identify` and `permit` at once; the error, or None where all is well."""
        try:
            self.identify(headers)
            self.permit(model, api)
        except RequestError as error:
            return error
        return None

    def _known(self, secret: str) -> Caller:
        given = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self.keys:  # all of them: the time tells nothing of where a key stands
            if hmac.compare_digest(given, key.digest):
                found = key
        if found is not None:
            if found.expires is not None and found.expires <= time.time():
                raise _unauthenticated("key refused: expired")
            return Caller(found.name, found.scopes)
        if self.tokens is not None and secret.count(".") == 2:
            reason, claims = self.tokens.verify(secret)
            if reason:
                raise _unauthenticated(f"token refused: {reason}")
            return Caller(str(claims.get("sub", "token"))[:128], _scopes_of(claims))
        raise _unauthenticated("key refused: unknown")


def _shown(headers: Headers) -> str:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for name, value in pairs:
        name = name.decode("latin-1").lower() if isinstance(name, bytes) else name.lower()
        if name not in ("authorization", "x-api-key"):
            continue
        text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
        if len(text) > _MAX_SECRET:
            raise _unauthenticated("key or token refused: too long")
        if name == "x-api-key":
            return text.strip()
        kind, _, secret = text.strip().partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise _unauthenticated("authorization refused: only Bearer is known")
        return secret.strip()
    raise _unauthenticated("no key or token was shown")


def _scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    given = claims.get("scope", claims.get("scopes", ()))
    if isinstance(given, str):
        return frozenset(given.split())
    return frozenset(s for s in given if isinstance(s, str)) if isinstance(given, list) else frozenset()


def _unauthenticated(message: str) -> RequestError:
    hint = "send 'authorization: Bearer <key or token>' or 'x-api-key: <key>'."
    return RequestError(Code.UNAUTHENTICATED, message, hint=hint)


def read_keys(path: str | None, environment: Mapping[str, str] = os.environ) -> list[ApiKey]:
    """The keys of a file and of the variable `KEYS_VARIABLE`, which hold the same JSON.

    ``{"keys": [{"name": "ci", "sha256": "<64 hexadecimal digits>", "scopes": ["predict:taxi"]}]}``, with ``"expires"``
    in seconds since 1970 where a key ends; the variable may have ``"key"``, the key itself, instead of ``"sha256"``.

    Raises:
        ConfigError: a file that cannot be read, entries that are wrong: all of them, without what they hold.
    """
    keys: list[ApiKey] = []
    if path is not None:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the file of API keys cannot be read: {type(error).__name__}", where=path) from None
        keys += _parsed(text, path, plain=False)
    if KEYS_VARIABLE in environment:
        keys += _parsed(environment[KEYS_VARIABLE], f"the variable {KEYS_VARIABLE}", plain=True)
    names = [k.name for k in keys]
    if len(set(names)) != len(names):
        raise ConfigError("two API keys share a name", problems=sorted({n for n in names if names.count(n) > 1}))
    return keys


def _parsed(text: str, where: str, *, plain: bool) -> list[ApiKey]:
    try:
        entries = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError('expected {"keys": [{"name", "sha256", "scopes"}, ...]}', where=where) from None
    if not isinstance(entries, list) or not entries:
        raise ConfigError('"keys" is a list of at least one key', where=where)
    keys, problems = [], []
    for i, entry in enumerate(entries):
        key, wrong = _key(entry, plain)
        problems += [f"key {i}: {w}" for w in wrong]
        if key is not None:
            keys.append(key)
    if problems:
        raise ConfigError("API keys are wrong", where=where, problems=problems)
    return keys


def _key(entry: Any, plain: bool) -> tuple[ApiKey | None, list[str]]:
    if not isinstance(entry, dict):
        return None, ["expected an object"]
    known = {"name", "sha256", "scopes", "expires"} | ({"key"} if plain else set())
    wrong = [f"unknown field {name!r}" for name in entry if name not in known]
    if "key" in entry and not plain:
        wrong = ["a file holds no keys but their SHA-256: give 'sha256'"]
    name, scopes, expires = entry.get("name"), entry.get("scopes"), entry.get("expires")
    if not isinstance(name, str) or not name:
        wrong.append("'name' is a text")
    if not isinstance(scopes, list) or not all(isinstance(s, str) and s for s in scopes):
        wrong.append("'scopes' is a list of texts such as 'predict:taxi'")
    if expires is not None and (isinstance(expires, bool) or not isinstance(expires, int | float)):
        wrong.append("'expires' is a number of seconds since 1970")
    digest = _digest(entry, plain)
    if digest is None:
        wrong.append("'sha256' has 64 hexadecimal digits")
    if wrong or digest is None:
        return None, wrong
    return ApiKey(str(name), digest, frozenset(scopes or ()), expires), []


def _digest(entry: Mapping[str, Any], plain: bool) -> bytes | None:
    if plain and isinstance(entry.get("key"), str) and entry["key"] and "sha256" not in entry:
        return hashlib.sha256(entry["key"].encode()).digest()
    text = entry.get("sha256")
    if not isinstance(text, str) or len(text) != _DIGEST_DIGITS:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
