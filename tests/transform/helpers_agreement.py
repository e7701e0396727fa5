"""One operation in every interpreter: the oracle, ONNX Runtime on rows, on distinct values, in small batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from helpers_transform import assert_same, by_oracle, graph_of, join_values

from trueline.transform.bulk import Executor
from trueline.transform.operations import OPERATIONS

LITTER_TYPES = {"double": np.float64, "int64": np.int64}
LITTER = {"double": [np.nan, -np.inf, 1e308, -0.0], "int64": [-(2**63), 0, -1, 2**63 - 1]}


def littered(table: pa.Table) -> pa.Table:
    """The same rows with rubbish in the memory under their missing numbers, as Arrow allows it to be."""
    columns = []
    for column in table.columns:
        array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        kind = "int64" if pa.types.is_timestamp(array.type) else str(array.type)
        if array.null_count and kind in LITTER:
            missing = np.asarray(array.is_null().to_numpy(zero_copy_only=False))
            values = np.array(np.frombuffer(array.buffers()[1], LITTER_TYPES[kind], count=len(array)))
            values[missing] = np.resize(np.array(LITTER[kind], LITTER_TYPES[kind]), int(missing.sum()))
            array = pa.Array.from_buffers(array.type, len(array), [array.buffers()[0], pa.py_buffer(values)])
        columns.append(array)
    return pa.table(columns, schema=table.schema)


class Agreement:
    """Sessions are made once and run on as many tables as a test likes.

    Args:
        op: the operation, whose ulps are allowed.
        function: columns x0, x1, ... to the operation's result.
        schema: of the tables.
        optional: whether values may be missing.
    """

    def __init__(self, op: str, function: Callable[..., Any], schema: pa.Schema, optional: bool) -> None:
        self.graph = graph_of(lambda x: {"y": function(*(x[n] for n in schema.names))}, schema.empty_table(), optional)
        self.ulps = OPERATIONS[op].ulps
        outputs = dict(self.graph.outputs)
        self.rows = Executor(self.graph, outputs, final=False, dictionary=False)
        self.distinct = Executor(self.graph, outputs, final=False, dictionary=True)

    def check(self, table: pa.Table) -> None:
        """All rows, no rows, one row at a time and seven give the oracle's values."""
        expected = by_oracle(self.graph, table)["y"]
        assert_same(self.rows.run(table)["y"], expected, self.ulps)
        assert_same(self.rows.run(littered(table))["y"], expected, self.ulps)
        nothing = table.slice(0, 0)
        assert_same(self.rows.run(nothing)["y"], by_oracle(self.graph, nothing)["y"], self.ulps)
        if table.num_rows == 0:
            return
        if self.distinct.groups:  # else it is the same session again
            assert_same(self.distinct.run(table)["y"], expected, self.ulps)
        for size in (1, 7):
            parts = [self.rows.run(table.slice(i, size))["y"] for i in range(0, table.num_rows, size)]
            assert_same(join_values(parts), expected, self.ulps)
