"""The table of TensorFlow lowerings is complete, and costs nothing where TensorFlow is not installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pyarrow as pa
import pytest
from helpers_transform import graph_of

from trueline._core.errors import TransformError
from trueline.transform.operations import OPERATIONS
from trueline.transform.operations.base import ALL
from trueline.transform.output import TransformOutput
from trueline.transform.tensorflow import PRESENCE, TENSORFLOW

WITHOUT: dict[str, str] = {}
"""Operations that have no TensorFlow lowering, and why."""


def test_every_operation_has_a_lowering() -> None:
    """A new operation comes with its TensorFlow lowering, or stands in the list with the reason."""
    assert set(OPERATIONS) - set(TENSORFLOW) == set(WITHOUT)
    assert set(TENSORFLOW) <= set(OPERATIONS)


def test_presence_is_lowered_where_it_is_not_that_of_all_inputs() -> None:
    own = {name for name, record in OPERATIONS.items() if record.presence is not ALL}
    assert set(PRESENCE) == own - set(WITHOUT)


def test_tensorflow_is_imported_on_use_alone() -> None:
    program = (
        "import sys, trueline.transform.tensorflow.table; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed here")
def test_missing_tensorflow_is_told_with_its_extra() -> None:
    table = pa.table({"x": [1.0]})
    output = TransformOutput(graph_of(lambda x: {"y": x["x"] * 2.0}, table), {})
    for export in (output.to_tf_module, output.transform_features_layer, output.to_litert):
        with pytest.raises(TransformError, match="TensorFlow is not installed") as caught:
            export()
        assert caught.value.hint == "pip install 'trueline[tensorflow]'"
