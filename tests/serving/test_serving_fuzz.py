"""Whatever bytes or JSON a client sends, the answer is never a 500, and the server goes on answering."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from serving_helpers import running, write_model

from trueline._core.feeds import Feeds
from trueline._core.manifest import write_manifest
from trueline._core.values import RawFeature

FEATURES = (
    RawFeature("f", "float64"),
    RawFeature("i", "int64"),
    RawFeature("b", "bool"),
    RawFeature("s", "utf8"),
    RawFeature("t", "timestamp"),
    RawFeature("v", "float64", "fixed", 2),
    RawFeature("r", "utf8", "ragged"),
    RawFeature("n", "int64", "ragged"),
)
TYPES = {
    "tensor(double)": TensorProto.DOUBLE,
    "tensor(int64)": TensorProto.INT64,
    "tensor(bool)": TensorProto.BOOL,
    "tensor(string)": TensorProto.STRING,
}


def all_types_model(folder: Path) -> None:
    """Reads every kind of feature; the prediction is f, the text goes out again."""
    info = helper.make_tensor_value_info
    inputs = [info(name, TYPES[kind], shape) for name, kind, shape in Feeds(FEATURES).onnx_inputs()]
    nodes = [
        helper.make_node("Cast", ["f"], ["prediction"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["s"], ["text"]),
        helper.make_node("Identity", ["r"], ["tags"]),
    ]
    outputs = [
        info("prediction", TensorProto.FLOAT, ["N"]),
        info("text", TensorProto.STRING, ["N"]),
        info("tags", TensorProto.STRING, ["N", "K"]),
    ]
    graph = helper.make_graph(nodes, "all", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    described = [
        {"name": n, "dtype": d, "shape": [None], "meaning": n}
        for n, d in (("prediction", "float32"), ("text", "utf8"), ("tags", "utf8"))
    ]
    write_model(folder, model, FEATURES, described, manifest=False)
    info_file = folder / "model.json"
    info_file.write_text(json.dumps(json.loads(info_file.read_text()) | {"task": "regression", "classes": None}))
    write_manifest(str(folder), "Model", 1)


class Asker:
    """An app on a loop of its own that tests talk to one request at a time."""

    def __init__(self, base: Path) -> None:
        self._runner = asyncio.Runner()
        self._context = running({"m": base}, poll_seconds=1000)
        self._app, self._client = self._runner.run(self._context.__aenter__())

    def post(self, body: bytes, verb: str = "predict") -> httpx.Response:
        return self._runner.run(self._post(body, verb))

    async def _post(self, body: bytes, verb: str) -> httpx.Response:
        return await asyncio.wait_for(self._client.post(f"/v1/models/m:{verb}", content=body), 20)

    def status_of(self, method: str, path: bytes) -> int:
        """The status for a path as it stands on the wire."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"{}"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "raw_path": path, "path": "", "headers": []}
        self._runner.run(self._app(scope, receive, send))
        return int(sent[0]["status"])

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    base = tmp_path_factory.mktemp("fuzz")
    all_types_model(base / "1")
    unit = Asker(base)
    yield unit
    unit.close()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
    | st.sampled_from(["2024-01-31", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "NaN", "\x00", "\ud800"])
)
ANY = st.recursive(
    SCALARS | st.builds(lambda t: {"b64": t}, st.sampled_from(["", "AA==", "/w==", "x", "Zg=="]) | st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([f.name for f in FEATURES]) | st.text(max_size=2)
ROW = st.dictionaries(NAMES, ANY, max_size=5)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.lists(ROW, max_size=4) | ANY,
        "inputs": st.dictionaries(NAMES, st.lists(SCALARS, max_size=3) | ANY, max_size=4) | ANY,
        "signature_name": ANY | st.just("serving_default"),
        "on_error": st.sampled_from(["row", "request", "x", 1]),
    },
)
EXAMPLES = st.fixed_dictionaries(
    {"examples": st.lists(ROW, max_size=4) | ANY},
    optional={"context": ROW | ANY, "signature_name": st.sampled_from(["regression", "classification", ""])},
)


def check(asker: Asker, body: bytes, verb: str = "predict") -> None:
    answer = asker.post(body, verb)
    assert answer.status_code in (200, 400, 413, 415), answer.text
    data = json.loads(answer.text)
    if answer.status_code != 200:
        assert list(data) == ["error"]
        assert data["error"]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
@example({"instances": [{"t": "0001-01-01T00:00:00+23:59"}]})
@example({"instances": [{"t": 2**63}, {"i": -(2**63)}, {"i": 10**400}, {"f": 10**400}]})
@example({"instances": [{"s": "a\x00b", "r": ["", "\x00"]}]})
@example({"inputs": {"r": [["a"], None, ["a", "b"]], "v": [[1, 2], [3.5, None], None]}})
def test_any_json_is_answered_or_refused(asker: Asker, request_body: Any) -> None:
    check(asker, json.dumps(request_body).encode())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXAMPLES)
@example({"examples": [{"t": "0001-01-01T00:00:00+23:59"}, {"i": [True, 2**63 - 1]}, {"v": [1.5, 2.5], "r": []}]})
@example({"examples": [{"s": {"b64": "/w=="}}], "context": {"f": [], "b": 2}})
def test_any_examples_are_answered_or_refused(asker: Asker, request_body: Any) -> None:
    check(asker, json.dumps(request_body).encode(), "regress")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,instaceupb64NI\\ud80-1e. ', max_size=40).map(str.encode))
@example(b'{"instances":' + b"[" * 900 + b"]" * 900 + b"}")
@example(b'{"instances":[{"s":' + b"[" * 900 + b"]" * 900 + b"}]}")
@example(b'{"instances":[{"b64":' + b'{"b64":' * 800 + b"1" + b"}" * 800 + b"}]}")
@example(b'{"instances":NaN' + b"[" * 100_000)
@example(b'{"instances":[{"f":NaN,"s":' + b"[" * 990 + b"]" * 990 + b"}]}")
@example(b'{"instances":[{"i":NaN,"f":' + b"9" * 5000 + b"}]}")
def test_any_bytes_are_answered_or_refused(asker: Asker, body: bytes) -> None:
    check(asker, body)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({}, optional={"f": st.floats() | st.none(), "s": st.text()}), min_size=1, max_size=5)
)
def test_valid_rows_are_always_answered_row_for_row(asker: Asker, rows: list[dict[str, Any]]) -> None:
    text = json.dumps({"instances": rows})
    answer = asker.post(text.encode())
    lone = any("\ud800" <= c <= "\udfff" for row in rows for c in row.get("s", ""))
    assert answer.status_code == (400 if lone else 200), answer.text
    if not lone:
        got = json.loads(answer.text)["predictions"]
        assert [r["text"] for r in got] == [r.get("s", "") for r in rows]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]),
    st.text(alphabet="/v1modelsabc:.%2F05Epredictlbs\\~?#", max_size=30).map(lambda t: b"/" + t.encode())
    | st.binary(max_size=20),
)
@example("GET", b"/v1/models/..%2f..%2fetc%2fpasswd")
@example("GET", b"/v1/models/%ff%fe/metadata")
@example("POST", b"/v1/models/%ff:predict")
def test_any_path_is_answered_without_a_500(asker: Asker, method: str, path: bytes) -> None:
    assert asker.status_of(method, path) in (200, 400, 404, 405, 501)
