"""What a TensorFlow lowering works with: values made of tensors, sealed constants, and the presence of a result.

Two properties of TensorFlow's runtime are handled here. Its graph optimiser rewrites float arithmetic: division by a
constant becomes multiplication by the reciprocal, sums of constants are drawn together. `sealed` keeps it from looking
through a tensor. And its kernels flush subnormal doubles (below 2.3e-308) to zero, which no graph can prevent: there
results differ from ONNX Runtime's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Attrs

__all__ = [
    "Lowering",
    "PresenceRule",
    "Table",
    "TfValue",
    "all_present",
    "boundaries_like",
    "column",
    "constant",
    "inside",
    "joined",
    "math_op",
    "owning",
    "pattern_of",
    "payloads",
    "sealed",
    "select",
    "single_precision",
    "tf_dtype",
]

Lowering = Callable[[Sequence["TfValue"], Attrs], Any]
"""A result's payload from the inputs; payload and lengths where the result is lists of a new structure."""
PresenceRule = Callable[[Sequence["TfValue"], Attrs], Any]
"""A result's presence ``[N]``, or None for all there."""


_FLOATS: ContextVar[str] = ContextVar("floats", default="float64")


@contextmanager
def single_precision() -> Iterator[None]:
    """Within it, float64 is lowered as float32, which is all that LiteRT can compute with."""
    token = _FLOATS.set("float32")
    try:
        yield
    finally:
        _FLOATS.reset(token)


@dataclass(frozen=True)
class TfValue:
    """A value in TensorFlow, the twin of `trueline.transform.operations.base.Value`.

    Attributes:
        data: the payload: ``[N]``, ``[N, size]``, lists padded to ``[N, K]``, a constant ``[]``, or a `Table`.
        present: bool ``[N]``; None for all there.
        lengths: of lists, int64 ``[N]``; None for what is no list.
        type: the value's type; of a constant with its literal.
    """

    data: Any
    present: Any | None
    lengths: Any | None
    type: ValueType


_OWNED: ContextVar[dict[Any, Any]] = ContextVar("owned")


@contextmanager
def owning(tables: dict[Any, Any]) -> Iterator[None]:
    """Within it, hash tables are put into `tables` and taken from there: who saves the functions must own them."""
    token = _OWNED.set(tables)
    try:
        yield
    finally:
        _OWNED.reset(token)


@dataclass(frozen=True)
class Table:
    """A constant list (boundaries, tokens), and the hash table over it, which is made when an operation asks.

    Attributes:
        values: the list.
        dtype: of its elements.
    """

    values: Sequence[Any]
    dtype: str

    def positions(self, keys: Any) -> Any:
        """The place of every key in the list as int64, -1 for those that are not in it.

        A value that stands twice counts with its last place.
        """
        import tensorflow as tf

        if not self.values:
            return tf.fill(tf.shape(keys), tf.constant(-1, tf.int64))
        owned, name = _OWNED.get(), (self.dtype, tuple(self.values))
        if name not in owned:
            places = {value: i for i, value in enumerate(self.values)}
            with tf.init_scope():
                start = tf.lookup.KeyValueTensorInitializer(
                    tf.constant(list(places), tf_dtype(self.dtype)), tf.constant(list(places.values()), tf.int64)
                )
                owned[name] = tf.lookup.StaticHashTable(start, -1)
        return owned[name].lookup(keys)


def tf_dtype(dtype: str) -> Any:
    """TensorFlow's type for one of the contract's dtypes."""
    import tensorflow as tf

    names = {"utf8": "string", "timestamp": "int64", "float64": _FLOATS.get()}
    return tf.as_dtype(names.get(dtype, dtype))


def sealed(tensor: Any) -> Any:
    """The tensor, through an operation that the graph optimiser neither removes nor folds.

    Without it ``x / 3.0`` would become ``x * (1 / 3.0)``, ``(x + a) - a`` would become ``x``, and ``not (x < y)``
    would become ``x >= y``, which is another thing where NaN is. Whole numbers and text need no seal.
    """
    import tensorflow as tf

    if _FLOATS.get() == "float32" or not (tensor.dtype.is_floating or tensor.dtype.is_bool):
        return tensor  # LiteRT's converter has no such operation
    return tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tensor.shape)


def constant(value: Any, like: Any) -> Any:
    """A constant of a tensor's type (or of a `tf.DType`), sealed."""
    import tensorflow as tf

    return sealed(tf.constant(value, getattr(like, "dtype", like)))


def boundaries_like(values: Any, x: Any) -> Any:
    """Boundaries as a constant of x's type. Float32 ones are rounded up.

    A float32 is not below a double where it is not below the next float32 above it.
    """
    import tensorflow as tf

    exact = np.asarray(values, np.float64)
    if x.dtype == tf.float64:
        return tf.constant(exact)
    with np.errstate(over="ignore"):
        singles = exact.astype(np.float32)
    return tf.constant(np.where(singles < exact, np.nextafter(singles, np.float32(np.inf)), singles))


def math_op(name: str) -> Lowering:
    """One function of ``tf.math`` over payloads."""

    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        return getattr(tf.math, name)(*(v.data for v in values))

    return lowering


def column(tensor: Any) -> Any:
    """``[N]`` as ``[N, 1]``."""
    import tensorflow as tf

    return tf.expand_dims(tensor, 1)


def inside(data: Any, lengths: Any) -> Any:
    """Which cells ``[N, K]`` of padded lists are elements."""
    import tensorflow as tf

    return tf.range(tf.shape(data, out_type=tf.int64)[1])[None, :] < lengths[:, None]


def select(condition: Any, yes: Any, no: Any) -> Any:
    """Where; a -0.0 from the first branch becomes +0.0, see `trueline.transform.operations.base.select`."""
    import tensorflow as tf

    if yes.dtype.is_floating:
        yes = sealed(yes + constant(0.0, yes))
    return tf.where(condition, yes, no)


def all_present(masks: Sequence[Any | None]) -> Any | None:
    """The conjunction of presence masks; None counts as all there."""
    import tensorflow as tf

    result: Any | None = None
    for mask in masks:
        if mask is not None and mask is not result:
            result = mask if result is None else tf.logical_and(result, mask)
    return result


def joined(parts: Sequence[Any], separator: str) -> Any:
    """Texts of one shape put together. The separator is a tensor: as an attribute it would end at a NUL character."""
    import tensorflow as tf

    between = tf.constant(separator)
    return tf.strings.join([cell for part in parts for cell in (between, part)][1:])


def pattern_of(attrs: Attrs) -> str:
    """An operation's regular expression, without NUL characters, at which TensorFlow would end it."""
    return str(attrs["pattern"]).replace("\0", r"\x00")


def payloads(function: Callable[..., Any]) -> Lowering:
    """A lowering that needs payloads alone."""
    return lambda values, attrs: function(*(v.data for v in values))
