"""Columns as they come off the wire become columns of the value contract."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from trueline.data.avro_types import Node

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["contract_type", "converted"]

_DAY_MICROS = 86_400_000_000
_EXACT = Context(prec=100_000)


def contract_type(node: Node) -> pa.DataType:
    """The Arrow type that a column has in the contract."""
    import pyarrow as pa

    times = dict.fromkeys(("date", "millis", "micros", "nanos"), pa.timestamp("us"))
    plain = {
        "null": pa.null(),
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "decimal": pa.float64(),
        "bytes": pa.binary(),
        "utf8": pa.string(),
        "enum": pa.string(),
        **times,
    }
    if node.kind == "list":
        return pa.list_(contract_type(node.children[0][1]))
    if node.kind == "map":
        value = contract_type(node.children[0][1])
        return pa.list_(pa.struct([pa.field("key", pa.string()), pa.field("value", value)]))
    if node.kind == "struct":
        return pa.struct([pa.field(name, contract_type(child)) for name, child in node.children])
    return plain[node.kind]


def converted(array: pa.Array, node: Node) -> pa.Array:
    """The column in the contract's type.

    Args:
        array: of `trueline.data.avro_types.wire_type`.
        node: what it is.

    Raises:
        pa.ArrowInvalid: a value that has no form there: text that is no UTF-8, a time beyond 64 bits, a symbol's number
            that the enum does not have.
    """
    if node.kind in ("list", "map", "struct"):
        return _nested(array, node)
    if node.kind == "utf8":
        return array.cast("string")
    if node.kind == "enum":
        return _symbols(array, node)
    if node.kind == "decimal":
        return _decimals(array, node.scale)
    if node.kind in ("date", "millis", "micros", "nanos"):
        return _times(array, node.kind)
    return array


def _nested(array: pa.Array, node: Node) -> pa.Array:
    import pyarrow as pa

    missing = array.is_null()
    if node.kind == "struct":
        children = [converted(array.field(i), child) for i, (_, child) in enumerate(node.children)]
        return pa.StructArray.from_arrays(children, fields=list(contract_type(node)), mask=missing)
    child = node.children[0][1]
    if node.kind == "list":
        values = converted(array.values, child)
    else:
        pairs = [array.keys.cast("string"), converted(array.items, child)]
        values = pa.StructArray.from_arrays(pairs, fields=list(contract_type(node).value_type))
    return pa.ListArray.from_arrays(array.offsets, values, type=contract_type(node), mask=missing)


def _symbols(array: pa.Array, node: Node) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(array.drop_null()):
        return pa.nulls(len(array), pa.string())
    bounds = pc.min_max(array).as_py()
    if bounds["min"] < 0 or bounds["max"] >= len(node.symbols):
        raise pa.ArrowInvalid(f"an enum of {len(node.symbols)} symbols has none of number {bounds['max']}")
    return pa.array(node.symbols, pa.string()).take(array)


def _times(array: pa.Array, kind: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "nanos":
        # Arrow divides towards zero; times before 1970 go down to the microsecond that has begun.
        rest = pc.if_else(pc.less(array, 0), pa.scalar(999, pa.int64()), pa.scalar(0, pa.int64()))
        array = pc.divide(pc.subtract_checked(array, rest), pa.scalar(1000, pa.int64()))
    else:
        factor = {"date": _DAY_MICROS, "millis": 1000, "micros": 1}[kind]
        array = pc.multiply_checked(array, pa.scalar(factor, pa.int64()))
    return array.cast(pa.timestamp("us"))


def _decimals(array: pa.Array, scale: int) -> pa.Array:
    """The nearest float64 of each two's complement big-endian number."""
    import pyarrow as pa

    def number(raw: Any) -> float | None:
        if raw is None:
            return None
        whole = int.from_bytes(raw, "big", signed=True)
        return float(Decimal(whole).scaleb(-scale, _EXACT))

    try:
        return pa.array([number(raw) for raw in array.to_pylist()], pa.float64())
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise pa.ArrowInvalid(f"a decimal that is no number: {error}") from error
