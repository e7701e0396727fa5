"""A Python function as a model: in bulk, in the Evaluator, in the real server; allowed by name, else refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import models_python_code
import numpy as np
import pytest

from trueline._core.errors import ModelError, ParityError
from trueline._core.manifest import write_manifest
from trueline.engine.base import Dataset
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, evaluate
from trueline.models import Fitted, Model, PythonModel
from trueline.models.exporters.registry import is_model
from trueline.models.inputs import input_arrays, model_inputs, select_features
from trueline.serving import validate_in_server

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
CODE = "models_python_code"


def arrays(line: Any, label: str, features: list[str]) -> Any:
    specs = model_inputs(select_features(line.transform.outputs, label, None, features))
    return input_arrays(line.transform.transform(line.table), specs)["x"]


def test_a_plain_function_with_parameters(line: Any, tmp_path: Path) -> None:
    given = PythonModel(f"{CODE}:linear", output="prediction", params={"slope": 2.5})
    model = line.build(given, tmp_path / "m", "tips", ["length", "depth"])
    x = arrays(line, "tips", ["length", "depth"])
    found = np.asarray(model.predict(line.table).column("prediction").to_numpy())
    np.testing.assert_allclose(found, models_python_code.linear(x, 2.5), rtol=1e-6, atol=1e-6)
    assert (model.task, model.framework) == ("regression", "python")
    assert model.parity["missing_tried"] == ["length"]
    assert "not portable" in model.native().note


def test_a_function_itself_is_a_model(line: Any, tmp_path: Path) -> None:
    assert is_model(models_python_code.logit)
    given = Fitted(models_python_code.logit, output="logits")
    model = line.build(given, tmp_path / "m", "big_tipper", FILLED)
    p = model.predict_proba(line.table)
    z = models_python_code.logit(arrays(line, "big_tipper", FILLED))
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-z)), atol=1e-6)
    assert model.predict(line.table).column("label").to_pylist() == (p[:, 1] > p[:, 0]).tolist()


def test_text_classes_several_inputs_and_vectors(line: Any, tmp_path: Path) -> None:
    classes = ["Adelie", "Chinstrap", "Gentoo"]
    given = PythonModel(f"{CODE}:scaled", output="probabilities", classes=classes)
    model = line.build(given, tmp_path / "a", "species", FILLED)
    assert set(model.predict(line.table).column("label").to_pylist()) <= set(classes)
    both = {"ids": ["tip_bucket"], "rest": ["depth", "mass"]}
    given = PythonModel(f"{CODE}:two_inputs", output="score", inputs=both)
    model = line.build(given, tmp_path / "b", "tips", ["depth", "mass", "tip_bucket"])
    assert (model.task, model.runtime.outputs[0]["name"]) == ("ranking", "score")
    given = PythonModel(f"{CODE}:wide", output="embedding")
    model = line.build(given, tmp_path / "c", None, ["depth", "mass"])
    assert model.runtime.outputs[0]["shape"] == [None, 4]
    assert model.predict(line.table).num_rows == line.table.num_rows


def test_it_runs_only_where_its_module_is_allowed(line: Any, tmp_path: Path) -> None:
    model = line.build(PythonModel(f"{CODE}:linear", output="prediction"), tmp_path / "m", "tips", ["depth"])
    rows = [{"depth": float(d)} for d in line.table.column("depth").to_pylist()[:20]]
    expected = {n: v.tolist() for n, v in model.runtime.predict_rows(rows).items()}
    with pytest.raises(ModelError, match=r"allow_host=\['models_python_code'\] when loading it"):
        Model.load(model.uri)
    allowed = Model.load(model.uri, allow_host=[CODE])
    assert allowed.predict(rows).to_pylist() == model.predict(rows).to_pylist()
    refused = validate_in_server(model.uri, rows, expected=expected)
    assert not refused.ok
    assert CODE in refused.message
    report = validate_in_server(model.uri, rows, expected=expected, allow_host=[CODE])
    assert report.ok, report.message


def test_the_evaluator_measures_it(line: Any, tmp_path: Path) -> None:
    given = PythonModel(f"{CODE}:logit", output="logits")
    model = line.build(given, tmp_path / "m", "big_tipper", FILLED)
    config = EvalConfig(metrics_specs=[MetricsSpec(metrics=[MetricConfig("ExampleCount"), MetricConfig("AUC")])])
    result = evaluate(model, Dataset.from_table(line.table), config)
    overall = dict(result.plain_slicing_metrics)[()]
    assert overall["example_count"] == line.table.num_rows
    assert 0 < overall["auc"] < 1


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("mixing", ParityError, "differently in a batch of 1"),
        ("random_answer", ModelError, "other results for the same rows the second time"),
        ("numbers", ModelError, r"shape \[4\] for 3 rows"),
        ("absent", ModelError, "cannot be imported"),
        ("count", ModelError, "no function of that package"),
    ],
)
def test_functions_that_are_no_models(line: Any, tmp_path: Path, name: str, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        line.build(PythonModel(f"{CODE}:{name}", output="prediction"), tmp_path / "m", "tips", ["depth"])
    assert not (tmp_path / "m").exists()


def test_what_others_cannot_import_is_refused(line: Any, tmp_path: Path) -> None:
    for function in (lambda x: x[:, 0], "builtins:exec", "os:system"):
        with pytest.raises(ModelError, match=r"importable elsewhere|standard library"):
            line.build(PythonModel(function, output="prediction"), tmp_path / "m", "tips", ["depth"])
    with pytest.raises(ModelError, match=r"what .* returns is not known"):
        line.build(models_python_code.linear, tmp_path / "m", "tips", ["depth"])
    given = PythonModel(f"{CODE}:linear", output="prediction", params={"slope": float("nan")})
    with pytest.raises(ModelError, match="no JSON"):
        line.build(given, tmp_path / "m", "tips", ["depth"])


def test_targets_that_run_no_python_name_the_function(line: Any, tmp_path: Path) -> None:
    model = line.build(PythonModel(f"{CODE}:logit", output="logits"), tmp_path / "m", "big_tipper", ["depth"])
    with pytest.raises(ModelError, match=rf"{CODE}:logit"):
        model.save_web(str(tmp_path / "web"))
    with pytest.raises(ModelError, match=rf"{CODE}:logit"):
        model.with_decision(str(tmp_path / "d"), threshold=0.5)
    assert CODE in model._repr_html_()


@pytest.mark.parametrize("function", ["builtins:exec", "os:system", "subprocess:run", "posix:system", "ctypes:CDLL"])
def test_a_foreign_folder_cannot_name_the_standard_library(line: Any, tmp_path: Path, function: str) -> None:
    """Not even where everything is allowed."""
    folder = tmp_path / "m"
    line.build(PythonModel(f"{CODE}:linear", output="prediction"), folder, "tips", ["depth"])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    info = json.loads((copy / "model.json").read_text())
    info["python"]["function"] = function
    (copy / "model.json").write_text(json.dumps(info))
    (copy / "MANIFEST.json").unlink()
    write_manifest(str(copy), "Model", 1)
    with pytest.raises(ModelError, match="not allowed"):
        Model.load(str(copy))
    with pytest.raises(ModelError, match="standard library"):
        Model.load(str(copy), allow_host=None).predict([{"depth": 1.0}])
