"""Threshold and calibration inside the graph: against numpy, in the real server, on top of each other, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from trueline._core.errors import ModelError, ParityError
from trueline.models import Calibration, Decision, Model, fit_calibration
from trueline.serving import validate_in_server

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]


@pytest.fixture(scope="module")
def binary(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    fitted = line.fit(LogisticRegression(max_iter=300), "big_tipper", FILLED)
    return line.build(fitted, tmp_path_factory.mktemp("binary") / "model", "big_tipper", FILLED)


def labelled(model: Model, line: Any) -> tuple[Any, Any]:
    label, _ = model.targets(line.table)
    kept = np.asarray(label.is_valid())
    return model.predict_proba(line.table)[kept], np.array(label.drop_null().to_pylist())


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_a_calibrated_model_gives_what_numpy_gives(binary: Model, line: Any, tmp_path: Path, method: Any) -> None:
    p, y = labelled(binary, line)
    calibration = fit_calibration(p, y, method=method)
    made = binary.with_decision(str(tmp_path / "m"), threshold=0.4, calibration=calibration, chosen_on="eval")
    found = made.predict_proba(line.table)
    np.testing.assert_allclose(found, calibration.apply(binary.predict_proba(line.table)), atol=2e-6)
    assert made.predict(line.table).column("label").to_pylist() == (found[:, 1] >= np.float32(0.4)).tolist()
    assert made.decision == Decision(0.4, calibration, "eval")
    assert binary.decision is None
    assert json.loads((tmp_path / "m" / "model.json").read_text())["decision"]["max_difference"] < 1e-5


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_more_classes(logistic: Model, line: Any, tmp_path: Path, method: Any) -> None:
    p, y = labelled(logistic, line)
    calibration = fit_calibration(p, y, method=method, classes=logistic.classes)
    made = logistic.with_decision(str(tmp_path / "m"), calibration=calibration)
    found = made.predict_proba(line.table)
    np.testing.assert_allclose(found, calibration.apply(logistic.predict_proba(line.table)), atol=3e-6)
    assert made.predict(line.table).column("label").to_pylist() == [logistic.classes[i] for i in found.argmax(axis=1)]


def test_a_threshold_alone_changes_labels_and_no_probability(binary: Model, line: Any, tmp_path: Path) -> None:
    own = binary.predict_proba(line.table)
    exact = float(np.sort(own[:, 1])[len(own) // 3])  # a score that a row has: at the threshold is above it
    made = binary.with_decision(str(tmp_path / "m"), threshold=exact)
    np.testing.assert_array_equal(made.predict_proba(line.table), own)
    labels = np.array(made.predict(line.table).column("label").to_pylist())
    np.testing.assert_array_equal(labels, own[:, 1] >= np.float32(exact))
    assert labels[own[:, 1] == np.float32(exact)].all()
    always = binary.with_decision(str(tmp_path / "always"), threshold=0.0)
    assert all(always.predict(line.table).column("label").to_pylist())


def test_another_decision_replaces_the_first_and_none_undoes_it(binary: Model, line: Any, tmp_path: Path) -> None:
    p, y = labelled(binary, line)
    calibration = fit_calibration(p, y, method="isotonic")
    first = binary.with_decision(str(tmp_path / "a"), threshold=0.3, calibration=calibration)
    second = first.with_decision(str(tmp_path / "b"), threshold=0.7)
    np.testing.assert_array_equal(second.predict_proba(line.table), binary.predict_proba(line.table))
    undone = first.with_decision(str(tmp_path / "c"))
    assert undone.predict(line.table).equals(binary.predict(line.table))
    # nothing of the first decision stays in the graph
    sizes = [len(onnx.load(Path(m.uri) / "model.onnx").graph.node) for m in (undone, binary)]
    assert sizes[0] == sizes[1]


def test_the_server_gives_the_decided_label(binary: Model, line: Any, tmp_path: Path) -> None:
    p, y = labelled(binary, line)
    made = binary.with_decision(str(tmp_path / "m"), threshold=0.35, calibration=fit_calibration(p, y))
    rows = [{f.name: row[f.name] for f in made.runtime.inputs} for row in line.table.slice(0, 40).to_pylist()]
    expected = {name: values.tolist() for name, values in made.runtime.predict_rows(rows).items()}
    assert len(set(expected["label"])) == 2
    report = validate_in_server(made.uri, rows, expected=expected)
    assert report.ok, report.message


def test_what_does_not_fit_is_refused_at_once(binary: Model, logistic: Model, line: Any, tmp_path: Path) -> None:
    one = Calibration("sigmoid", ({"a": 1.0, "b": 0.0},))
    with pytest.raises(ModelError) as caught:
        logistic.with_decision(str(tmp_path / "m"), threshold=0.5, calibration=one)
    assert len(caught.value.problems) == 2
    assert "a threshold is for two classes, and there are 3" in str(caught.value)
    with pytest.raises(ModelError, match="no probability"):
        binary.with_decision(str(tmp_path / "m"), threshold=1.5)
    with pytest.raises(ModelError, match="nothing would change"):
        binary.with_decision(str(tmp_path / "m"))
    with pytest.raises(ModelError, match="finished artifact"):
        binary.with_decision(logistic.uri, threshold=0.5)
    number = line.build(line.fit(LinearRegression(), "tips", FILLED), tmp_path / "r", "tips", FILLED)
    with pytest.raises(ModelError, match="no classifier"):
        number.with_decision(str(tmp_path / "m"), threshold=0.5)
    assert not (tmp_path / "m").exists()


def test_a_map_too_steep_for_float32_is_refused_before_anything_is_written(binary: Model, tmp_path: Path) -> None:
    """Knots that are no float32 numbers move when the graph rounds them: the trial on all sizes of p sees the jump."""
    near = float(np.float32(0.3))
    x = [near - 1e-9, near + 1e-9, 0.9]
    steep = Calibration("isotonic", ({"x": x, "y": [0.0, 0.9, 1.0]},))
    with pytest.raises(ParityError, match="nothing was written"):
        binary.with_decision(str(tmp_path / "m"), calibration=steep)
    assert not (tmp_path / "m").exists()
