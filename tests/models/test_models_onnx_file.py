"""ONNX files of other software: matched with features, scores found, opsets brought up, weights inlined safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from trueline._core.errors import ModelError
from trueline.models import Fitted, Model, OnnxModel
from trueline.serving import validate_in_server

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
PLAIN = ["length", "depth", "mass"]


def converted(estimator: Any, width: int, **options: Any) -> Any:
    """The graph that skl2onnx writes by itself: a label, and a ZipMap unless it is told otherwise."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    kind = options.pop("kind", FloatTensorType)
    return skl2onnx.to_onnx(estimator, initial_types=[("X", kind([None, width]))], target_opset=15, **options)


def graph_of(nodes: Any, inputs: Any, outputs: Any, constants: Any = (), opset: int = 20) -> Any:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def value(name: str, kind: int, *shape: Any) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def tensor(name: str, array: Any) -> Any:
    return numpy_helper.from_array(np.asarray(array), name)


def linear(kind: int = TensorProto.FLOAT, batch: Any = "N", width: int = 3, columns: int = 1, opset: int = 20) -> Any:
    """x @ w over NaN-free x."""
    numpy_type = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}[kind]
    w = np.linspace(-1, 1, width * columns).reshape(width, columns).astype(numpy_type)
    return graph_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", kind, batch, width)],
        [value("y", kind, batch, columns)],
        [tensor("w", w)],
        opset,
    )


def test_a_classifier_with_a_zipmap_and_text_labels(line: Any, tmp_path: Path) -> None:
    """Written to a file at opset 15 by other means: classes come from the graph, the ZipMap goes."""
    estimator = line.fit(RandomForestClassifier(8, max_depth=4, random_state=0), "species", FILLED)
    x, _, _ = line.fn_args("species", FILLED).train.arrays()
    path = tmp_path / "forest.onnx"
    path.write_bytes(converted(estimator, x.shape[1]).SerializeToString())
    model = line.build(OnnxModel(str(path)), tmp_path / "m", "species", FILLED)
    assert (model.framework, model.classes) == ("onnx", estimator.classes_.tolist())
    kept = np.asarray(line.table.column("species").is_valid())
    np.testing.assert_allclose(model.predict_proba(line.table)[kept], estimator.predict_proba(x), atol=1e-6)
    assert onnx.load_from_string(model.native().read("original.onnx")).opset_import
    opsets = {o.domain: o.version for o in onnx.load(Path(model.uri) / "model.onnx").opset_import}
    assert opsets[""] >= 20


def test_a_probability_tensor_and_a_bool_label(line: Any, tmp_path: Path) -> None:
    x, y, _ = line.fn_args("big_tipper", FILLED).train.arrays()
    estimator = LogisticRegression(max_iter=300).fit(x, y.astype(int))
    proto = converted(estimator, x.shape[1], options={"zipmap": False})
    model = line.build(proto, tmp_path / "m", "big_tipper", FILLED)
    assert model.classes == [False, True]
    np.testing.assert_allclose(model.predict_proba(line.table), estimator.predict_proba(x), atol=1e-6)
    rows = [{f.name: row[f.name] for f in model.runtime.inputs} for row in line.table.slice(0, 20).to_pylist()]
    expected = {n: v.tolist() for n, v in model.runtime.predict_rows(rows).items()}
    report = validate_in_server(model.uri, rows, expected=expected)
    assert report.ok, report.message


@pytest.mark.parametrize("opset", [9, 13, 20])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_numbers_of_either_precision_and_old_opsets(line: Any, tmp_path: Path, kind: int, opset: int) -> None:
    given = OnnxModel(linear(kind, opset=opset).SerializeToString(), output="prediction")
    model = line.build(given, tmp_path / "m", "tips", ["length_filled", "depth", "mass"])
    assert model.task == "regression"
    assert model.parity["max_difference"] < 1e-5


def test_a_batch_that_is_fixed_in_the_file_is_freed(line: Any, tmp_path: Path) -> None:
    given = OnnxModel(linear(batch=1), output="prediction")
    model = line.build(given, tmp_path / "m", "tips", ["length_filled", "depth", "mass"])
    assert model.predict(line.table).num_rows == line.table.num_rows


def test_one_input_a_feature_of_any_type(line: Any, tmp_path: Path) -> None:
    """[N], [N, 1], int64 and float64 inputs under the features' names, one of them not read by name order."""
    nodes = [
        helper.make_node("Cast", ["tip_bucket"], ["bucket"], to=TensorProto.DOUBLE),
        helper.make_node("Squeeze", ["mass", "one"], ["flat"]),
        helper.make_node("Add", ["bucket", "depth"], ["sum"]),
        helper.make_node("Add", ["sum", "flat"], ["y"]),
    ]
    inputs = [
        value("tip_bucket", TensorProto.INT64, "N"),
        value("mass", TensorProto.DOUBLE, None, 1),
        value("depth", TensorProto.DOUBLE, "N"),
    ]
    proto = graph_of(nodes, inputs, [value("y", TensorProto.DOUBLE, "N")], [tensor("one", np.array([1]))])
    model = line.build(OnnxModel(proto, output="score"), tmp_path / "m", "tips", ["depth", "mass", "tip_bucket"])
    assert model.task == "ranking"
    assert [i["dtype"] for i in model.info["inputs"]] == ["int64", "float32", "float32"]
    inputs = line.transform.transform(line.table)
    own = sum(np.asarray(inputs.column(n).to_numpy(), np.float64) for n in ("depth", "mass", "tip_bucket"))
    np.testing.assert_allclose(model.predict(line.table).column("score").to_numpy(), own, rtol=1e-5, atol=1e-5)


