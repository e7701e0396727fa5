"""A column function that spaCy runs; imported by name, as from an installed package."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _pipe() -> Any:
    import spacy

    return spacy.blank("en")


def words(texts: list[str | None]) -> list[list[str] | None]:
    """Lower-case words of each text, without punctuation and numbers."""
    found: list[list[str] | None] = []
    for text in texts:
        found.append(None if text is None else [t.lower_ for t in _pipe()(text) if t.is_alpha])
    return found
