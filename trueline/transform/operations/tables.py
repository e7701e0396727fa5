"""Operations with a table that is known after analysis (vocabulary, boundaries), and changes of shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.emitter import ML_DOMAIN, numpy_constant
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    NEVER,
    Array,
    Attrs,
    Operation,
    RuleError,
    Value,
    Wire,
    expect,
)
from trueline.transform.operations.murmur import murmur3_32
from trueline.transform.operations.text import hash_tensor

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_INT32 = 6
"""ONNX's number of the element type int32."""


def _like(t: ValueType, dtype: str) -> ValueType:
    if t.kind == "table":
        raise RuleError("it takes scalar, vector and list columns")
    return ValueType(dtype, t.kind, t.size)  # type: ignore[arg-type]  # dtype is one of DType


def _table_of(t: ValueType, *dtypes: str) -> None:
    if t.kind != "table" or t.dtype not in dtypes:
        raise RuleError(
            f"its second argument must be a table of {' or '.join(dtypes)}, as an analyzer or a list gives it"
        )


def _vocabulary_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types[:1], "utf8", "int64")
    _table_of(types[1], types[0].dtype)
    if int(attrs["oov"]) < 0:
        raise RuleError(f"num_oov_buckets must not be negative, it is {attrs['oov']}")
    return _like(types[0], "int64")


def _np_vocabulary(values: Sequence[Value], attrs: Attrs) -> Array:
    x, tokens = values[0].data, values[1].data.tolist()
    ids = {token: i for i, token in enumerate(tokens)}
    oov, default = int(attrs["oov"]), int(attrs["default"])
    out = np.empty(x.size, dtype=np.int64)
    for i, token in enumerate(x.ravel().tolist()):
        known = ids.get(token)
        if known is None:
            known = len(tokens) + murmur3_32(str(token)) % oov if oov else default
        out[i] = known
    return out.reshape(x.shape)


def _onnx_vocabulary(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, dtype = wires[0].data, wires[0].type.dtype
    tokens, oov, default = wires[1].type.literal, int(attrs["oov"]), int(attrs["default"])
    unknown = -1 if oov else default
    if tokens:
        keys = {"keys_strings": list(tokens)} if dtype == "utf8" else {"keys_int64s": list(tokens)}
        values = list(range(len(tokens)))
        found = em.node("LabelEncoder", x, domain=ML_DOMAIN, values_int64s=values, default_int64=unknown, **keys)
    else:
        found = _filled(em, x, unknown)
    if not oov:
        return found
    texts = x if dtype == "utf8" else em.cast(x, "utf8")
    bucket = em.node("Add", hash_tensor(em, texts, oov), em.constant(len(tokens), "int64"))
    return em.node("Where", em.node("Less", found, em.constant(0, "int64")), bucket, found)


def _filled(em: Emitter, like: str, value: int) -> str:
    """An int64 tensor of another tensor's shape."""
    return em.node("Expand", em.constant(value, "int64"), em.node("Shape", like))


def _buckets_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types[:1], "float64")
    _table_of(types[1], "float64")
    return _like(types[0], "int64")


def _np_buckets(values: Sequence[Value], attrs: Attrs) -> Array:
    x, boundaries = values[0].data, values[1].data
    out = np.searchsorted(boundaries, x, side="right")
    return np.where(np.isnan(x), len(boundaries), out).astype(np.int64)


