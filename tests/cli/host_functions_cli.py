"""A host step in a module of its own, as users keep theirs."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["text_length"]


def text_length(values: Sequence[str | None]) -> list[int | None]:
    """Characters of each text."""
    return [None if value is None else len(value) for value in values]
