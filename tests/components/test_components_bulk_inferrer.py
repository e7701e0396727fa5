"""The BulkInferrer predicts splits with a blessed model, as predictions or as Examples, and refuses any other model."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

from sklearn.linear_model import LogisticRegression

import trueline.transform as tlt
from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, DataError
from trueline._core.manifest import read_manifest, write_manifest
from trueline._core.values import RawFeature
from trueline.components import BulkInferrer
from trueline.components.bulk_inferrer import REFUSED_FILE, execute
from trueline.data import Examples, ExamplesWriter
from trueline.engine import Dataset
from trueline.models import Model, Predictions, build_model
from trueline.pipeline import ArtifactHandle, Importer, Pipeline
from trueline.pipeline.artifacts import Examples as ExamplesType
from trueline.pipeline.artifacts import Model as ModelType
from trueline.runners import LocalRunner
from trueline.training import FnArgs

ROWS = pa.table(
    {
        "word": ["a", "b", None, "c"] * 25,
        "size": [float(i % 7) for i in range(100)],
        "label": [i % 7 > 3 for i in range(100)],
    }
)
DEFAULTS = {
    "needs_blessing": False,
    "example_splits": None,
    "output_columns": None,
    "rename": {},
    "allow_missing_columns": False,
}


def preprocessing(inputs):
    return {
        "word": tlt.compute_and_apply_vocabulary(tlt.fill_missing(inputs["word"], "none")),
        "size": tlt.scale_to_z_score(inputs["size"]),
        "target": inputs["label"],
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Examples of two splits and a model that was trained on them, as artifacts."""
    folder = tmp_path_factory.mktemp("bulk")
    with ExamplesWriter(str(folder / "examples"), ROWS.schema, [{"name": "rows.csv"}], 30) as writer:
        writer.write("train", ROWS.slice(0, 70).combine_chunks().to_batches()[0])
        writer.write("eval", ROWS.slice(70).combine_chunks().to_batches()[0])
    examples = write_manifest(str(folder / "examples"), "Examples")
    raw = [
        RawFeature("word", "utf8"),
        RawFeature("size", "float64", optional=False),
        RawFeature("label", "bool", optional=False),
    ]
    transform = tlt.analyze(tlt.trace(preprocessing, raw), Dataset.from_table(ROWS))
    rows = Dataset.from_table(transform.transform(ROWS))
    x, y, _ = FnArgs.create(train=rows, transform=transform, label="target").train.arrays()
    model = build_model(
        LogisticRegression().fit(x, y), uri=str(folder / "model"), transform=transform, label="target", sample=ROWS
    )
    fingerprint = read_manifest(model.uri).fingerprint
    source = {"span": 4, "version": 2, "split_names": ["train", "eval"]}
    return (
        ArtifactHandle("Examples", str(folder / "examples"), source, id=1, fingerprint=examples.fingerprint),
        ArtifactHandle("Model", model.uri, {}, id=2, fingerprint=fingerprint),
    )


def run(context, made, key="inference_result", blessing=(), **params):
    kind = {"inference_result": "InferenceResult", "output_examples": "Examples"}[key]
    inputs = {"examples": [made[0]], "model": [made[1]], "model_blessing": list(blessing)}
    ctx = context(DEFAULTS | params, inputs, {key: kind})
    execute(ctx)
    return ctx


def test_all_splits_are_predicted_with_the_models_own_bits(made, context):
    ctx = run(context, made)
    found = Predictions.open(ctx.outputs["inference_result"].uri)
    assert found.splits == ("train", "eval")
    assert ctx.found == {"predicted": 100, "splits": ["train", "eval"]}
    for split in found.splits:
        table = Examples.open(made[0].uri).table(split)
        assert found.table(split).to_pydict() == Model.load(made[1].uri).predict(table).to_pydict()
    assert found.table("eval").column("__row__").to_pylist() == list(range(70, 100))


def test_examples_get_their_predictions_as_columns(made, context):
    ctx = run(context, made, "output_examples", rename={"label": "guess"}, example_splits=["eval"])
    out = ctx.outputs["output_examples"]
    found = Examples.open(out.uri)
    assert found.splits == ("eval",)
    assert found.arrow_schema.names == ["__row__", "word", "size", "label", "probabilities", "guess"]
    source = Examples.open(made[0].uri).table("eval")
    joined = found.table("eval")
    for name in source.schema.names:
        assert joined.column(name).to_pylist() == source.column(name).to_pylist()
    assert joined.column("guess").to_pylist() == Model.load(made[1].uri).predict(source).column("label").to_pylist()
    assert out.properties == {"span": 4, "version": 2, "split_names": ["eval"]}
    assert [s["name"] for s in found.sources] == ["rows.csv"]


