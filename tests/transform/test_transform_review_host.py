"""Host steps are given the same Python values by the transform and by the server, whatever Arrow types come."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from host_functions_transform import described

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.runtime import OnnxGraph
from trueline.pipeline.user_function import UserFunction


def test_dates_decimals_and_times_are_the_same_in_bulk_and_serving() -> None:
    day, time = datetime.date(2020, 7, 25), datetime.datetime(2020, 7, 25, 3, 4, 5, 6)
    table = pa.table(
        {
            "date": pa.array([day, None]),
            "decimal": pa.array([decimal.Decimal("1.25"), None]),
            "nanoseconds": pa.array([time, None], pa.timestamp("ns")),
            "small": pa.array([7, None], pa.int8()),
            "coded": pa.array(["ä", None]).dictionary_encode(),
            "dates": pa.array([[day], None], pa.list_(pa.date32())),
        }
    )
    names = table.schema.names
    out, output = tlt.analyze_and_transform(
        table, lambda x: {n: tlt.host(described, x[n], dtype="utf8") for n in names}
    )
    served = OnnxGraph(
        output.to_onnx().SerializeToString(), output.feeds(), output.host_steps(), output.raw_features()
    ).predict_arrow(table)
    for name in names:
        assert out[name].to_pylist()[0] == served[f"transformed:{name}"].tolist()[0]
        np.testing.assert_array_equal(served[f"transformed:{name}:present"], [True, True])
    assert out["date"].to_pylist() == ["int 1595635200000000", "NoneType None"]
    assert out["decimal"].to_pylist()[0] == "float 1.25"


def test_a_function_of_a_file_loaded_by_its_path_is_refused_when_traced(tmp_path: Path) -> None:
    """Such a module's name means nothing to the server: better told now than by a model that does not load."""
    file = tmp_path / "features.py"
    file.write_text(
        "import trueline.transform as tlt\n"
        "def twice(values):\n    return values\n"
        "def preprocessing_fn(inputs):\n"
        "    return {'y': tlt.fill_missing(tlt.host(twice, inputs['x'], dtype='float64'), 0.0)}\n"
    )
    preprocessing_fn = UserFunction.of(f"{file}:preprocessing_fn").load()
    with pytest.raises(TransformError, match=r"features\.py:5: 'twice' stands in a file .* by its path") as caught:
        tlt.analyze_and_transform(pa.table({"x": [1.0]}), preprocessing_fn)
    assert "a module of its own" in str(caught.value)
