"""Variants of a model: the model's part alone changes, rows do not depend on their batch, limits close the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trueline._core.errors import ConfigError, ModelError, ParityError
from trueline._core.manifest import read_manifest
from trueline._core.runtime import make_session
from trueline.models import Model
from trueline.models.optimise import VARIANTS, measure_latency, optimise
from trueline.models.optimise.compare import features_of
from trueline.models.optimise.float16 import float16
from trueline.models.optimise.int8 import dynamic_int8, embeddings_int8
from trueline.models.optimise.part import PREFIX, cut_part, put_back
from trueline.models.optimise.weights import fold_weights

FEATURES = ["length_filled", "depth", "mass", "island_hot", "ringed", "tip_bucket"]


@pytest.fixture(scope="module")
def network(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A network of scikit-learn, wide enough for 8 bits to be smaller."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is not trained to the end
        fitted = line.fit(MLPClassifier((64, 64), max_iter=8, random_state=0), "species", FEATURES)
    return line.build(fitted, tmp_path_factory.mktemp("network") / "model", "species", FEATURES, name="network")


@pytest.fixture(scope="module")
def variants(network: Model, line: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("variants")
    return {v: optimise(network, str(folder / v), variant=v, sample=line.table) for v in VARIANTS}


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_variant_is_smaller_and_says_how_far_it_is(
    variant: str, variants: dict[str, Model], network: Model, line: Any
) -> None:
    model = variants[variant]
    parity, said = model.info["parity"], model.info["optimised"]
    apart = np.abs(model.predict_proba(line.table).astype(float) - network.predict_proba(line.table))
    assert 0 < parity["max_difference"] == apart.max() < 0.1
    changed = model.predict(line.table)["label"].to_pylist()
    pairs = zip(changed, network.predict(line.table)["label"].to_pylist(), strict=True)
    assert parity["class_changes"] == sum(a != b for a, b in pairs)
    assert parity["rows"] == line.table.num_rows
    sizes = {"original": network, "variant": model}
    assert said["bytes"] == {k: (Path(m.uri) / "model.onnx").stat().st_size for k, m in sizes.items()}
    assert said["bytes"]["variant"] < 0.75 * said["bytes"]["original"]
    assert said["original"]["fingerprint"] == network.runtime.manifest.fingerprint
    assert said["original"]["parity"] == network.info["parity"]
    assert said["changed"]["MatMul"] == 3


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_contract_of_raw_inputs_and_outputs_is_the_same(
    variant: str, variants: dict[str, Model], network: Model
) -> None:
    model = variants[variant]
    same = ("signature", "feeds", "classes", "inputs", "features", "label", "targets", "task", "transform", "name")
    assert {k: model.info[k] for k in same} == {k: network.info[k] for k in same}
    assert (Path(model.uri) / "targets.onnx").read_bytes() == (Path(network.uri) / "targets.onnx").read_bytes()
    assert not (Path(model.uri) / "native").exists()
    assert read_manifest(model.uri, "sha256").kind == "Model"


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_preprocessing_keeps_its_nodes_and_its_bits(
    variant: str, variants: dict[str, Model], network: Model, line: Any
) -> None:
    graphs = {}
    for name, model in {"old": network, "new": variants[variant]}.items():
        whole = onnx.load(str(Path(model.uri) / "model.onnx"))
        rows = features_of(whole, model.info, model.runtime.graph, line.table)
        outside = [n for n in whole.graph.node if not any(o.startswith(PREFIX) for o in n.output)]
        for node in outside:
            node.name = ""
        constants = sorted(i.SerializeToString() for i in whole.graph.initializer if not i.name.startswith(PREFIX))
        graphs[name] = ([n.SerializeToString() for n in outside], constants, [r["model/x"].tobytes() for r in rows])
    assert graphs["old"] == graphs["new"]
    assert graphs["old"][2]


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_rows_prediction_does_not_depend_on_its_batch(variant: str, variants: dict[str, Model], line: Any) -> None:
    model, table = variants[variant], line.table.slice(0, 70)
    whole = model.predict_proba(table)
    for size in (1, 7):
        parts = [model.predict_proba(table.slice(at, size)) for at in range(0, table.num_rows, size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-6)


def test_the_runtimes_own_dynamic_quantization_does_depend_on_the_batch(
    network: Model, line: Any, tmp_path: Path
) -> None:
    """Why it is not used: the scale of activations is that of the whole batch."""
    from onnxruntime.quantization import quantize_dynamic

    whole = onnx.load(str(Path(network.uri) / "model.onnx"))
    part = cut_part(whole, network.info)
    fold_weights(part.graph)
    helper.set_model_props(part, {"onnx.quant.pre_process": "onnxruntime.quant"})
    quantize_dynamic(part, str(tmp_path / "q.onnx"), op_types_to_quantize=["MatMul"])
    session = make_session((tmp_path / "q.onnx").read_bytes())
    (rows,) = features_of(whole, network.info, network.runtime.graph, line.table)
    together = session.run(None, rows)[0]
    alone = np.concatenate([session.run(None, {"model/x": rows["model/x"][i : i + 1]})[0] for i in range(50)])
    assert np.abs(together[:50] - alone).max() > 1e-4


def test_the_same_model_gives_the_same_bytes(
    variants: dict[str, Model], network: Model, line: Any, tmp_path: Path
) -> None:
    for variant, model in variants.items():
        again = optimise(network, str(tmp_path / variant), variant=variant, sample=line.table)
        assert again.runtime.manifest.fingerprint == model.runtime.manifest.fingerprint, variant


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("dynamic_int8", r"dynamic_int8 changes nothing in penguins: it works on matrix products .* LinearClassifier"),
        ("static_int8", r"static_int8 changes nothing in penguins: .* the model consists of .*LinearClassifier"),
        ("float16", r"cannot be computed in float16\n  - LinearClassifier has no form in float16"),
    ],
)
def test_what_a_variant_does_nothing_for_is_refused_by_name(
    variant: str, said: str, logistic: Model, line: Any, tmp_path: Path, nothing_written: Callable[[], bool]
) -> None:
    with pytest.raises(ModelError, match=said):
        optimise(logistic, str(tmp_path / "v"), variant=variant, sample=line.table)
    assert nothing_written()


def test_trees_are_refused_by_name(line: Any, tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    fitted = line.fit(DecisionTreeClassifier(max_depth=3, random_state=0), "species", FEATURES)
    model = line.build(fitted, tmp_path / "tree", "species", FEATURES)
    with pytest.raises(ModelError, match=r"TreeEnsemble") as caught:
        optimise(model, str(tmp_path / "v"), variant="dynamic_int8", sample=line.table)
    assert "trees" in str(caught.value.hint)
    assert not (tmp_path / "v").exists()


def test_limits_close_the_way(network: Model, line: Any, tmp_path: Path, nothing_written: Callable[[], bool]) -> None:
    where = {"uri": str(tmp_path / "v"), "variant": "static_int8", "sample": line.table}
    with pytest.raises(
        ParityError, match=r"scores differ from the original's by up to \S+, 1e-06 is allowed"
    ) as caught:
        optimise(network, **where, max_difference=1e-6)
    assert "became" in caught.value.problems[0]
    with pytest.raises(ConfigError, match=r"no variant 'int4'[\s\S]*There is: dynamic_int8, float16, static_int8"):
        optimise(network, **(where | {"variant": "int4"}))
    with pytest.raises(ModelError, match="the sample"):
        optimise(network, **(where | {"sample": line.table.slice(0, 0)}))
    assert nothing_written()
    optimise(network, **where, max_difference=0.2, max_class_changes=0.2)
    with pytest.raises(ModelError, match="there is a finished artifact already"):
        optimise(network, **where)


def test_rows_that_change_class_are_counted_and_named(network: Model, line: Any, tmp_path: Path) -> None:
    model = optimise(network, str(tmp_path / "v"), variant="static_int8", sample=line.table)
    changes = model.info["parity"]["class_changes"]
    assert changes > 0, "the case is meant to have some"
    with pytest.raises(ParityError, match=rf"{changes} of 600 rows change class, 0 of them may; nothing was written"):
        optimise(network, str(tmp_path / "w"), variant="static_int8", sample=line.table, max_class_changes=0.0)


def embedding_model(table: np.ndarray[Any, Any]) -> onnx.ModelProto:
    nodes = [helper.make_node("Gather", ["table", "ids"], ["y"])]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["N"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", table.shape[1]])
    graph = helper.make_graph(nodes, "g", [ids], [y], [numpy_helper.from_array(table, "table")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_an_embedding_has_a_scale_for_each_row() -> None:
    """One scale for the whole table would lose the small rows; a zero row stays zero."""
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(40, 16)) * 10.0 ** rng.integers(-4, 4, (40, 1))).astype(np.float32)
    table[3] = 0
    model = embedding_model(table)
    assert embeddings_int8(model) == {"Gather": 1}
    found = make_session(model.SerializeToString()).run(None, {"ids": np.arange(40)})[0]
    assert (np.abs(found - table) <= np.abs(table).max(axis=1, keepdims=True) / 127 / 2 * 1.001).all()
    assert not found[3].any()


def test_rounding_of_a_product_is_bounded_row_by_row() -> None:
    """A row of large values does not coarsen its neighbours; NaN stays NaN in its own row."""
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(8, 5)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)]
    bias = rng.normal(size=5).astype(np.float32)
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(np.ascontiguousarray(weight.T), "w"), numpy_helper.from_array(bias, "b")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert dynamic_int8(model) == {"Gemm": 1}
    x = rng.normal(size=(6, 8)).astype(np.float32)
    x[1] *= 1e6
    x[2] = 0
    x[3, 4] = np.nan
    found = make_session(model.SerializeToString()).run(None, {"x": x})[0]
    exact = x @ weight + bias
    assert np.isnan(found[3]).all()
    rows = [0, 1, 2, 4, 5]
    size = np.abs(x[rows]).max(axis=1, keepdims=True) * np.abs(weight).max(axis=0) * 8
    assert (np.abs(found[rows] - exact[rows]) <= size / 127 * 1.1 + 1e-6).all()
    np.testing.assert_array_equal(found[2], bias)


def test_weights_beyond_half_precision_are_refused() -> None:
    with pytest.raises(ModelError, match=r"weight 'table' reaches 1e\+06, float16 ends at 65504"):
        float16(embedding_model(np.full((2, 2), 1e6, np.float32)))


def masked_model(*more: onnx.NodeProto) -> onnx.ModelProto:
    """Values outside a range become 0: booleans and whole numbers beside the arithmetic."""
    nodes = [
        helper.make_node("Less", ["x", "low"], ["below"]),
        helper.make_node("Greater", ["x", "high"], ["above"]),
        helper.make_node("Or", ["below", "above"], ["outside"]),
        helper.make_node("Not", ["outside"], ["inside"]),
        helper.make_node("And", ["inside", "flag"], ["kept"]),
        helper.make_node("Mod", ["count", "two"], ["odd"]),
        helper.make_node("Cast", ["odd"], ["flag"], to=TensorProto.BOOL),
        helper.make_node("Where", ["kept", "x", "nothing"], ["masked"]),
        *more,
        helper.make_node("Relu", ["masked"], ["y"]),
    ]
    order = [0, 1, 2, 3, 5, 6, 4, *range(7, len(nodes))]
    constants = {"low": np.float32([-1]), "high": np.float32([1]), "nothing": np.float32([0]), "two": np.array([2])}
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 3]) for n in "xy")
    count = helper.make_tensor_value_info("count", TensorProto.INT64, ["N", 1])
    tensors = [numpy_helper.from_array(v, n) for n, v in constants.items()]
    graph = helper.make_graph([nodes[i] for i in order], "g", [x, count], [y], tensors)
    opsets = [helper.make_opsetid(d, v) for d, v in (("", 20), ("ai.onnx.ml", 3), ("some.where", 1))]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_operators_on_booleans_and_whole_numbers_need_no_half_precision() -> None:
    """And, Or, Not and Mod stay as they are and are not counted; what computes on floats is in float16."""
    model, rng = masked_model(), np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(50, 3)).astype(np.float32), "count": rng.integers(0, 9, (50, 1))}
    before = make_session(model.SerializeToString()).run(None, feeds)[0]
    assert float16(model) == {"Less": 1, "Greater": 1, "Where": 1, "Relu": 1}
    onnx.checker.check_model(model, full_check=True)
    after = make_session(model.SerializeToString()).run(None, feeds)[0]
    assert np.abs(after - before).max() < 1e-3
    infos = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    types = {v.name: v.type.tensor_type.elem_type for v in infos}
    assert types["masked"] == TensorProto.FLOAT16
    assert (types["kept"], types["odd"]) == (TensorProto.BOOL, TensorProto.INT64)
    assert ((after == 0) == (before == 0)).all()
    assert next(n for n in model.graph.node if n.op_type == "Cast" and n.output[0] == "flag").attribute[0].i == 9


def test_an_operator_on_floats_that_has_no_half_precision_is_still_refused() -> None:
    """Also one whose other parameters could be float16, and one whose types nobody can tell."""
    model = masked_model(helper.make_node("Normalizer", ["masked"], ["n"], domain="ai.onnx.ml", norm="L1"))
    with pytest.raises(ModelError, match="cannot be computed in float16") as caught:
        float16(model)
    assert caught.value.problems == ("Normalizer has no form in float16",)
    fixed = masked_model(helper.make_node("Resize", ["masked", "", "low"], ["n"]))
    with pytest.raises(ModelError, match="Resize has no form in float16"):
        float16(fixed)
    unknown = masked_model(helper.make_node("Strange", ["masked"], ["n"], domain="some.where"))
    with pytest.raises(ModelError, match="Strange has no form in float16"):
        float16(unknown)


def test_a_graph_that_was_not_merged_here_is_refused(network: Model) -> None:
    with pytest.raises(ModelError, match="where its model begins and ends is not known"):
        cut_part(embedding_model(np.ones((2, 2), np.float32)), network.info)


def test_the_part_goes_back_as_it_was(network: Model, line: Any) -> None:
    whole = onnx.load(str(Path(network.uri) / "model.onnx"))
    again = put_back(whole, network.info, cut_part(whole, network.info))
    arrays = network.runtime.graph.arrays_from_arrow(line.table)
    wanted = {i.name for i in whole.graph.input}
    given = {k: v for k, v in arrays.items() if k in wanted}
    found = make_session(again.SerializeToString()).run(None, given)
    expected = make_session(whole.SerializeToString()).run(None, given)
    assert found[0].tobytes() == expected[0].tobytes()
    assert sorted(n.op_type for n in again.graph.node) == sorted(n.op_type for n in whole.graph.node)


def test_times_are_positive_and_by_name(network: Model, line: Any) -> None:
    times = measure_latency(network.runtime, line.table.slice(0, 16), repeats=3)
    assert sorted(times) == ["batch_rows_per_s", "one_row_us"]
    assert min(times.values()) > 0


def test_model_json_is_plain_json(variants: dict[str, Model]) -> None:
    for model in variants.values():
        text = (Path(model.uri) / "model.json").read_text()
        assert json.loads(text)["optimised"]["variant"] in VARIANTS
