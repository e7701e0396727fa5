"""Functions on text: white space, length, parts, what it contains. Text is counted and cut by code points."""

from __future__ import annotations

from trueline.transform.column import Column
from trueline.transform.operations.strings import quoted

__all__ = [
    "contains",
    "ends_with",
    "is_empty",
    "lstrip",
    "rstrip",
    "starts_with",
    "strip",
    "substring",
    "text_length",
]


def strip(x: Column, characters: str | None = None) -> Column:
    """The text without white space, or without the given characters, at both ends, as Python's ``str.strip``."""
    return x.tracer.op("strip", x, side="both", characters=characters)


def lstrip(x: Column, characters: str | None = None) -> Column:
    """The text without white space, or without the given characters, at its start."""
    return x.tracer.op("strip", x, side="left", characters=characters)


def rstrip(x: Column, characters: str | None = None) -> Column:
    """The text without white space, or without the given characters, at its end."""
    return x.tracer.op("strip", x, side="right", characters=characters)


def text_length(x: Column) -> Column:
    """The number of code points of each text, int64; of lists of text, element by element."""
    return x.tracer.op("text_length", x)


def is_empty(x: Column) -> Column:
    """Whether the text is ""; a missing text is missing, not empty."""
    with x.tracer.scope("is_empty"):
        return x == ""


def contains(x: Column, text: str) -> Column:
    """Whether a text stands somewhere in each text."""
    return _like(x, "contains", f"(?s:.*){quoted(text)}(?s:.*)")


def starts_with(x: Column, text: str) -> Column:
    """Whether each text begins with a text."""
    return _like(x, "starts_with", f"{quoted(text)}(?s:.*)")


def ends_with(x: Column, text: str) -> Column:
    """Whether each text ends with a text."""
    return _like(x, "ends_with", f"(?s:.*){quoted(text)}")


def _like(x: Column, name: str, pattern: str) -> Column:
    with x.tracer.scope(name):
        return x.tracer.op("matches", x, pattern=pattern)


def substring(x: Column, start: int = 0, length: int | None = None) -> Column:
    """A part of each text, in code points: Python's ``x[start:][:length]``.

    Args:
        x: text, or lists of text, element by element.
        start: where it begins, -1000 to 1000; negative: counted from the end, as far as the text goes.
        length: how long it is at most, 1 to 1000; None: to the end.
    """
    return x.tracer.op("substring", x, start=int(start), length=None if length is None else int(length))
