"""The sign of zero: oracle, bulk and a served row agree where branches have different widths; 1 / x shows the sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.runtime import OnnxGraph
from trueline._core.values import raw_feature_of
from trueline.engine.base import Dataset
from trueline.transform.analysis import analyze
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import trace

CASES: dict[str, Callable[[Any], Any]] = {
    "constant condition, constant branch": lambda x: tlt.where(tlt.size(x["zero"]) < 0, x["zero"], -0.0),
    "vector or column, first": lambda x: tlt.where(x["yes"], tlt.concat([x["zero"], x["zero"]]), x["one"]),
    "vector or column, second": lambda x: tlt.where(~x["yes"], tlt.concat([x["one"], x["one"]]), x["zero"]),
    "vector or constant": lambda x: tlt.where(~x["yes"], tlt.concat([x["one"], x["one"]]), -0.0),
    "column or vector": lambda x: tlt.where(x["yes"], x["zero"], tlt.concat([x["one"], x["one"]])),
    "filled vector": lambda x: tlt.fill_missing(tlt.concat([x["gap"], x["gap"]]), x["zero"]),
    "vector filled by a constant": lambda x: tlt.fill_missing(tlt.concat([x["gap"], x["gap"]]), -0.0),
}


def analysed(function: Callable[[Any], Any], rows: int) -> tuple[pa.Table, TransformOutput]:
    table = pa.table(
        {
            "zero": [-0.0] * rows,
            "one": [1.0] * rows,
            "yes": [True] * rows,
            "gap": pa.array([None] * rows, pa.float64()),
        }
    )
    features = [raw_feature_of(f, f.name == "gap") for f in table.schema]
    return table, analyze(trace(lambda x: {"out": function(x)}, features), Dataset.from_table(table))


def served(table: pa.Table, output: TransformOutput) -> Any:
    graph = OnnxGraph(output.to_onnx().SerializeToString(), output.feeds())
    names = [f.name for f in output.raw_features()]
    return graph.predict_rows(table.select(names).to_pylist())["transformed:out"].tolist()


@pytest.mark.parametrize("case", CASES)
def test_branches_of_different_widths(case: str) -> None:
    found = []
    for rows in (1, 2, 3):
        table, output = analysed(lambda x: 1.0 / CASES[case](x), rows)
        expected = output.oracle(table)["out"].to_pylist()
        assert output.transform(table)["out"].to_pylist() == expected
        assert served(table, output) == expected
        found.append(str(expected[0]))
    assert len(set(found)) == 1, "one row alone gives another sign than many"


@pytest.mark.parametrize("tiny", [-5e-324, -1e-46, -0.0])
def test_negative_doubles_below_float32(tiny: float) -> None:
    """The oracle blanks before it casts, as the graph does: a scalar, and a vector."""
    table = pa.table({"a": pa.array([tiny, None, 1.0])})
    for function in (lambda x: x["a"], lambda x: tlt.concat([x["a"], x["a"]])):
        output = analyze(
            trace(lambda x, f=function: {"out": f(x)}, [raw_feature_of(table.schema.field(0))]),
            Dataset.from_table(table),
        )
        assert str(output.transform(table)["out"].to_pylist()) == str(output.oracle(table)["out"].to_pylist())
