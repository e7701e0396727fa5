"""The taxi data: ONNX Runtime, the TensorFlow module and the Keras layer give the same bits for the same transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from test_transform_taxi import FILE, preprocessing  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline.engine import Dataset, LocalEngine  # noqa: E402

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"the taxi data is not at {FILE}"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def tensors(table: pa.Table) -> dict[str, Any]:
    """Dense tensors by column, each beside its mask."""
    found: dict[str, Any] = {}
    for name in table.schema.names:
        cells = table.column(name).to_pylist()
        kind = table.schema.field(name).type
        blank, dtype = ("", tf.string) if pa.types.is_string(kind) else (0, tf.as_dtype(kind.to_pandas_dtype()))
        found[name] = tf.constant([blank if v is None else v for v in cells], dtype)
        found[name + "__present"] = tf.constant([v is not None for v in cells])
    return found


def test_module_and_layer_equal_onnx_runtime() -> None:
    table = csv.read_csv(FILE)
    dataset = Dataset.from_table(table, 2000)
    transformed, output = tlt.analyze_and_transform(dataset, preprocessing, engine=LocalEngine(workers=1))
    features = tensors(table.select([f.name for f in output.raw_features()]))
    for found in (output.to_tf_module().transform(features), output.transform_features_layer()(features)):
        for name in (f.name for f in output.outputs):
            column = transformed.column(name).combine_chunks()
            values = column.values if pa.types.is_fixed_size_list(column.type) else column
            values = values.fill_null(False if pa.types.is_boolean(values.type) else 0)
            expected = values.to_numpy(zero_copy_only=False)
            np.testing.assert_array_equal(found[name].numpy().ravel(), expected, name)
            if name + "__present" in found:
                there = ~column.is_null().to_numpy(zero_copy_only=False)
                np.testing.assert_array_equal(found[name + "__present"].numpy(), there, name)