def test_equal_work_gives_equal_files(made, context, tmp_path):
    first = write_manifest(run(context, made).outputs["inference_result"].uri, "InferenceResult").fingerprint
    import shutil

    shutil.rmtree(tmp_path / "out")
    assert write_manifest(run(context, made).outputs["inference_result"].uri, "InferenceResult").fingerprint == first


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"blessed": 0, "reason": "The model is not blessed: auc is 0.5"}, "the model is not blessed: auc is 0.5"),
        ({"blessed": 1, "current_model_fingerprint": "another"}, "speaks of another model"),
        (None, "is not there"),
    ],
)
def test_a_model_without_its_blessing_predicts_nothing(made, context, artifact, properties, said):
    given = []
    if properties is not None:
        given = [artifact("ModelBlessing", {}, **({"current_model_fingerprint": made[1].fingerprint} | properties))]
    ctx = run(context, made, blessing=given, needs_blessing=True)
    out = ctx.outputs["inference_result"]
    assert said in str(ctx.gate)
    with pytest.raises(ArtifactError, match="no predictions"):
        Predictions.open(out.uri)
    assert said in json.loads(store.read_text(out.path(REFUSED_FILE)))["reason"]


def test_a_sampled_run_predicts_without_a_blessing(made, context):
    context.sample = 10
    ctx = run(context, made, needs_blessing=True)
    assert ctx.gate is None
    assert (ctx.found["blessed"], ctx.found["sample"]) == (False, 10)
    assert ctx.found["predicted"] > 0


def test_a_blessed_model_predicts(made, context, artifact):
    blessing = artifact("ModelBlessing", {}, blessed=1, current_model_fingerprint=made[1].fingerprint)
    assert run(context, made, blessing=[blessing], needs_blessing=True).gate is None


def test_what_cannot_be_done_is_said(made, context):
    with pytest.raises(ArtifactError, match="no split 'test'"):
        run(context, made, example_splits=["test"])
    with pytest.raises(ConfigError, match="two columns 'label'"):
        run(context, made, "output_examples")
    with pytest.raises(ConfigError, match="no column 'wrod'"):
        run(context, made, output_columns=["wrod"])


def test_a_missing_required_value_names_the_row_of_the_file(made, context, tmp_path):
    table = ROWS.set_column(1, "size", pa.array([None if i == 42 else 1.0 for i in range(100)], pa.float64()))
    with ExamplesWriter(str(tmp_path / "bad"), table.schema, [{"name": "rows.csv"}], 30) as writer:
        writer.write("train", table.combine_chunks().to_batches()[0])
    bad = ArtifactHandle("Examples", str(tmp_path / "bad"), {}, id=3, fingerprint="x")
    with pytest.raises(DataError, match=r"rows\.csv record 43: 'size' is missing"):
        run(context, (bad, made[1]))


def test_the_component_has_the_output_that_was_asked_for(tmp_path):
    nodes = [
        Importer(source_uri=f"/nowhere/{kind.TYPE_NAME}", artifact_type=kind, node_id=kind.TYPE_NAME)
        for kind in (ExamplesType, ModelType)
    ]
    examples, model = (node.outputs["result"] for node in nodes)
    assert list(BulkInferrer(examples=examples, model=model).outputs) == ["inference_result"]
    assert list(BulkInferrer(examples=examples, model=model, output_examples=True).outputs) == ["output_examples"]
    bad = BulkInferrer(examples=examples, model=model, example_splits=[])
    with pytest.raises(ConfigError, match="no example_splits to predict"):
        Pipeline("p", [*nodes, bad], root=tmp_path)


def test_in_a_line_it_runs_once_and_is_taken_from_the_cache(made, tmp_path):
    nodes = [
        Importer(source_uri=handle.uri, artifact_type=kind, node_id=kind.TYPE_NAME)
        for handle, kind in zip(made, (ExamplesType, ModelType), strict=True)
    ]
    examples, model = (node.outputs["result"] for node in nodes)
    states = []
    for _ in range(2):
        inferrer = BulkInferrer(
            examples=examples,
            model=model,
            example_splits=["eval"],
            output_columns=["*", "guess"],
            rename={"label": "guess"},
        )
        result = LocalRunner().run(Pipeline("line", [*nodes, inferrer], root=tmp_path / "root"))
        assert result.ok
        node = result.nodes["BulkInferrer"]
        states.append(str(node.state))
        found = Predictions.open(node.outputs["inference_result"][0].uri)
        assert found.table().schema.names == ["__row__", "word", "size", "label", "guess"]
        assert found.num_rows("eval") == 30
    assert states[0] != states[1]
