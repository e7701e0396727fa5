"""What the tests of lists and vectors share: one function's rows, from both interpreters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of

from trueline.transform.operations.base import Value

__all__ = ["rows_of", "run"]


def rows_of(value: Value) -> list[Any]:
    """The value as Python rows, None where it is missing."""
    there = np.ones(len(value.data), bool) if value.present is None else value.present
    ends = [None] * len(there) if value.lengths is None else value.lengths.tolist()
    rows = [r[:n] if isinstance(r, list) else r for r, n in zip(value.data.tolist(), ends, strict=True)]
    return [r if t else None for r, t in zip(rows, there, strict=True)]


def run(function: Callable[[Any], Any], table: pa.Table) -> list[Any]:
    """The rows of one result, the same from ONNX Runtime and from the oracle."""
    graph = graph_of(lambda x: {"y": function(x)}, table)
    found = by_onnx(graph, table)["y"]
    assert_same(found, by_oracle(graph, table)["y"])
    return rows_of(found)
