"""Analyzers: deferred constants that come from one pass over the data (`trueline.transform.phases`).

The table says what each takes, what type its result has, which mergeable state it reads it from, and how. Analyzers
of one column that read the same state share it: mean and variance are one state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import TransformError, did_you_mean
from trueline._core.values import DType
from trueline.transform.graph import ANALYZER_PREFIX, NodeKind, ValueType
from trueline.transform.operations import RuleError
from trueline.transform.states import State
from trueline.transform.tokens import Vocabulary

__all__ = ["ANALYZERS", "Analyzer", "Vocabulary", "analyzer"]

Attrs = Mapping[str, Any]


@dataclass(frozen=True)
class Analyzer:
    """One row of the table of analyzers.

    Attributes:
        name: the graph's name, ``analyze.*``.
        takes: input dtypes.
        result: dtype of the result; None for the input's.
        state: name of the state in `trueline.transform.states`.
        read: the result from a finished state and the node's attrs.
        kind: ``scalar`` or ``table``.
    """

    name: str
    takes: tuple[DType, ...]
    result: DType | None
    state: str
    read: Callable[[State, Attrs], Any]
    kind: NodeKind = "scalar"

    def typed(self, types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        """The result's type.

        Raises:
            RuleError: for inputs that it cannot read.
        """
        if len(types) != 1:
            raise RuleError("it takes one column")
        column = types[0]
        if column.dtype not in self.takes:
            raise RuleError(f"it takes {' or '.join(self.takes)}, not {column.dtype}")
        if column.constant or column.kind not in ("scalar", "fixed"):
            raise RuleError("it takes a scalar or vector column, no constant and no lists")
        return ValueType(self.result or column.dtype, self.kind, None, False, True)


def _vocabulary(state: State, attrs: Attrs) -> Vocabulary:
    return state.vocabulary(attrs.get("top_k"), attrs.get("frequency_threshold"))  # type: ignore[attr-defined, no-any-return]


def _field(name: str) -> Callable[[State, Attrs], Any]:
    return lambda state, attrs: getattr(state, name)


_NUMBERS: tuple[DType, ...] = ("float64", "int64")
_ANY: tuple[DType, ...] = ("float64", "int64", "bool", "utf8", "timestamp")
_ROWS = (
    Analyzer("min", _NUMBERS, None, "extremes", _field("least")),
    Analyzer("max", _NUMBERS, None, "extremes", _field("greatest")),
    Analyzer("sum", _NUMBERS, None, "total", _field("sum")),
    Analyzer("size", _ANY, "int64", "count", _field("count")),
    Analyzer("mean", ("float64",), "float64", "moments", _field("mean")),
    Analyzer("var", ("float64",), "float64", "moments", _field("variance")),
    Analyzer(
        "quantiles",
        ("float64",),
        "float64",
        "points",
        lambda state, attrs: state.quantiles(int(attrs["num_buckets"])),  # type: ignore[attr-defined]
        "table",
    ),
    Analyzer("vocabulary", ("utf8", "int64"), None, "tokens", _vocabulary, "table"),
)
ANALYZERS: dict[str, Analyzer] = {ANALYZER_PREFIX + row.name: row for row in _ROWS}
"""Every analyzer by its name in graphs."""


def analyzer(op: str) -> Analyzer:
    """The record of an ``analyze.*`` node.

    Raises:
        TransformError: naming the analyzers that exist.
    """
    record = ANALYZERS.get(op)
    if record is None:
        raise TransformError(f"there is no analyzer {op!r}", hint=did_you_mean(op, ANALYZERS))
    return record
