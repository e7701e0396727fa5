"""Every operation: ONNX Runtime and the numpy oracle agree on any data, bit for bit or within the operation's ulps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from helpers_agreement import Agreement
from helpers_rows import seeded_table
from helpers_transform import TYPES, all_cases, assert_same, by_onnx, by_oracle, graph_of

import trueline.transform as tlt
from trueline._core.feeds import Feeds
from trueline._core.runtime import make_session
from trueline._core.values import raw_feature_of
from trueline.transform.lower_onnx import Target, lower
from trueline.transform.operations import OPERATIONS

Case = tuple[str, tuple[str, ...], Callable[..., Any]]
CASES: list[Case] = all_cases()
NAMES = [f"{op}-{'-'.join(types)}-{i}" for i, (op, types, _) in enumerate(CASES)]
ROWS = 60


def test_every_operation_has_a_case() -> None:
    assert set(OPERATIONS) == {op for op, _, _ in CASES}


@pytest.mark.parametrize(("op", "types", "function"), CASES, ids=NAMES)
@pytest.mark.parametrize("optional", [True, False], ids=["optional", "required"])
def test_onnx_equals_oracle(op: str, types: tuple[str, ...], function: Callable[..., Any], optional: bool) -> None:
    """Missing values, NaN, infinities, extremes, empty and non-ASCII text; batches of 0, 1, 7, all rows."""
    table = seeded_table(op, types, ROWS, optional)
    Agreement(op, function, table.schema, optional).check(table)


@pytest.mark.parametrize(("op", "types", "function"), CASES, ids=NAMES)
def test_served_graph_takes_no_rows(op: str, types: tuple[str, ...], function: Callable[..., Any]) -> None:
    """The ONNX graph itself runs on 0 rows, and holds no more operators than its operations' profiles allow."""
    if OPERATIONS[op].onnx is None:
        return
    table = pa.table({f"x{i}": pa.array([], TYPES[t]) for i, t in enumerate(types)})
    graph = graph_of(lambda x: {"y": function(*(x[n] for n in table.schema.names))}, table)
    model = lower(graph, [Target("y", graph.output("y"))])
    onnx.checker.check_model(model)
    arrays = Feeds([raw_feature_of(f) for f in table.schema]).from_arrow(table)
    wanted = {i.name for i in model.graph.input}
    session = make_session(model.SerializeToString())
    assert session.run(["y"], {k: v for k, v in arrays.items() if k in wanted})[0].shape[0] == 0
    found = {(n.domain, n.op_type) for n in model.graph.node if n.domain not in ("", "ai.onnx.ml")}
    profiles = {OPERATIONS[n.op].profile for n in graph.nodes if n.op in OPERATIONS}
    portable = {("com.microsoft", "MurmurHash3"), ("com.microsoft", "Tokenizer")}
    assert found <= portable or "server" in profiles


def test_integer_division_follows_python() -> None:
    """Floor and the divisor's sign as in Python; division by 0 is missing; the least integer by -1 does not fault."""
    a = [7, -7, 7, -7, 5, -(2**63), -(2**63), 2**63 - 1]
    b = [3, 3, -3, -3, 0, -1, 3, -2]
    table = pa.table({"a": pa.array(a), "b": pa.array(b)})
    graph = graph_of(lambda x: {"q": x["a"] // x["b"], "r": x["a"] % x["b"]}, table)
    found = by_onnx(graph, table)
    assert found["q"].present is not None
    assert found["q"].present.tolist() == found["r"].present.tolist() == [d != 0 for d in b]  # type: ignore[union-attr]
    for i, (n, d) in enumerate(zip(a, b, strict=True)):
        if d and (n, d) != (-(2**63), -1):
            assert (found["q"].data[i], found["r"].data[i]) == (n // d, n % d)
    assert found["q"].data[5] == -(2**63)  # wraps, as two's complement does
    assert found["r"].data[5] == 0


def test_float_floor_division_follows_numpy() -> None:
    special = [0.0, -0.0, 1.0, -1.0, 3.5, -3.5, 0.1, 1e300, np.inf, -np.inf, np.nan, 5e-324]
    a, b = (np.array(v).ravel() for v in np.meshgrid(special, special))
    table = pa.table({"a": a, "b": b})
    graph = graph_of(lambda x: {"q": x["a"] // x["b"], "r": x["a"] % x["b"]}, table)
    found, expected = by_onnx(graph, table), by_oracle(graph, table)
    assert_same(found["q"], expected["q"])
    assert_same(found["r"], expected["r"])


def test_missing_divisor_does_not_leak() -> None:
    """A missing divisor is fed as 0; the row is missing and nothing raises."""
    table = pa.table({"a": pa.array([1, 2]), "b": pa.array([None, 2])})
    graph = graph_of(lambda x: {"q": tlt.fill_missing(x["a"] // x["b"], -9)}, table)
    assert by_onnx(graph, table)["q"].data.tolist() == [-9, 1]


def test_where_chooses_presence_with_the_branch() -> None:
    table = pa.table({"c": [True, False, None, True], "a": [1.0, 2.0, 3.0, None], "b": [None, 5.0, 6.0, 7.0]})
    graph = graph_of(lambda x: {"y": tlt.where(x["c"], x["a"], x["b"])}, table)
    present = by_onnx(graph, table)["y"].present
    assert present is not None
    assert present.tolist() == [True, True, False, False]


def test_float_without_an_integer_is_missing() -> None:
    table = pa.table({"x": [1.9, -1.9, np.nan, np.inf, 1e19, -(2.0**63)]})
    value = by_onnx(graph_of(lambda x: {"y": tlt.cast(x["x"], "int64")}, table), table)["y"]
    assert value.present is not None
    assert value.present.tolist() == [True, True, False, False, False, True]
    assert value.data[value.present].tolist() == [1, -1, -(2**63)]


def test_vectors_broadcast_against_scalars() -> None:
    """A scalar column beside a vector stands for a vector; presence is per row."""
    table = pa.table({"a": [1.0, 2.0, None], "b": [10.0, np.nan, 3.0]})

    def preprocessing(x: Any) -> dict[str, Any]:
        vector = tlt.concat([x["a"], x["b"]])
        return {
            "v": vector * x["a"] + 1.0,
            "f": tlt.fill_missing(vector, 0.0),
            "w": tlt.where(x["b"] > 5.0, vector, -vector),
        }

    graph = graph_of(preprocessing, table)
    found, expected = by_onnx(graph, table), by_oracle(graph, table)
    for name in ("v", "f", "w"):
        assert_same(found[name], expected[name])
    assert found["f"].data.tolist()[2] == [0.0, 0.0]


def test_murmur_agrees_with_published_vectors() -> None:
    """Test vectors of MurmurHash3_x86_32 with seed 0."""
    from trueline.transform.operations.murmur import murmur3_32

    known = {
        "": 0,
        "hello": 0x248BFA47,
        "hello, world": 0x149BBB7F,
        "The quick brown fox jumps over the lazy dog": 0x2E4FF723,
    }
    assert {text: murmur3_32(text) for text in known} == known
