"""Lists and vectors: what each function means, in plain Python, and TensorFlow Transform's own cases."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cases_transform_lists import CASES
from helpers_lists import rows_of, run
from helpers_transform import TYPES, assert_same, by_onnx, by_oracle, graph_of, in_batches
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.tracer import trace

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
WORDS = pa.table({"w": pa.array([["a", "b", "a"], [], None, ["c"]])})
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tlt.list_length(x["w"]), [3, 0, None, 1]),
        (lambda x: tlt.list_length(tlt.fill_missing(x["w"], [])), [3, 0, 0, 1]),
        (lambda x: tlt.pad(x["w"], 2), [["a", "b"], ["", ""], None, ["c", ""]]),
        (lambda x: tlt.pad(x["w"], 2, "-", side="left"), [["b", "a"], ["-", "-"], None, ["-", "c"]]),
        (lambda x: tlt.truncate(x["w"], 2), [["a", "b"], [], None, ["c"]]),
        (lambda x: tlt.truncate(x["w"], 2, side="left"), [["b", "a"], [], None, ["c"]]),
        (lambda x: tlt.truncate(x["w"], 0, side="left"), [[], [], None, []]),
        (lambda x: x["w"][0], ["a", None, None, "c"]),
        (lambda x: x["w"][-3], ["a", None, None, None]),
        (lambda x: x["w"][tlt.list_length(x["w"]) - 1], ["a", None, None, "c"]),
        (lambda x: tlt.contains_value(x["w"], "b"), [True, False, None, False]),
        (lambda x: tlt.dedupe(x["w"]), [["a", "b"], [], None, ["c"]]),
        (lambda x: tlt.list_concat([x["w"], x["w"][:1]]), [["a", "b", "a", "a"], [], None, ["c", "c"]]),
        (lambda x: tlt.list_any(x["w"] == "a"), [True, False, None, False]),
        (lambda x: tlt.list_all(x["w"] == "c"), [False, True, None, True]),
        (lambda x: tlt.list_sum(x["w"] == "a"), [2, 0, None, 0]),
        (lambda x: tlt.list_mean(x["w"] == "a"), [2 / 3, None, None, 0.0]),
        (lambda x: tlt.list_max(x["w"] == "a"), [1, None, None, 0]),
        (lambda x: tlt.sparse_tensor_left_align(x["w"])[1:], [["b", "a"], [], None, []]),
        (
            lambda x: tlt.sparse_tensor_to_dense_with_shape(x["w"], [None, 2], default_value="?"),
            [["a", "b"], ["?", "?"], None, ["c", "?"]],
        ),
    ],
)
def test_meaning(function: Callable[[Any], Any], expected: list[Any]) -> None:
    """Missing stays missing, empty stays empty, of nothing the mean and the greatest are missing."""
    assert run(function, WORDS) == expected


@FEW
@given(
    st.lists(st.none() | st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=8),
    st.none() | st.integers(-7, 7),
    st.none() | st.integers(-7, 7),
    st.integers(-7, 7),
)
def test_slices_and_elements_are_pythons(
    lists: list[list[int] | None], start: int | None, stop: int | None, place: int
) -> None:
    table = pa.table({"x": pa.array(lists, pa.list_(pa.int64()))})
    assert run(lambda x: x["x"][start:stop], table) == [None if v is None else v[start:stop] for v in lists]
    expected = [v[place] if v is not None and -len(v) <= place < len(v) else None for v in lists]
    assert run(lambda x: x["x"][place], table) == expected


@FEW
@given(st.lists(st.lists(st.floats(allow_nan=False), max_size=40), min_size=1, max_size=12))
def test_sums_run_from_first_to_last(lists: list[list[float]]) -> None:
    """Bit for bit the sum of a Python loop, in any batch and beside lists of any length."""
    table = pa.table({"x": pa.array(lists, pa.list_(pa.float64()))})
    graph = graph_of(lambda x: {"y": tlt.list_sum(x["x"])}, table)
    expected = []
    for row in lists:
        total = 0.0
        for v in row:
            total += v
        expected.append(total)
    for found in (by_onnx(graph, table)["y"], in_batches(graph, table, 1)["y"]):
        np.testing.assert_array_equal(found.data, expected)
        assert not np.signbit(found.data[np.array([not any(row) for row in lists])]).any()


def test_nan_of_reductions() -> None:
    table = pa.table({"x": pa.array([[1.0, np.nan, -np.inf], [np.nan], [-0.0, 0.0]])})
    for function in (tlt.list_min, tlt.list_max, tlt.list_sum, tlt.list_mean):
        found = run(lambda x, f=function: f(x["x"]), table)
        assert math.isnan(found[0])
        assert math.isnan(found[1])
        assert found[2] == 0.0


def test_rows_of_unequal_lists_do_not_leak() -> None:
    """Lists of different lengths make the row missing; its length may lie beyond the padding, and nothing raises."""
    table = pa.table({"a": [[1, 2, 3, 4], [5, 6]], "b": [[1], [1, 1]]})

    def preprocessing(x: Any) -> dict[str, Any]:
        both = x["a"] + x["b"]
        made = {
            "pad": tlt.pad(both, 3),
            "left": tlt.pad(both, 3, side="left"),
            "last": both[-1],
            "tail": both[-2:],
            "once": tlt.dedupe(both),
            "sum": tlt.list_sum(both),
            "joined": tlt.list_concat([both, x["a"]]),
            "hot": tlt.multi_hot(both, 8),
        }
        return made | {"filled": tlt.list_length(tlt.fill_missing(both, []))}

    graph = graph_of(preprocessing, table)
    found, expected = by_onnx(graph, table), by_oracle(graph, table)
    for name in found:
        assert_same(found[name], expected[name])
    assert rows_of(found["pad"]) == [None, [6, 7, 0]]
    assert rows_of(found["joined"]) == [None, [6, 7, 5, 6]]
    assert rows_of(found["filled"]) == [0, 2]


@pytest.mark.parametrize("dtype", ["int64", "float64", "utf8"])
def test_long_lists_are_deduped(dtype: str) -> None:
    """Lists of 20,000 elements: comparing each with each would take 400 million cells a row."""
    rng = np.random.default_rng(7)
    numbers = [rng.integers(0, 5000, 20_000).tolist(), rng.integers(0, 3, 20_000).tolist(), [1]]
    kinds: dict[str, Any] = {"int64": int, "float64": float, "utf8": str}
    lists = [[kinds[dtype](v) for v in row] for row in numbers]
    graph = graph_of(lambda x: {"y": tlt.dedupe(x["x"])}, table := pa.table({"x": lists}))
    assert rows_of(by_onnx(graph, table)["y"]) == [list(dict.fromkeys(row)) for row in lists]


OF_LISTS = [c for c in CASES if any(t.startswith("list<") for t in c[1])]


@pytest.mark.parametrize("case", OF_LISTS, ids=[f"{c[0]}-{i}" for i, c in enumerate(OF_LISTS)])
def test_lists_without_any_element(case: tuple[str, tuple[str, ...], Callable[..., Any]]) -> None:
    """The padding is 0 wide; all rows, one row and no row."""
    _, types, function = case
    blank: dict[str, list[Any]] = {"list": [[], None, []], "vector": [None, None, None]}
    columns = {f"x{i}": pa.array(blank.get(t.partition("<")[0], [None] * 3), TYPES[t]) for i, t in enumerate(types)}
    table = pa.table(columns)
    graph = graph_of(lambda x: {"y": function(*(x[n] for n in columns))}, table)
    for part in (table, table.slice(0, 1), table.slice(0, 0)):
        assert_same(by_onnx(graph, part)["y"], by_oracle(graph, part)["y"])


def test_order() -> None:
    """As Python's, NaN last in either order, infinities and the greatest integers in their places."""
    table = pa.table(
        {"x": [[2.0, np.nan, -np.inf, np.inf, -0.0], [], [np.nan]], "i": [[2**63 - 1, -(2**63), 0], [], [5]]}
    )
    up, down = (run(lambda x, d=d: tlt.list_sort(x["x"], descending=d), table) for d in (False, True))
    assert str(up) == "[[-inf, 0.0, 2.0, inf, nan], [], [nan]]"
    assert str(down) == "[[inf, 2.0, 0.0, -inf, nan], [], [nan]]"
    assert run(lambda x: tlt.list_sort(x["i"]), table) == [[-(2**63), 0, 2**63 - 1], [], [5]]
    assert run(lambda x: tlt.list_sort(x["i"], descending=True), table) == [[2**63 - 1, 0, -(2**63)], [], [5]]


