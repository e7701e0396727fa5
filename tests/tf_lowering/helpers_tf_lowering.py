"""What the tests of the TensorFlow lowerings share: a graph run in TensorFlow, beside the numpy oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from helpers_transform import VECTOR
from hypothesis import strategies as st

from trueline._core.feeds import LENGTH, Feeds
from trueline._core.values import PRESENT
from trueline.transform.graph import Graph
from trueline.transform.operations import OPERATIONS
from trueline.transform.operations.base import Value
from trueline.transform.tensorflow.base import TfValue
from trueline.transform.tensorflow.inputs import value_type
from trueline.transform.tensorflow.module import Program, input_specs

TINY = np.finfo(np.float64).tiny


def flushed(value: Any) -> Any:
    """A double whose square is not subnormal, or zero: TensorFlow's kernels flush subnormals, between steps too."""
    return value * 0.0 if abs(value) < 1e-150 else value


def extreme(value: Any) -> bool:
    """Whether a number, or one in a list, is subnormal or has a subnormal reciprocal."""
    size = np.abs(np.asarray(value, np.float64))
    return bool(np.any(((size > 0) & (size < TINY)) | ((size > 1e307) & np.isfinite(size))))


I64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = (st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, 9.3e18, -9.3e18, 1e300])).map(flushed)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "float64": FLOATS,
    "int64": I64 | st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1]),
    "bool": st.booleans(),
    "utf8": st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(
        ["", "a", "A", "Ä", "ß", "12", "-1.5e3", "1e999", "é\0x", "日本", "a\nb", " 7", "+.5", "5.", "1e-99"]
    ),
    "timestamp": st.integers(-(2**61), 2**61) | st.sampled_from([0, -1, 1_700_000_000_000_000]),
}
TAME = st.floats(-700, 700, allow_subnormal=False) | st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan])


def values_of(op: str, dtype: str) -> st.SearchStrategy[Any]:
    """Cells of a column of a type such as ``float64``, ``list<utf8>`` or ``vector<int64>``, None among them."""
    kind, _, inner = dtype.rstrip(">").rpartition("<")
    one = TAME if OPERATIONS[op].kind == "rounded" and inner == "float64" else STRATEGIES[inner]
    if kind == "list":
        return st.none() | st.lists(one, max_size=4)
    return st.none() | (st.lists(one, min_size=VECTOR, max_size=VECTOR) if kind == "vector" else one)


def in_tensorflow(graph: Graph, rows: int | None = None) -> Callable[[pa.Table], dict[str, Value]]:
    """The graph's outputs as computed in float64, by one `tf.function` over so many rows; None: any number."""
    program = Program(graph, graph.outputs)
    feeds = Feeds(program.features)

    def compute(**tensors: Any) -> dict[str, tuple[Any, Any, Any]]:
        columns = {
            f.name: TfValue(
                tensors[f.name], tensors.get(f.name + "__present"), tensors.get(f.name + "__length"), value_type(f)
            )
            for f in program.features
        }
        return {n: (v.data, v.present, v.lengths) for n, v in program.run(columns, final=False).items()}

    specs = input_specs(program.features, {f.name: f.name for f in program.features})
    specs = {k: tf.TensorSpec([rows, *s.shape[1:]], s.dtype, s.name) for k, s in specs.items()}
    concrete = tf.function(compute, autograph=False).get_concrete_function(**specs)

    def run(table: pa.Table) -> dict[str, Value]:
        arrays = feeds.from_arrow(table)
        named = {k.replace(PRESENT, "__present").replace(LENGTH, "__length"): v for k, v in arrays.items()}
        found = concrete(**{k: tf.constant(v, specs[k].dtype, v.shape) for k, v in named.items()})
        return {name: Value(*(as_numpy(part) for part in parts)) for name, parts in found.items()}

    return run


def as_numpy(tensor: Any) -> Any:
    """A tensor as the oracle has it: text as `str`."""
    if tensor is None:
        return None
    array = tensor.numpy()
    if array.dtype != object:
        return array
    out = np.empty(array.size, dtype=object)
    out[:] = [b.decode() for b in array.ravel().tolist()]
    return out.reshape(array.shape)


def without_subnormals(value: Value) -> Value:
    """The oracle's value with subnormal results flushed to zero, as TensorFlow does."""
    data = value.data
    if data.dtype == np.float64:
        data = np.where(np.abs(data) < TINY, np.copysign(0.0, data), data)
    return Value(data, value.present, value.lengths)