def _onnx_buckets(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """Unrolled branchless binary search: the number of boundaries that are not above x, so NaN comes last.

    The boundaries, filled up with infinities to 2**steps - 1, are a search tree with one table for each level. A level
    adds the bit "x is below" to a position that counts from the right: in NaN's way every comparison fails.
    """
    x, boundaries = wires[0].data, list(wires[1].type.literal)
    if not boundaries:
        return _filled(em, x, 0)
    steps = len(boundaries).bit_length()
    descending = (boundaries + [float("inf")] * (2**steps - 1 - len(boundaries)))[::-1]
    position = ""
    for level in range(steps):
        width = 2 ** (steps - level)  # leaves below a node of this level
        table = descending[width // 2 - 1 :: width]
        probe = em.constant(table, "float64") if level else em.constant(table[0], "float64")
        if level:
            probe = em.node("Gather", probe, position)
        below = em.node("Cast", em.node("Less", x, probe), to=_INT32)
        position = em.node("Add", em.node("Add", position, position), below) if level else below
    from_right = em.cast(position, "int64")
    found = em.node("Sub", em.constant(2**steps - 1, "int64"), from_right)
    return em.node("Min", found, em.constant(len(boundaries), "int64"))


def _one_hot_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "int64")
    if types[0].kind != "scalar" or types[0].constant:
        raise RuleError("it takes a scalar column")
    if int(attrs["depth"]) < 1:
        raise RuleError(f"depth must be at least 1, it is {attrs['depth']}")
    return ValueType("float64", "fixed", int(attrs["depth"]))


def _np_one_hot(values: Sequence[Value], attrs: Attrs) -> Array:
    hot = values[0].data[:, None] == np.arange(int(attrs["depth"]))
    return np.asarray(hot, dtype=np.float64)


def _onnx_one_hot(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    # not OneHot: there -1 (out of vocabulary) would wrap to the last class
    classes = em.array(np.arange(int(attrs["depth"]), dtype=np.int64))
    return em.cast(em.node("Equal", em.column(wires[0].data), classes), "float64")


def _concat_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, attrs.get("dtype", "float64"))
    for t in types:
        if t.kind not in ("scalar", "fixed") or t.constant:
            raise RuleError("it takes scalar and vector columns, no lists and no constants")
    return ValueType(types[0].dtype, "fixed", sum(t.size or 1 for t in types))


def _np_concat(values: Sequence[Value], attrs: Attrs) -> Array:
    return np.concatenate([v.data if v.data.ndim == 2 else v.data[:, None] for v in values], axis=1)


def _onnx_concat(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    parts = [w.data if w.type.kind == "fixed" else em.column(w.data) for w in wires]
    return em.node("Concat", *parts, axis=1)


def _element_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if types[0].kind not in ("table", "fixed"):
        raise RuleError("only vectors, lists and tables have elements")
    size = types[0].size
    if int(attrs["index"]) < 0 or (size is not None and int(attrs["index"]) >= size):
        raise RuleError(f"there is no element {attrs['index']}" + (f" in a vector of {size}" if size else ""))
    return ValueType(types[0].dtype)


def _np_element(values: Sequence[Value], attrs: Attrs) -> Array:
    data = values[0].data
    return np.asarray(data[..., int(attrs["index"])])


def _onnx_element(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return em.node("Gather", wires[0].data, em.constant(int(attrs["index"]), "int64"), axis=-1)


def _repeat_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    value, like = types
    if not value.constant or like.constant or like.kind == "table":
        raise RuleError("it takes a constant, and a column whose rows it stands in")
    if value.kind == "scalar":
        return ValueType(value.dtype)
    if value.size is None or value.dtype not in ("float64", "int64"):
        raise RuleError("only numbers, and tables of numbers whose size is known, can stand in every row")
    return ValueType(value.dtype, "fixed", value.size)


def _np_repeat(values: Sequence[Value], attrs: Attrs) -> Array:
    constant = values[0].data.ravel() if values[0].data.ndim else values[0].data
    return np.broadcast_to(constant, (len(values[1].data), *constant.shape)).copy()


def _onnx_repeat(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    value, rows = wires[0], em.rows(wires[1].data)
    if value.type.kind == "scalar":
        return em.node("Expand", em.constant(value.type.literal, value.type.dtype), rows)
    flat = numpy_constant(value.type.literal, value.type.dtype).ravel()
    return em.node("Expand", em.array(flat), em.node("Concat", rows, em.ints(flat.size), axis=0))


OPERATIONS = (
    Operation("apply_vocabulary", _vocabulary_rule, _np_vocabulary, _onnx_vocabulary, elementwise=False),
    Operation("apply_buckets", _buckets_rule, _np_buckets, _onnx_buckets, elementwise=False),
    Operation("one_hot", _one_hot_rule, _np_one_hot, _onnx_one_hot, elementwise=False),
    Operation("concat", _concat_rule, _np_concat, _onnx_concat, elementwise=False),
    Operation("element", _element_rule, _np_element, _onnx_element, elementwise=False),
    Operation("repeat", _repeat_rule, _np_repeat, _onnx_repeat, NEVER, elementwise=False),
)
"""Rows of the table of operations."""
