"""LiteRT: what it computes equals float64 arithmetic on float32 inputs, rounded once; the rest is refused by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from helpers_transform import TYPES, VECTOR, all_cases, by_oracle, graph_of  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline._core.errors import TransformError  # noqa: E402
from trueline._core.feeds import LENGTH, Feeds  # noqa: E402
from trueline._core.values import PRESENT  # noqa: E402
from trueline.transform.operations.base import Value, inside  # noqa: E402
from trueline.transform.output import TransformOutput  # noqa: E402
from trueline.transform.tensorflow import to_litert  # noqa: E402
from trueline.transform.tensorflow.litert import LITERT, refusals  # noqa: E402

FLOATS = [0.0, 1.0, -1.0, 2.5, -2.5, 0.5, 3.1, -7.3, 1e10, 1e30, np.inf, -np.inf, np.nan, 0.2, None, 50.0, -50.5, 1e-20]
COLUMNS: dict[str, list[Any]] = {
    "float64": [None if v is None else float(np.float32(v)) for v in FLOATS],
    "int64": [0, 1, -1, 2, 3, -7, 2**40, -(2**40), 5, None, 50, -50, 49, 7, 1000, 13, 2, 1],
    "bool": [True, False, None] * 6,
    "timestamp": [0, 1, -1, 1_700_000_000_000_000, None, -5] * 3,
}

ULPS = {
    "exp": 16,
    "log": 4,
    "log1p": 8,
    "sigmoid": 16,
    "power": 8,
    "sqrt": 1,
    "log2": 16,
    "log10": 16,
    "tanh": 16,
} | dict.fromkeys(("interpolate_buckets", "matmul", "normalize_image"), 16)
"""LiteRT's fast kernels for float32 round these; in units in the last place of float32."""


SUMS = ("row_sum", "row_mean")
"""Sums in float32, which may cancel: compared by the size of what is summed."""


def columns(types: tuple[str, ...]) -> list[list[Any]]:
    """Every column shifted by another step, so that all kinds of values meet; vectors and lists of neighbours."""
    found = []
    for shift, name in enumerate(types):
        kind, _, inner = name.rstrip(">").rpartition("<")
        cells = COLUMNS[inner]
        cells = [cells[(i * (2 * shift + 1) + shift) % len(cells)] for i in range(len(cells))]
        full = [v for v in cells if v is not None]
        if kind == "vector":
            cells = [full[i : i + VECTOR] if i % 5 else None for i in range(len(full) - VECTOR)]
        elif kind == "list":
            cells = [full[i : i + i % 4] if i % 5 != 4 else None for i in range(len(full) - 4)]
        found.append(cells)
    rows = min(len(c) for c in found)
    return [c[:rows] for c in found]


