"""What `save_web` writes, and that it refuses what the browser cannot run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pyarrow as pa
import pytest
from onnx import helper

import trueline.transform as tlt
from trueline._core.errors import ConfigError, TransformError
from trueline._core.web import foreign_operators
from trueline.transform.web_export import save_web

TABLE = pa.table({"a": [1.0, None, 3.0], "s": ["x", "y", None]})


def host_length(column: list[Any]) -> list[int | None]:
    return [None if v is None else len(v) for v in column]


def analysed(function: Any) -> tlt.TransformOutput:
    return tlt.analyze_and_transform(TABLE, function)[1]


def test_the_folder_holds_graph_feeds_and_scripts(tmp_path: Path) -> None:
    output = analysed(lambda x: {"z": tlt.scale_to_z_score(x["a"]), "s": tlt.lower(x["s"])})
    save_web(output, str(tmp_path / "all"))
    output.save_web(str(tmp_path / "z"), ["z"], runtime="https://example.org/ort.mjs")
    files = {"transform.onnx", "feeds.json", "feeds.mjs", "graph.mjs", "iso_time.mjs", "page.mjs", "index.html"}
    assert {p.name for p in (tmp_path / "all").iterdir()} == files
    about = json.loads((tmp_path / "all" / "feeds.json").read_text())
    assert about["features"] == output.feeds().to_json()
    assert [o["name"] for o in about["outputs"]] == ["z", "s"]
    assert about["content_hash"] == output.content_hash
    assert about["runtime"] == "./ort/ort.wasm.bundle.min.mjs"
    part = json.loads((tmp_path / "z" / "feeds.json").read_text())
    assert [f["name"] for f in part["features"]] == ["a"]
    assert part["runtime"] == "https://example.org/ort.mjs"
    model = onnx.load(str(tmp_path / "z" / "transform.onnx"))
    assert [o.name for o in model.graph.output] == ["transformed:z", "transformed:z:present"]


def test_the_runtime_is_copied_or_missed(tmp_path: Path) -> None:
    output = analysed(lambda x: {"z": x["a"] + 1.0})
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "ort.wasm.bundle.min.mjs").write_text("export {};")
    with pytest.raises(ConfigError, match=r"ort-wasm-simd-threaded\.wasm[\s\S]*npm install onnxruntime-web"):
        save_web(output, str(tmp_path / "page"), runtime=str(tmp_path / "dist"))
    assert not (tmp_path / "page").exists()
    (tmp_path / "dist" / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm")
    save_web(output, str(tmp_path / "page"), runtime=str(tmp_path / "dist"))
    assert (tmp_path / "page" / "ort" / "ort-wasm-simd-threaded.wasm").read_bytes() == b"\0asm"


def test_operations_of_other_profiles_are_refused_by_name(tmp_path: Path) -> None:
    """Every operation and host step at once, with the user's line and what to use instead; other outputs may go."""
    output = analysed(
        lambda x: {
            "z": x["a"] + 1.0,
            "s": tlt.regex_replace(x["s"], "a+", "b"),
            "n": tlt.host(host_length, x["s"], dtype="int64"),
        }
    )
    with pytest.raises(TransformError) as caught:
        save_web(output, str(tmp_path / "page"))
    told = "\n".join(caught.value.problems)
    assert "host_length" in told
    assert "`regex_replace`" in told
    assert "needs the `server` profile: the browser cannot run it; alternatives: " in told
    assert "test_transform_web_export.py" in told
    assert not (tmp_path / "page").exists()
    save_web(output, str(tmp_path / "page"), ["z"])
    assert (tmp_path / "page" / "transform.onnx").exists()


def test_operators_that_onnxruntime_web_lacks_are_found_in_subgraphs_too() -> None:
    inner = helper.make_graph(
        [helper.make_node("StringUpper", ["x"], ["y"], domain="ai.onnx.contrib")], "inner", [], []
    )
    nodes = [
        helper.make_node("MurmurHash3", ["a"], ["b"], domain="com.microsoft"),
        helper.make_node("FusedMatMul", ["a", "b"], ["c"], domain="com.microsoft"),
        helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    assert foreign_operators(model) == ["ai.onnx.contrib:StringUpper", "com.microsoft:FusedMatMul"]
