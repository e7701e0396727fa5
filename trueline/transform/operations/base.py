"""What an operation is: a record of a type rule, a numpy oracle, an ONNX lowering, a presence rule and a class.

Oracle and lowering both carry a value as payload, presence and, for lists, lengths. The payload of a missing value and
what stands behind the end of a list are arbitrary and must neither raise nor reach a result; outputs replace them by 0,
"" or False.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from trueline._core.values import DType
from trueline.transform.graph import ValueType

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = [
    "ALL",
    "MOST_PLACES",
    "NEVER",
    "Array",
    "Attrs",
    "Coded",
    "Operation",
    "Payload",
    "Presence",
    "Profile",
    "RuleError",
    "Value",
    "Wire",
    "both_present",
    "broadcast",
    "common",
    "expect",
    "inside",
    "per_row",
    "plain",
    "plain_onnx",
    "scalars_only",
    "select",
    "too_wide",
]

Array = npt.NDArray[Any]
Attrs = Mapping[str, Any]
Types = Sequence[ValueType]
Payload = Array | tuple[Array, Array]
"""What an oracle gives: a payload, or payload and lengths where the result is lists of a new structure."""
Profile = Literal["portable", "server", "tensorflow", "host"]
"""Where an operation runs; `trueline.transform.profiles` tells what each is."""


class RuleError(Exception):
    """A type rule refuses its inputs; the tracer adds the user's file and line."""


@dataclass(frozen=True)
class Value:
    """A value in the oracle.

    Attributes:
        data: the payload: ``[N]``, ``[N, size]``, lists padded to ``[N, K]``, or a constant.
        present: ``[N]``; None for all there.
        lengths: of lists, int64 ``[N]``; None for what is no list.
    """

    data: Array
    present: npt.NDArray[np.bool_] | None = None
    lengths: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Coded:
    """A value that was computed on distinct rows: each row of the batch is one of them.

    Attributes:
        distinct: the value in each distinct row; equal values may occur more than once.
        places: of each row of the batch its distinct row, ``[N]``.
    """

    distinct: Value
    places: Array

    def gathered(self) -> Value:
        """The value in every row of the batch."""
        value, places = self.distinct, self.places
        present = None if value.present is None else value.present[places]
        return Value(value.data[places], present, None if value.lengths is None else value.lengths[places])


@dataclass(frozen=True)
class Wire:
    """A value in the ONNX graph: tensor names of payload, presence (None: all there) and lengths (None: no lists)."""

    data: str
    present: str | None
    type: ValueType
    lengths: str | None = None


@dataclass(frozen=True)
class Presence:
    """When a result is there.

    Attributes:
        optional: whether the result may be missing, from the inputs' types.
        numpy: the mask ``[N]``, or None for all there.
        onnx: the mask's tensor name, or None.
    """

    optional: Callable[[Types, Attrs], bool]
    numpy: Callable[[Sequence[Value], Attrs], npt.NDArray[np.bool_] | None]
    onnx: Callable[[Emitter, Sequence[Wire], Attrs], str | None]


def both_present(masks: Sequence[npt.NDArray[np.bool_] | None]) -> npt.NDArray[np.bool_] | None:
    """The conjunction of masks; None counts as all there."""
    result: npt.NDArray[np.bool_] | None = None
    for mask in masks:
        if mask is not None:
            result = mask if result is None else result & mask
    return result


ALL = Presence(
    lambda types, attrs: any(t.optional for t in types),
    lambda values, attrs: both_present([v.present for v in values]),
    lambda em, wires, attrs: em.all_of([w.present for w in wires]),
)
"""The result is there where all inputs are."""
NEVER = Presence(lambda types, attrs: False, lambda values, attrs: None, lambda em, wires, attrs: None)
"""The result is never missing."""


