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
    return [None if t is None else [w.lower_ for w in _pipe()(t) if w.is_alpha] for t in texts]
