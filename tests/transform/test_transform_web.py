"""The exported graph in node and in headless Chromium, by onnxruntime-web: the values of `TransformOutput.transform`.

The environment is made by scripts/web_env.sh.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from functions_web import preprocessing, raw_rows
from helpers_web import NODE, RUNTIME, Node, chromium_page, decode_arrays, encode, json_rows, served

import trueline.transform as tlt
from trueline._core.feeds import Feeds
from trueline.transform.operations import operation
from trueline.transform.web_export import save_web

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return raw_rows(700)


@pytest.fixture(scope="module")
def output(table: pa.Table) -> tlt.TransformOutput:
    return tlt.analyze_and_transform(table, preprocessing)[1]


@pytest.fixture(scope="module")
def folder(output: tlt.TransformOutput, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("web") / "page"
    save_web(output, str(place), runtime=str(RUNTIME))
    return place


def rounded(output: tlt.TransformOutput) -> set[str]:
    """Outputs that some rounded operation is part of."""
    nodes = output.graph.nodes
    return {
        name
        for name, i in output.graph.outputs
        for n in output.graph.reachable([i])
        if nodes[n].op not in ("input", "constant") and operation(nodes[n].op).kind == "rounded"
    }


def expected_arrays(output: tlt.TransformOutput, rows: pa.Table) -> dict[str, np.ndarray]:
    """What `transform` gives, as the arrays that a graph gives: missing values as 0, "" or false."""
    feeds = Feeds(output.outputs)
    return {f"transformed:{name}": array for name, array in feeds.from_arrow(output.transform(rows)).items()}


def ulps_of_float32(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    def ordered(x: np.ndarray) -> np.ndarray:
        raw = np.ascontiguousarray(x).view(np.int32).astype(np.int64)
        return np.where(raw < 0, -(2**31) - raw, raw)

    both_nan = np.isnan(a) & np.isnan(b)
    return np.where(both_nan | (a == b), 0, np.abs(ordered(a) - ordered(b)))


def assert_equal(found: dict[str, np.ndarray], output: tlt.TransformOutput, rows: pa.Table) -> None:
    """Same bits where all operations are exact; else one unit in the last place of float32, the outputs' type."""
    expected = expected_arrays(output, rows)
    assert found.keys() == expected.keys()
    inexact = {f"transformed:{name}" for name in rounded(output)}
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        if f"{name}:length" in expected:  # lists may be padded further than the longest one of the batch
            inside = np.arange(array.shape[1]) < expected[f"{name}:length"][:, None]
            array, found[name] = array[inside], found[name][:, : array.shape[1]][inside]
        assert found[name].shape == array.shape, name
        if array.dtype == np.float32:
            assert ulps_of_float32(found[name], array).max(initial=0) <= (name in inexact), name
            exact = np.isnan(array) | (np.signbit(array) == np.signbit(found[name]))
            assert exact.all(), name
        else:
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_node_gives_the_same_values(output: tlt.TransformOutput, folder: Path, table: pa.Table) -> None:
    """In one batch of all rows, and in batches of one row."""
    place = str(folder / "transform.onnx")
    with Node("graph_worker.mjs", str(folder), str(RUNTIME)) as node:
        for part in (table, *(table.slice(i, 1) for i in range(40))):
            rows = json_rows(part.select([f.name for f in output.raw_features()]))
            answer = node.ask({"graph": place, "rows": encode(rows), "arrays": True})
            assert "error" not in answer, answer["error"]
            assert_equal(decode_arrays(answer["arrays"]), output, part)


def test_node_gives_rows(output: tlt.TransformOutput, folder: Path, table: pa.Table) -> None:
    """`run` gives objects: null for what is missing, numbers, text, lists."""
    part = table.slice(0, 50)
    rows = json_rows(part.select([f.name for f in output.raw_features()]))
    with Node("graph_worker.mjs", str(folder), str(RUNTIME)) as node:
        found = node.ask({"graph": str(folder / "transform.onnx"), "rows": encode(rows)})["rows"]
        assert node.ask({"graph": str(folder / "transform.onnx"), "rows": encode([])}) == {"rows": []}
    expected = json_rows(output.transform(part))
    assert [list(r) for r in found] == [list(r) for r in expected]
    inexact = rounded(output)
    for mine, theirs in zip(found, expected, strict=True):
        for name in theirs:
            if name not in inexact:
                assert json.dumps(mine[name]) == json.dumps(_plain(theirs[name])), name
            else:
                assert (mine[name] is None) == (theirs[name] is None)


def _plain(value: Any) -> Any:
    """A value as the worker writes it: what JSON cannot hold as text, whole floats without a point."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return str(value) if isinstance(value, int) and abs(value) > 2**53 and not isinstance(value, bool) else value


def test_errors_name_row_and_field(folder: Path) -> None:
    with Node("graph_worker.mjs", str(folder), str(RUNTIME)) as node:
        answer = node.ask({"graph": str(folder / "transform.onnx"), "rows": encode([{}, {"fare": "x", "fnord": 1}])})
    assert answer["error"].startswith("FeedError: the data does not fit the model's signature")
    assert "row 1, field 'fare': expected float64, got string" in answer["error"]
    assert "row 1: unknown field 'fnord'" in answer["error"]


@pytest.fixture
def page(folder: Path) -> Iterator[Any]:
    with served(folder) as address, chromium_page(address) as page:
        page.goto(f"{address}/index.html")
        page.wait_for_selector("body[data-state]")
        assert page.inner_text("[role=alert]") == ""
        yield page


_IN_PAGE = """async (rows) => {
  const [ort, { load }, { decode, encode }] = await Promise.all(
    ["/ort/ort.wasm.bundle.min.mjs", "/graph.mjs", "/test/codec.mjs"].map((path) => import(path)));
  ort.env.wasm.numThreads = 1;
  const graph = await load(ort, "/transform.onnx");
  return encode(await graph.runTensors(decode(rows)));
}"""


def test_chromium_gives_the_same_values(output: tlt.TransformOutput, table: pa.Table, page: Any) -> None:
    for part in (table, table.slice(5, 1)):
        rows = json_rows(part.select([f.name for f in output.raw_features()]))
        assert_equal(decode_arrays(page.evaluate(_IN_PAGE, encode(rows))), output, part)


def test_the_page_computes_what_its_form_holds(output: tlt.TransformOutput, table: pa.Table, page: Any) -> None:
    full = (r for r in json_rows(table) if None not in r.values() and np.isfinite(r["fare"]))
    row = next(r for r in full if r["company"] and r["date"] and r["review"].strip())
    for feature in output.raw_features():
        plain = feature.dtype == "utf8" and feature.kind == "scalar"
        page.fill(f"input[name={feature.name}]", row[feature.name] if plain else json.dumps(row[feature.name]))
    page.click("button")
    page.wait_for_function("document.querySelector('pre').textContent !== ''")
    found = json.loads(page.inner_text("pre"))
    expected = json_rows(output.transform(pa.Table.from_pylist([row], schema=table.schema)))[0]
    for name in expected.keys() - rounded(output):
        assert found[name] == _plain(expected[name]), name
    page.fill("input[name=fare]", '"x"')
    page.click("button")
    page.wait_for_function("document.querySelector('[role=alert]').textContent !== ''")
    assert "field 'fare': expected float64" in page.inner_text("[role=alert]")
