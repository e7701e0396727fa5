"""What an analyzer is: a deferred constant, read from a mergeable state that one pass over the data fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy.typing as npt

from trueline._core.values import DType
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.graph import NodeKind, ValueType
from trueline.transform.operations import RuleError

__all__ = ["Analyzer", "Array", "Attrs", "Parts", "Rule", "State", "StateMaker", "one_column", "result_type"]

Array = npt.NDArray[Any]
Attrs = Mapping[str, Any]
Parts = tuple[dict[str, Any], dict[str, Any]]
"""A JSON header and arrays (numpy or Arrow) by name."""
Rule = Callable[[Sequence[ValueType], Attrs], ValueType]


class State(Protocol):
    """What the fused pass asks of a state.

    It is made by ``maker(types, params)``: the types of its inputs (a constant input carries its value in ``literal``)
    and its JSON parameters. `merge` takes in the state of later blocks: exact for counts, extremes and tokens, to
    rounding for float sums; always in one fixed tree, so that the bits do not depend on who worked where.
    """

    def update(self, inputs: Inputs) -> None:
        """Takes in a block: the inputs that are no constants, in order."""
        ...

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""
        ...

    def parts(self) -> Parts:
        """The state as header and arrays."""
        ...

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Takes on the state that `parts` gave."""
        ...


StateMaker = Callable[[Sequence[ValueType], Attrs], Any]
"""Makes an empty `State`."""


@dataclass(frozen=True)
class Analyzer:
    """One row of the table of analyzers.

    Attributes:
        name: the graph's name without its prefix ``analyze.``.
        rule: the result's dtype, kind and size from the inputs' types; raises `RuleError`.
        state: name of the state in `trueline.transform.analyzers.STATES`.
        read: the result from a finished state and the node's attrs: a number, a text, a (nested) list, a `Vocabulary`.
        params: attrs that the state itself needs. Analyzers of equal inputs, state and params share one state; all
            other attrs matter to `read` alone.
        rows: whether the state asks for `Inputs.row_ids`.
    """

    name: str
    rule: Rule
    state: str
    read: Callable[[Any, Attrs], Any]
    params: tuple[str, ...] = ()
    rows: bool = False

    def typed(self, types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        """The result's type: always a constant, never missing.

        Raises:
            RuleError: for inputs that it cannot read.
        """
        if types[0].constant:
            raise RuleError("it takes a column, no constant")
        found = self.rule(types, attrs)
        return ValueType(found.dtype, found.kind, found.size, False, True)

    def state_params(self, attrs: Attrs) -> dict[str, Any]:
        """The parameters of the state."""
        return {name: attrs[name] for name in self.params if attrs.get(name) is not None}


def one_column(*takes: DType, result: DType | None = None, kind: NodeKind = "scalar") -> Rule:
    """The rule of an analyzer of one column: `takes` its dtypes, gives `result` (by default the input's dtype).

    With ``reduce=False`` among the attrs, a vector of results for a vector column.
    """

    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if len(types) != 1:
            raise RuleError("it takes one column")
        if types[0].dtype not in takes:
            raise RuleError(f"it takes {' or '.join(takes)}, not {types[0].dtype}")
        return result_type(types[0], result or types[0].dtype, kind, attrs)

    return rule


def result_type(x: ValueType, dtype: DType, kind: NodeKind, attrs: Attrs) -> ValueType:
    """The type of a result about a column: one for all of it, or with ``reduce=False`` one for each place of a vector.

    Raises:
        RuleError: for lists, whose places have no meaning of their own.
    """
    if attrs.get("reduce", True) or x.kind == "scalar":
        return ValueType(dtype, kind)
    if x.kind == "ragged":
        raise RuleError("lists have no fixed places: elementwise and reduce_instance_dims=False need vectors (tlt.pad)")
    if kind == "scalar":
        return ValueType(dtype, "fixed", x.size)
    return ValueType(dtype, kind)
