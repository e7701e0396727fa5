"""Predict by gRPC: what goes in and comes out, what is refused and how, and that every protocol says the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from serving_grpc_helpers import Asker, Refused, outputs_of, predict_request, tf
from serving_helpers import publish
from serving_oip_helpers import echo_model

from trueline._core.runtime import ModelRuntime
from trueline.serving.grpc_descriptors import enum_numbers, message
from trueline.serving.grpc_tensors import tensor_proto

ROWS = 7


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory, taxi: Path, taxi_other: Path) -> Iterator[Asker]:
    """taxi with the versions 1 and 2, and the model that says what came in."""
    folder = tmp_path_factory.mktemp("grpc")
    publish(taxi, folder / "taxi", 1)
    publish(taxi_other, folder / "taxi", 2)
    echo_model(folder / "echo" / "1")
    unit = Asker({"taxi": folder / "taxi", "echo": folder / "echo"}, num_versions=2, max_rows=100, max_cells=1000)
    yield unit
    unit.close()


def echo(asker: Asker, inputs: dict[str, Any]) -> Any:
    return asker.run(asker.grpc.predict({"i": [0] * ROWS, **inputs}, "echo"))


def refused(answer: Any, code: str = "INVALID_ARGUMENT") -> str:
    assert isinstance(answer, Refused), answer
    assert answer.code is getattr(grpc.StatusCode, code), answer
    return answer.details


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_predictions_are_those_of_rest_and_of_the_runtime_bit_for_bit(asker: Asker, taxi: Path, rows: int) -> None:
    random = np.random.default_rng(rows)
    fares, companies = random.normal(size=rows) * 20, random.choice(["Flash", "Other", ""], rows)
    response = asker.run(asker.grpc.predict({"fare": fares, "company": companies}, version=1))
    got = outputs_of(response)
    columns = {"fare": fares.tolist(), "company": companies.tolist()}
    own = ModelRuntime.load(str(taxi)).predict_columns(columns)
    assert {n: (a.dtype, a.tobytes()) for n, a in got.items()} == {n: (a.dtype, a.tobytes()) for n, a in own.items()}
    as_bytes = proto("DT_DOUBLE", [rows], {"tensor_content": fares.astype("<f8").tobytes()})  # another road
    again = outputs_of(asker.run(asker.grpc.predict({"fare": as_bytes, "company": companies}, version=1)))
    assert {n: a.tobytes() for n, a in again.items()} == {n: a.tobytes() for n, a in got.items()}
    rest = asker.run(asker.grpc.http.post("/v1/models/taxi/versions/1:predict", json={"inputs": columns}))
    told = np.array(rest.json()["outputs"]["probabilities"], np.float32)
    assert got["probabilities"].tobytes() == told.tobytes()


def test_the_answer_names_model_version_and_signature(asker: Asker) -> None:
    for asked, number in ((None, 2), (1, 1)):
        spec = asker.run(asker.grpc.predict({"fare": [1.0]}, version=asked)).model_spec
        assert (spec.name, spec.version.value, spec.signature_name) == ("taxi", number, "serving_default")


def test_the_output_filter_chooses_and_an_unknown_or_repeated_name_is_refused(asker: Asker) -> None:
    def ask(*names: str) -> Any:
        return asker.run(asker.grpc.predict({"fare": [1.0]}, output_filter=names))

    assert set(ask().outputs) == {"probabilities", "label"}
    assert set(ask("label").outputs) == {"label"}
    text = refused(ask("nothing"))
    assert "nothing" in text
    assert "{label,probabilities}" in text
    assert "label" in refused(ask("label", "label"))


def test_missing_and_extra_inputs_are_listed_both(asker: Asker) -> None:
    text = refused(asker.run(asker.grpc.predict({"f": [1.0], "x": [1.0], "y": [1.0]}, "echo")))
    assert "Sent extra: {x,y}. Missing but required: {i}." in text
    assert "no rows" in refused(asker.run(asker.grpc.predict({})))


@pytest.mark.parametrize(
    ("spec", "code", "part"),
    [
        ({"signature": "other"}, "FAILED_PRECONDITION", '"other"'),
        ({"model": "nobody"}, "NOT_FOUND", "Latest(nobody)"),
        ({"version": 9}, "NOT_FOUND", "Specific(taxi, 9)"),
        ({"version": -1}, "NOT_FOUND", "-1"),
        ({"label": "stable"}, "INVALID_ARGUMENT", "Unrecognized servable version label"),
        ({"model": ""}, "INVALID_ARGUMENT", "no name"),
        ({"signature": "classification"}, "INVALID_ARGUMENT", "tensorflow/serving/classify"),
    ],
)
def test_a_model_version_label_or_signature_that_is_not_there(
    asker: Asker, spec: dict[str, Any], code: str, part: str
) -> None:
    assert part in refused(asker.run(asker.grpc.predict({"fare": [1.0]}, **spec)), code)


def test_without_a_model_spec(asker: Asker) -> None:
    assert refused(asker.run(asker.grpc.call("Predict", tf("PredictRequest")))) == "Missing ModelSpec"


TENSORS: list[tuple[str, str, dict[str, Any], Any]] = [
    ("f", "DT_FLOAT", {"float_val": [1.5, -2.0]}, [1.5, -2.0]),
    ("f", "DT_DOUBLE", {"double_val": [1.5, -2.0]}, [1.5, -2.0]),
    ("f", "DT_HALF", {"half_val": [0x3E00, 0xC000]}, [1.5, -2.0]),
    ("f", "DT_BFLOAT16", {"half_val": [0x3FC0, 0xC000]}, [1.5, -2.0]),
    ("f", "DT_BFLOAT16", {"tensor_content": b"\xc0\x3f\x00\xc0"}, [1.5, -2.0]),
    ("f", "DT_INT32", {"int_val": [3, -4]}, [3.0, -4.0]),
    ("i", "DT_INT8", {"int_val": [3, -4]}, [3, -4]),
    ("i", "DT_INT16", {"int_val": [300, -4]}, [300, -4]),
    ("i", "DT_INT32", {"int_val": [3, -4]}, [3, -4]),
    ("i", "DT_INT64", {"int64_val": [2**62, -4]}, [2**62, -4]),
    ("i", "DT_UINT8", {"int_val": [3, 255]}, [3, 255]),
    ("i", "DT_UINT16", {"int_val": [3, 65535]}, [3, 65535]),
    ("i", "DT_UINT32", {"uint32_val": [3, 2**32 - 1]}, [3, 2**32 - 1]),
    ("i", "DT_UINT64", {"uint64_val": [3, 2**63 - 1]}, [3, 2**63 - 1]),
    ("i", "DT_UINT16", {"tensor_content": b"\x03\x00\xff\xff"}, [3, 65535]),
    ("i", "DT_INT64", {"int64_val": [5]}, [5, 5]),  # fewer values than rows: the last one counts for the rest
    ("b", "DT_BOOL", {"bool_val": [True, False]}, [True, False]),
    ("b", "DT_BOOL", {"tensor_content": b"\x01\x00"}, [True, False]),
    ("s", "DT_STRING", {"string_val": [b"a", "ä".encode()]}, [b"a", "ä".encode()]),
    ("s", "DT_STRING", {"tensor_content": b"\x01\x02a\xc3\xa4"}, [b"a", "ä".encode()]),
    ("t", "DT_INT64", {"int64_val": [7, -7]}, [7, -7]),
    ("t", "DT_STRING", {"string_val": [b"1970-01-01T00:00:01", b"1970-01-02"]}, [1_000_000, 86_400_000_000]),
]


def proto(dtype: str, shape: list[int], values: dict[str, Any]) -> Any:
    tensor = message("tensorflow.TensorProto")(dtype=enum_numbers("tensorflow.DataType")[dtype], **values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


@pytest.mark.parametrize(("name", "dtype", "values", "expected"), TENSORS)
@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_every_type_in_its_own_field_and_as_bytes(
    asker: Asker, name: str, dtype: str, values: dict[str, Any], expected: Any, shape: list[int]
) -> None:
    inputs = {"i": [0, 0], name: proto(dtype, shape, values)}
    got = outputs_of(asker.run(asker.grpc.predict(inputs, "echo")))
    assert got[f"out_{name}"].tolist() == expected
    if name != "i":
        assert got[f"out_{name}_present"].tolist() == [True, True]


def test_vectors_and_lists(asker: Asker) -> None:
    lists = [[1, 2, 3]] * 2
    inputs = {"i": [0, 0], "v": [[1.0, 2.0], [3.0, 4.0]], "r": [["a", "b"], ["c", ""]], "n": lists}
    got = outputs_of(asker.run(asker.grpc.predict(inputs, "echo")))
    assert got["out_v"].tolist() == [[1, 2], [3, 4]]
    assert got["out_r"].tolist() == [[b"a", b"b"], [b"c", b""]]
    assert (got["out_r_length"].tolist(), got["out_n_length"].tolist()) == ([2, 2], [3, 3])


def test_left_out_features_are_missing_in_every_row(asker: Asker) -> None:
    got = outputs_of(echo(asker, {}))
    for name in "fbstvrn":
        assert not got[f"out_{name}_present"].any()
    assert got["out_r"].shape == (ROWS, 0)
    rest = asker.run(asker.grpc.http.post("/v1/models/echo:predict", json={"inputs": {"i": [0] * ROWS}}))
    assert {n: a.shape for n, a in got.items()} == {n: np.shape(v) for n, v in rest.json()["outputs"].items()}


def test_presence_and_lengths_say_the_same_as_nulls_and_short_lists_by_rest(asker: Asker) -> None:
    sent = {
        "i": [1, 2, 3],
        "f": [1.0, np.nan, 5.0],
        "f:present": [True, True, False],
        "s": ["a", "never looked at", "c"],
        "s:present": [True, False, True],
        "v": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        "v:present": [[True], [False], [True]],
        "r": [["a", "b"], ["c", "d"], ["e", "f"]],
        "r:length": np.array([2, 1, 0], np.int32),
        "n": [[1, 2], [3, 4], [5, 6]],
        "n:length": [1, 2, 2],
        "n:present": [True, True, False],
    }
    got = outputs_of(asker.run(asker.grpc.predict(sent, "echo")))
    columns = {
        "i": [1, 2, 3],
        "f": [1.0, float("nan"), None],
        "s": ["a", None, "c"],
        "v": [[1.0, 2.0], None, [5.0, 6.0]],
        "r": [["a", "b"], ["c"], []],
        "n": [[1], [3, 4], None],
    }
    own = asker.grpc.app.manager.table["echo"].default
    assert own is not None
    assert own.live is not None
    expected = own.live.runtime.predict_columns(columns)
    assert set(got) == set(expected)
    for name, values in expected.items():
        told = values if values.dtype != object else np.array([[t.encode() for t in np.ravel(values)]], object)
        assert got[name].ravel().tolist() == pytest.approx(told.ravel().tolist(), abs=0, nan_ok=True), name


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"f": [True] * ROWS}, "field 'f': expected float64, got bool of shape [7]"),
    ({"f": ["1.5"] * ROWS}, "field 'f': expected float64, got strings"),
    ({"i": [1.0] * ROWS}, "field 'i': expected int64, got float64"),
    ({"b": [1] * ROWS}, "field 'b': expected bool, got int64"),
    ({"s": [1] * ROWS}, "field 's': expected utf8, got int64"),
    ({"t": [1.0] * ROWS}, "field 't': expected timestamp, got float64"),
    ({"t": ["2024"] * 6 + ["noon"]}, "row 0, field 't': expected timestamp, got text that is no ISO time: b'2024'"),
    ({"s": proto("DT_STRING", [ROWS], {"string_val": [b"a"] * 5 + [b"\xff"]})}, "row 5, field 's': expected utf8"),
    ({"i": proto("DT_UINT64", [ROWS], {"uint64_val": [1, 2**63]})}, "row 1, field 'i': expected int64"),
    ({"f": [[1.0, 2.0]] * ROWS}, "field 'f': expected a tensor of shape [N] or [N, 1], got [7, 2]"),
    ({"v": [[1.0]] * ROWS}, "field 'v': expected a tensor of shape [N, 2], got [7, 1]"),
    ({"v": [1.0] * ROWS}, "field 'v': expected a tensor of shape [N, 2], got [7]"),
    ({"r": ["a"] * ROWS}, "field 'r': expected a tensor of shape [N, K], got [7]"),
    ({"f": [1.0] * 3}, "f: 3"),
    ({"f": np.array(1.0)}, "expected a tensor of rows, got a scalar"),
    ({"f:present": [True] * ROWS}, "Sent extra: {f:present}"),
    ({"i:present": [True] * ROWS}, "Sent extra: {i:present}"),
    ({"f": [1.0] * ROWS, "f:present": [1] * ROWS}, "'f:present': expected bools of shape [N]"),
    ({"n": [[1]] * ROWS, "n:length": [2] * ROWS}, "'n:length': expected lengths from 0 to 1, got 2 to 2"),
    ({"n": [[1]] * ROWS, "n:length": [-1] * ROWS}, "'n:length': expected lengths from 0 to 1, got -1 to -1"),
    ({"f": proto("DT_COMPLEX64", [ROWS], {"scomplex_val": [1.0]})}, "input 'f': DT_COMPLEX64 is not served"),
    ({"f": proto("DT_FLOAT", [ROWS], {})}, "input 'f': it has no values, its shape needs 7"),
    ({"f": proto("DT_FLOAT", [ROWS], {"float_val": [1.0] * 8})}, "input 'f': it has 8 values, its shape needs 7"),
    ({"f": proto("DT_FLOAT", [ROWS], {"double_val": [1.0] * 7})}, "input 'f': it has no values"),
    ({"f": proto("DT_FLOAT", [ROWS], {"tensor_content": b"x" * 27})}, "27 bytes, its shape needs 28"),
    ({"f": proto("DT_FLOAT", [2**40], {"float_val": [1.0]})}, "1099511627776 values, this server takes 1000"),
    ({"f": proto("DT_FLOAT", [0, 2**62], {})}, "this server takes 1000"),
    ({"f": proto("DT_FLOAT", [-1], {"float_val": [1.0]})}, "negative"),
    ({"f": proto("DT_FLOAT", [1] * 9, {"float_val": [1.0]})}, "9 dimensions"),
    ({"i": proto("DT_UINT8", [ROWS], {"int_val": [256]})}, "beyond DT_UINT8"),
    ({"b": proto("DT_BOOL", [ROWS], {"tensor_content": b"\x02" * 7})}, "no bool"),
    ({"s": proto("DT_STRING", [ROWS], {"tensor_content": b"\xff" * 9})}, "within its lengths"),
    ({"s": proto("DT_STRING", [ROWS], {"tensor_content": b"\x01" * 9})}, "its lengths say 14"),
    ({"f": message("tensorflow.TensorProto")(dtype=1, tensor_shape={"unknown_rank": True})}, "not known"),
    ({"f": message("tensorflow.TensorProto")(dtype=4711)}, "data type 4711 is not served"),
]


@pytest.mark.parametrize(("inputs", "part"), WRONG)
def test_wrong_data_is_refused_with_name_expected_and_got(asker: Asker, inputs: dict[str, Any], part: str) -> None:
    assert part in refused(echo(asker, inputs))


def test_limits_of_rows_and_of_bytes(asker: Asker) -> None:
    assert "101 rows, this server takes 100" in refused(asker.run(asker.grpc.predict({"fare": [1.0] * 101})))
    large = predict_request({"company": ["x" * asker.grpc.app.options.max_body_bytes]})
    assert "larger than max" in refused(asker.run(asker.grpc.call("Predict", large)), "RESOURCE_EXHAUSTED")
    assert len(asker.run(asker.grpc.predict({"fare": [1.0] * 100})).outputs) == 2


def test_a_long_error_fits_into_the_status_and_ids_go_round(asker: Asker) -> None:
    names = {f"ä{i}" * 40: [1.0] for i in range(200)}
    answer = asker.run(asker.grpc.call("Predict", predict_request(names), metadata=[("x-request-id", "mine")]))
    assert "inputs do not match the signature" in refused(answer)
    assert answer.details.endswith(" ...")
    assert answer.trailing["x-request-id"] == "mine"
    assert answer.trailing["x-model-version"] == "2"


def test_what_was_asked_is_counted_beside_rest(asker: Asker) -> None:
    asker.run(asker.grpc.predict({"fare": [1.0]}))
    asker.run(asker.grpc.predict({"fare": [1.0]}, "nobody"))
    text = asker.run(asker.grpc.http.get("/metrics")).text
    assert 'trueline_refused_total{code="404"}' in text
    assert 'trueline_requests_total{code="200",model="taxi",version="2"}' in text


def test_calls_at_once_share_batches_and_get_each_its_own_answer(asker: Asker) -> None:
    async def many() -> list[Any]:
        return await asyncio.gather(*(asker.grpc.predict({"i": [k], "f": [float(k)]}, "echo") for k in range(40)))

    for k, answer in enumerate(asker.run(many())):
        assert outputs_of(answer)["out_i"].tolist() == [k]


def test_tensors_that_the_server_writes_are_read_back(asker: Asker) -> None:
    got = outputs_of(echo(asker, {"s": ["ä"] * ROWS, "f": [np.inf] * ROWS}))
    assert got["out_s"].tolist() == ["ä".encode()] * ROWS
    assert got["out_f"].tolist() == [np.inf] * ROWS
    assert tensor_proto(np.zeros((0, 3), np.float32)).tensor_shape.dim[1].size == 3