def in_litert(model: bytes, graph: Any, table: pa.Table) -> Value:
    """The output ``y`` as the LiteRT interpreter computes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=model)
    runner = interpreter.get_signature_runner("serving_default")
    names = graph.input_names([i for _, i in graph.outputs])
    arrays = Feeds([f for f in graph.features if f.name in names]).from_arrow(table)
    found = runner(
        **{
            k.replace(PRESENT, "__present").replace(LENGTH, "__length"): (
                v.astype(np.float32) if v.dtype == np.float64 else v
            )
            for k, v in arrays.items()
        }
    )
    return Value(found["y"], found.get("y__present"), found.get("y__length"))


def numeric(op: str, types: tuple[str, ...], function: Callable[..., Any]) -> bool:
    """Whether it is a single operation on numbers: several in a row round in float32 between them."""
    if any("utf8" in t for t in types):
        return False
    empty = pa.table({f"x{i}": pa.array([], TYPES[t]) for i, t in enumerate(types)})
    graph = graph_of(lambda x: {"y": function(*(x[n] for n in empty.schema.names))}, empty)
    steps = [n for n in graph.nodes if n.op not in ("input", "constant")]
    return len(steps) == 1 and not refusals(graph, [graph.output("y")])


CASES = [case for case in all_cases() if case[0] in LITERT and numeric(*case)]
NAMES = [f"{op}-{'-'.join(types)}-{i}" for i, (op, types, _) in enumerate(CASES)]


@pytest.mark.parametrize(("op", "types", "function"), CASES, ids=NAMES)
def test_litert_equals_oracle(op: str, types: tuple[str, ...], function: Callable[..., Any]) -> None:
    """Exact operations give the same float32 numbers, whole numbers and booleans; rounded ones some ulps."""
    names = [f"x{i}" for i in range(len(types))]
    table = pa.table({n: pa.array(v, TYPES[t]) for n, v, t in zip(names, columns(types), types, strict=True)})
    output = TransformOutput(graph_of(lambda x: {"y": function(*(x[n] for n in names))}, table), {})
    model = to_litert(output)
    for part in (table, table.slice(3, 1)):
        found, expected = in_litert(model, output.graph, part), by_oracle(output.graph, part)["y"]
        there = np.ones(part.num_rows, bool) if expected.present is None else expected.present
        if found.present is not None:
            np.testing.assert_array_equal(found.present, there)
        left, right = found.data[there], expected.data[there]
        if expected.lengths is not None:
            assert found.lengths is not None
            np.testing.assert_array_equal(found.lengths[there], expected.lengths[there])
            left = left[inside(left, found.lengths[there])]
            right = right[inside(right, expected.lengths[there])]
        if right.dtype == np.float64:
            with np.errstate(all="ignore"):
                right = right.astype(np.float32)
                right = np.where(np.abs(right) < np.finfo(np.float32).tiny, np.float32(0), right)
        assert left.dtype == right.dtype
        if op in SUMS and right.dtype == np.float32:
            np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e24)
        elif op in ULPS:
            np.testing.assert_array_max_ulp(left[~np.isnan(right)], right[~np.isnan(right)], ULPS[op])
            np.testing.assert_array_equal(np.isnan(left), np.isnan(right))
        else:
            np.testing.assert_array_equal(left, right)


def test_text_is_refused_by_name() -> None:
    """All obstacles at once, with the outputs that can go."""
    table = pa.table({"s": ["x"], "a": [1.0], "k": [1]})

    def mixed(x: Any) -> dict[str, Any]:
        return {
            "low": tlt.lower(x["s"]),
            "id": tlt.apply_vocabulary(x["k"], [1, 2], num_oov_buckets=3),
            "double": x["a"] * 2.0,
        }

    output = TransformOutput(graph_of(mixed, table), {})
    with pytest.raises(TransformError, match="LiteRT") as caught:
        to_litert(output)
    assert [p.split(":")[0].split(" ")[0] for p in caught.value.problems] == ["s", "lower", "apply_vocabulary"]
    assert caught.value.hint is not None
    assert "outputs=['double'] can go" in caught.value.hint
    assert output.to_litert(["double"])


def test_negated_comparison_of_nan_stays_true() -> None:
    table = pa.table({"x": [1.0, np.nan, 5.0]})
    output = TransformOutput(graph_of(lambda x: {"y": ~(x["x"] < 3.0)}, table, optional=False), {})
    assert in_litert(to_litert(output), output.graph, table).data.tolist() == [False, True, True]


def test_several_operations_round_in_between() -> None:
    """A z-score, a share and a bucket of it: near the float64 results, by float32's precision."""
    table = pa.table({"x": [1.5, -20.0, 3e5, 0.1], "n": pa.array([3, None, 7, 9])})

    def preprocessing(x: Any) -> dict[str, Any]:
        score = (x["x"] - 11.3) * 0.37
        return {"y": tlt.concat([score, tlt.fill_missing(x["n"], 0) / (tlt.abs(score) + 1.0)])}

    output = TransformOutput(graph_of(preprocessing, table, optional=True), {})
    found = in_litert(to_litert(output), output.graph, table)
    np.testing.assert_allclose(found.data, by_oracle(output.graph, table)["y"].data, rtol=2e-6)


@pytest.mark.parametrize("number", [float("inf"), 1e300, 1e-300])
def test_constants_that_are_no_float32_are_refused(number: float) -> None:
    """LiteRT's converter would make the largest float32 of infinity, without a word."""
    table = pa.table({"x": [1.0]})
    for function in (lambda x: x["x"] < number, lambda x: tlt.apply_buckets(x["x"], [number])):
        output = TransformOutput(graph_of(lambda x, function=function: {"y": function(x)}, table), {})
        with pytest.raises(TransformError, match="LiteRT") as caught:
            to_litert(output)
        assert "float32's normal range" in caught.value.problems[0]
