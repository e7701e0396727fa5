"""Statistics by key: tables of keys, counts, extremes, means, variances and boundaries that stand beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from trueline._core.values import DType
from trueline.transform.analyzers.base import Analyzer, Attrs, Rule, StateMaker
from trueline.transform.analyzers.keyed_points import KeyedPoints, separated
from trueline.transform.analyzers.keyed_states import KeyedCounts, KeyedExtremes, KeyedMoments, KeyedRows
from trueline.transform.analyzers.vocabulary_order import Vocabulary
from trueline.transform.graph import ValueType
from trueline.transform.operations import RuleError

__all__ = ["ANALYZERS", "STATES"]


def _key(key: ValueType) -> DType:
    if key.constant or key.dtype not in ("utf8", "int64"):
        raise RuleError(f"its key must be a column of utf8 or int64, not {key.dtype}")
    return key.dtype


def _keyed(result: DType | Literal["key", "value"], *takes: DType, inputs: int = 2) -> Rule:
    """The rule of an analyzer of values and their keys, whose result has the key's type, the value's or a given one."""

    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != inputs:
            raise RuleError("it takes a column and its key" + (" and weights" if inputs == 3 else ""))
        x, key = types[:2]
        if x.dtype not in takes:
            raise RuleError(f"it takes {' or '.join(takes)}, not {x.dtype}")
        key_type = _key(key)
        if not attrs.get("reduce", True) and (x.kind != "fixed" or key.kind != "scalar"):
            raise RuleError("elementwise needs vectors and one key a row; lists become vectors with tlt.pad")
        for other in types[1:]:
            if other.kind != "scalar" and (other.kind, other.size) != (x.kind, x.size):
                raise RuleError("there must be one key (and weight) a row, or one for each value")
        own: dict[str, DType] = {"key": key_type, "value": x.dtype}
        return ValueType(own[result] if result in own else cast(DType, result), "table")

    return rule


def _count_rule(result: DType | None) -> Rule:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != 1:
            raise RuleError("it takes one column of keys")
        return ValueType(result or _key(types[0]), "table")

    return rule


def _keys(state: KeyedRows, attrs: Attrs) -> list[Any] | Vocabulary:
    """The keys; with the attribute ``name`` as a vocabulary of that name."""
    return state.vocabulary() if attrs.get("name") else state.ordered_keys()


def _field(name: str) -> Callable[[KeyedRows, Attrs], list[Any]]:
    return lambda state, attrs: state.ordered(getattr(state, name))


def _quantiles(state: KeyedPoints, attrs: Attrs) -> list[list[float]]:
    found: list[list[float]] = state.quantiles(int(attrs["num_buckets"])).tolist()
    return found


def _boundaries(state: KeyedPoints, attrs: Attrs) -> list[list[float]]:
    found: list[list[float]] = separated(state.quantiles(int(attrs["num_buckets"]))).tolist()
    return found


def _of_points(prefix: str, inputs: int) -> tuple[Analyzer, ...]:
    keys, numbers = _keyed("key", "float64", inputs=inputs), _keyed("float64", "float64", inputs=inputs)
    return (
        Analyzer(f"{prefix}_keys", keys, "keyed_points", _keys),
        Analyzer(f"{prefix}_quantiles", numbers, "keyed_points", _quantiles),
        Analyzer(f"{prefix}_boundaries", numbers, "keyed_points", _boundaries),
    )


ANALYZERS = (
    Analyzer("key_count_keys", _count_rule(None), "keyed_counts", _keys),
    Analyzer("key_count", _count_rule("int64"), "keyed_counts", _field("count")),
    Analyzer("key_extremes_keys", _keyed("key", "float64", "int64"), "keyed_extremes", _keys, ("reduce",)),
    Analyzer("key_min", _keyed("value", "float64", "int64"), "keyed_extremes", _field("least"), ("reduce",)),
    Analyzer("key_max", _keyed("value", "float64", "int64"), "keyed_extremes", _field("greatest"), ("reduce",)),
    Analyzer("key_moments_keys", _keyed("key", "float64"), "keyed_moments", _keys, ("reduce",)),
    Analyzer("key_mean", _keyed("float64", "float64"), "keyed_moments", _field("mean"), ("reduce",)),
    Analyzer("key_var", _keyed("float64", "float64"), "keyed_moments", _field("variance"), ("reduce",)),
    *_of_points("key_points", 2),
    *_of_points("weighted_key_points", 3),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {
    "keyed_counts": KeyedCounts,
    "keyed_extremes": KeyedExtremes,
    "keyed_moments": KeyedMoments,
    "keyed_points": KeyedPoints,
}
"""The states that they read, by name."""
