"""Text: joining, hashing, full regular-expression match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.transform.emitter import MS_DOMAIN
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    ALL,
    Array,
    Attrs,
    Operation,
    RuleError,
    Value,
    Wire,
    broadcast,
    common,
    expect,
)
from trueline.transform.operations.murmur import murmur3_32

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "changed_case", "hash_tensor"]


def _text(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return common(types, "utf8")


def _map_text(function: Callable[[str], Any], x: Array, numpy_type: Any) -> Array:
    out = np.empty(x.size, dtype=numpy_type)
    for i, text in enumerate(x.ravel().tolist()):
        out[i] = function(text)
    return out.reshape(x.shape)


def changed_case(em: Emitter, x: str, action: str, locale: str) -> str:
    """Texts of any shape through StringNormalizer, which takes [C] alone."""
    flat = em.node("Reshape", x, em.ints(-1))
    # It refuses an empty vector: one padding text stands behind the column and is cut off again.
    padded = em.node("Concat", flat, em.constant([""], "utf8"), axis=0)
    changed = em.node("StringNormalizer", padded, case_change_action=action, locale=locale)
    cut = em.node("Slice", changed, em.ints(0), em.ints(-1), em.ints(0))
    return em.node("Reshape", cut, em.node("Shape", x), allowzero=1)


def _np_join(values: Sequence[Value], attrs: Attrs) -> Array:
    arrays = np.broadcast_arrays(*(v.data for v in values))
    out = np.empty(arrays[0].size, dtype=object)
    for i, parts in enumerate(zip(*(a.ravel().tolist() for a in arrays), strict=True)):
        out[i] = attrs["separator"].join(parts)
    return out.reshape(arrays[0].shape)


def _onnx_join(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    result = wires[0].data
    for wire in wires[1:]:
        if attrs["separator"]:
            result = em.node("StringConcat", result, em.constant(attrs["separator"], "utf8"))
        result = em.node("StringConcat", result, wire.data)
    return result


def _hash_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    if not 0 < int(attrs["buckets"]) < 2**31:
        raise RuleError(f"hash_buckets must lie between 1 and 2**31 - 1, not {attrs['buckets']}")
    return broadcast(types, "int64")


def _np_hash(values: Sequence[Value], attrs: Attrs) -> Array:
    buckets = int(attrs["buckets"])
    return _map_text(lambda t: murmur3_32(t) % buckets, values[0].data, np.int64)


def hash_tensor(em: Emitter, texts: str, buckets: int) -> str:
    """MurmurHash3 of texts, modulo the number of buckets, as int64."""
    hashed = em.node("MurmurHash3", texts, domain=MS_DOMAIN, positive=1)
    return em.node("Mod", em.cast(hashed, "int64"), em.constant(buckets, "int64"))


def _onnx_hash(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return hash_tensor(em, wires[0].data, int(attrs["buckets"]))


def _match_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    import pyarrow as pa
    import pyarrow.compute as pc

    try:  # Arrow's RE2 is ONNX Runtime's RE2
        pc.match_substring_regex(pa.array(["a"]), attrs["pattern"])
    except pa.ArrowInvalid as error:
        raise RuleError(f"{attrs['pattern']!r} is no RE2 pattern: {error}") from error
    return broadcast(types, "bool")


def _np_match(values: Sequence[Value], attrs: Attrs) -> Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    x = values[0].data
    pattern = rf"\A(?:{attrs['pattern']})\z"
    found = pc.match_substring_regex(pa.array(x.ravel().tolist(), pa.string()), pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.bool_).reshape(x.shape)


def _onnx_match(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return em.node("RegexFullMatch", wires[0].data, pattern=attrs["pattern"])


OPERATIONS = (
    Operation("join", _text, _np_join, _onnx_join),
    Operation("hash_bucket", _hash_rule, _np_hash, _onnx_hash),
    Operation("matches", _match_rule, _np_match, _onnx_match, ALL),
)
"""Rows of the table of operations."""
