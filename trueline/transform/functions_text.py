"""Functions on text: white space, length, parts, what it contains. Text is counted and cut by code points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueline._core.values import DType
from trueline.transform.arguments import number_argument, text_argument, whole_argument
from trueline.transform.column import Column
from trueline.transform.operations.strings import quoted

__all__ = [
    "contains",
    "ends_with",
    "is_empty",
    "length",
    "lstrip",
    "map_values",
    "parse_int",
    "parse_number",
    "regex_extract",
    "regex_replace",
    "rstrip",
    "starts_with",
    "strip",
    "substring",
    "text_length",
]


def strip(x: Column, characters: str | None = None) -> Column:
    """The text without white space, or without the given characters, at both ends, as Python's ``str.strip``."""
    return _strip(x, "both", characters)


def lstrip(x: Column, characters: str | None = None) -> Column:
    """The text without white space, or without the given characters, at its start."""
    return _strip(x, "left", characters)


def rstrip(x: Column, characters: str | None = None) -> Column:
    """The text without white space, or without the given characters, at its end."""
    return _strip(x, "right", characters)


def _strip(x: Column, side: str, characters: str | None) -> Column:
    given = None if characters is None else text_argument(x, "characters", characters)
    return x.tracer.op("strip", x, side=side, characters=given)


def text_length(x: Column) -> Column:
    """The number of code points of each text, int64; of lists of text, element by element."""
    return x.tracer.op("text_length", x)


def is_empty(x: Column) -> Column:
    """Whether the text is ""; a missing text is missing, not empty."""
    with x.tracer.scope("is_empty"):
        return x == ""


def contains(x: Column, text: str) -> Column:
    """Whether a text stands somewhere in each text."""
    return _like(x, "contains", "(?s:.*)", text, "(?s:.*)")


def starts_with(x: Column, text: str) -> Column:
    """Whether each text begins with a text."""
    return _like(x, "starts_with", "", text, "(?s:.*)")


def ends_with(x: Column, text: str) -> Column:
    """Whether each text ends with a text."""
    return _like(x, "ends_with", "(?s:.*)", text, "")


def _like(x: Column, name: str, before: str, text: str, behind: str) -> Column:
    with x.tracer.scope(name):
        return x.tracer.op("matches", x, pattern=before + quoted(text_argument(x, "text", text)) + behind)


def substring(x: Column, start: int = 0, length: int | None = None) -> Column:
    """A part of each text, in code points: Python's ``x[start:][:length]``.

    Args:
        x: text, or lists of text, element by element.
        start: where it begins, -1000 to 1000; negative: counted from the end, as far as the text goes.
        length: how long it is at most, 1 to 1000; None: to the end.
    """
    most = None if length is None else whole_argument(x, "length", length)
    return x.tracer.op("substring", x, start=whole_argument(x, "start", start), length=most)


def length(x: Column) -> Column:
    """The length, int64: of a text in code points, of a list in elements."""
    with x.tracer.scope("length"):
        return x.tracer.op("list_length", x) if x.type.kind == "ragged" else text_length(x)


def parse_number(x: Column, default: float | None = None) -> Column:
    """The number that a text is (``-1.5e3``), float64.

    Args:
        x: text; vectors and lists of text only with a default.
        default: the number of a text that is none. None: it is missing.

    A number has at most 200 digits before and 200 behind the point, and at most two in its exponent. White space is no
    part of one: `strip` it.
    """
    value = None if default is None else number_argument(x, "default", default)
    return x.tracer.op("parse_number", x, default=value)


def parse_int(x: Column, default: int | None = None) -> Column:
    """The whole number that a text is, exactly, int64; what has a point or more than 64 bits is none.

    Args:
        x: text; vectors and lists of text only with a default.
        default: the number of a text that is none. None: it is missing.
    """
    value = None if default is None else whole_argument(x, "default", default)
    return x.tracer.op("parse_int", x, default=value)


def map_values(x: Column, mapping: Mapping[str, Any], default: Any = None) -> Column:
    """Texts replaced by a table's values: all of them texts, whole numbers, floats or booleans.

    Args:
        x: text, also in vectors and lists.
        mapping: from text to value.
        default: of texts that are not in the table. None: texts stay as they are, other values are missing.
    """
    values = [*mapping.values(), *([] if default is None else [default])]
    kinds = {type(v) for v in values}
    if kinds == {int, float}:
        kinds, values = {float}, [float(v) for v in values]
    if len(kinds) != 1 or not kinds <= _DTYPES.keys() or not all(type(k) is str for k in mapping):
        raise x.tracer.error(
            f"map_values from {sorted({type(k).__name__ for k in mapping})} to {sorted(k.__name__ for k in kinds)}",
            "map texts to texts, to whole numbers, to floats or to booleans.",
        )
    for value in (*mapping, *values):
        if type(value) is str:
            text_argument(x, "a text of the mapping", value)
        elif type(value) is int:
            whole_argument(x, "a value of the mapping", value)
    dtype, made = _DTYPES[kinds.pop()], values[: len(mapping)]
    last = None if default is None else values[-1]
    return x.tracer.op("map_values", x, keys=list(mapping), values=made, default=last, dtype=dtype)


_DTYPES: dict[type, DType] = {str: "utf8", int: "int64", float: "float64", bool: "bool"}


def regex_extract(x: Column, pattern: str) -> Column:
    """The first match of an RE2 pattern in each text, the longest at its place; missing where nothing matches."""
    with x.tracer.scope("regex_extract"):
        return x.tracer.op("find", x, pattern=text_argument(x, "pattern", pattern))


def regex_replace(x: Column, pattern: str, rewrite: str, *, replace_all: bool = True) -> Column:
    r"""The matches of an RE2 pattern replaced: profile ``server``, not for the browser.

    Args:
        x: text, also in vectors and lists. A text with a NUL character stays as it is.
        pattern: in RE2 ``\w``, ``\d`` and ``\s`` are ASCII.
        rewrite: ``\1`` is what the first group matched, ``\0`` the whole match, ``\\`` a backslash.
        replace_all: all matches, or the first alone.
    """
    made = {"pattern": text_argument(x, "pattern", pattern), "rewrite": text_argument(x, "rewrite", rewrite)}
    return x.tracer.op("regex_replace", x, **made, replace_all=bool(replace_all))
