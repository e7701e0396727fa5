"""Whatever bytes a client sends by gRPC, it gets an answer or a status, never an internal error, and soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from serving_grpc_helpers import MODELS, PREDICTION, Asker, Refused, fill_spec, predict_request, regression_model, tf
from serving_grpc_helpers import example as example_of
from serving_helpers import publish
from serving_oip_helpers import echo_model

from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_descriptors import message
from trueline.serving.grpc_examples import given_of_input
from trueline.serving.grpc_tensors import TensorError, array_of, tensor_proto

LIMIT = 1000


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory, taxi: Any) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("grpc")
    echo_model(folder / "echo" / "1")
    regression_model(folder / "fares" / "1")
    publish(taxi, folder / "taxi", 1)
    unit = Asker({name: folder / name for name in ("echo", "fares", "taxi")}, max_rows=50, max_cells=LIMIT)
    yield unit
    unit.close()


EXPECTED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
}
METHODS = [(PREDICTION, name) for name in ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata")]
METHODS += [(MODELS, name) for name in ("GetModelStatus", "HandleReloadConfigRequest")]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(asker: Asker, service: str, method: str, body: bytes) -> None:
    answer = asker.run(asker.grpc.raw(method, body, service))
    if isinstance(answer, Refused):
        assert answer.code in EXPECTED, answer
        assert answer.details
    body = predict_request({"i": [4], "f": [2.5]}, "echo").SerializeToString()
    assert isinstance(asker.run(asker.grpc.raw("Predict", body)), bytes)


FIELDS = {
    "float_val": st.floats(width=32),
    "double_val": st.floats(),
    "int_val": st.integers(-(2**31), 2**31 - 1),
    "int64_val": st.integers(-(2**63), 2**63 - 1),
    "uint64_val": st.integers(0, 2**64 - 1),
    "bool_val": st.booleans(),
    "half_val": st.integers(-(2**31), 2**31 - 1),
    "string_val": st.binary(max_size=4) | st.text(max_size=4).map(lambda t: t.encode("utf-8", "replace")),
}
SIZES = st.integers(-1, 4) | st.sampled_from([LIMIT, 2**31, 2**62, -(2**63)])


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """A TensorProto that may or may not be one."""
    tensor = message("tensorflow.TensorProto")(dtype=draw(st.integers(0, 24) | st.sampled_from([101, -1, 2**31 - 1])))
    for size in draw(st.lists(SIZES, max_size=3)):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = draw(st.sampled_from([False] * 9 + [True]))
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        getattr(tensor, field).extend(draw(st.lists(FIELDS[field], max_size=6)))
    tensor.tensor_content = draw(st.just(b"") | st.binary(max_size=40))
    return tensor


NAMES = st.sampled_from(
    ["f", "i", "b", "s", "t", "v", "r", "n", "f:present", "r:length", "n:length", "v:present", "x", "", "fare"]
)


@FUZZ
@given(st.dictionaries(NAMES, tensors(), max_size=4), st.booleans())
def test_any_tensors_are_answered_or_refused(asker: Asker, inputs: dict[str, Any], complete: bool) -> None:
    if complete:
        inputs = {"i": tensor_proto(np.array([1, 2])), **inputs}
    check(asker, PREDICTION, "Predict", predict_request(inputs, "echo").SerializeToString())


@settings(max_examples=300, deadline=None)
@given(tensors())
def test_a_tensor_is_an_array_of_its_shape_or_an_error(tensor: Any) -> None:
    try:
        array = array_of(tensor, LIMIT)
    except TensorError:
        return
    assert list(array.shape) == [d.size for d in tensor.tensor_shape.dim]
    assert array.size <= LIMIT


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]).flatmap(
        lambda dtype: st.lists(
            {"f": st.floats(width=32), "i": st.integers(-(2**63), 2**63 - 1), "b": st.booleans()}[np.dtype(dtype).kind],
            max_size=12,
        ).map(lambda values: np.array(values, dtype))
    )
    | st.lists(st.binary(max_size=5), max_size=6).map(lambda v: np.array([*v, None], object)[:-1])
)
def test_what_is_written_is_read_back_bit_for_bit(array: np.ndarray[Any, Any]) -> None:
    for shape in ([-1], [1, -1, 1]):
        given_array = array.reshape(shape) if array.size or shape == [-1] else array
        tensor = message("tensorflow.TensorProto").FromString(tensor_proto(given_array).SerializeToString())
        back = array_of(tensor, LIMIT)
        assert back.shape == given_array.shape
        assert back.dtype == given_array.dtype
        same = back.tolist() == given_array.tolist() if array.dtype == object else back.tobytes() == array.tobytes()
        assert same


LISTS = {
    "bytes_list": FIELDS["string_val"],
    "float_list": FIELDS["float_val"],
    "int64_list": FIELDS["int64_val"] | st.integers(0, 1),
}


@st.composite
def examples(draw: st.DrawFn) -> Any:
    """A tf.Example with features that the model has or lacks, in lists that fit or do not."""
    made = message("tensorflow.Example")()
    for name in draw(st.lists(NAMES, max_size=4)):
        feature = made.features.feature[name]
        for kind in draw(st.lists(st.sampled_from(sorted(LISTS)), max_size=1)):
            getattr(feature, kind).value.extend(draw(st.lists(LISTS[kind], max_size=3)))
            getattr(feature, kind).SetInParent()
    return made


def input_of(listed: list[Any], context: Any) -> Any:
    made = tf("Input")
    if context is None:
        made.example_list.examples.extend(listed)
    else:
        made.example_list_with_context.examples.extend(listed)
        made.example_list_with_context.context.CopyFrom(context)
    return made


@settings(max_examples=120, deadline=None)
@given(st.lists(examples(), max_size=4), examples() | st.none())
@example([example_of(i=1), example_of(i=2, r=["a"])], None)
def test_any_examples_are_rows_or_an_error(asker: Asker, listed: list[Any], context: Any) -> None:
    version = asker.grpc.app.manager.table["echo"].default
    assert version is not None
    assert version.live is not None
    graph = version.live.runtime.graph
    refused = None
    try:
        made = given_of_input(graph, input_of(listed, context), asker.grpc.app.options)
    except RequestError as error:
        refused = error
    if refused is not None:
        assert refused.code is Code.INVALID_ARGUMENT
        return
    assert made.rows == len(listed)
    assert graph.run_packed(made.packed)["out_i"].shape == (made.rows,)


@FUZZ
@given(st.lists(examples(), max_size=4), examples() | st.none(), st.sampled_from(["echo", "taxi", "fares"]))
def test_any_examples_are_answered_or_refused(asker: Asker, listed: list[Any], context: Any, model: str) -> None:
    for method, kind in (("Classify", "ClassificationRequest"), ("Regress", "RegressionRequest")):
        request = tf(kind)
        fill_spec(request.model_spec, model)
        request.input.CopyFrom(input_of(listed, context))
        check(asker, PREDICTION, method, request.SerializeToString())


def whole_request() -> bytes:
    inputs = {"i": [1, 2], "f": [1.5, 2.5], "s": ["a", "b"], "v": [[1.0, 2.0]] * 2, "r": [["a"]] * 2}
    body: bytes = predict_request(inputs, "echo", output_filter=["out_i"]).SerializeToString()
    return body


WHOLE = whole_request()


@FUZZ
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, len(WHOLE)),
    st.sampled_from(METHODS),
)
def test_damaged_messages_are_answered_or_refused(
    asker: Asker, changes: list[tuple[int, int]], length: int, method: tuple[str, str]
) -> None:
    body = bytearray(WHOLE)
    for place, value in changes:
        body[place] = value
    check(asker, *method, bytes(body))
    check(asker, *method, WHOLE[:length])


@FUZZ
@given(st.binary(max_size=80), st.sampled_from(METHODS))
@example(b"\x0a\x06\x0a\x04echo\x12\x80\x80\x80\x80\x08", METHODS[0])
@example(b"\x12\x04" * 5000, METHODS[1])
@example(b"\x0a\x02\x0a\x00" * 2000, METHODS[3])
@example(b"\xf3\x01" * 2000, METHODS[4])
def test_any_bytes_are_answered_or_refused(asker: Asker, body: bytes, method: tuple[str, str]) -> None:
    check(asker, *method, body)
