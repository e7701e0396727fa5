"""The taxi line end to end: it runs, remembers, stops where it should, and serves what was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trueline import Examples, FnArgs, Model
from trueline._core.values import arrow_type_of
from trueline.cli.run import closed_gates, exit_code_of_run
from trueline.model_analysis import EvalResult
from trueline.models import input_arrays, model_inputs
from trueline.serving import validate_in_server
from trueline.transform import TransformOutput

NODES = {
    "CsvExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "LatestBlessedModel",
    "Evaluator",
    "InfraValidator",
    "Pusher",
    "ModelCardGenerator",
}


def states(result):
    return {node_id: node.state for node_id, node in result.nodes.items()}


def output(result, node, key):
    (handle,) = result.nodes[node].outputs[key]
    return handle


@pytest.fixture(scope="module")
def ran(tmp_path_factory, taxi_rows):
    """A line that ran once; its tests only read."""
    import sys

    from lines_taxi import TaxiLine

    before = list(sys.path)
    line = TaxiLine(tmp_path_factory.mktemp("taxi"), taxi_rows)
    result = line.run()
    sys.path[:] = before
    return line, result


def test_every_node_completes_and_a_version_is_pushed(ran):
    line, result = ran
    assert states(result) == dict.fromkeys(NODES, "COMPLETE")
    assert result.nodes["CsvExampleGen"].found["rows"] == 3000
    assert result.nodes["ExampleValidator"].found["anomalies"] == 0
    assert result.nodes["Trainer"].found["parity_max_diff"] < 1e-5
    assert result.nodes["Evaluator"].found["blessed"] is True
    assert result.nodes["InfraValidator"].found["rows"] == 8
    assert line.versions == [result.nodes["Pusher"].found["version"]]


def test_tips_are_never_asked_of_a_client(ran):
    _, result = ran
    model = Model.load(output(result, "Trainer", "model").uri)
    names = {feature.name for feature in model.runtime.inputs}
    assert "tips" not in names
    assert {"fare", "payment_type", "company"} <= names
    # The label is made from fare and tips: the line says that a feature shares a column with it.
    assert result.nodes["Trainer"].found["probable_leakage"] == ["fare"]


def native_probabilities(result, table):
    """What scikit-learn itself predicts: fitted again outside the line, on the line's own features."""
    import importlib.util

    from lines_taxi import EXAMPLES

    spec = importlib.util.spec_from_file_location("taxi_model_alone", EXAMPLES / "taxi" / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    transform = TransformOutput.load(output(result, "Transform", "transform_graph").uri)
    examples = Examples.open(output(result, "Transform", "transformed_examples").uri)
    given = {"transform": transform, "label": module.LABEL, "hyperparameters": {"max_iter": 100}}
    fn_args = FnArgs.create(train=examples.dataset("train"), **given)
    native = module.run_fn(fn_args)
    transformed = transform.transform(table, list(fn_args.features))
    return native.predict_proba(input_arrays(transformed, model_inputs(fn_args.train.features))["x"])


def test_what_the_server_predicts_is_what_scikit_learn_predicts(ran):
    """The real server in a process of its own, held-out raw rows over HTTP, against the model that was fitted."""
    line, result = ran
    pushed = line.serving / line.versions[0]
    model = Model.load(str(pushed))
    names = [feature.name for feature in model.runtime.inputs]
    table = Examples.open(output(result, "CsvExampleGen", "examples").uri).table("eval", names)
    native = native_probabilities(result, table)
    rows = table.to_pylist()
    report = validate_in_server(str(pushed), rows, expected={"probabilities": native.tolist()}, tolerance=1e-6)
    assert report.ok, report.message
    assert report.rows == len(rows) > 900
    # Rows with missing values are among them.
    assert sum(row["company"] is None for row in rows) > 100


def test_a_row_of_missing_values_alone_is_answered(ran):
    line, _ = ran
    model = Model.load(str(line.serving / line.versions[0]))
    optional = [f for f in model.runtime.inputs if f.optional]
    required = {
        f.name: {"utf8": "Cash", "float64": 1.0, "int64": 1}[f.dtype] for f in model.runtime.inputs if not f.optional
    }
    assert {"company", "dropoff_latitude"} <= {f.name for f in optional}
    alone = model.predict_proba([required])
    table = pa.table({f.name: pa.array([required.get(f.name)], arrow_type_of(f)) for f in model.runtime.inputs})
    assert np.isfinite(alone).all()
    assert np.array_equal(alone, model.predict_proba(table))


def test_a_second_run_takes_everything_from_the_cache(taxi):
    """Also the Evaluator: the blessed model that it could compare with now is the candidate itself."""
    taxi.run()
    again = taxi.run()
    assert again.ok
    assert states(again) == {node: "COMPLETE" if node == "LatestBlessedModel" else "CACHED" for node in NODES}
    assert len(taxi.versions) == 1


def test_a_deleted_version_is_pushed_again(taxi):
    taxi.run()
    shutil.rmtree(taxi.serving)
    again = taxi.run()
    assert again.nodes["Pusher"].state == "COMPLETE"
    assert "gone" in again.nodes["Pusher"].cached_reason
    assert again.nodes["Trainer"].state == "CACHED"
    assert len(taxi.versions) == 1


def test_a_bad_row_fails_the_first_node_and_names_file_and_line(taxi, taxi_rows):
    taxi.write([*taxi_rows[:100], "1,2,3", *taxi_rows[100:]])
    result = taxi.run()
    assert result.nodes["CsvExampleGen"].state == "FAILED"
    message = result.nodes["CsvExampleGen"].message
    assert "taxi.csv" in message
    assert "101" in message
    expected = dict.fromkeys(NODES - {"CsvExampleGen", "LatestBlessedModel"}, "SKIPPED")
    assert {k: v for k, v in states(result).items() if k in expected} == expected
    assert exit_code_of_run(result) == 1
    assert taxi.versions == []


def test_a_bad_row_may_be_set_aside(taxi, taxi_rows):
    taxi.write([*taxi_rows[:100], "1,2,3", *taxi_rows[100:]])
    result = taxi.run(max_rejects=1)
    assert result.ok, result.message
    assert result.nodes["CsvExampleGen"].found["rejects"] == 1
    assert result.nodes["CsvExampleGen"].found["rows"] == 3000
    assert list(Path(output(result, "CsvExampleGen", "examples").uri, "rejects").iterdir())


def test_a_bar_too_high_closes_the_gate_and_everything_stays_readable(taxi):
    result = taxi.run(min_auc=0.9999)
    assert states(result) == {
        **dict.fromkeys(NODES, "COMPLETE"),
        "Evaluator": "FAILED",
        "InfraValidator": "SKIPPED",
        "Pusher": "SKIPPED",
        "ModelCardGenerator": "SKIPPED",
    }
    sentence = result.nodes["Evaluator"].message
    assert sentence.startswith("The model is not blessed: ")
    assert "auc" in sentence.lower()
    assert "0.9999" in sentence
    assert [node.node_id for node in closed_gates(result)] == ["Evaluator"]
    assert exit_code_of_run(result) == 3
    assert taxi.versions == []
    blessing = output(result, "Evaluator", "blessing")
    assert Path(blessing.path("NOT_BLESSED")).exists()
    assert blessing.properties["blessed"] == 0
    assert blessing.properties["reason"] == sentence
    evaluation = EvalResult.load(output(result, "Evaluator", "evaluation").uri)
    assert not evaluation.validation_result.ok
    assert evaluation.plain_metrics()["auc"] > 0.8


def test_a_candidate_worse_than_the_model_in_use_is_refused(taxi):
    """Good enough by itself, and yet clearly worse than the blessed model: the old one stays in use."""
    first = taxi.run()
    worse = taxi.run(max_iter=1, min_auc=0.5)
    assert worse.nodes["Evaluator"].state == "FAILED"
    assert worse.nodes["Evaluator"].found["compared_with_baseline"] is True
    assert exit_code_of_run(worse) == 3
    assert taxi.versions == [first.nodes["Pusher"].found["version"]]
    # The refused model is no baseline of the next run: that is still the first one.
    next_run = taxi.run()
    assert output(next_run, "LatestBlessedModel", "model").id == output(first, "Trainer", "model").id
    assert next_run.ok


def test_a_run_fn_that_fails_stops_the_line_and_its_mending_starts_there(taxi, tmp_path):
    """Only what depends on the mended file runs again."""
    from lines_taxi import EXAMPLES

    project = tmp_path / "project"
    shutil.copytree(EXAMPLES / "taxi", project, ignore=shutil.ignore_patterns("data", "out", "__pycache__"))
    good = (project / "model.py").read_text()
    (project / "model.py").write_text(good.replace("    return model.fit(x, y)", '    raise ValueError("no luck")'))

    from trueline import LocalRunner
    from trueline.cli.load import load_pipeline

    failed = LocalRunner().run(load_pipeline(str(project / "pipeline.py"), taxi.params()))
    assert failed.nodes["Trainer"].state == "FAILED"
    assert "no luck" in failed.nodes["Trainer"].message
    assert "no luck" in Path(failed.nodes["Trainer"].log).read_text()
    assert {n: s for n, s in states(failed).items() if s == "SKIPPED"}.keys() == {
        "Evaluator",
        "InfraValidator",
        "Pusher",
        "ModelCardGenerator",
    }
    assert exit_code_of_run(failed) == 1

    (project / "model.py").write_text(good)
    mended = LocalRunner().run(load_pipeline(str(project / "pipeline.py"), taxi.params()))
    assert mended.ok, mended.message
    again = {"Trainer", "Evaluator", "InfraValidator", "Pusher", "LatestBlessedModel", "ModelCardGenerator"}
    assert {node for node, state in states(mended).items() if state == "COMPLETE"} == again


@pytest.mark.slow
def test_equal_data_and_code_give_equal_bits(ran, taxi):
    """Another folder, another day, nodes in processes of their own: the same artifacts, byte for byte."""
    from trueline import LocalRunner

    _, first = ran
    second = LocalRunner().run(taxi.pipeline(), isolation={"Transform": "process", "Trainer": "process"})
    assert second.ok, second.message
    for node, key in (
        ("CsvExampleGen", "examples"),
        ("StatisticsGen", "statistics"),
        ("SchemaGen", "schema"),
        ("Transform", "transform_graph"),
        ("Transform", "transformed_examples"),
        ("Trainer", "model"),
    ):
        manifests = [json.loads(Path(output(r, node, key).path("MANIFEST.json")).read_text()) for r in (first, second)]
        assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"], node
