"""A failed gate names the node: real defects are put into exports, merged graphs and transforms, and must be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from trueline._core.errors import ParityError
from trueline.models import OnnxModel, Tolerance, build
from trueline.models.exporters.base import Exported
from trueline.models.exporters.sklearn import SklearnExporter
from trueline.models.parity_locate import first_difference, node_values, reference_values

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
NUMBERS = ["length_filled", "depth", "mass"]


def node_of(model: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    (node,) = [n for n in model.graph.node if n.op_type == operator]
    return node


def floats_of(node: onnx.NodeProto, name: str) -> Any:
    return next(a for a in node.attribute if a.name == name).floats


def failure(
    line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimator: Any, label: str, defect: Callable[[Any], Any]
) -> tuple[str, ...]:
    """The problems of a gate that a defective exporter has closed; the last says where."""

    class Defective(SklearnExporter):
        def to_onnx(self, inputs: Any, target: Any) -> Exported:
            exported = super().to_onnx(inputs, target)
            defect(exported.onnx)
            return exported

    monkeypatch.setattr(build, "exporter_of", Defective)
    fitted = line.fit(estimator, label, FILLED)
    with pytest.raises(ParityError) as caught:
        line.build(fitted, tmp_path / "m", label, FILLED)
    assert not (tmp_path / "m").exists()
    return caught.value.problems


def test_a_tampered_weight(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(model: onnx.ModelProto) -> None:
        floats_of(node_of(model, "LinearClassifier"), "coefficients")[0] += 0.1

    problems = failure(line, tmp_path, monkeypatch, LogisticRegression(max_iter=300), "species", defect)
    assert "the framework says" in problems[0]
    assert "the exported graph itself is not what the framework computes" in problems[-1]
    assert "(LinearClassifier, output" in problems[-1] or "LinearClassifier (output" in problems[-1]
    assert "as ONNX's reference does" in problems[-1]


def test_a_tree_threshold(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(model: onnx.ModelProto) -> None:
        node = next(n for n in model.graph.node if n.op_type.startswith("TreeEnsemble"))
        name = "nodes_values" if node.op_type != "TreeEnsemble" else "nodes_splits"
        attribute = next(
            (a for a in node.attribute if a.name in (name, "nodes_values_as_tensor", "nodes_splits")), None
        )
        assert attribute is not None
        if attribute.floats:
            attribute.floats[0] += 0.7
        else:
            values = numpy_helper.to_array(attribute.t).copy()
            values[0] += 0.7
            attribute.t.CopyFrom(numpy_helper.from_array(values))

    tree = DecisionTreeRegressor(max_depth=3, random_state=0)
    problems = failure(line, tmp_path, monkeypatch, tree, "tips", defect)
    assert "TreeEnsemble" in problems[-1]


def test_a_scalers_constant(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scaler comes before the regression, and is the node that is named."""

    def defect(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            if node.op_type == "Scaler":
                floats_of(node, "offset")[0] += 0.5
                return
        constant = next(i for i in model.graph.initializer if numpy_helper.to_array(i).dtype == np.float32)
        constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant) + np.float32(0.5), constant.name))

    estimator = make_pipeline(StandardScaler(), LinearRegression())
    problems = failure(line, tmp_path, monkeypatch, estimator, "tips", defect)
    assert "from node" in problems[-1]
    assert "Scaler" in problems[-1] or "Sub" in problems[-1]
    assert "LinearRegressor" not in problems[-1]


def tampered_merge(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defect: Callable[[Any], Any]) -> Any:
    """The last problem of a build whose merged graph is changed after it was put together."""
    genuine = build.merge_model

    def merge(*arguments: Any) -> onnx.ModelProto:
        merged = genuine(*arguments)
        defect(merged)
        return merged

    monkeypatch.setattr(build, "merge_model", merge)
    fitted = line.fit(LinearRegression(), "tips", FILLED)
    with pytest.raises(ParityError) as caught:
        line.build(fitted, tmp_path / "m", "tips", FILLED)
    return caught.value.problems[-1]


def test_a_constant_of_the_transform(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feature, and the node of the transform's part that reads the constant."""
    named: list[str] = []

    def defect(merged: onnx.ModelProto) -> None:
        node = next(n for n in merged.graph.node if "depth" in n.input and len(n.input) == 2)
        constant = next(i for i in merged.graph.initializer if i.name in node.input)
        value = numpy_helper.to_array(constant)
        constant.CopyFrom(numpy_helper.from_array(value + value.dtype.type(3), constant.name))
        named.append(node.name)

    said = tampered_merge(line, tmp_path, monkeypatch, defect)
    assert "column 'depth' of input 'x'" in said
    assert f"from node {named[0]!r}" in said
    assert "in the transform and" in said


def test_a_weight_that_changed_in_the_merge(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported model is right alone: the model's part of the merged graph is named."""
    named = []

    def defect(merged: onnx.ModelProto) -> None:
        node = node_of(merged, "LinearRegressor")
        floats_of(node, "coefficients")[1] += 0.2
        named.append(node.name)

    said = tampered_merge(line, tmp_path, monkeypatch, defect)
    assert "the model's part gives another value merged than alone" in said
    assert f"from node {named[0]!r}" in said


def cancelling() -> Any:
    """(x + 3e7) - 3e7: the sum is right to its last digit in float32, what is left after Sub is not."""
    w = np.array([[1.0], [1.0], [1.0]], np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["sum"], name="first"),
        helper.make_node("Add", ["sum", "big"], ["raised"], name="raise"),
        helper.make_node("Sub", ["raised", "big"], ["lowered"], name="lower"),
    ]
    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(np.array(3e7, np.float32), "big")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    outputs = [helper.make_tensor_value_info("lowered", TensorProto.FLOAT, ["N", 1])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)


def test_float32_that_loses_what_float64_keeps(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework computes in float64; of the exported nodes the one that first leaves it is named, not the first."""
    from trueline.models.exporters.onnx_file import OnnxFileExporter

    class Exact(OnnxFileExporter):
        def predict(self, arrays: Any) -> Any:
            return arrays["x"].astype(np.float64).sum(axis=1)

    monkeypatch.setattr(build, "exporter_of", Exact)
    with pytest.raises(ParityError) as caught:
        line.build(OnnxModel(cancelling(), output="prediction"), tmp_path / "m", "tips", NUMBERS)
    said = caught.value.problems[-1]
    assert "node 'lower' (Sub, output 'lowered')" in said
    assert "in ONNX Runtime at float32" in said
    assert "computed in float64" in said


def test_the_second_computation_is_in_float64() -> None:
    model = cancelling()
    x = np.array([[0.125, 0.25, 0.5]], np.float32)
    (exact, width), ours = reference_values(model, {"x": x}), node_values(model, {"x": x})
    assert width == "float64"
    assert exact["lowered"].dtype == np.float64
    assert exact["lowered"].item() == 0.875
    assert ours["lowered"].item() != 0.875
    node, name = first_difference(list(model.graph.node), exact, ours, Tolerance()) or (None, None)
    assert (node.name, name) == ("lower", "lowered")


def test_a_gate_that_passes_asks_nothing(line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "locate", lambda *_: pytest.fail("asked"))
    line.build(line.fit(LinearRegression(), "tips", FILLED), tmp_path / "m", "tips", FILLED)
