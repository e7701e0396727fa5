"""`TransformOutput`: Arrow in and out, the ONNX graph and its pruning, lineage, files, host steps."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import host_functions_transform as functions
import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, graph_of
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import ArtifactError, FeedError, ModelError, TransformError
from trueline._core.feeds import Feeds
from trueline.engine import LocalEngine

ONE = LocalEngine(workers=1)
TABLE = pa.table(
    {
        "__row__": pa.array([7, 8, 9, 10], pa.int64()),
        "fare": pa.array([10.0, None, 30.0, float("nan")]),
        "tips": pa.array([5.0, 1.0, None, 2.0]),
        "company": pa.array(["A", "b", None, "A"]),
        "pay": pa.array(["cash", "card", "cash", ""]),
        "seconds": pa.array([1, None, 3, 4], pa.int32()),
        "unused": pa.array([1.5, 2.5, 3.5, 4.5]),
    }
)


def preprocessing(x: Any) -> dict[str, Any]:
    return {
        "fare": tlt.scale_to_z_score(tlt.fill_missing(x["fare"], 0.0)),
        "raw_fare": x["fare"] * 1.0,
        "company": tlt.compute_and_apply_vocabulary(
            tlt.lower(x["company"]), vocab_filename="companies", num_oov_buckets=2
        ),
        "crossed": tlt.cross(x["company"], x["pay"], hash_buckets=50),
        "pay": x["pay"],
        "minutes": x["seconds"] // 60,
        "one_hot": tlt.one_hot(tlt.fill_missing(x["seconds"], 0), 5),
        "big_tipper": x["tips"] > 0.2 * x["fare"],
    }


@pytest.fixture(scope="module")
def analysed() -> tuple[pa.Table, tlt.TransformOutput]:
    return tlt.analyze_and_transform(TABLE, preprocessing, engine=ONE)


Analysed = tuple[pa.Table, tlt.TransformOutput]


def test_transform_keeps_rows_and_widens_types(analysed: Analysed) -> None:
    out, output = analysed
    assert out.schema.names == ["__row__", *[f.name for f in output.outputs]]
    assert out["__row__"].to_pylist() == [7, 8, 9, 10]
    types = {f.name: str(f.type) for f in out.schema}
    assert types["fare"] == "float"
    assert types["minutes"] == "int64"
    assert types["one_hot"] == "fixed_size_list<item: float>[5]"
    assert out["company"].to_pylist() == [0, 1, None, 0]
    assert out["raw_fare"].to_pylist()[:3] == [10.0, None, 30.0]
    assert math.isnan(out["raw_fare"][3].as_py())  # NaN is a value, not missing
    assert out["big_tipper"].to_pylist() == [True, None, None, False]
    assert out["one_hot"].to_pylist()[1] == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_transform_equals_oracle(analysed: Analysed) -> None:
    out, output = analysed
    batch = TABLE.to_batches()[0]
    assert str(output.oracle(batch).to_pylist()) == str(output.transform(batch).to_pylist()) == str(out.to_pylist())


def test_any_cut_of_the_rows_gives_the_same(analysed: Analysed) -> None:
    out, output = analysed
    for size in (1, 3):
        parts = [output.transform(b) for b in TABLE.to_batches(max_chunksize=size)]
        assert str(pa.Table.from_batches(parts).to_pylist()) == str(out.to_pylist())
    assert output.transform(TABLE.slice(0, 0)).schema == out.schema
    assert output.transform(TABLE.to_batches()[0].slice(0, 0)).num_rows == 0


def test_output_features(analysed: Analysed) -> None:
    features = {f.name: f for f in analysed[1].outputs}
    assert (features["fare"].dtype, features["fare"].optional) == ("float32", False)
    assert (features["company"].dtype, features["company"].optional) == ("int64", True)
    assert (features["one_hot"].kind, features["one_hot"].size) == ("fixed", 5)
    assert features["big_tipper"].dtype == "bool"


def run_onnx(output: tlt.TransformOutput, outputs: list[str] | None) -> dict[str, np.ndarray]:
    model = output.to_onnx(outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    arrays = output.feeds(outputs).from_arrow(_widened(TABLE))
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def _widened(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.names.index("seconds"), "seconds", table["seconds"].cast(pa.int64()))


def test_the_onnx_graph_gives_the_same_values(analysed: Analysed) -> None:
    """Payloads of missing values are 0, "" or False, so that nothing leaks into a model."""
    out, output = analysed
    found = run_onnx(output, None)
    assert found["transformed:fare"].dtype == np.float32
    for feature in output.outputs:
        present = found.get(f"transformed:{feature.name}:present", np.ones(4, bool))
        assert (f"transformed:{feature.name}:present" in found) == feature.optional
        values = [v if p else None for v, p in zip(found[f"transformed:{feature.name}"].tolist(), present, strict=True)]
        assert str(values) == str(out[feature.name].to_pylist())
        blank = {"utf8": "", "bool": False}.get(feature.dtype, 0)
        assert all(v == blank for v in found[f"transformed:{feature.name}"][~present].ravel().tolist())


def test_pruning_keeps_only_what_is_reached(analysed: Analysed) -> None:
    """The tips of the label are not asked of clients when only features are wanted."""
    output = analysed[1]
    model = output.to_onnx(["fare", "company"])
    assert {i.name for i in model.graph.input} == {"fare", "fare:present", "company", "company:present"}
    assert [o.name for o in model.graph.output] == [
        "transformed:fare",
        "transformed:company",
        "transformed:company:present",
    ]
    assert {f.name for f in output.raw_features(["fare", "company"])} == {"fare", "company"}
    props = {p.key: p.value for p in model.metadata_props}
    assert Feeds.from_json(json.loads(props["trueline.feeds"])).features == output.feeds(["fare", "company"]).features
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 20), ("ai.onnx.ml", 3), ("com.microsoft", 1)}
    with pytest.raises(TransformError, match="no output 'fares'"):
        output.to_onnx(["fares"])


def test_depends_and_path(analysed: Analysed) -> None:
    output = analysed[1]
    assert output.depends("big_tipper") == {"tips", "fare"}
    assert output.depends("fare") == {"fare"}
    assert output.path("big_tipper", "tips") == ["tips", "tips > 0.2 * fare (greater)", "big_tipper"]
    assert output.path("fare", "fare") == [
        "fare", "fill_missing(fare, 0.0)", "scale_to_z_score(fill_missing(fare, 0.0))", "fare",
    ]  # fmt: skip
    assert output.path("pay", "pay") == ["pay", "pay"]
    with pytest.raises(TransformError, match="does not depend on 'tips'"):
        output.path("fare", "tips")


def test_an_analyzer_does_not_make_a_row_depend() -> None:
    _, output = tlt.analyze_and_transform(TABLE, lambda x: {"y": x["fare"] - tlt.mean(x["tips"])}, engine=ONE)
    assert output.depends("y") == {"fare"}
    assert [f.name for f in output.raw_features()] == ["fare"]


def test_save_and_load(analysed: Analysed, tmp_path: Path) -> None:
    out, output = analysed
    uri = str(tmp_path / "graph")
    output.save(uri)
    found = {str(p.relative_to(uri)) for p in Path(uri).rglob("*") if p.is_file()}
    assert found == {
        "graph.json", "transform.onnx", "transformed_schema.pbtxt", "vocabularies/companies",
        "vocabularies/companies.counts",
    }  # fmt: skip
    again = tlt.TransformOutput.load(uri)
    assert again.content_hash == output.content_hash
    assert again.outputs == output.outputs
    assert again.vocabulary_by_name("companies") == ["a", "b"]
    assert str(again.transform(TABLE).to_pylist()) == str(out.to_pylist())
    assert again.to_onnx().SerializeToString() == output.to_onnx().SerializeToString()
    with pytest.raises(TransformError, match="no vocabulary 'company'"):
        again.vocabulary_by_name("company")


@pytest.mark.parametrize("name", ["graph.json", "vocabularies/companies"])
def test_a_changed_file_is_refused(analysed: Analysed, tmp_path: Path, name: str) -> None:
    analysed[1].save(str(tmp_path / "g"))
    file = tmp_path / "g" / name
    file.write_text(file.read_text().replace('"value": 60', '"value": 61').replace("a\n", "z\n", 1))
    with pytest.raises(ArtifactError, match="changed after it was written"):
        tlt.TransformOutput.load(str(tmp_path / "g"))


def test_schema_of_outputs(analysed: Analysed) -> None:
    features = {f.name: f for f in analysed[1].output_schema.feature}
    assert (features["company"].int_domain.min, features["company"].int_domain.max) == (0, 3)
    assert (features["crossed"].int_domain.min, features["crossed"].int_domain.max) == (0, 49)
    assert features["fare"].presence.min_fraction == 1.0
    assert features["one_hot"].shape.dim[0].size == 5


def test_a_required_column_refuses_missing_values() -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    schema.feature.add(name="pay", type=schema_pb2.BYTES).presence.min_fraction = 1.0
    _, output = tlt.analyze_and_transform(TABLE, lambda x: {"y": tlt.upper(x["pay"])}, schema, engine=ONE)
    assert not output.outputs[0].optional
    with pytest.raises(FeedError, match="field 'pay'"):
        output.transform(pa.table({"pay": ["cash", None]}))


@given(st.lists(st.sampled_from(["a", "B", "é", "", None]), min_size=1, max_size=40), st.data())
@settings(max_examples=25, deadline=None)
def test_dictionary_detour_changes_nothing(texts: list[str | None], data: Any) -> None:
    """Several text columns, crossed, with results read by other nodes: same values with and without the detour."""
    others = data.draw(st.lists(st.sampled_from(["x", "y", None]), min_size=len(texts), max_size=len(texts)))
    table = pa.table({"a": pa.array(texts, pa.string()), "b": pa.array(others, pa.string())})

    def function(x: Any) -> dict[str, Any]:
        ids = tlt.apply_vocabulary(tlt.lower(x["a"]), ["a", "b"], num_oov_buckets=3)
        return {
            "ids": ids,
            "same": ids,
            "low": tlt.lower(x["a"]),
            "crossed": tlt.cross(tlt.upper(x["a"]), x["b"]),
            "sum": ids + tlt.hash_strings(x["b"], 10),
            "missing": tlt.is_missing(x["b"]),
            "raw": x["a"],
            "hot": tlt.one_hot(ids, 4),
        }

    graph = graph_of(function, table)
    direct, detour = by_onnx(graph, table, dictionary=False), by_onnx(graph, table, dictionary=True)
    for name, _ in graph.outputs:
        assert_same(detour[name], direct[name])


def test_column_names_do_not_meet_tensor_names() -> None:
    """Columns named like the lowering's own tensors, or like another column's presence, stay apart."""
    table = pa.table({"Add_1": [1.0, 2.0], "const_1": [3.0, None], "Where_2": [5.0, 6.0]})
    graph = graph_of(lambda x: {"y": tlt.where(x["Add_1"] > 1.5, x["const_1"] + 1.0, x["Where_2"] + 2.0)}, table)
    value = by_onnx(graph, table)["y"]
    assert value.present is not None
    assert (value.data[0], value.present.tolist()) == (7.0, [True, False])


# ---- host steps


def with_host(x: Any) -> dict[str, Any]:
    length = tlt.host(functions.text_length, x["company"], dtype="int64")
    longer = tlt.host("host_functions_transform:plus", length, dtype="int64", amount=100)
    return {"length": tlt.fill_missing(length, -1), "z": tlt.scale_to_z_score(longer), "fare": x["fare"]}


def test_host_steps_run_before_the_graph(tmp_path: Path) -> None:
    """In analysis and in transform, chained, with their columns asked of the client and kept in the saved graph."""
    out, output = tlt.analyze_and_transform(TABLE, with_host, engine=ONE)
    assert out["length"].to_pylist() == [1, 1, -1, 1]
    assert out["z"].to_pylist() == [0.0, 0.0, None, 0.0]
    assert [s.function for s in output.host_steps()] == [
        "host_functions_transform:text_length",
        "host_functions_transform:plus",
    ]
    assert [s.output for s in output.host_steps(["length"])] == ["text_length_company"]
    assert output.host_steps(["fare"]) == ()
    assert {f.name for f in output.raw_features(["z"])} == {"company"}
    assert [f.name for f in output.feeds(["z"]).features] == ["host:plus_text_length_company"]
    assert output.depends("z") == {"company"}
    assert output.path("z", "company")[1] == "host_functions_transform:text_length (host step text_length_company)"
    output.save(str(tmp_path / "g"))
    again = tlt.TransformOutput.load(str(tmp_path / "g"))
    assert str(again.transform(TABLE).to_pylist()) == str(out.to_pylist())
    assert str(again.oracle(TABLE).to_pylist()) == str(out.to_pylist())


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: {"y": tlt.host(lambda v: v, x["pay"], dtype="utf8")}, "cannot be imported|not importable"),
        (lambda x: {"y": tlt.host("no_such_package:f", x["pay"], dtype="utf8")}, "no_such_package"),
        (lambda x: {"y": tlt.host(functions.text_length, tlt.lower(x["pay"]), dtype="int64")}, "runs before the graph"),
        (lambda x: {"y": tlt.host(functions.text_length, x["pay"], dtype="list")}, "cannot give 'list'"),
        (
            lambda x: {"y": tlt.host(functions.text_length, x["pay"], dtype="int64", name="fare")},
            "name of a raw column",
        ),
    ],
)
def test_unusable_host_steps_are_refused(function: Any, said: str) -> None:
    with pytest.raises(TransformError, match=said):
        tlt.analyze_and_transform(TABLE, function, engine=ONE)


def test_a_host_step_of_another_type_is_named() -> None:
    with pytest.raises(ModelError, match="wrong_type"):
        tlt.analyze_and_transform(
            TABLE, lambda x: {"y": tlt.host(functions.wrong_type, x["pay"], dtype="int64")}, engine=ONE
        )


def test_the_room_is_cheap_to_import() -> None:
    code = "import sys, trueline.transform; print(sorted({'pyarrow', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_vectors_and_timestamps_come_in_raw() -> None:
    """Fixed-size lists are vectors of the graph; a timestamp is compared, and cast to int64 for arithmetic."""
    from datetime import UTC, datetime

    noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    table = pa.table(
        {
            "v": pa.array([[1.0, 2.0], None, [float("nan"), 4.0]], pa.list_(pa.float64(), 2)),
            "t": pa.array([noon, None, noon.replace(hour=23)], pa.timestamp("us", "UTC")),
            "x": [10.0, 20.0, 30.0],
        }
    )

    def function(x: Any) -> dict[str, Any]:
        hour = tlt.cast(x["t"], "int64") // 3_600_000_000 % 24
        return {
            "z": tlt.scale_to_z_score(x["v"]),
            "scaled": x["v"] * x["x"],
            "buckets": tlt.apply_buckets(x["v"], [2.0]),
            "first": x["v"][0],
            "all": tlt.concat([x["v"], x["x"]]),
            "hour": hour,
            "late": x["t"] > x["t"],
            "t": x["t"],
        }

    out, output = tlt.analyze_and_transform(table, function, engine=ONE)
    assert out["scaled"].to_pylist()[:2] == [[10.0, 20.0], None]
    assert out["buckets"].to_pylist() == [[0, 1], None, [1, 1]]
    assert out["all"].to_pylist()[0] == [1.0, 2.0, 10.0]
    assert out["first"].to_pylist()[:2] == [1.0, None]
    assert out["hour"].to_pylist() == [12, None, 23]
    assert out["late"].to_pylist() == [False, None, False]
    values = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(out["z"].to_pylist()[0], (values[:2] - values.mean()) / values.std(), rtol=1e-6)
    assert str(output.oracle(table).to_pylist()) == str(out.to_pylist())