def test_each_nan_is_its_own_element() -> None:
    table = pa.table({"x": [[np.nan, 1.0, np.nan, -0.0, 1.0, 0.0]]})
    graph = graph_of(lambda x: {"y": tlt.dedupe(x["x"])}, table)
    found = by_onnx(graph, table)["y"]
    assert_same(found, by_oracle(graph, table)["y"])
    assert str(rows_of(found)[0]) == "[nan, 1.0, nan, -0.0]"


def test_whole_road_and_schema() -> None:
    """From analysis to the transformed table: lists and vectors of text and ids, and the ids' domains."""

    def preprocessing(x: Any) -> dict[str, Any]:
        ids = tlt.compute_and_apply_vocabulary(x["w"])
        return {
            "padded": tlt.pad(ids, 2, -1),
            "words": tlt.dedupe(x["w"]),
            "hot": tlt.multi_hot(ids, 3),
            "first": tlt.fill_missing(ids, [])[0],
        }

    features = [raw_feature_of(f, True) for f in WORDS.schema]
    output = analyze(trace(preprocessing, features), Dataset.from_table(WORDS), LocalEngine(workers=1))
    found = output.transform(WORDS)
    assert found["padded"].to_pylist() == [[0, 2], [-1, -1], None, [1, -1]]
    assert found["words"].to_pylist() == [["a", "b"], [], None, ["c"]]
    assert found["hot"].to_pylist() == [[1.0, 0.0, 1.0], [0.0] * 3, None, [0.0, 1.0, 0.0]]
    assert found["first"].to_pylist() == [0, None, None, 1]
    domains = {
        f.name: (f.int_domain.min, f.int_domain.max) for f in output.output_schema.feature if f.HasField("int_domain")
    }
    assert domains == {"padded": (-1, 2), "first": (-1, 2)}


