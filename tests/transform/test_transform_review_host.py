"""Host steps are given the same Python values by the transform and by the server, whatever Arrow types come."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
from host_functions_transform import described

import trueline.transform as tlt
from trueline._core.runtime import OnnxGraph


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
