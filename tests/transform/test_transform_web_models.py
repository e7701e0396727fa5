"""A model of raw features in the browser's runtime: the same predictions; what cannot run there is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from helpers_web import NODE, RUNTIME, Node, encode
from host_functions_transform import text_length

import trueline.transform as tlt
from trueline._core.errors import ModelError
from trueline.models import Fitted, Model, build_model

WORDS = ["Blue", "ÄRGER", "taxi", "日本", None]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    words = [WORDS[i] for i in rng.integers(0, 5, 400)]
    return pa.table(
        {
            "word": pa.array(words, pa.string()),
            "fare": pa.array(rng.normal(10, 4, 400), mask=rng.random(400) < 0.2),
            "good": [w in ("Blue", "日本") for w in words],
        }
    )


def built(table: pa.Table, uri: str, **more: Any) -> Model:
    from sklearn.ensemble import RandomForestClassifier

    def preprocessing(x: Any) -> dict[str, Any]:
        word = tlt.compute_and_apply_vocabulary(tlt.lower(x["word"]), num_oov_buckets=1)
        made = {"word": tlt.one_hot(tlt.fill_missing(word, -1), 5), "fare": tlt.fill_missing(x["fare"], 0.0)}
        return made | {name: function(x) for name, function in more.items()} | {"good": x["good"]}

    transformed, output = tlt.analyze_and_transform(table, preprocessing)
    columns = [np.array(transformed["word"].to_pylist()), np.array(transformed["fare"].to_pylist())[:, None]]
    columns += [np.array(transformed[name].to_pylist())[:, None] for name in more]
    forest = RandomForestClassifier(10, max_depth=4, random_state=0)
    forest.fit(np.hstack(columns).astype(np.float32), table["good"].to_pylist())
    return build_model(Fitted(forest), uri=uri, transform=output, label="good", sample=table, name="words")


def test_the_folder_holds_the_whole_model(table: pa.Table, tmp_path: Path) -> None:
    model = built(table, str(tmp_path / "model"))
    model.save_web(str(tmp_path / "web"))
    about = json.loads((tmp_path / "web" / "feeds.json").read_text())
    assert [f["name"] for f in about["features"]] == ["word", "fare"]
    assert [o["name"] for o in about["outputs"]] == ["probabilities", "label"]
    assert about["graph"] == "model.onnx"
    assert about["classes"] == [False, True]
    assert (tmp_path / "web" / "model.onnx").read_bytes() == (tmp_path / "model" / "model.onnx").read_bytes()


def test_host_steps_and_foreign_operators_are_refused(table: pa.Table, tmp_path: Path) -> None:
    count = {"count": lambda x: tlt.fill_missing(tlt.host(text_length, x["word"], dtype="int64"), 0)}
    model = built(table, str(tmp_path / "model"), **count)
    foreign = onnx.load(str(tmp_path / "model" / "model.onnx"))
    foreign.graph.node.append(onnx.helper.make_node("StringUpper", ["a"], ["b"], domain="ai.onnx.contrib"))
    (tmp_path / "model" / "model.onnx").write_bytes(foreign.SerializeToString())
    with pytest.raises(ModelError, match="the browser cannot run this model") as caught:
        model.save_web(str(tmp_path / "web"))
    assert "text_length" in caught.value.problems[0]
    assert caught.value.problems[1:] == ("onnxruntime-web has no ai.onnx.contrib:StringUpper",)
    assert not (tmp_path / "web").exists()


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs")
@pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh")
def test_node_predicts_what_the_model_predicts(table: pa.Table, tmp_path: Path) -> None:
    model = built(table, str(tmp_path / "model"))
    model.save_web(str(tmp_path / "web"))
    rows = table.select(["word", "fare"]).to_pylist()
    with Node("graph_worker.mjs", str(tmp_path / "web"), str(RUNTIME)) as node:
        answer = node.ask({"graph": str(tmp_path / "web" / "model.onnx"), "rows": encode(rows)})
    assert "error" not in answer, answer["error"]
    expected = model.predict(table)
    assert [r["label"] for r in answer["rows"]] == expected["label"].to_pylist()
    found = np.array([r["probabilities"] for r in answer["rows"]])
    np.testing.assert_allclose(found, np.array(expected["probabilities"].to_pylist()), atol=1e-6)