@dataclass(frozen=True)
class Operation:
    """One row of the table of operations; TensorFlow's lowerings lie in `trueline.transform.tensorflow.table`.

    Attributes:
        name: as graphs store it.
        rule: result type from input types; raises `RuleError`. Presence and constness are filled in by `typed`.
        numpy: the oracle's payload; with its lengths where the result is lists of a new structure.
        onnx: the lowering's payload, a tensor name; with the lengths' name as above. None: there is no ONNX form
            (profile ``tensorflow``), and in bulk the oracle computes it.
        presence: when the result is there; by default where all inputs are.
        elementwise: whether a scalar beside a vector or a list stands for equal values of all its elements. Lists that
            meet element by element must be of one length: the result is missing in rows where they are not.
        kind: ``exact``: same bits in oracle and ONNX Runtime for every batch size; ``rounded``: within `ulps`.
        ulps: for ``rounded``, the largest distance in units in the last place of float64.
        profile: where it runs, see `Profile`.
        symbol: infix sign for readable expressions.
        alternatives: what to use instead where the profile does not allow it; a sentence for error messages.
    """

    name: str
    rule: Callable[[Types, Attrs], ValueType]
    numpy: Callable[[Sequence[Value], Attrs], Payload]
    onnx: Callable[[Emitter, Sequence[Wire], Attrs], str | tuple[str, str]] | None
    presence: Presence = ALL
    elementwise: bool = True
    kind: Literal["exact", "rounded"] = "exact"
    ulps: int = 0
    profile: Profile = "portable"
    symbol: str = ""
    alternatives: str = ""

    def typed(self, types: Types, attrs: Attrs) -> ValueType:
        """The whole result type.

        Raises:
            RuleError: saying what the operation takes instead.
        """
        if self.elementwise:
            _no_tables(types)
        result = self.rule(types, attrs)
        too_wide(result)
        constant = bool(types) and all(t.constant for t in types)
        optional = self.presence.optional(types, attrs) or (self.elementwise and _lists(types) > 1)
        return replace(result, optional=optional, constant=constant)


MOST_PLACES = 1 << 24
"""The longest vector: 128 MiB of doubles for each row."""


def too_wide(found: ValueType) -> None:
    """Refuses vectors that no memory holds for a batch of rows."""
    if found.kind == "fixed" and not 0 <= (found.size or 0) <= MOST_PLACES:
        raise RuleError(f"a vector of {found.size} values is too long: at most {MOST_PLACES:,} are possible in a row")


def _lists(types: Types) -> int:
    return sum(t.kind == "ragged" for t in types)


def _no_tables(types: Types) -> None:
    if any(t.kind == "table" for t in types):
        raise RuleError("a table (boundaries, vocabulary) is no number; pick one with table[i] or apply it")


def broadcast(types: Types, dtype: DType) -> ValueType:
    """The element-wise result's shape: vectors of one size, or lists; scalars stand for either."""
    sizes = {t.size for t in types if t.kind == "fixed"}
    if _lists(types):
        if sizes:
            raise RuleError("a vector and a list have no elements in common; make the list a vector with tlt.pad")
        return ValueType(dtype, "ragged")
    if len(sizes) > 1:
        raise RuleError(f"vectors of different sizes: {sorted(s or 0 for s in sizes)}")
    return ValueType(dtype, "fixed", sizes.pop()) if sizes else ValueType(dtype)


def expect(types: Types, *dtypes: DType) -> None:
    """Refuses inputs of other dtypes."""
    for t in types:
        if t.dtype not in dtypes:
            raise RuleError(f"it takes {' or '.join(dtypes)}, not {t.dtype}")


def scalars_only(types: Types) -> None:
    """Refuses vectors and lists."""
    if any(t.kind != "scalar" for t in types):
        raise RuleError("it takes scalar columns only, not vectors or lists")


def inside(data: Array, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which cells ``[N, K]`` of padded lists are elements."""
    return np.asarray(np.arange(data.shape[1])[None, :] < lengths[:, None])


def per_row(mask: npt.NDArray[np.bool_], value: Value) -> npt.NDArray[np.bool_]:
    """A row mask ``[N]`` beside a value's payload: ``[N, 1]`` for vectors and lists."""
    return mask[:, None] if value.data.ndim == 2 else mask


def common(types: Types, *dtypes: DType) -> ValueType:
    """All inputs have one of `dtypes`, the same one, which is also the result's."""
    expect(types, *dtypes)
    if len({t.dtype for t in types}) > 1:
        raise RuleError(f"its arguments have different types: {', '.join(t.dtype for t in types)}")
    return broadcast(types, types[0].dtype)


def select(condition: Array, yes: Array, no: Array) -> Array:
    """Where, as ONNX Runtime computes it: a -0.0 chosen from the first branch becomes +0.0.

    Its kernel puts 0 for what each branch does not give and then takes the first branch where that is not 0.
    """
    return np.where(condition, yes + 0.0 if yes.dtype == np.float64 else yes, no)


def plain(function: Callable[..., Array]) -> Callable[[Sequence[Value], Attrs], Array]:
    """An oracle that needs payloads alone."""
    return lambda values, attrs: function(*(v.data for v in values))


def plain_onnx(op: str, domain: str = "", **fixed: Any) -> Callable[[Emitter, Sequence[Wire], Attrs], str]:
    """A lowering that is one ONNX node over payloads."""
    return lambda em, wires, attrs: em.node(op, *(w.data for w in wires), domain=domain, **fixed)
