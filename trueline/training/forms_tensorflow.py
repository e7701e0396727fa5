"""Batches as a ``tf.data.Dataset``; this file alone of the room imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from trueline.models.inputs import DEFAULT_INPUT, model_inputs
from trueline.training.batch_plan import Order
from trueline.training.batching import Batches

if TYPE_CHECKING:
    from trueline.engine.base import Dataset
    from trueline.training.split_data import SplitData

__all__ = ["dataset_of_batches", "dataset_of_columns"]

_TYPES = {"utf8": tf.string, "bool": tf.bool, "int64": tf.int64, "float32": tf.float32, "float64": tf.float32}


def dataset_of_batches(split: SplitData, batches: Batches, inputs: Mapping[str, Sequence[str]] | None) -> Any:
    """A dataset of (x, y), (x, y, w), or x alone where there is no label; it knows how many batches it has."""
    x = {i.name: tf.TensorSpec([None, i.width], tf.as_dtype(i.dtype)) for i in model_inputs(split.features, inputs)}
    parts: list[Any] = [x[DEFAULT_INPUT] if inputs is None else x]
    if split.label is not None:
        parts.append(tf.TensorSpec([None], _TYPES[split.label.dtype]))
    if split.weight is not None:
        parts.append(tf.TensorSpec([None], tf.float32))
    signature = tuple(parts) if len(parts) > 1 else parts[0]
    made = tf.data.Dataset.from_generator(lambda: _rows(batches), output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(1)


def _rows(batches: Iterable[Any]) -> Iterator[Any]:
    for x, y, w in batches:
        text = y is not None and y.dtype == np.dtype(object)
        row = tuple(part for part in (x, [str(v) for v in y] if text else y, w) if part is not None)
        yield row if len(row) > 1 else row[0]


def dataset_of_columns(dataset: Dataset, options: Any) -> Any:
    """Batches of a dataset as dicts of columns, with options as TFX's ``TensorFlowDatasetOptions`` has them."""
    label = getattr(options, "label_key", None)
    read = Batches(
        dataset,
        Order(
            options.batch_size,
            shuffle=getattr(options, "shuffle", True),
            seed=getattr(options, "shuffle_seed", None) or 0,
            drop_last=getattr(options, "drop_final_batch", False),
        ),
    )
    first = next(iter(read.numbered()), None)
    signature = {} if first is None else {name: _spec(values) for name, values in first[1].items()}
    rows = tf.data.Dataset.from_generator(lambda: map(_texts, read), output_signature=signature)
    rows = rows.apply(tf.data.experimental.assert_cardinality(len(read))).repeat(getattr(options, "num_epochs", None))
    if label is None:
        return rows
    return rows.map(lambda columns: ({k: columns[k] for k in columns if k != label}, columns[label]))


def _spec(values: Any) -> Any:
    dtype = tf.string if values.dtype == np.dtype(object) else tf.as_dtype(_single(values).dtype)
    return tf.TensorSpec([None, *([None] * (values.ndim - 1))], dtype)


def _single(values: Any) -> Any:
    return values.astype(np.float32) if values.dtype == np.float64 else values


def _texts(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {k: [str(t) for t in v] if v.dtype == np.dtype(object) else _single(v) for k, v in columns.items()}
