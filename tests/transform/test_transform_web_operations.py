"""Every operation that calls itself portable runs in onnxruntime-web and gives the oracle's values.

The cases are those of the operations' own tests; all run in one node process.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import TYPES, VECTOR, all_cases, assert_same, by_oracle, graph_of
from helpers_web import NODE, RUNTIME, Node, chromium_page, decode_arrays, encode, json_rows, served

import trueline._core
import trueline.transform as tlt
from trueline._core.web import foreign_operators
from trueline.transform.graph import Graph
from trueline.transform.lower_onnx import Target, lower
from trueline.transform.operations import OPERATIONS
from trueline.transform.operations.base import Value
from trueline.transform.profiles import profiles_of
from trueline.transform.web_export import save_web

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]
Case = tuple[str, tuple[str, ...], Callable[..., Any]]
CASES = [case for case in all_cases() if OPERATIONS[case[0]].profile == "portable"]
NAMES = [f"{op}-{'-'.join(types)}-{i}" for i, (op, types, _) in enumerate(CASES)]
ROWS = 40
_TAME = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.75, 0.1, 100.0, -20.0, 1e-9, math.nan, math.inf, -math.inf]
_VALUES: dict[str, list[Any]] = {
    "float64": [*_TAME, 9.3e18, -9.3e18, 1e300, 5e-324, 1.5, 7.0],
    "int64": [0, 1, 2, 3, -1, -7, 12, 100, 2**53 + 1, 2**63 - 1, -(2**63)],
    "bool": [True, False],
    "utf8": ["", "a", "A", "Ä", "ß", "12", "-1.5e3", "1e999", "日本", "a\nb", " 7 ", "Das ist ein Haus.", "😀 a,b;c"],
    "timestamp": [0, -1, 1_700_000_000_123_456, -(2**61), 2**61, 951_782_400_000_000],
}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    scripts = Path(trueline._core.__file__).parent / "js"
    with Node("graph_worker.mjs", str(scripts), str(RUNTIME)) as process:
        yield process


def column(op: str, dtype: str, rng: random.Random) -> pa.Array:
    kind, _, inner = dtype.rstrip(">").rpartition("<")
    values = _TAME if OPERATIONS[op].kind == "rounded" and inner == "float64" else _VALUES[inner]

    def one() -> Any:
        if not kind:
            return rng.choice(values)
        return [rng.choice(values) for _ in range(VECTOR if kind == "vector" else rng.randrange(5))]

    return pa.array([None if rng.random() < 0.15 else one() for _ in range(ROWS)], TYPES[dtype])


def as_the_browser_shows(value: Value) -> Value:
    """onnxruntime-web cuts a text that it gives out at U+0000; some cases make such texts on purpose."""
    if value.data.dtype != object:
        return value
    cut = np.empty(value.data.shape, object)
    cut.ravel()[:] = [text.partition("\0")[0] for text in value.data.ravel().tolist()]
    return Value(cut, value.present, value.lengths)


def graph_and_rows(case: Case) -> tuple[Graph, bytes, pa.Table] | None:
    """A case's graph, its ONNX file and rows for it; None where another of its operations is not portable."""
    op, types, function = case
    rng = random.Random(f"{op} {types}")
    table = pa.table({f"x{i}": column(op, t, rng) for i, t in enumerate(types)})
    names = table.schema.names
    graph = graph_of(lambda x: {"y": function(*(x[n] for n in names))}, table)
    if profiles_of(graph) != {"portable"}:
        return None
    model = lower(graph, [Target("y", graph.output("y"), final=False)])
    assert foreign_operators(model) == []
    used = [n for n in names if n in graph.input_names([graph.output("y")])]
    return graph, model.SerializeToString(), table.select(used)


def check(op: str, graph: Graph, part: pa.Table, answer: dict[str, Any]) -> None:
    """Bits for exact operations, else within the operation's ulps."""
    assert "error" not in answer, answer["error"]
    found = decode_arrays(answer["arrays"])
    value = Value(found["y"], found.get("y:present"), found.get("y:length"))
    assert_same(value, as_the_browser_shows(by_oracle(graph, part)["y"]), OPERATIONS[op].ulps)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_node_gives_the_oracles_values(node: Node, tmp_path: Path, case: Case) -> None:
    """In one batch, row by row, and on no rows."""
    made = graph_and_rows(case)
    if made is None:
        return
    graph, model, table = made
    place = tmp_path / "graph.onnx"
    place.write_bytes(model)
    assert node.ask({"graph": str(place), "rows": encode([])}) == {"rows": []}
    for part in (table, *(table.slice(i, 1) for i in range(6))):
        check(case[0], graph, part, node.ask({"graph": str(place), "rows": encode(json_rows(part)), "arrays": True}))
    node.ask({"graph": str(place), "forget": True})


_IN_PAGE = """async ([graph, rows]) => {
  const [ort, { load }, { decode, encode }] = await Promise.all(
    ["/ort/ort.wasm.bundle.min.mjs", "/graph.mjs", "/test/codec.mjs"].map((path) => import(path)));
  ort.env.wasm.numThreads = 1;
  try {
    const loaded = await load(ort, graph);
    const arrays = encode(await loaded.runTensors(decode(rows)));
    await loaded.session.release();
    return { arrays };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}"""


def test_chromium_gives_the_oracles_values(tmp_path: Path) -> None:
    """All cases in one page."""
    output = tlt.analyze_and_transform(pa.table({"a": [1.0]}), lambda x: {"a": x["a"]})[1]
    save_web(output, str(tmp_path), runtime=str(RUNTIME))
    with served(tmp_path) as address, chromium_page(address) as page:
        page.goto(f"{address}/index.html")
        page.wait_for_selector("body[data-state=ready]")
        for case in CASES:
            made = graph_and_rows(case)
            if made is not None:
                graph, model, table = made
                (tmp_path / "case.onnx").write_bytes(model)
                answer = page.evaluate(_IN_PAGE, ["/case.onnx", encode(json_rows(table))])
                check(case[0], graph, table, answer)
