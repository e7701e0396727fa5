"""Raw features as users of TensorFlow hold them: dense, sparse and ragged tensors, turned into `TfValue`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueline._core.errors import FeedError, did_you_mean
from trueline._core.values import RawFeature
from trueline.transform.graph import ValueType
from trueline.transform.tensorflow.base import TfValue, all_present, tf_dtype
from trueline.transform.tensorflow.names import PRESENT_SUFFIX

__all__ = ["value_type", "values_of"]


def value_type(feature: RawFeature) -> ValueType:
    """The type of a raw feature's node."""
    return ValueType(feature.dtype, feature.kind, feature.size, feature.optional)


def values_of(features: Sequence[RawFeature], given: Mapping[str, Any]) -> dict[str, TfValue]:
    """The features' values by name.

    Args:
        features: what the graph reads.
        given: tensors by feature name, dense, `tf.SparseTensor` or `tf.RaggedTensor`, and bool ``<name>__present``
            beside them where wanted. Further names are ignored.

    Raises:
        FeedError: a required feature without a tensor, a tensor of another type or shape: all of them.
    """
    import tensorflow as tf

    given = {k: v if _composite(v) else tf.convert_to_tensor(v) for k, v in given.items()}
    read = [given[f.name] for f in features if f.name in given]
    if not read and features:
        raise FeedError("none of the transform's features are given", problems=[f.name for f in features])
    rows = _rows(read[0]) if read else None
    found: dict[str, TfValue] = {}
    problems: list[str] = []
    for feature in features:
        try:
            found[feature.name] = _value(feature, given, rows)
        except FeedError as error:
            problems.append(error.message)
    if problems:
        raise FeedError("the tensors do not fit the transform's raw features", problems=problems)
    return found


def _composite(value: Any) -> bool:
    import tensorflow as tf

    return isinstance(value, tf.SparseTensor | tf.RaggedTensor)


def _rows(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, tf.SparseTensor):
        return value.dense_shape[0]
    if isinstance(value, tf.RaggedTensor):
        return tf.cast(value.nrows(), tf.int64)
    return tf.shape(value, out_type=tf.int64)[0]


def _value(feature: RawFeature, given: Mapping[str, Any], rows: Any) -> TfValue:
    import tensorflow as tf

    tensor = given.get(feature.name)
    if tensor is None:
        if not feature.optional:
            raise FeedError(f"{feature.name!r} is required. {did_you_mean(feature.name, given)}")
        return _absent(feature, rows)
    tensor = _typed(feature, tensor)
    if isinstance(tensor, tf.SparseTensor):
        value = _FROM_SPARSE[feature.kind](feature, tensor)
    elif isinstance(tensor, tf.RaggedTensor):
        value = _FROM_RAGGED[feature.kind](feature, tensor)
    else:
        value = _from_dense(feature, tensor)
    mask = given.get(feature.name + PRESENT_SUFFIX)
    present = all_present([value.present, None if mask is None else tf.reshape(mask, [-1])])
    if present is not None and not feature.optional:
        check = tf.debugging.Assert(tf.reduce_all(present), [f"{feature.name} is required; a row lacks it"])
        with tf.control_dependencies([check] if check is not None else []):
            return TfValue(tf.identity(value.data), None, value.lengths, value.type)
    return TfValue(value.data, present, value.lengths, value.type)


def _typed(feature: RawFeature, tensor: Any) -> Any:
    """The tensor in the feature's type; only casts that keep every value."""
    import tensorflow as tf

    wanted = tf_dtype(feature.dtype)
    if tensor.dtype == wanted:
        return tensor
    narrower = {tf.float64: (tf.float32, tf.float16, tf.bfloat16, tf.int32, tf.int16, tf.int8, tf.int64)}.get(
        wanted, (tf.int32, tf.int16, tf.int8, tf.uint8, tf.uint16) if wanted == tf.int64 else ()
    )
    if tensor.dtype not in narrower:
        raise FeedError(f"{feature.name!r} takes {wanted.name}, not {tensor.dtype.name}")
    return tf.cast(tensor, wanted)


