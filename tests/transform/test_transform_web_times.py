"""Texts of times in onnxruntime-web: the same instants as here."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, graph_of
from helpers_web import NODE, RUNTIME, Node, decode_arrays, encode, json_rows
from test_transform_parse_times import FORMATS, ISO

import trueline._core
import trueline.transform as tlt
from trueline.transform.lower_onnx import Target, lower
from trueline.transform.operations.base import Value

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]


def test_node_reads_texts_of_times_alike(tmp_path: Path) -> None:
    """ISO 8601 and every fixed format of the tests, on all of their texts, in one batch and row by row."""
    table = pa.table({"s": [*ISO, *(text for _, text, _ in FORMATS), None]})
    scripts = Path(trueline._core.__file__).parent / "js"
    with Node("graph_worker.mjs", str(scripts), str(RUNTIME)) as node:
        for time_format in ["iso", *dict.fromkeys(f for f, _, _ in FORMATS)]:
            graph = graph_of(lambda x, f=time_format: {"y": tlt.parse_time(x["s"], f)}, table)
            place = tmp_path / "graph.onnx"
            place.write_bytes(lower(graph, [Target("y", graph.output("y"), final=False)]).SerializeToString())
            for part in (table, *(table.slice(i, 1) for i in range(0, table.num_rows, 9))):
                answer = node.ask({"graph": str(place), "rows": encode(json_rows(part)), "arrays": True})
                assert "error" not in answer, answer["error"]
                found = decode_arrays(answer["arrays"])
                assert_same(Value(found["y"], found["y:present"]), by_onnx(graph, part)["y"])
            node.ask({"graph": str(place), "forget": True})
