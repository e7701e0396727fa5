"""The Open Inference Protocol over gRPC: the same answers as over HTTP, typed and raw, its errors as status codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_grpc_helpers import Asker, Refused
from serving_helpers import publish, taxi_graph, write_model
from serving_oip_helpers import echo_model, raw_bytes, tensor

from trueline.serving.grpc_descriptors import message

SERVICE = "inference.GRPCInferenceService"


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("oip_grpc")
    publish(write_model(folder / "m", taxi_graph()), folder / "taxi", 3)
    publish(echo_model(folder / "e"), folder / "echo", 1)
    asker = Asker({"taxi": folder / "taxi", "echo": folder / "echo"})
    yield asker
    asker.close()


def ask(asker: Asker, method: str, request: Any = None, **fields: Any) -> Any:
    """The response of a method, or `Refused`."""
    request = message(f"inference.{method}Request")(**fields) if request is None else request
    answer = asker.run(asker.grpc.raw(method, request.SerializeToString(), SERVICE))
    return answer if isinstance(answer, Refused) else message(f"inference.{method}Response").FromString(answer)


def infer(asker: Asker, inputs: list[dict[str, Any]], raw: Sequence[bytes] = (), **fields: Any) -> Any:
    fields = {"model_name": "taxi"} | fields
    return ask(asker, "ModelInfer", inputs=inputs, raw_input_contents=raw, **fields)


def refused(answer: Any, code: str = "INVALID_ARGUMENT") -> str:
    assert isinstance(answer, Refused), answer
    assert answer.code.name == code
    return answer.details


def typed(name: str, datatype: str, shape: list[int], **contents: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "contents": contents}


def test_health_readiness_and_metadata_are_those_of_rest(asker: Asker) -> None:
    def rest(path: str) -> Any:
        return asker.run(asker.grpc.http.get(path)).json()

    assert ask(asker, "ServerLive").live
    assert ask(asker, "ServerReady").ready
    assert ask(asker, "ModelReady", name="taxi").ready
    assert ask(asker, "ModelReady", name="taxi", version="3").ready
    refused(ask(asker, "ModelReady", name="taxi", version="4"), "NOT_FOUND")
    assert refused(ask(asker, "ModelReady", name="bus"), "NOT_FOUND") == "there is no model 'bus'"
    server, told = ask(asker, "ServerMetadata"), rest("/v2")
    assert (server.name, server.version) == (told["name"], told["version"])
    assert "classification" in server.extensions
    model, told = ask(asker, "ModelMetadata", name="taxi", version="3"), rest("/v2/models/taxi")
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [
        (t["name"], t["datatype"], t["shape"]) for t in told["inputs"]
    ]
    assert [(t.name, t.datatype, list(t.shape)) for t in model.outputs] == [
        (t["name"], t["datatype"], t["shape"]) for t in told["outputs"]
    ]
    assert (list(model.versions), model.platform, dict(model.properties)) == (
        told["versions"],
        told["platform"],
        told["properties"],
    )
    refused(ask(asker, "ModelMetadata", name="taxi", version="nine"), "NOT_FOUND")


def test_typed_contents_are_answered_as_rest_answers(asker: Asker) -> None:
    """Values, shapes, model, version and id; typed in, typed out."""
    inputs = [
        typed("fare", "FP64", [2, 1], fp64_contents=[3.5, -7.0]),
        typed("company", "BYTES", [2], bytes_contents=[b"Flash", "Zürich".encode()]),
    ]
    answer = infer(asker, inputs, id="42")
    assert (answer.model_name, answer.model_version, answer.id) == ("taxi", "3", "42")
    body = {"inputs": [tensor("fare", "FP64", [2], [3.5, -7.0]), tensor("company", "BYTES", [2], ["Flash", "Zürich"])]}
    told = asker.run(asker.grpc.http.post("/v2/models/taxi/infer", json=body)).json()["outputs"]
    probabilities, label = answer.outputs
    assert list(probabilities.shape) == [2, 2] == told[0]["shape"]
    assert np.array_equal(np.float32(probabilities.contents.fp32_contents), np.float32(told[0]["data"]))
    assert list(label.contents.bool_contents) == told[1]["data"]
    assert not answer.raw_output_contents


def test_raw_contents_are_answered_raw(asker: Asker) -> None:
    inputs = [
        {"name": "company", "datatype": "BYTES", "shape": [2]},
        {"name": "fare", "datatype": "FP32", "shape": [2]},
    ]
    raw = [raw_bytes([b"Flash", b""]), np.float32([0, 10]).tobytes()]
    answer = infer(asker, inputs, raw, outputs=[{"name": "label"}, {"name": "probabilities"}])
    assert [o.name for o in answer.outputs] == ["label", "probabilities"]
    assert answer.raw_output_contents[0] == b"\x01\x01"
    expected = np.float32([0.26894143, 0.7310586, 0.26894143, 0.7310586])
    assert answer.raw_output_contents[1] == expected.tobytes()
    assert not any(o.HasField("contents") for o in answer.outputs)


def test_every_datatype_has_its_field(asker: Asker) -> None:
    """Typed contents of each datatype reach the feature they fit."""
    whole = {
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
    }
    for datatype, field in whole.items():
        answer = infer(asker, [typed("i", datatype, [2], **{field: [1, 100]})], model_name="echo")
        (output,) = (o for o in answer.outputs if o.name == "out_i")
        assert list(output.contents.int64_contents) == [1, 100], datatype
    answer = infer(
        asker,
        [
            typed("i", "INT64", [1], int64_contents=[0]),
            typed("b", "BOOL", [1], bool_contents=[True]),
            typed("v", "FP32", [1, 2], fp32_contents=[0.5, 1.5]),
            typed("r", "BYTES", [1, 2], bytes_contents=[b"a", b"b"]),
        ],
        model_name="echo",
    )
    found = {o.name: o.contents for o in answer.outputs}
    assert list(found["out_b"].bool_contents) == [True]
    assert list(found["out_v"].fp32_contents) == [0.5, 1.5]
    assert list(found["out_r"].bytes_contents) == [b"a", b"b"]
    assert list(found["out_r_length"].int64_contents) == [2]


def test_classes(asker: Asker) -> None:
    wanted = {"name": "probabilities", "parameters": {"classification": {"int64_param": 1}}}
    answer = infer(asker, [typed("fare", "FP64", [1], fp64_contents=[10])], outputs=[wanted])
    assert list(answer.outputs[0].contents.bytes_contents) == [b"0.7310586:1:true"]
    wanted["parameters"] = {"classification": {"string_param": "1"}}
    answer = infer(asker, [typed("fare", "FP64", [1], fp64_contents=[10])], outputs=[wanted])
    assert "whole number" in refused(answer)


def test_infinity_and_nan_have_words_here(asker: Asker) -> None:
    inputs = [typed("i", "INT64", [2], int64_contents=[0, 0]), typed("f", "FP64", [2], fp64_contents=[np.inf, np.nan])]
    answer = infer(asker, inputs, model_name="echo", outputs=[{"name": "out_f"}])
    assert np.array_equal(answer.outputs[0].contents.fp32_contents, [np.inf, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("inputs", "raw", "part"),
    [
        ([], [], "no rows"),
        ([typed("fare", "FP64", [1], fp32_contents=[1])], [], "FP64 is sent in fp64_contents, got fp32_contents"),
        ([typed("fare", "FP64", [2], fp64_contents=[1])], [], "is 2 values, its contents have 1"),
        ([typed("fare", "FP16", [1])], [], "raw_input_contents only"),
        ([typed("fare", "BF16", [1])], [], "no datatype 'BF16'"),
        ([typed("fare", "INT8", [1], int_contents=[300])], [], "beyond the range of INT8"),
        ([typed("fare", "FP64", [-1], fp64_contents=[1])], [], "whole numbers from 0"),
        ([typed("fare", "FP64", [1], fp64_contents=[1])], [bytes(8)], "'contents' beside raw_input_contents"),
        ([{"name": "fare", "datatype": "FP64", "shape": [1]}], [bytes(8)] * 2, "1 inputs have 2 raw_input_contents"),
        ([{"name": "fare", "datatype": "FP64", "shape": [1]}], [bytes(7)], "are 8 bytes, its binary data has 7"),
        ([typed("fair", "FP64", [1], fp64_contents=[1])], [], "Did you mean 'fare'"),
    ],
)
def test_what_does_not_fit_is_invalid(asker: Asker, inputs: list[dict[str, Any]], raw: list[bytes], part: str) -> None:
    assert part in refused(infer(asker, inputs, raw))


def test_models_and_versions_that_are_not_there(asker: Asker) -> None:
    refused(infer(asker, [], model_name="bus"), "NOT_FOUND")
    refused(infer(asker, [], model_version="9"), "NOT_FOUND")
    refused(infer(asker, [], model_version="stable"), "NOT_FOUND")
    assert "no ModelInferRequest" in refused(asker.run(asker.grpc.raw("ModelInfer", b"\xff\xff", SERVICE))).replace(
        "inference.", ""
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["f", "i", "s", "n", "n:length", "f:present"]),
            st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "UINT64", "nothing"]),
            st.lists(st.integers(-1, 3), max_size=3),
            st.binary(max_size=24),
        ),
        max_size=3,
    ),
    st.integers(0, 3),
)
def test_whatever_comes_is_answered_or_invalid(asker: Asker, given_tensors: list[Any], raws: int) -> None:
    inputs = [{"name": n, "datatype": d, "shape": s} for n, d, s, _ in given_tensors]
    answer = infer(asker, inputs, [raw for *_, raw in given_tensors][:raws], model_name="echo")
    if isinstance(answer, Refused):
        refused(answer)
