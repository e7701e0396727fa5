"""Every task the whole road: head, export, merge, gate, artifact, bulk, Evaluator and the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trueline._core.errors import ConfigError, ModelError, ParityError
from trueline._core.values import RawFeature
from trueline.engine.base import Dataset
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, evaluate
from trueline.models import Fitted, Model, PythonModel, export
from trueline.models.contract import NO_LABEL, Head, head_of
from trueline.models.exporters.heads import append_head, scores_of
from trueline.models.inputs import model_inputs, select_features
from trueline.models.parity import compare
from trueline.serving import validate_in_server

NUMBERS = ["length_filled", "depth", "mass"]


def layer(columns: int, width: int = 3) -> onnx.ModelProto:
    """x @ w as a graph of its own."""
    w = np.linspace(-1, 1, width * columns).reshape(width, columns).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", columns])],
        [numpy_helper.from_array(w, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)


@pytest.fixture(scope="module")
def ranking(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    uri = tmp_path_factory.mktemp("ranking") / "m"
    return line.build(Fitted(layer(1), output="score"), uri, "grade", NUMBERS, weight="importance")


@pytest.fixture(scope="module")
def embedding(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    uri = tmp_path_factory.mktemp("embedding") / "m"
    return line.build(Fitted(layer(5), output="embedding"), uri, None, NUMBERS)


def own(line: Any, columns: int) -> Any:
    made = line.transform.transform(line.table)
    x = np.stack([made.column(n).to_numpy(zero_copy_only=False).astype(np.float32) for n in NUMBERS], axis=1)
    return x @ np.linspace(-1, 1, 3 * columns).reshape(3, columns)


def test_a_score_has_a_name_of_its_own(ranking: Model, line: Any) -> None:
    assert (ranking.task, ranking.classes) == ("ranking", None)
    assert ranking.runtime.outputs == [{"name": "score", "dtype": "float32", "shape": [None], "meaning": "score"}]
    found = ranking.predict(line.table)
    assert found.column_names == ["__row__", "score"]
    np.testing.assert_allclose(found.column("score").to_numpy(), own(line, 1)[:, 0], atol=1e-5)
    with pytest.raises(ModelError, match="its task is ranking"):
        ranking.predict_proba(line.table)


def test_an_embedding_is_a_vector_a_row(embedding: Model, line: Any) -> None:
    assert (embedding.task, embedding.label) == ("embedding", None)
    found = embedding.predict(line.table).column("embedding").to_pylist()
    np.testing.assert_allclose(found, own(line, 5), atol=1e-5)
    assert embedding.info["targets"] is None
    assert embedding.info["leakage"] == []
    assert "label" in embedding._repr_html_()
    with pytest.raises(ModelError, match="the model has no label"):
        embedding.targets(line.table)


@pytest.mark.parametrize("name", ["ranking", "embedding"])
def test_the_server_answers_rows_and_columns(name: str, line: Any, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(name)
    rows = [{f.name: row[f.name] for f in model.runtime.inputs} for row in line.table.slice(0, 30).to_pylist()]
    expected = {n: v.tolist() for n, v in model.runtime.predict_rows(rows).items()}
    assert list(expected) == [{"ranking": "score", "embedding": "embedding"}[name]]
    report = validate_in_server(model.uri, rows, expected=expected)
    assert report.ok, report.message
    assert report.rows == 30


def test_a_score_is_measured_against_a_numeric_label(ranking: Model, line: Any) -> None:
    names = ("ExampleCount", "MeanPrediction", "SquaredPearsonCorrelation", "MeanAbsoluteError")
    config = EvalConfig(metrics_specs=[MetricsSpec(metrics=[MetricConfig(n) for n in names])])
    result = evaluate(ranking, Dataset.from_table(line.table), config)
    overall = dict(result.plain_slicing_metrics)[()]
    label, weight = ranking.targets(line.table)
    kept = np.asarray(label.is_valid())
    y, w = np.array(label.drop_null().to_pylist(), float), weight[kept]
    score = ranking.predict(line.table).column("score").to_numpy()[kept]
    assert overall["mean_prediction"] == pytest.approx(np.average(score, weights=w), rel=1e-5)
    assert overall["mean_absolute_error"] == pytest.approx(np.average(np.abs(score - y), weights=w), rel=1e-5)
    assert 0 <= overall["squared_pearson_correlation"] <= 1
    wrong = EvalConfig(metrics_specs=[MetricsSpec(metrics=[MetricConfig("AUC")])])
    with pytest.raises(ConfigError, match="'AUC' is not defined for a ranking model"):
        evaluate(ranking, Dataset.from_table(line.table), wrong)


def test_an_embedding_has_nothing_to_be_compared_with(embedding: Model, line: Any) -> None:
    config = EvalConfig(metrics_specs=[MetricsSpec(metrics=[MetricConfig("ExampleCount")])])
    with pytest.raises(ModelError, match="an embedding is no prediction"):
        evaluate(embedding, Dataset.from_table(line.table), config)


def test_no_label_is_for_embeddings_alone(line: Any, tmp_path: Path) -> None:
    for output in ("score", "prediction", "probabilities"):
        with pytest.raises(ModelError, match="only an embedding has none"):
            line.build(Fitted(layer(1), output=output), tmp_path / "m", None, NUMBERS)
    given = PythonModel("models_python_code:linear", output="prediction")
    with pytest.raises(ModelError, match="only an embedding has none"):
        line.build(given, tmp_path / "m", None, NUMBERS)
    with pytest.raises(ModelError, match="label 'gone' is no transform output"):
        select_features(line.transform.outputs, "gone")
    assert "species" not in {f.name for f in select_features(line.transform.outputs, None, None, NUMBERS)}


def test_an_embedding_may_have_a_label_all_the_same(line: Any, tmp_path: Path) -> None:
    made = line.build(Fitted(layer(2), output="embedding"), tmp_path / "m", "species", NUMBERS)
    assert (made.task, made.label) == ("embedding", "species")
    assert made.targets(line.table)[0].null_count > 0


def test_heads_of_numbers_and_vectors() -> None:
    label = RawFeature("y", "int64")
    assert head_of(label, "score", 1, None) == Head("ranking")
    assert head_of(RawFeature("y", "bool"), "score", 1, None) == Head("ranking")  # relevant or not
    assert head_of(NO_LABEL, "embedding", 8, None) == Head("embedding", size=8)
    assert (Head("embedding", size=8).output, Head("embedding", size=8).columns) == ("embedding", 8)
    with pytest.raises(ModelError, match="predicts 3 numbers"):
        head_of(label, "score", 3, None)
    with pytest.raises(ModelError, match="is utf8"):
        head_of(RawFeature("y", "utf8"), "score", 1, None)


@pytest.mark.parametrize(("meaning", "columns", "shape"), [("score", 0, (4,)), ("embedding", 3, (4, 3))])
def test_numbers_pass_the_head_as_they_are(meaning: Any, columns: int, shape: tuple[int, ...]) -> None:
    raw = np.arange(4 * max(columns, 1), dtype=np.float64).reshape(4, -1)
    assert scores_of(raw, meaning).shape == shape
    made = append_head(layer(max(columns, 1)), "y", meaning, columns)
    assert [n.op_type for n in made.graph.node] == ["MatMul"]


def test_the_gate_judges_vectors_by_each_number() -> None:
    head = Head("embedding", size=2)
    own_values = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert compare(own_values, own_values.astype(np.float32), None, head).class_changes == []
    wrong = own_values.copy()
    wrong[1, 0] += 0.01
    with pytest.raises(ParityError, match=r"row 1 of the sample: the framework says 3\.0, the exported model 3\.01"):
        compare(own_values, wrong, None, head)


def test_export_alone_names_the_output_by_task(line: Any) -> None:
    specs = model_inputs(select_features(line.transform.outputs, "grade", None, NUMBERS))
    label = next(f for f in line.transform.outputs if f.name == "grade")
    assert [o.name for o in export(Fitted(layer(1), output="score"), specs, label).graph.output] == ["score"]
    assert [o.name for o in export(Fitted(layer(2), output="embedding"), specs, label).graph.output] == ["embedding"]


def test_the_artifact_is_json_of_format_one(ranking: Model) -> None:
    info = json.loads((Path(ranking.uri) / "model.json").read_text())
    assert info["format"] == 1
    assert info["about"] == {}
    assert info["training"] == {}
    assert info["signature"]["outputs"][0]["meaning"] == "score"


def test_the_servers_metadata_has_shapes_and_no_examples(embedding: Model) -> None:
    """A row of real data lies in the artifact for people; clients are told types alone."""
    from trueline.serving.payloads import metadata

    answer = metadata("places", 1, embedding.runtime)
    definition = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    dims = [d["size"] for d in definition["outputs"]["embedding"]["tensor_shape"]["dim"]]
    assert dims == ["-1", "5"]
    assert answer["trueline"]["task"] == "embedding"
    assert all("example" not in f for f in answer["trueline"]["inputs"])
    assert all("example" in f for f in embedding.info["signature"]["inputs"])
