"""The parity gate: a graph that differs from the framework's model is not written, and the row is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression

from trueline._core.errors import ModelError, ParityError
from trueline.models import Tolerance, build
from trueline.models.contract import Head
from trueline.models.exporters import sklearn_trees
from trueline.models.exporters.base import Exported
from trueline.models.exporters.sklearn import SklearnExporter
from trueline.models.parity import compare

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
GAPPY = ["length", "depth", "mass", "island_hot", "island", "ringed"]
BINARY = Head("binary", (False, True), "bool")


class PerturbedExporter(SklearnExporter):
    """A real export of which one coefficient is changed afterwards, as a defective converter would."""

    change = 0.01

    def to_onnx(self, inputs: Any, label: Any) -> Exported:
        exported = super().to_onnx(inputs, label)
        made = onnx.ModelProto()
        made.CopyFrom(exported.onnx)
        (node,) = [n for n in made.graph.node if n.op_type == "LinearClassifier"]
        (coefficients,) = [a for a in node.attribute if a.name == "coefficients"]
        coefficients.floats[1] += self.change
        return Exported(made, exported.head)


def test_perturbed_weights_are_refused_with_row_and_values(
    line: Any, tmp_path: Path, nothing_written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    monkeypatch.setattr(build, "exporter_of", PerturbedExporter)
    with pytest.raises(ParityError) as caught:
        line.build(fitted, tmp_path / "m", "species", FILLED)
    assert nothing_written()
    assert "nothing was written" in caught.value.message
    worst = caught.value.problems[0]
    number = int(worst.split("(id ")[1].split(")")[0])
    row = line.table.column("__row__").to_pylist().index(number)
    own = fitted.predict_proba(_arrays(line, row))[0]
    said = float(worst.split("the framework says ")[1].split(" ")[0])
    assert np.isclose(own, said).any()
    assert "the exported model" in worst
    assert 1 <= len(caught.value.problems) <= 11
    assert "(LinearClassifier, output" in caught.value.problems[-1]


def _arrays(line: Any, row: int) -> Any:
    from trueline.models.inputs import input_arrays, model_inputs, select_features

    specs = model_inputs(select_features(line.transform.outputs, "species", None, FILLED))
    return input_arrays(line.transform.transform(line.table.slice(row, 1)), specs)["x"]


def test_a_change_below_the_tolerance_passes(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    monkeypatch.setattr(build, "exporter_of", PerturbedExporter)
    model = line.build(fitted, tmp_path / "m", "species", FILLED, tolerance=Tolerance(0.05, 0.0, 0.05))
    assert 1e-4 < model.info["parity"]["max_difference"] < 0.05
    worst = model.info["parity"]["worst"]
    assert abs(worst["framework"] - worst["exported"]) == model.info["parity"]["max_difference"]
    assert worst["row_id"] in line.table.column("__row__").to_pylist()


def test_wrong_routing_of_missing_values_is_found_without_such_rows_in_the_sample(
    line: Any, tmp_path: Path, nothing_written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The converter's real defect in forests, let through: the gate refuses it on a sample without gaps."""
    from trueline.models import build_model
    from trueline.models.exporters import sklearn_convert

    monkeypatch.setattr(sklearn_convert, "route_missing", lambda *_: None)
    assert sklearn_trees.route_missing is not sklearn_convert.route_missing
    fitted = line.fit(ExtraTreesRegressor(10, random_state=0), "importance", GAPPY)
    whole = line.table.filter(line.table.column("length").is_valid())
    with pytest.raises(ParityError, match="feature 'length' missing: the framework says"):
        build_model(
            fitted, uri=str(tmp_path / "m"), transform=line.transform, label="importance", features=GAPPY, sample=whole
        )
    assert nothing_written()


def test_an_empty_sample_is_no_proof(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    from trueline.models import build_model

    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    with pytest.raises(ModelError, match="has no rows"):
        build_model(
            fitted,
            uri=str(tmp_path / "m"),
            transform=line.transform,
            label="species",
            features=FILLED,
            sample=line.table.slice(0, 0),
        )
    assert nothing_written()


def test_few_class_changes_are_listed_and_many_refused() -> None:
    own = np.tile([0.5, 0.5], (30, 1))
    labels = np.zeros(30, bool)
    labels[4] = True
    report = compare(own, own.astype(np.float32), labels, BINARY)
    assert [c["row"] for c in report.class_changes] == ["row 4 of the sample"]
    assert (report.class_changes[0]["framework"], report.class_changes[0]["exported"]) == (False, True)
    labels[5] = True
    with pytest.raises(ParityError, match="2 of 30 rows change class"):
        compare(own, own, labels, BINARY)


def test_shapes_nan_and_infinity() -> None:
    head = Head("regression")
    same = np.array([np.nan, np.inf, 1.0])
    assert compare(same, same, None, head).max_difference == 0.0
    with pytest.raises(ParityError, match="shape"):
        compare(np.zeros(3), np.zeros((3, 1)), None, head)
    with pytest.raises(ParityError, match=r"1 of 3 rows(.|\n)*nan"):
        compare(same, np.array([0.0, np.inf, 1.0]), None, head)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    st.integers(0, 29),
    st.floats(1.5, 1e6),
)
def test_any_row_beyond_the_tolerance_closes_the_gate(values: list[float], at: int, factor: float) -> None:
    """Law: scores within the tolerance pass, and one score beyond it, in any row, is refused and named."""
    own = np.array(values)
    limits = Tolerance()
    allowed = limits.absolute + limits.relative * np.abs(own)
    compare(own, own + 0.4 * allowed, None, Head("regression"))
    row = at % len(own)
    wrong = own.copy()
    wrong[row] += factor * allowed[row]
    with pytest.raises(ParityError) as caught:
        compare(own, wrong, None, Head("regression"))
    assert caught.value.problems[0].startswith(f"row {row} of the sample")


def test_initializer_weights_are_what_the_graph_holds(logistic: Any) -> None:
    """The file on disk is one graph without external data, notes or paths of the machine that made it."""
    raw = (Path(logistic.uri) / "model.onnx").read_bytes()
    graph = onnx.load_from_string(raw)
    assert all(i.data_location == onnx.TensorProto.DEFAULT for i in graph.graph.initializer)
    assert all(numpy_helper.to_array(i).size for i in graph.graph.initializer)
    assert b"site-packages" not in raw
    assert not any(n.metadata_props or n.doc_string for n in graph.graph.node)
