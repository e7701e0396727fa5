"""Minimum, maximum, sum, size, mean, variance and quantiles: what each takes, gives and reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline._core.values import DType
from trueline.transform.analyzers.base import Analyzer, Attrs, StateMaker, one_column
from trueline.transform.analyzers.basic_states import Count, Extremes, Moments, Points, Total
from trueline.transform.analyzers.places import Places, by_place, each
from trueline.transform.graph import ValueType

__all__ = ["ANALYZERS", "STATES", "quantiles_rule", "read_quantiles"]

_NUMBERS: tuple[DType, ...] = ("float64", "int64")
_ORDERED: tuple[DType, ...] = (*_NUMBERS, "timestamp")
_ANY: tuple[DType, ...] = ("float64", "int64", "bool", "utf8", "timestamp")


def quantiles_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    found = one_column("float64", kind="table")(types, attrs)
    places = int(types[0].size or 1) if not attrs.get("reduce", True) and types[0].kind == "fixed" else 1
    return ValueType(found.dtype, "table", places * (int(attrs["num_buckets"]) - 1))


def read_quantiles(state: Places, attrs: Attrs) -> Any:
    return state.each(lambda item: item.quantiles(int(attrs["num_buckets"])))


def _percentile(state: Places, attrs: Attrs) -> Any:
    return state.each(lambda item: item.percentile(float(attrs["q"]), float(attrs["empty"])))


ANALYZERS = (
    Analyzer("min", one_column(*_ORDERED), "extremes", each("least"), ("reduce",)),
    Analyzer("max", one_column(*_ORDERED), "extremes", each("greatest"), ("reduce",)),
    Analyzer("sum", one_column(*_NUMBERS), "total", each("sum"), ("reduce",)),
    Analyzer("size", one_column(*_ANY, result="int64"), "count", each("count"), ("reduce",)),
    Analyzer("mean", one_column("float64"), "moments", each("mean"), ("reduce",)),
    Analyzer("var", one_column("float64"), "moments", each("variance"), ("reduce",)),
    Analyzer("quantiles", quantiles_rule, "points", read_quantiles, ("reduce", "cap")),
    Analyzer("percentile", one_column("float64"), "points", _percentile, ("reduce", "cap")),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {
    "count": by_place(Count),
    "extremes": by_place(Extremes),
    "total": by_place(Total),
    "moments": by_place(Moments),
    "points": by_place(Points),
}
"""The states that they read, by name."""
