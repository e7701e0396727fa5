"""What a model must say of itself, and the assembly of its inputs: numpy and ONNX give the same columns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import trueline.models as models
from trueline._core.errors import ModelError
from trueline._core.feeds import Feeds
from trueline._core.runtime import OnnxGraph
from trueline._core.values import PRESENT, RawFeature, arrow_type_of
from trueline.models import Fitted, ModelInput, input_arrays, merge_model, model_inputs
from trueline.models.contract import Head, head_of, python_classes
from trueline.models.exporters.base import Exported
from trueline.models.exporters.heads import probabilities_of
from trueline.models.graphs import normalise, opsets

BOOL, TEXT, INT = RawFeature("y", "bool"), RawFeature("y", "utf8"), RawFeature("y", "int64")


def test_public_names_are_those_listed() -> None:
    assert sorted(models.__all__) == models.__all__
    assert all(getattr(models, name).__name__ == name for name in models.__all__)


@pytest.mark.parametrize("room", ["trueline.models", "trueline.training"])
def test_importing_the_room_loads_no_heavy_library(room: str) -> None:
    code = (
        f"import sys, {room}; "
        "print([m for m in ('pyarrow', 'onnx', 'onnxruntime', 'sklearn', 'torch', 'skl2onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_using_scikit_learn_imports_no_torch(logistic: Any) -> None:
    code = f"import sys; from trueline.models import Model; Model.load({logistic.uri!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("label", "given", "expected"),
    [
        (BOOL, np.array([False, True]), (False, True)),
        (TEXT, np.array(["a", "b"], object), ("a", "b")),
        (INT, np.array([1, 5, 9]), (1, 5, 9)),
        (RawFeature("y", "float32"), np.array([0.0, 1.0]), (0, 1)),
    ],
)
def test_classes_become_the_labels_own_type(label: RawFeature, given: Any, expected: Any) -> None:
    found = python_classes(given, label)
    assert (found, [type(v) for v in found]) == (expected, [type(v) for v in expected])


@pytest.mark.parametrize(
    ("label", "given"), [(BOOL, [0, 1]), (INT, ["a", "b"]), (INT, [0, 0]), (INT, [1]), (TEXT, [True, False])]
)
def test_classes_that_contradict_the_label_are_refused(label: RawFeature, given: Any) -> None:
    with pytest.raises(ModelError):
        python_classes(given, label)


def test_heads() -> None:
    assert head_of(BOOL, "logits", 1, None) == Head("binary", (False, True), "bool")
    assert head_of(INT, "logits", 4, None) == Head("multiclass", (0, 1, 2, 3), "int64")
    assert head_of(RawFeature("y", "float32"), "prediction", 1, None) == Head("regression")
    with pytest.raises(ModelError, match="predicts 2 numbers"):
        head_of(RawFeature("y", "float32"), "prediction", 2, None)


@pytest.mark.parametrize(
    "kwargs", [{"model": None}, {"model": 1, "output": "odds"}, {"model": 1, "inputs": {"x": "a"}}]
)
def test_fitted_refuses_nonsense(kwargs: Any) -> None:
    with pytest.raises(ModelError):
        Fitted(**kwargs)


def test_probabilities_of_extreme_logits_are_finite() -> None:
    p = probabilities_of(np.array([-1000.0, 0.0, 1000.0]), "logits")
    np.testing.assert_array_equal(p, [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    q = probabilities_of(np.array([[1000.0, 0.0], [-1000.0, -1000.0]]), "logits")
    np.testing.assert_array_equal(q, [[1.0, 0.0], [0.5, 0.5]])


COLUMNS = [
    RawFeature("f", "float32"),
    RawFeature("sure", "float32", optional=False),
    RawFeature("n", "int64", optional=False),
    RawFeature("b", "bool", optional=False),
    RawFeature("v", "float32", "fixed", 3),
    RawFeature("ids", "int64", "fixed", 2, optional=False),
]
_F32 = st.floats(width=32, allow_infinity=False, allow_nan=False)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "f": st.none() | _F32,
            "sure": _F32,
            "n": st.integers(-(2**24), 2**24),
            "b": st.booleans(),
            "v": st.none() | st.lists(_F32, min_size=3, max_size=3),
            "ids": st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=2),
        }
    ),
    min_size=1,
    max_size=9,
)


def _identity_transform() -> onnx.ModelProto:
    """A transform that hands its columns on, under the names that the merge reads."""
    inputs, outputs, nodes = [], [], []
    types = {"tensor(float)": TensorProto.FLOAT, "tensor(int64)": TensorProto.INT64, "tensor(bool)": TensorProto.BOOL}
    for name, kind, shape in Feeds(COLUMNS).onnx_inputs():
        base, present = name.removesuffix(PRESENT), PRESENT if name.endswith(PRESENT) else ""
        inputs.append(helper.make_tensor_value_info(name, types[kind], shape))
        outputs.append(helper.make_tensor_value_info(f"transformed:{base}{present}", types[kind], shape))
        nodes.append(helper.make_node("Identity", [name], [f"transformed:{base}{present}"]))
    graph = helper.make_graph(nodes, "t", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _sum_model(spec: ModelInput) -> Exported:
    """A model of one input whose prediction is a weighted sum, NaN counted as 1000, at an older opset."""
    kind = TensorProto.INT64 if spec.dtype == "int64" else TensorProto.FLOAT
    weights = helper.make_tensor("w", TensorProto.FLOAT, [spec.width], [2.0**i for i in range(spec.width)])
    thousand = helper.make_tensor("k", TensorProto.FLOAT, [], [1000.0])
    nodes = [
        helper.make_node("Cast", [spec.name], ["c"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["c"], ["nan"]),
        helper.make_node("Where", ["nan", "k", "c"], ["filled"]),
        helper.make_node("MatMul", ["filled", "w"], ["prediction"], domain="ai.onnx"),
    ]
    graph = helper.make_graph(
        nodes,
        "m",
        [helper.make_tensor_value_info(spec.name, kind, ["N", spec.width])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["N"])],
        [weights, thousand],
    )
    versions = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx", 13), helper.make_opsetid("ai.onnx.ml", 1)]
    return Exported(helper.make_model(graph, opset_imports=versions, ir_version=8), Head("regression"))


@settings(max_examples=25, deadline=None)
@given(ROWS, st.sampled_from([None, {"x": ["b", "v", "f"]}, {"ids": ["n", "ids"]}]))
def test_the_graphs_assembly_is_the_arrays_assembly(rows: list[dict[str, Any]], named: Any) -> None:
    """Law: for any values, gaps and choice of features the merged graph feeds the model what training saw."""
    (spec,) = model_inputs(COLUMNS, named)
    exported = _sum_model(spec)
    merged = merge_model(_identity_transform(), exported, [spec], Feeds(COLUMNS))
    runtime = OnnxGraph(merged.SerializeToString(), Feeds(COLUMNS))
    table = pa.table({f.name: pa.array([r[f.name] for r in rows], arrow_type_of(f)) for f in COLUMNS})
    x = input_arrays(table, [spec])[spec.name]
    alone = OnnxGraph(
        normalise(exported.onnx).SerializeToString(),
        Feeds([RawFeature(spec.name, spec.dtype, "fixed", spec.width, optional=False)]),
    )
    expected = alone.run({spec.name: x})["prediction"]
    np.testing.assert_array_equal(runtime.predict_arrow(table)["prediction"], expected)


def test_normalise_names_each_domain_once_and_converts() -> None:
    (spec,) = model_inputs(COLUMNS)
    model = normalise(_sum_model(spec).onnx)
    assert opsets(model) == {"": 20, "ai.onnx.ml": 3}
    assert len(model.opset_import) == 2
    assert {n.domain for n in model.graph.node} == {""}


def test_a_raw_column_named_as_an_output_is_refused() -> None:
    feature = RawFeature("prediction", "float32", optional=False)
    info = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["prediction"], ["transformed:prediction"])
    outputs = [info("transformed:prediction", TensorProto.FLOAT, ["N"])]
    graph = helper.make_graph([node], "t", [info("prediction", TensorProto.FLOAT, ["N"])], outputs)
    transform = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (spec,) = model_inputs([feature])
    with pytest.raises(ModelError, match="'prediction' is read by the features"):
        merge_model(transform, _sum_model(spec), [spec], Feeds([feature]))


def test_a_missing_integer_is_refused_by_name() -> None:
    table = pa.table({"n": pa.array([1, None], pa.int64())})
    with pytest.raises(ModelError, match=r"'n' is missing in 1 rows(.|\n)*fill_missing"):
        input_arrays(table, model_inputs([RawFeature("n", "int64", optional=False)]))


@pytest.mark.shared
def test_penguins_from_the_real_file(tmp_path: Path) -> None:
    """The raw penguin file with its real gaps, through transform, forest and gate."""
    source = Path(__file__).resolve().parents[3] / "shared" / "data" / "penguin" / "penguins_raw.csv"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    from pyarrow import csv
    from sklearn.ensemble import RandomForestClassifier

    import trueline.transform as tlt
    from trueline._core.values import raw_feature_of, widen
    from trueline.engine.base import Dataset

    options = csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA"])
    table = csv.read_csv(source, convert_options=options).combine_chunks()
    table = pa.Table.from_batches([widen(b) for b in table.to_batches()])
    numbers = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]
    raw = [raw_feature_of(f) for f in table.schema]

    def preprocessing_fn(inputs: Any) -> dict[str, Any]:
        made = {n: tlt.scale_to_z_score(inputs[n]) for n in numbers}
        return {**made, "species": inputs["Species"]}

    transform = tlt.analyze(tlt.trace(preprocessing_fn, raw), Dataset.from_table(table))
    x = input_arrays(transform.transform(table), model_inputs(transform.outputs[:4]))["x"]
    fitted = RandomForestClassifier(20, random_state=0).fit(x, np.array(table.column("Species").to_pylist(), object))
    model = models.build_model(fitted, uri=str(tmp_path / "m"), transform=transform, label="species", sample=table)
    assert np.isnan(x).any()
    assert model.info["parity"]["max_difference"] < 1e-6
    found = model.predict(table).column("label").to_pylist()
    agree = sum(a == b for a, b in zip(found, table.column("Species").to_pylist(), strict=True))
    assert agree > 0.95 * table.num_rows


def test_lists_of_any_length_and_double_names_are_refused() -> None:
    from trueline.models.inputs import select_features

    outputs = [
        RawFeature("words", "int64", "ragged", optional=False),
        RawFeature("a", "float32"),
        RawFeature("y", "bool"),
    ]
    with pytest.raises(ModelError, match="'words' is a list of any length"):
        select_features(outputs, "y")
    with pytest.raises(ModelError, match="'a' is listed twice"):
        select_features(outputs, "y", None, ["a", "a"])
    with pytest.raises(ModelError, match="there are no features"):
        select_features(outputs, "y", None, [])
