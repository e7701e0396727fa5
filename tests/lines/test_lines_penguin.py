"""The penguin line: nothing in common with taxis but the nodes. Parquet, a text label of three classes, missing
measurements, a host step in Python, a PyTorch network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from trueline import Examples, LocalRunner, Model
from trueline._core.errors import ModelError
from trueline.cli.load import load_pipeline
from trueline.serving import validate_in_server

pytest.importorskip("torch", reason="the torch extra is not installed")
pytestmark = pytest.mark.torch

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "penguin"
SPECIES = [
    "Adelie Penguin (Pygoscelis adeliae)",
    "Chinstrap penguin (Pygoscelis antarctica)",
    "Gentoo penguin (Pygoscelis papua)",
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A line that ran once, with the host step's module importable as long as its tests run."""
    folder = tmp_path_factory.mktemp("penguin")
    before = list(sys.path)
    sys.path.insert(0, str(PROJECT))
    places = {"root": str(folder / "line"), "serving_dir": str(folder / "serving")}
    yield LocalRunner().run(load_pipeline(str(PROJECT / "pipeline.py"), places)), folder / "serving"
    sys.path[:] = before


@pytest.fixture
def pushed(ran):
    _, serving = ran
    (version,) = serving.iterdir()
    return str(version)


def raw(ran):
    """Held-out raw rows."""
    result, _ = ran
    (handle,) = result.nodes["ParquetExampleGen"].outputs["examples"]
    return Examples.open(handle.uri).table("eval")


def test_the_line_completes(ran):
    result, _ = ran
    assert result.ok, result.message
    assert {node.state for node in result.nodes.values()} == {"COMPLETE"}
    assert result.nodes["ParquetExampleGen"].found["rows"] == 344
    assert result.nodes["Transform"].found["host_steps"] == ["season_day"]
    assert result.nodes["Trainer"].found["framework"] == "torch"
    assert result.nodes["Trainer"].found["loss"] < 0.1
    assert result.nodes["Evaluator"].found["metrics"]["sparse_categorical_accuracy"] >= 0.9


def test_classes_are_the_texts_of_the_label_column(ran, pushed):
    model = Model.load(pushed, allow_host=["penguin_steps"])
    assert model.classes == SPECIES
    assert model.task == "multiclass"
    table = raw(ran)
    predicted = model.predict(table)
    assert set(predicted["label"].to_pylist()) == set(SPECIES)
    right = np.mean([a == b for a, b in zip(predicted["label"].to_pylist(), table["Species"].to_pylist(), strict=True)])
    assert right >= 0.9


def test_an_unmeasured_penguin_is_answered_and_its_species_is_not_asked_for(pushed):
    model = Model.load(pushed, allow_host=["penguin_steps"])
    names = {feature.name for feature in model.runtime.inputs}
    assert "Species" not in names
    assert {"Date Egg", "Sex", "Culmen Length (mm)"} <= names
    required = {f.name: "2008-11-20" if f.name == "Date Egg" else "x" for f in model.runtime.inputs if not f.optional}
    probabilities = model.predict_proba([required])
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)


def test_the_server_answers_as_this_process_does_if_its_operator_allows_the_host_step(ran, pushed):
    model = Model.load(pushed, allow_host=["penguin_steps"])
    table = raw(ran).select([feature.name for feature in model.runtime.inputs])
    expected = {"probabilities": model.predict_proba(table).tolist()}
    report = validate_in_server(pushed, table.to_pylist(), expected=expected, allow_host=("penguin_steps",))
    assert report.ok, report.message
    assert report.rows == table.num_rows


def test_without_leave_the_host_step_is_refused_by_name(pushed):
    with pytest.raises(ModelError, match="penguin_steps"):
        Model.load(pushed)
    report = validate_in_server(pushed, [])
    assert not report.ok
    assert "penguin_steps" in report.message


def test_the_host_step_counts_days_into_the_season(ran):
    from penguin_steps import days_into_season

    assert days_into_season(["2007-11-11", None, "2008-01-02", 0]) == [10.0, None, 62.0, 61.0]


def test_a_second_run_takes_everything_from_the_cache(ran):
    _, serving = ran
    places = {"root": str(serving.parent / "line"), "serving_dir": str(serving)}
    again = LocalRunner().run(load_pipeline(str(PROJECT / "pipeline.py"), places))
    assert {node.state for node in again.nodes.values()} == {"CACHED"}