def test_an_embedding_without_a_label(line: Any, tmp_path: Path) -> None:
    proto = linear(width=4, columns=6)
    model = line.build(Fitted(proto, output="embedding"), tmp_path / "m", None, ["island_hot"])
    assert (model.task, model.label, model.runtime.outputs[0]["shape"]) == ("embedding", None, [None, 6])
    vectors = model.predict(line.table).column("embedding")
    assert vectors.type.list_size == 6
    assert not (Path(model.uri) / "targets.onnx").exists()
    with pytest.raises(ModelError, match="no label"):
        model.targets(line.table)


@pytest.mark.parametrize(
    ("make", "features", "said"),
    [
        (lambda: OnnxModel(linear()), ["length", "depth", "mass"], "means is not known"),
        (lambda: OnnxModel(linear(), output="prediction"), ["length", "depth"], "is 3 wide, its features 2"),
        (lambda: OnnxModel(linear(), output="prediction", tensor="z"), PLAIN, "There is: y"),
        (lambda: OnnxModel(b"not a graph", output="prediction"), PLAIN, "no ONNX model"),
        (lambda: OnnxModel("/nowhere/model.onnx", output="prediction"), PLAIN, "there is no ONNX file"),
        (lambda: OnnxModel(linear(), output="prediction", inputs={"z": ["depth"]}), PLAIN, "takes x; given are z"),
    ],
)
def test_what_does_not_fit_is_named(line: Any, tmp_path: Path, make: Any, features: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        line.build(make(), tmp_path / "m", "tips", features)


def test_text_inputs_integers_and_several_scores_are_refused(line: Any, tmp_path: Path) -> None:
    text = graph_of(
        [helper.make_node("Identity", ["depth"], ["y"])],
        [value("depth", TensorProto.STRING, "N")],
        [value("y", TensorProto.STRING, "N")],
    )
    with pytest.raises(ModelError, match="0 outputs that could be the scores"):
        line.build(OnnxModel(text, output="prediction"), tmp_path / "m", "tips", ["depth"])
    whole = graph_of(
        [helper.make_node("Cast", ["depth"], ["y"], to=TensorProto.FLOAT)],
        [value("depth", TensorProto.INT64, "N")],
        [value("y", TensorProto.FLOAT, "N")],
    )
    with pytest.raises(ModelError, match="these features are no integers: depth"):
        line.build(OnnxModel(whole, output="prediction"), tmp_path / "m", "tips", ["depth"])
    two = linear()
    two.graph.node.append(helper.make_node("Neg", ["y"], ["z"]))
    two.graph.output.append(value("z", TensorProto.FLOAT, "N", 1))
    with pytest.raises(ModelError, match="2 outputs that could be the scores"):
        line.build(OnnxModel(two, output="prediction"), tmp_path / "m", "tips", ["length_filled", "depth", "mass"])
    model = line.build(
        OnnxModel(two, output="prediction", tensor="z"), tmp_path / "m", "tips", ["length_filled", "depth", "mass"]
    )
    assert isinstance(model, Model)


def external(folder: Path, location: str, **more: str) -> Path:
    """The linear graph with its weights said to lie at `location`."""
    proto = linear()
    (weights,) = proto.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, said in {"location": location, **more}.items():
        entry = weights.external_data.add()
        entry.key, entry.value = key, said
    path = folder / "external.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_weights_beside_the_file_are_brought_in(line: Any, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    weights = np.linspace(-1, 1, 3).astype(np.float32)
    (folder / "weights.bin").write_bytes(b"\0" * 64 + weights.tobytes())
    path = external(folder, "weights.bin", offset="64", length="12")
    features = ["length_filled", "depth", "mass"]
    model = line.build(OnnxModel(path, output="prediction"), tmp_path / "a", "tips", features)
    inside = line.build(OnnxModel(linear(), output="prediction"), tmp_path / "b", "tips", features)
    assert model.predict(line.table).equals(inside.predict(line.table))
    with pytest.raises(ModelError, match="ends before the weights"):
        line.build(
            OnnxModel(external(folder, "weights.bin", length="999"), output="prediction"),
            tmp_path / "c",
            "tips",
            features,
        )


def test_weights_outside_the_folder_are_never_read(line: Any, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    (folder / "link").symlink_to(tmp_path / "secret")
    for location in ("/etc/passwd", "../secret", str(tmp_path / "secret"), "link", "sub/../../secret", "", "absent"):
        with pytest.raises(ModelError, match="no file in the model's own folder"):
            line.build(OnnxModel(external(folder, location), output="prediction"), tmp_path / "m", "tips", PLAIN)
    with pytest.raises(ModelError, match="the model has no folder"):
        line.build(OnnxModel(external(folder, "link").read_bytes(), output="prediction"), tmp_path / "m", "tips", PLAIN)
    proto = linear()
    proto.graph.node[0].domain = "com.evil"
    proto.opset_import.append(helper.make_opsetid("com.evil", 1))
    with pytest.raises(ModelError, match=r"com\.evil\.MatMul"):
        line.build(OnnxModel(proto, output="prediction"), tmp_path / "m", "tips", PLAIN)
