"""The table of TensorFlow lowerings, by operation."""

from __future__ import annotations

from trueline.transform.tensorflow import (
    arithmetic,
    buckets,
    distinct,
    documents,
    gaussian,
    images,
    lists,
    logic,
    lookups,
    maths,
    parse_times,
    parsing,
    reductions,
    sorting,
    strings,
    tables,
    text,
    times,
    tokens,
    unicode_case,
    vectors,
)
from trueline.transform.tensorflow.base import Lowering, PresenceRule

__all__ = ["PRESENCE", "TENSORFLOW"]

_TOPICS = (
    *(arithmetic, logic, text, tables, lists, lookups, gaussian, distinct, sorting, reductions, strings, tokens, times),
    *(parse_times, parsing, buckets, images, vectors, maths, documents, unicode_case),
)
TENSORFLOW: dict[str, Lowering] = {name: made for topic in _TOPICS for name, made in topic.LOWERINGS.items()}
"""The lowering of every operation that has one."""
PRESENCE: dict[str, PresenceRule] = {name: rule for topic in _TOPICS for name, rule in topic.PRESENCE.items()}
"""When a result is there, for operations whose results are not there exactly where all inputs are."""