def _absent(feature: RawFeature, rows: Any) -> TfValue:
    import tensorflow as tf

    shape = [rows] if feature.kind == "scalar" else [rows, feature.size or 0]
    data = tf.zeros(tf.cast(tf.stack(shape), tf.int32), tf_dtype(feature.dtype))
    lengths = tf.fill([rows], tf.constant(0, tf.int64)) if feature.kind == "ragged" else None
    return TfValue(data, tf.fill([rows], False), lengths, value_type(feature))


def _from_dense(feature: RawFeature, tensor: Any) -> TfValue:
    import tensorflow as tf

    rank, lengths = tensor.shape.rank, None
    if feature.kind == "scalar":
        if rank == 2 and tensor.shape[1] in (1, None):  # as tf.io.FixedLenFeature([1]) gives it
            tensor = tf.squeeze(tensor, 1)
        elif rank not in (1, None):
            raise FeedError(f"{feature.name!r} takes one value a row, shape [N] or [N, 1], not {tensor.shape}")
    elif rank not in (2, None):
        raise FeedError(f"{feature.name!r} takes rows of values, shape [N, {feature.size or 'K'}], not {tensor.shape}")
    if feature.kind == "fixed":
        if rank == 2 and tensor.shape[1] not in (feature.size, None):
            raise FeedError(f"{feature.name!r} takes {feature.size} values a row, not {tensor.shape[1]}")
        tensor = tf.ensure_shape(tensor, [None, feature.size])
    if feature.kind == "ragged":
        shape = tf.shape(tensor, out_type=tf.int64)
        lengths = tf.fill(shape[:1], shape[1])
    return TfValue(tensor, None, lengths, value_type(feature))


def _sparse_scalar(feature: RawFeature, sparse: Any) -> TfValue:
    """One value or none a row: the value of the row's first entry."""
    return _first(feature, _rows_of_sparse(sparse))


def _rows_of_sparse(sparse: Any) -> Any:
    """A ragged tensor of each row's entries in their order, whatever their columns."""
    import tensorflow as tf

    ordered = tf.sparse.reorder(sparse)
    return tf.RaggedTensor.from_value_rowids(ordered.values, ordered.indices[:, 0], nrows=sparse.dense_shape[0])


def _first(feature: RawFeature, ragged: Any) -> TfValue:
    import tensorflow as tf

    lengths = _lengths(ragged)
    single = tf.debugging.Assert(tf.reduce_all(lengths < 2), [f"{feature.name} takes one value a row"])
    with tf.control_dependencies([single] if single is not None else []):
        data = tf.squeeze(ragged.to_tensor(shape=[None, 1]), 1)
    return TfValue(data, _some(lengths), None, value_type(feature))


def _vector(feature: RawFeature, ragged: Any) -> TfValue:
    import tensorflow as tf

    lengths, size = _lengths(ragged), feature.size
    good = tf.reduce_all(tf.logical_or(tf.equal(lengths, 0), tf.equal(lengths, size)))
    check = tf.debugging.Assert(good, [f"{feature.name} takes {size} values a row, or none"])
    with tf.control_dependencies([check] if check is not None else []):
        data = ragged.to_tensor(shape=[None, size])
    return TfValue(data, _some(lengths), None, value_type(feature))


def _lengths(ragged: Any) -> Any:
    """Of the rows; those of `tf.io.RaggedFeature` are int32."""
    import tensorflow as tf

    return tf.cast(ragged.row_lengths(), tf.int64)


def _some(lengths: Any) -> Any:
    import tensorflow as tf

    return tf.greater(lengths, 0)


def _list(feature: RawFeature, ragged: Any) -> TfValue:
    return TfValue(ragged.to_tensor(), None, _lengths(ragged), value_type(feature))


def _sparse_list(feature: RawFeature, sparse: Any) -> TfValue:
    """A row without entries is a missing list where the list may be missing, as `tf.io.VarLenFeature` gives it."""
    made = _list(feature, _rows_of_sparse(sparse))
    return TfValue(made.data, _some(made.lengths) if feature.optional else None, made.lengths, made.type)


_FROM_SPARSE: dict[str, Callable[[RawFeature, Any], TfValue]] = {
    "scalar": _sparse_scalar,
    "fixed": lambda feature, sparse: _vector(feature, _rows_of_sparse(sparse)),
    "ragged": _sparse_list,
}
_FROM_RAGGED: dict[str, Callable[[RawFeature, Any], TfValue]] = {"scalar": _first, "fixed": _vector, "ragged": _list}
