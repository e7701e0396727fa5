"""Host functions of the tests: importable by name, as a user's package would be."""

from __future__ import annotations

from typing import Any


def text_length(values: list[str | None]) -> list[int | None]:
    return [None if v is None else len(v) for v in values]


def plus(values: list[int | None], *, amount: int) -> list[int | None]:
    return [None if v is None else v + amount for v in values]


def wrong_type(values: list[Any]) -> list[str]:
    return ["text"] * len(values)


def described(values: list[Any]) -> list[str]:
    """Each value with its Python type."""
    return [f"{type(v).__name__} {v}" for v in values]
