"""Comparison, boolean algebra, selection, missing values and casts.

A comparison or boolean operation with a missing side is missing. ``where`` is missing where its condition is, or where
the chosen branch is. ``fill_missing`` and ``is_missing`` are the two operations that look at presence itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    ALL,
    NEVER,
    Array,
    Attrs,
    Operation,
    Presence,
    RuleError,
    Value,
    Wire,
    both_present,
    broadcast,
    common,
    expect,
    per_row,
    plain,
    plain_onnx,
    scalars_only,
    select,
)

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_INT_LOW, _INT_HIGH = -9223372036854775808.0, 9223372036854775808.0
Rule = Callable[[Sequence[ValueType], Attrs], ValueType]
CAST_TO: dict[str, tuple[str, ...]] = {
    "float64": ("float64", "int64", "bool"),
    "int64": ("int64", "float64", "bool", "timestamp"),
    "bool": ("bool", "int64", "float64"),
    "utf8": ("utf8", "int64", "bool"),
    "timestamp": ("timestamp", "int64"),
}
"""To which type a cast leads, and from where. Float to text is missing: ONNX Runtime keeps 8 digits of a double."""


def _compare(*dtypes: Any) -> Rule:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        common(types, *dtypes)
        return broadcast(types, "bool")

    return rule


_ordered = _compare("float64", "int64", "timestamp")
_any = _compare("float64", "int64", "timestamp", "bool", "utf8")
_bools = _compare("bool")


def _onnx_not_equal(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return em.node("Not", em.node("Equal", wires[0].data, wires[1].data))


def _same(compare: Callable[[Array, Array], Array]) -> Any:
    def oracle(a: Array, b: Array) -> Array:
        return np.asarray(compare(a, b)).astype(np.bool_)

    return plain(oracle)


def _where_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types[:1], "bool")
    result = common(types[1:], "float64", "int64", "bool", "utf8", "timestamp")
    if types[0].kind != "scalar" and not any(t.kind == types[0].kind for t in types[1:]):
        raise RuleError("a condition on vectors or lists chooses between vectors or lists")
    return broadcast(types, result.dtype)


def _where_optional(types: Sequence[ValueType], attrs: Attrs) -> bool:
    return any(t.optional for t in types)


def _wider(yes: Wire, no: Wire) -> str | None:
    """The tensor `yes` where it is wider than `no`: a vector beside a scalar, a column beside a constant."""
    vector = yes.type.kind in ("fixed", "ragged") and no.type.kind == "scalar"
    return yes.data if vector or (no.type.constant and not yes.type.constant) else None


def _onnx_where(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    condition, yes, no = wires
    narrow = condition.type.constant or (yes.type.kind != "scalar" and condition.type.kind == "scalar")
    like = _wider(yes, no) if narrow else None
    return em.where(condition.data, yes.data, no.data, yes.type.dtype, like=like)


def _where_present(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    condition, yes, no = values
    if yes.present is None and no.present is None:
        return condition.present
    if condition.data.ndim == 2 or any(v.lengths is not None for v in values):
        return both_present([v.present for v in values])
    true = np.bool_(True)
    chosen = np.where(
        condition.data,
        true if yes.present is None else yes.present,
        true if no.present is None else no.present,
    )
    return both_present([condition.present, chosen])


def _where_present_onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    condition, yes, no = wires
    if yes.present is None and no.present is None:
        return condition.present
    if condition.type.kind != "scalar" or any(w.lengths is not None for w in wires):
        return em.all_of([w.present for w in wires])
    true = em.constant(True, "bool")
    chosen = em.where_bool(condition.data, yes.present or true, no.present or true)
    return em.all_of([condition.present, chosen])


WHERE = Presence(_where_optional, _where_present, _where_present_onnx)
"""Missing where the condition is, or where the chosen branch is; with a condition on elements, and where lists are
chosen from, where any of the three is: the length of a missing list is not known."""


def _fill_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if any(t.kind == "ragged" for t in types):
        raise RuleError("a missing list can be filled with an empty one only: tlt.fill_missing(x, [])")
    x, filling = types
    if x.kind == "scalar" and filling.kind == "fixed":
        raise RuleError("a scalar column cannot be filled with a vector; make it a vector first with tlt.concat([x])")
    if x.constant and not filling.constant:
        raise RuleError("a constant is never missing")
    return common(types, "float64", "int64", "bool", "utf8", "timestamp")


def _np_fill(values: Sequence[Value], attrs: Attrs) -> Array:
    x, other = values
    return x.data if x.present is None else select(per_row(x.present, x), x.data, other.data)


def _onnx_fill(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, other = wires
    if x.present is None:
        return x.data
    mask = em.column(x.present) if x.type.kind == "fixed" else x.present
    like = _wider(x, other) if x.type.kind == "fixed" else None
    return em.where(mask, x.data, other.data, x.type.dtype, like=like)


def _fill_present_onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    x, other = wires
    if x.present is None or other.present is None:
        return None
    return em.node("Or", x.present, other.present)


FILLED = Presence(
    lambda types, attrs: all(t.optional for t in types),
    lambda values, attrs: (
        None if values[0].present is None or values[1].present is None else values[0].present | values[1].present
    ),
    _fill_present_onnx,
)
"""There where the column or its filling is."""


def _missing_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return ValueType("bool")


def _np_missing(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0]
    return np.zeros(x.data.shape[:1], np.bool_) if x.present is None else ~x.present


def _onnx_missing(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x = wires[0]
    if x.present is not None:
        return em.node("Not", x.present)
    rows = em.node("Shape", x.data, start=0, end=1)
    return em.node("Expand", em.constant(False, "bool"), rows)


def _cast_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    to, source = attrs["to"], types[0].dtype
    if to not in CAST_TO:
        raise RuleError(f"there is no cast to {to!r}; targets: {', '.join(CAST_TO)}")
    if source not in CAST_TO[to]:
        if to == "utf8" and source == "float64":
            raise RuleError("float64 has no exact text form in ONNX Runtime; round it and cast it to int64 first")
        hint = "; use tlt.parse_number" if source == "utf8" else ""
        raise RuleError(f"{source} cannot be cast to {to} (that takes {', '.join(CAST_TO[to])}){hint}")
    if source == "float64" and to == "int64":
        scalars_only(types)
    return broadcast(types, to)


def _in_range(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    x = values[0]
    if attrs["to"] == "int64" and x.data.dtype == np.float64:
        return both_present([x.present, (x.data >= _INT_LOW) & (x.data < _INT_HIGH)])
    return x.present


def _in_range_onnx(em: Emitter, x: str) -> str:
    above = em.node("GreaterOrEqual", x, em.constant(_INT_LOW, "float64"))
    return em.node("And", above, em.node("Less", x, em.constant(_INT_HIGH, "float64")))


def _cast_present_onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    x = wires[0]
    if attrs["to"] == "int64" and x.type.dtype == "float64":
        return em.all_of([x.present, _in_range_onnx(em, x.data)])
    return x.present


IN_RANGE = Presence(
    lambda types, attrs: types[0].optional or (types[0].dtype == "float64" and attrs["to"] == "int64"),
    _in_range,
    _cast_present_onnx,
)
"""Missing where a float has no integer: NaN, infinities, beyond 64 bits."""


def _np_cast(values: Sequence[Value], attrs: Attrs) -> Array:
    x, to = values[0].data, attrs["to"]
    if to == "utf8":
        if x.dtype == object:
            return x
        texts = [("true" if v else "false") if isinstance(v, bool) else str(v) for v in x.ravel().tolist()]
        return np.array(texts, dtype=object).reshape(x.shape)
    if to == "int64" and x.dtype == np.float64:
        return np.where((x >= _INT_LOW) & (x < _INT_HIGH), x, 0.0).astype(np.int64)
    numpy_type = {"float64": np.float64, "int64": np.int64, "timestamp": np.int64, "bool": np.bool_}[to]
    return np.asarray(x.astype(numpy_type))


def _onnx_cast(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, to, source = wires[0].data, attrs["to"], wires[0].type.dtype
    if to == source or {to, source} == {"int64", "timestamp"}:
        return x
    if to == "utf8" and source == "bool":
        return em.node("Where", x, em.constant("true", "utf8"), em.constant("false", "utf8"))
    if to == "int64" and source == "float64":
        x = em.node("Where", _in_range_onnx(em, x), x, em.constant(0.0, "float64"))
    return em.cast(x, to)


def _nan_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "float64")
    return broadcast(types, "bool")


OPERATIONS = (
    Operation("equal", _any, _same(np.equal), plain_onnx("Equal"), symbol="=="),
    Operation("not_equal", _any, _same(np.not_equal), _onnx_not_equal, symbol="!="),
    Operation("less", _ordered, _same(np.less), plain_onnx("Less"), symbol="<"),
    Operation("less_equal", _ordered, _same(np.less_equal), plain_onnx("LessOrEqual"), symbol="<="),
    Operation("greater", _ordered, _same(np.greater), plain_onnx("Greater"), symbol=">"),
    Operation("greater_equal", _ordered, _same(np.greater_equal), plain_onnx("GreaterOrEqual"), symbol=">="),
    Operation("and", _bools, plain(np.logical_and), plain_onnx("And"), symbol="&"),
    Operation("or", _bools, plain(np.logical_or), plain_onnx("Or"), symbol="|"),
    Operation("xor", _bools, plain(np.logical_xor), plain_onnx("Xor"), symbol="^"),
    Operation("not", _bools, plain(np.logical_not), plain_onnx("Not")),
    Operation(
        "where",
        _where_rule,
        plain(select),
        _onnx_where,
        WHERE,
    ),
    Operation("fill_missing", _fill_rule, _np_fill, _onnx_fill, FILLED),
    Operation("is_missing", _missing_rule, _np_missing, _onnx_missing, NEVER, elementwise=False),
    Operation("is_nan", _nan_rule, plain(np.isnan), plain_onnx("IsNaN"), ALL),
    Operation("cast", _cast_rule, _np_cast, _onnx_cast, IN_RANGE),
)
"""Rows of the table of operations."""
