"""Python code that a model of the tests names."""

from __future__ import annotations


def text_length(texts: list[str | None]) -> list[int | None]:
    """The length of each text."""
    return [None if text is None else len(text) for text in texts]
