"""Minimum, maximum, sum, size, mean, variance, quantiles and vocabulary: what each takes, gives and reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline._core.values import DType
from trueline.transform.analyzers.base import Analyzer, Attrs, StateMaker, one_column
from trueline.transform.analyzers.basic_states import Count, Extremes, Moments, Points, Total
from trueline.transform.analyzers.places import Places, by_place, each
from trueline.transform.analyzers.tokens import Tokens, Vocabulary
from trueline.transform.graph import ValueType

__all__ = ["ANALYZERS", "STATES"]

_NUMBERS: tuple[DType, ...] = ("float64", "int64")
_ANY: tuple[DType, ...] = ("float64", "int64", "bool", "utf8", "timestamp")


def _quantiles_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    found = one_column("float64", kind="table")(types, attrs)
    places = int(types[0].size or 1) if not attrs.get("reduce", True) and types[0].kind == "fixed" else 1
    return ValueType(found.dtype, "table", places * (int(attrs["num_buckets"]) - 1))


def _quantiles(state: Places, attrs: Attrs) -> Any:
    return state.each(lambda item: item.quantiles(int(attrs["num_buckets"])))


def _vocabulary(state: Tokens, attrs: Attrs) -> Vocabulary:
    return state.vocabulary(attrs.get("top_k"), attrs.get("frequency_threshold"))


ANALYZERS = (
    Analyzer("min", one_column(*_NUMBERS), "extremes", each("least"), ("reduce",)),
    Analyzer("max", one_column(*_NUMBERS), "extremes", each("greatest"), ("reduce",)),
    Analyzer("sum", one_column(*_NUMBERS), "total", each("sum"), ("reduce",)),
    Analyzer("size", one_column(*_ANY, result="int64"), "count", each("count"), ("reduce",)),
    Analyzer("mean", one_column("float64"), "moments", each("mean"), ("reduce",)),
    Analyzer("var", one_column("float64"), "moments", each("variance"), ("reduce",)),
    Analyzer("quantiles", _quantiles_rule, "points", _quantiles, ("reduce",)),
    Analyzer("vocabulary", one_column("utf8", "int64", kind="table"), "tokens", _vocabulary),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {
    "count": by_place(Count),
    "extremes": by_place(Extremes),
    "total": by_place(Total),
    "moments": by_place(Moments),
    "points": by_place(Points),
    "tokens": Tokens,
}
"""The states that they read, by name."""