REFUSED: list[tuple[str, Callable[[Any], Any]]] = [
    ("lists of int64 cannot be padded with 'a'", lambda x: tlt.pad(x["i"], 2, "a")),
    ("size must be at least 1", lambda x: tlt.pad(x["i"], 0)),
    ("side must be", lambda x: tlt.pad(x["i"], 2, side="middle")),
    ("takes a column of lists", lambda x: tlt.pad(x["s"], 2)),
    ("cannot be padded with 0", lambda x: tlt.sparse_tensor_to_dense_with_shape(x["w"], [None, 2])),
    ("must be known", lambda x: tlt.sparse_tensor_to_dense_with_shape(x["w"], [2, None])),
    ("steps of 1 only", lambda x: x["i"][::2]),
    ("only a list can be indexed", lambda x: x["v"][x["s"]]),
    ("no element 3", lambda x: x["v"][3]),
    ("no element of a vector", lambda x: x["v"][3:]),
    ("different types", lambda x: tlt.list_concat([x["i"], x["w"]])),
    ("takes a list or a vector", lambda x: tlt.list_sum(x["s"])),
    ("not utf8", lambda x: tlt.list_max(x["w"])),
    ("not int64", lambda x: tlt.list_any(x["i"])),
    ("not utf8", lambda x: tlt.list_sort(x["w"])),
    ("segment ids are int64", lambda x: tlt.segment_indices(x["w"])),
    ("use tlt.one_hot", lambda x: tlt.multi_hot(x["s"], 3)),
    ("needs a matrix of 3 rows", lambda x: tlt.matmul(x["v"], [[1.0]])),
    ("its first argument is a column of vectors", lambda x: tlt.matmul(x["s"], np.zeros((0, 2)))),
    ("an index is an integer or a slice", lambda x: x["v"]["a"]),
    ("an index is an integer or a slice", lambda x: x["i"][0, 1]),
    ("all it was given are constants", lambda x: tlt.stack([x["s"].tracer.constant(1)])),
    ("stack takes scalar columns", lambda x: tlt.stack([x["v"], x["s"]])),
    ("unstack takes a vector", lambda x: tlt.unstack(x["i"])[0]),
]


@pytest.mark.parametrize(("message", "function"), REFUSED, ids=[m for m, _ in REFUSED])
def test_mistakes_are_told_at_the_users_line(message: str, function: Callable[[Any], Any]) -> None:
    table = pa.table(
        {"i": [[1]], "w": [["a"]], "s": [1], "v": pa.array([[1, 2, 3]], pa.list_(pa.int64(), 3))},
    )
    with pytest.raises(TransformError, match=message) as caught:
        graph_of(lambda x: {"y": function(x)}, table)
    assert Path(__file__).name in str(caught.value)


def golden() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    wanted = {"tft.deduplicate_tensor_per_row", "tft.segment_indices", "tft.sparse_tensor_left_align"}
    cases = [json.loads(line) for line in FILE.read_text().splitlines()]
    return [c for c in cases if c["op"] in wanted and "expected_error" not in c]


GOLDEN = golden()


def lists_of(value: dict[str, Any]) -> list[Any]:
    """A dense or sparse tensor as rows of lists; a vector as one scalar a row."""
    if "sparse" in value:
        sparse = value["sparse"]
        rows: list[list[tuple[int, Any]]] = [[] for _ in range(sparse["dense_shape"][0])]
        for (row, place), v in zip(sparse["indices"], sparse["values"]["values"], strict=True):
            rows[row].append((place, v))
        return [[v for _, v in sorted(r, key=lambda cell: cell[0])] for r in rows]
    shape, values = value["shape"], value["values"]
    return values if len(shape) == 1 else np.array(values, object).reshape(shape).tolist()


@pytest.mark.shared
@pytest.mark.skipif(not FILE.exists(), reason=f"the conformance cases are not at {FILE}")
@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: c["id"][-60:])
def test_tensorflow_transforms_cases(case: dict[str, Any]) -> None:
    """Segment ids come as one list in one row, as they are a whole tensor upstream."""
    name = case["op"].removeprefix("tft.")
    given_value, wanted = lists_of(next(iter(case["args"].values()))), lists_of(case["expected"]["value"])
    if name == "segment_indices":
        given_value, wanted = [given_value], [wanted]
    dtype = pa.string() if isinstance(str_of(given_value), str) else pa.int64()
    nested = not given_value or isinstance(given_value[0], list)
    table = pa.table({"x": pa.array(given_value, pa.list_(dtype) if nested else dtype)})
    assert run(lambda x: getattr(tlt, name)(x["x"]), table) == wanted


def str_of(values: list[Any]) -> Any:
    """Any element."""
    return next((str_of(v) if isinstance(v, list) else v for v in values if v != []), 0)


def test_the_number_of_golden_cases() -> None:
    assert len(GOLDEN) == (13 if FILE.exists() else 0)
