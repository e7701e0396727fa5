"""Secrets that an executor read are taken out of everything that it says: its log, its errors, its findings."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["Veil", "VeiledStream", "veiled", "veiled_output"]

T = TypeVar("T")
_SHORTEST = 4
_HIDDEN = "***"


def veiled(value: T, secrets: set[str]) -> T:
    """The same value with every secret in its texts replaced; what is shorter than four letters is no secret."""
    if not secrets:
        return value
    hidden: Any = _veiled(value, sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True))
    return hidden  # type: ignore[no-any-return]


def _veiled(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, _HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {_veiled(key, secrets): _veiled(item, secrets) for key, item in value.items()}
    return [_veiled(item, secrets) for item in value] if isinstance(value, list) else value


class Veil(logging.Filter):
    """Keeps secrets out of a log; the set may grow after the filter was made."""

    def __init__(self, secrets: set[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record's text where a secret is in it."""
        if self._secrets:
            record.msg, record.args = veiled(record.getMessage(), self._secrets), ()
        return True


class VeiledStream:
    """A text stream whose lines have no secrets: each write is looked at by itself."""

    def __init__(self, stream: Any, secrets: set[str]) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        """Writes the text without secrets."""
        self._stream.write(veiled(text, self._secrets))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def veiled_output(secrets: set[str]) -> Iterator[None]:
    """Keeps secrets out of what Python code of this process prints; the set may grow meanwhile."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = VeiledStream(before[0], secrets), VeiledStream(before[1], secrets)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
