"""Every operation: TensorFlow and the numpy oracle agree on any data, bit for bit or within the operation's ulps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from helpers_tf_lowering import extreme, in_tensorflow, values_of, without_subnormals  # noqa: E402
from helpers_transform import TYPES, VECTOR, all_cases, assert_same, by_oracle, graph_of, join_values  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from trueline._core.errors import TransformError  # noqa: E402
from trueline.transform.graph import Graph  # noqa: E402
from trueline.transform.operations import OPERATIONS  # noqa: E402
from trueline.transform.tensorflow import TENSORFLOW  # noqa: E402
from trueline.transform.tensorflow.tokens import greedy_is_longest  # noqa: E402

CASES = [case for case in all_cases() if case[0] in TENSORFLOW]
NAMES = [f"{op}-{'-'.join(types)}-{i}" for i, (op, types, _) in enumerate(CASES)]


ONE: dict[str, Any] = {"float64": 1.5, "int64": 1, "bool": True, "utf8": "é1", "timestamp": 1_700_000_000_000_000}
SAMPLES = ONE | {f"list<{t}>": [v, v] for t, v in ONE.items()} | {f"vector<{t}>": [v] * VECTOR for t, v in ONE.items()}


def has_extremes(graph: Graph) -> bool:
    """Whether a constant, or its reciprocal, is subnormal, which TensorFlow takes for 0."""
    return any(extreme(n.attrs["value"]) for n in graph.nodes if n.op == "constant" and n.type.dtype == "float64")


def refused(graph: Graph) -> bool:
    """Whether it asks for the longest matches of a pattern for which TensorFlow finds others."""
    return not all(greedy_is_longest(n.attrs["pattern"]) for n in graph.nodes if n.op in ("tokenize", "find"))


@pytest.mark.parametrize(("op", "types", "function"), CASES, ids=NAMES)
@pytest.mark.parametrize("optional", [True, False], ids=["optional", "required"])
def test_tensorflow_equals_oracle(
    op: str, types: tuple[str, ...], function: Callable[..., Any], optional: bool
) -> None:
    """Missing values, NaN, infinities, extremes, empty and non-ASCII text, empty lists; batches of 0, 1, all rows."""
    names = [f"x{i}" for i in range(len(types))]
    schema = pa.schema([(n, TYPES[t]) for n, t in zip(names, types, strict=True)])
    empty = pa.table({n: pa.array([], schema.field(n).type) for n in names})
    graph = graph_of(lambda x: {"y": function(*(x[n] for n in names))}, empty, optional)
    if refused(graph):
        with pytest.raises(TransformError, match="the longest matches of"):
            in_tensorflow(graph)
        return
    if has_extremes(graph):
        pytest.skip("TensorFlow takes subnormal constants, and reciprocals, for 0")
    run = in_tensorflow(graph)
    ulps = OPERATIONS[op].ulps
    column = [values_of(op, t) if optional else values_of(op, t).filter(lambda v: v is not None) for t in types]

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(st.tuples(*column), max_size=24))
    def check(rows: list[tuple[Any, ...]]) -> None:
        table = pa.table(
            [pa.array([r[i] for r in rows], schema.field(i).type) for i in range(len(types))], schema=schema
        )
        expected, found = without_subnormals(by_oracle(graph, table)["y"]), run(table)["y"]
        assert_same(found, expected, ulps)
        if rows:
            parts = [run(table.slice(i, 1))["y"] for i in range(min(3, len(rows)))]
            assert_same(join_values(parts), without_subnormals(by_oracle(graph, table.slice(0, 3))["y"]), ulps)

    check()
    nothing = run(empty)["y"]
    assert nothing.data.shape[0] == 0
    assert nothing.data.dtype == by_oracle(graph, empty)["y"].data.dtype or nothing.data.dtype == np.dtype(object)


@pytest.mark.parametrize("rows", [1, 0])
def test_batches_whose_size_is_known_beforehand(rows: int) -> None:
    """Graphs traced for one row or none, as eager tensors and some layers give them: no operation may broadcast."""
    wrong = []
    for (op, types, function), name in zip(CASES, NAMES, strict=True):
        columns = {f"x{i}": pa.array([SAMPLES[t]] * rows, TYPES[t]) for i, t in enumerate(types)}
        table = pa.table(columns)
        graph = graph_of(lambda x, f=function, c=columns: {"y": f(*(x[n] for n in c))}, table)
        if refused(graph) or has_extremes(graph):
            continue
        try:
            found = in_tensorflow(graph, rows)(table)["y"]
            assert_same(found, without_subnormals(by_oracle(graph, table)["y"]), OPERATIONS[op].ulps)
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            wrong.append(f"{name}: {error}")
    assert wrong == []
