"""Column functions that a host step runs; imported by name, as from an installed package."""

from __future__ import annotations

__all__ = ["letters"]


def letters(texts: list[str | None]) -> list[int | None]:
    """Length of each text."""
    return [None if t is None else len(t) for t in texts]
