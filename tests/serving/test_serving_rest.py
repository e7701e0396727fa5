"""The REST API in this process: both forms equal the model's own prediction; shapes, errors and limits."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving_helpers import OUTPUTS, publish, running, taxi_graph, write_model

from trueline._core.errors import ConfigError
from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving import ServerOptions, create_app

ROWS: list[dict[str, Any]] = [
    {"fare": 3.5, "company": "Flash"},
    {"fare": -7, "company": None},
    {"company": "Zürich Táxi"},
    {},
    {"fare": 1e300, "company": ""},
]


def ask(base: Path, method: str, path: str, **keywords: Any) -> httpx.Response:
    """One request to a fresh app over `base`."""

    async def main() -> httpx.Response:
        settings = keywords.pop("settings", {})
        async with running({"taxi": base}, **settings) as (_, client):
            return await client.request(method, path, **keywords)

    return asyncio.run(main())


def predict(base: Path, body: Any, **keywords: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(base, "POST", keywords.pop("path", "/v1/models/taxi:predict"), content=content, **keywords)


def test_row_form_equals_the_model_in_this_process(base: Path, taxi: Path) -> None:
    answer = predict(base, {"instances": ROWS})
    own = ModelRuntime.load(str(taxi)).predict_rows(ROWS)
    assert answer.status_code == 200
    rows = answer.json()["predictions"]
    assert np.array_equal(np.array([r["probabilities"] for r in rows], np.float32), own["probabilities"])
    assert [r["label"] for r in rows] == own["label"].tolist()


def test_column_form_equals_the_model_in_this_process(base: Path, taxi: Path) -> None:
    columns = {"fare": [r.get("fare") for r in ROWS], "company": [r.get("company") for r in ROWS]}
    answer = predict(base, {"inputs": columns, "signature_name": "serving_default"})
    own = ModelRuntime.load(str(taxi)).predict_columns(columns)
    outputs = answer.json()["outputs"]
    assert np.array_equal(np.array(outputs["probabilities"], np.float32), own["probabilities"])
    assert outputs["label"] == own["label"].tolist()


def test_an_absent_optional_column_is_all_missing(base: Path) -> None:
    whole = predict(base, {"inputs": {"fare": [1.0, 2.0], "company": [None, None]}}).json()
    assert predict(base, {"inputs": {"fare": [1.0, 2.0]}}).json() == whole


def test_answer_names_the_version_and_keeps_the_request_id(base: Path, taxi_other: Path) -> None:
    publish(taxi_other, base, 12)
    answer = predict(base, {"instances": [{}]}, headers={"X-Request-ID": "abc-1"})
    assert answer.headers["x-model-version"] == "12"
    assert answer.headers["x-request-id"] == "abc-1"
    made = predict(base, {"instances": [{}]}, headers={"X-Request-ID": "has space\t"}).headers["x-request-id"]
    assert made
    assert " " not in made


def test_status_and_metadata_shapes(base: Path) -> None:
    one = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert ask(base, "GET", "/v1/models/taxi").json() == {"model_version_status": [one]}
    assert ask(base, "GET", "/V1/Models/taxi/Versions/1").json() == {"model_version_status": [one]}
    data = ask(base, "GET", "/v1/models/taxi/versions/1/metadata").json()
    assert data["model_spec"] == {"name": "taxi", "signature_name": "", "version": "1"}
    definition = data["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    assert definition["inputs"]["fare"]["dtype"] == "DT_DOUBLE"
    assert [d["size"] for d in definition["outputs"]["probabilities"]["tensor_shape"]["dim"]] == ["-1", "2"]
    assert data["trueline"]["classes"] == [False, True]


ERRORS = [
    ("POST", "/v1/models/other:predict", {"instances": [{}]}, 404, "Servable not found for request: Latest(other)"),
    ("POST", "/v1/models/taxi/versions/3:predict", {"instances": [{}]}, 404, "request: Specific(taxi, 3)"),
    ("GET", "/v1/models/other", None, 404, "Could not find any versions of model other"),
    ("GET", "/v1/models/taxi/versions/3", None, 404, "Could not find version 3 of model taxi"),
    ("GET", "/v1/models/taxi/versions/3/metadata", None, 404, "Specific(taxi, 3)"),
    ("GET", "/v1/models", None, 400, "Missing model name in request."),
    ("GET", "/v1/models/taxi:predict", None, 400, "Malformed request: GET /v1/models/taxi:predict"),
    ("POST", "/v1/models/taxi", {}, 400, "Malformed request: POST /v1/models/taxi"),
    ("POST", "/v1/models/taxi:PREDICT", {}, 400, "Malformed request"),
    ("POST", "/v1/models/taxi/versions/x:predict", {}, 400, "Malformed request"),
    ("POST", f"/v1/models/taxi/versions/{2**63}:predict", {}, 400, "Failed to convert version"),
    ("GET", f"/v1/models/taxi/versions/{'9' * 5000}", None, 400, "Failed to convert version"),
    ("DELETE", "/v1/models/taxi", None, 400, "Malformed request: DELETE"),
    ("POST", "/v1/models/taxi/labels/stable:predict", {}, 400, "Unrecognized servable version label: stable"),
    ("POST", "/v1/models/taxi:classify", {}, 400, "When method is classify, key 'examples' is expected"),
    ("GET", "/elsewhere", None, 404, "/elsewhere"),
    ("POST", "/healthz", {}, 405, "POST"),
    ("POST", "/v1/models/taxi:predict", [], 400, "must be a JSON object, got a list"),
    ("POST", "/v1/models/taxi:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
    (
        "POST",
        "/v1/models/taxi:predict",
        {"inputs": {}, "instances": []},
        400,
        "only one of 'inputs' or 'instances' keys",
    ),
    ("POST", "/v1/models/taxi:predict", {"instances": []}, 400, "no rows"),
    ("POST", "/v1/models/taxi:predict", {"inputs": {"fare": []}}, 400, "no rows"),
    ("POST", "/v1/models/taxi:predict", {"instances": {}}, 400, "got an object"),
    ("POST", "/v1/models/taxi:predict", {"instances": [1]}, 400, "row 0"),
    ("POST", "/v1/models/taxi:predict", {"inputs": [1]}, 400, "must be an object with the columns fare, company"),
    ("POST", "/v1/models/taxi:predict", {"inputs": {"fare": 1}}, 400, "field 'fare': expected a list, got a number"),
    ("POST", "/v1/models/taxi:predict", {"inputs": {"fare": [1], "company": ["a", "b"]}}, 400, "different lengths"),
    ("POST", "/v1/models/taxi:predict", {"signature_name": 1, "instances": [{}]}, 400, "'signature_name'"),
    (
        "POST",
        "/v1/models/taxi:predict",
        {"signature_name": "x", "instances": [{}]},
        400,
        'name: "x" not found in signature def',
    ),
    ("POST", "/v1/models/taxi:predict", {"instances": [{}] * 6}, 400, "6 rows, this server takes 5"),
]


def test_errors_have_tensorflow_servings_status_and_form(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}, max_rows=5) as (_, client):
            for method, path, body, status, text in ERRORS:
                answer = await client.request(method, path, json=body)
                assert answer.status_code == status, (path, answer.text)
                assert text in answer.json()["error"], (path, answer.text)
                assert list(answer.json()) == ["error"]
                assert answer.headers["content-type"] == "application/json"

    asyncio.run(main())


def test_a_wrong_value_is_named_by_row_field_expected_and_got(base: Path) -> None:
    rows = [{}, {"fare": "cheap"}, {"company": 7, "fair": 1}]
    error = predict(base, {"instances": rows[:2]}).json()["error"]
    assert "row 1, field 'fare': expected float64, got str 'cheap'" in error
    error = predict(base, {"instances": rows}).json()["error"]
    assert "row 2: unknown field 'fair'" in error
    assert "Did you mean 'fare'?" in error
    assert "unknown field 'fair'" in predict(base, {"inputs": {"fair": [1]}}).json()["error"]
    assert "got bool True" in predict(base, {"instances": [{"fare": True}]}).json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"instances": [}', b"\xff\xfe", b'{"instances":[{}]} x', b"[" * 200_000])
def test_text_that_is_no_json_is_a_400(base: Path, body: bytes) -> None:
    answer = predict(base, body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("JSON Parse error")


def test_nan_and_infinity_go_in(base: Path, taxi: Path) -> None:
    body = b'{"instances": [{"fare": NaN}, {"fare": Infinity}, {"fare": -Infinity}, {"fare": 1}]}'
    rows = predict(base, body).content.decode()
    own = ModelRuntime.load(str(taxi)).predict_rows([{"fare": f} for f in (math.nan, math.inf, -math.inf, 1.0)])
    got = np.array([r["probabilities"] for r in json.loads(rows)["predictions"]], np.float32)
    assert np.array_equal(got, own["probabilities"], equal_nan=True)
    assert np.isnan(got[0]).all()


def test_nan_comes_out_as_a_bare_token_in_both_forms_and_others_keep_their_digits(base: Path, taxi: Path) -> None:
    rows = [{"company": "nan company"}, {"fare": 3.5}]
    as_rows = predict(base, {"instances": rows}).text
    as_columns = predict(base, {"inputs": {"fare": [None, 3.5], "company": ["nan company", None]}}).text
    own = ModelRuntime.load(str(taxi)).predict_rows(rows)["probabilities"]
    for text in (as_rows, as_columns):
        assert "[NaN,NaN]" in text.replace(" ", "")
        assert f"[{own[1, 0]!s},{own[1, 1]!s}]" in text.replace(" ", "")


def test_a_lone_surrogate_is_refused_on_both_parsers(base: Path) -> None:
    assert predict(base, b'{"instances": [{"company": "\\ud800"}]}').status_code == 400
    assert predict(base, b'{"instances": [{"company": "\\ud800", "fare": NaN}]}').status_code == 400


def test_base64_stands_for_text(base: Path) -> None:
    plain = predict(base, {"instances": [{"company": "Flash"}]}).json()
    assert predict(base, {"instances": [{"company": {"b64": "Rmxhc2g="}}]}).json() == plain
    assert predict(base, {"instances": [{"company": {"b64": "!"}}]}).status_code == 400
    assert "got bytes" in predict(base, {"instances": [{"company": {"b64": "/w=="}}]}).json()["error"]


def test_one_input_and_one_output_need_no_names(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["prediction"], to=TensorProto.FLOAT)],
        "g",
        [info("x", TensorProto.DOUBLE, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    outputs = [{"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}]
    write_model(tmp_path / "base" / "1", model, [RawFeature("x", "float64", optional=False)], outputs)
    assert predict(tmp_path / "base", {"instances": [1.5, 2]}).text == '{"predictions":[1.5,2.0]}'
    assert predict(tmp_path / "base", {"inputs": [1.5, 2]}).text == '{"outputs":[1.5,2.0]}'
    assert predict(tmp_path / "base", {"instances": [{"x": 1.5}]}).text == '{"predictions":[1.5]}'
    error = predict(tmp_path / "base", {"instances": [1.5, None]}).json()["error"]
    assert "row 1, field 'x': expected float64, got no value (required)" in error


def test_body_limit_before_and_after_inflating(base: Path) -> None:
    body = json.dumps({"instances": [{"company": "x" * 5000}]}).encode()
    settings = {"max_body_bytes": 4096}
    assert predict(base, body, settings=settings).status_code == 413
    packed = gzip.compress(body)
    headers = {"content-encoding": "gzip"}
    assert len(packed) < 4096
    answer = predict(base, packed, settings=settings, headers=headers)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert predict(base, packed, headers=headers).status_code == 200
    assert predict(base, packed[:-9], headers=headers).status_code == 400
    assert predict(base, body, headers=headers).status_code == 400
    assert predict(base, body, headers={"content-encoding": "br"}).status_code == 400


def test_a_chunked_body_is_limited_too(base: Path) -> None:
    async def pieces() -> Any:
        for _ in range(100):
            yield b" " * 1000

    async def main() -> int:
        async with running({"taxi": base}, max_body_bytes=4096) as (_, client):
            return (await client.post("/v1/models/taxi:predict", content=pieces())).status_code

    assert asyncio.run(main()) == 413


def test_one_long_list_cannot_blow_up_the_padding(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["tags:length"], ["prediction"], to=TensorProto.FLOAT)],
        "g",
        [info("tags", TensorProto.INT64, ["N", "K"]), info("tags:length", TensorProto.INT64, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    outputs = [{"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}]
    base = tmp_path / "base"
    write_model(base / "1", model, [RawFeature("tags", "int64", "ragged", optional=False)], outputs)
    rows = [{"tags": [1] * 300}, *({"tags": []} for _ in range(99))]
    settings = {"max_cells": 10_000}
    for body in ({"instances": rows}, {"inputs": {"tags": [r["tags"] for r in rows]}}):
        answer = predict(base, body, settings=settings)
        assert answer.status_code == 400
        assert "padded to 30000 values" in answer.json()["error"]
        assert (
            predict(base, body).json()[next(iter({"instances": "predictions", "inputs": "outputs"}[k] for k in body))][
                0
            ]
            == 300
        )


@pytest.mark.parametrize("name", ["../1", "..%2F..%2Fetc", "%2e%2e", "taxi%2f..%2fother", "%00", "1", "base%2F1"])
def test_names_from_requests_never_become_paths(base: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins
    import os

    async def main() -> None:
        async with running({"taxi": base}, poll_seconds=1000) as (app, _):
            opened: list[Any] = []
            real = builtins.open
            monkeypatch.setattr(builtins, "open", lambda *a, **k: opened.append(a) or real(*a, **k))
            monkeypatch.setattr(os, "stat", lambda *a, **k: opened.append(a))
            monkeypatch.setattr(os, "listdir", lambda *a, **k: opened.append(a))
            statuses = []
            for method, path in (("GET", f"/v1/models/{name}"), ("POST", f"/v1/models/{name}:predict")):
                sent: list[Any] = []

                async def receive() -> Any:
                    return {"type": "http.request", "body": b'{"instances":[{}]}'}

                async def send(message: Any, sent: list[Any] = sent) -> None:
                    sent.append(message)

                scope = {"type": "http", "method": method, "raw_path": path.encode(), "path": path, "headers": []}
                await app(scope, receive, send)
                statuses.append(sent[0]["status"])
            monkeypatch.undo()
            assert set(statuses) <= {400, 404}
            assert opened == []

    asyncio.run(main())


def test_health_readiness_and_metrics(base: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/readyz")).status_code == 200
            await client.post("/v1/models/taxi:predict", json={"instances": [{}, {}]})
            await client.post("/v1/models/taxi:predict", json={"instances": [{"fare": "x"}]})
            await client.post("/v1/models/made-up-name:predict", json={"instances": [{}]})
            text = (await client.get("/metrics")).text
            assert 'trueline_requests_total{code="200",model="taxi",version="1"} 1.0' in text
            assert 'trueline_requests_total{code="400",model="taxi",version="1"} 1.0' in text
            assert 'trueline_rows_total{model="taxi",version="1"} 2.0' in text
            assert 'trueline_model_available{model="taxi",version="1"} 1.0' in text
            assert 'trueline_request_seconds_count{model="taxi",version="1"} 1.0' in text
            assert 'trueline_refused_total{code="404"} 1.0' in text
            assert "made-up-name" not in text
            app.draining = True
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
        async with running({"taxi": base, "late": tmp_path / "not there"}, wait=False) as (_, client):
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["models"]["late"]["available"] == []

    asyncio.run(main())


def test_settings_are_checked_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ServerOptions(max_rows=0, read_seconds=-1)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError):
        create_app({})
    with pytest.raises(ConfigError):
        create_app({"a/b": "x"})


def test_a_large_request_is_answered_off_the_loop(base: Path, taxi: Path) -> None:
    rows = [{"fare": float(i), "company": "Flash" if i % 2 else "x" * 20} for i in range(4000)]
    answer = predict(base, {"instances": rows})
    own = ModelRuntime.load(str(taxi)).predict_rows(rows)
    got = np.array([r["probabilities"] for r in answer.json()["predictions"]], np.float32)
    np.testing.assert_allclose(got, own["probabilities"], rtol=1e-6)


def test_outputs_are_declared(base: Path) -> None:
    data = ask(base, "GET", "/v1/models/taxi/metadata").json()
    assert data["trueline"]["outputs"] == OUTPUTS
    assert taxi_graph().graph.output[0].name == OUTPUTS[0]["name"]
