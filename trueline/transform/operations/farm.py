"""TensorFlow's own hash buckets: no ONNX runtime has its hashes, so these belong to the profile ``tensorflow``.

In bulk numpy computes them, on distinct texts where a column has few.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trueline.transform.farmhash import fingerprint64, siphash64
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, broadcast, expect

__all__ = ["OPERATIONS"]

_PORTABLE = "hash_strings without a key, traced for another profile, takes MurmurHash3, which runs everywhere"


def _bucket_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    if int(attrs["buckets"]) < 1:
        raise RuleError(f"the number of buckets must be at least 1, it is {attrs['buckets']}")
    key = attrs.get("key")
    if key is not None and (len(key) != 2 or any(not 0 <= int(half) < 2**64 for half in key)):
        raise RuleError(f"a key is two whole numbers from 0 to 2**64 - 1, not {key}")
    return broadcast(types, "int64")


def _np_farm(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0].data
    return (fingerprint64(x.ravel()) % np.uint64(attrs["buckets"])).astype(np.int64).reshape(x.shape)


def _np_sip(values: Sequence[Value], attrs: Attrs) -> Array:
    x, key = values[0].data, attrs["key"]
    hashes = siphash64(x.ravel(), (int(key[0]), int(key[1])))
    return (hashes % np.uint64(attrs["buckets"])).astype(np.int64).reshape(x.shape)


def _vocabulary_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    x, table = types
    expect([x], "utf8", "int64")
    if table.kind != "table" or table.dtype != x.dtype:
        raise RuleError(f"its second argument must be a vocabulary of {x.dtype}, not {table}")
    if x.kind == "table":
        raise RuleError("it takes scalar, vector and list columns")
    if int(attrs["oov"]) < 1:
        raise RuleError(f"it needs at least one bucket, not {attrs['oov']}")
    return ValueType("int64", x.kind, x.size)


def _np_vocabulary(values: Sequence[Value], attrs: Attrs) -> Array:
    x, tokens = values[0].data, values[1].data.tolist()
    ids = {token: i for i, token in enumerate(tokens)}
    flat = x.ravel().tolist()
    out = np.array([ids.get(token, -1) for token in flat], dtype=np.int64)
    unknown = np.flatnonzero(out < 0)
    buckets = fingerprint64([str(flat[i]) for i in unknown.tolist()]) % np.uint64(attrs["oov"])
    out[unknown] = len(tokens) + buckets.astype(np.int64)
    return out.reshape(x.shape)


OPERATIONS = (
    Operation("farm_bucket", _bucket_rule, _np_farm, None, profile="tensorflow", alternatives=_PORTABLE),
    Operation("sip_bucket", _bucket_rule, _np_sip, None, profile="tensorflow", alternatives=_PORTABLE),
    Operation(
        "farm_vocabulary",
        _vocabulary_rule,
        _np_vocabulary,
        None,
        elementwise=False,
        profile="tensorflow",
        alternatives="apply_vocabulary traced for another profile takes MurmurHash3 for its buckets",
    ),
)
"""Rows of the table of operations."""
