"""Spans of a query: words in it that stand for one day's bounds, since no query can be asked for the newest span.

``@span_begin_timestamp`` and ``@span_end_timestamp`` are seconds since 1970-01-01 UTC, the end excluded;
``@span_yyyymmdd_utc`` is the day as quoted text, such as ``'20180114'``. A span is a day, counted from 1970-01-01.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from trueline._core.errors import ConfigError
from trueline.data.spans import StaticRange
from trueline.data.spans_pattern import day_of_span

__all__ = ["has_span_words", "queries_of_spans", "query_of_span"]

_DAY_SECONDS = 86_400
_WORDS: Mapping[str, Callable[[int], str]] = {
    "@span_begin_timestamp": lambda span: str(span * _DAY_SECONDS),
    "@span_end_timestamp": lambda span: str((span + 1) * _DAY_SECONDS),
    "@span_yyyymmdd_utc": lambda span: f"'{day_of_span(span):%Y%m%d}'",
}
_ANY = re.compile("|".join(_WORDS) + r"|@span_\w*")


def has_span_words(query: str) -> bool:
    """Whether the query asks for a span.

    Raises:
        ConfigError: a word that begins with ``@span_`` and is none of them.
    """
    found = set(_ANY.findall(query))
    unknown = sorted(found - _WORDS.keys())
    if unknown:
        raise ConfigError(f"the query has {', '.join(unknown)}", hint=f"there is: {', '.join(_WORDS)}.")
    return bool(found)


def query_of_span(query: str, span: int) -> str:
    """The query for one span.

    >>> query_of_span("select * from t where day = @span_yyyymmdd_utc", 1)
    "select * from t where day = '19700102'"
    """
    return _ANY.sub(lambda word: _WORDS[word[0]](span), query) if has_span_words(query) else query


def queries_of_spans(query: str, spans: StaticRange | None) -> dict[int | None, str]:
    """The query of each span, ascending; the query itself under None when it asks for no span.

    Raises:
        ConfigError: a query that asks for a span without a range, or a range for one that does not.
    """
    asks = has_span_words(query)
    if asks and spans is None:
        raise ConfigError(
            "the query asks for a span, and no range says which",
            hint="give a StaticRange: the newest span cannot be found by a query.",
        )
    if spans is None:
        return {None: query}
    if not asks:
        raise ConfigError("a range of spans is given, and the query asks for none", hint=f"use {', '.join(_WORDS)}.")
    return {span: query_of_span(query, span) for span in range(spans.start, spans.end + 1)}
