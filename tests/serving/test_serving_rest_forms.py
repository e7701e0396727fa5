"""Forms of REST beyond the conformance cases: wrong rows on their own, bytes and lists, origins of other pages."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from serving_helpers import publish, running, write_model

from trueline._core.manifest import write_manifest
from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving import ServerOptions, create_app
from trueline.serving.config import Latest, ModelConfig, ServerConfig
from trueline.serving.errors import RequestError
from trueline.serving.predict import parse_predict
from trueline.serving.rest_rows import MOST_ERRORS

GOOD: dict[str, Any] = {"fare": 3.5, "company": "Flash"}
BAD: list[Any] = [{"fare": "x"}, {"fair": 1}, 7, None, [], {"company": 1.5}, {"fare": True}]


def ask(base: Path, requests: Sequence[Any], **keywords: Any) -> list[httpx.Response]:
    """Requests to one app, one after the other: (verb, body, headers) or (method, path, headers)."""

    async def main() -> list[httpx.Response]:
        async with running({"m": base}, **keywords) as (_, client):
            answers = []
            for first, second, headers in requests:
                if first.isupper():
                    answers.append(await client.request(first, second, headers=headers))
                else:
                    answers.append(await client.post(f"/v1/models/m:{first}", json=second, headers=headers))
            return answers

    return asyncio.run(main())


def test_wrong_rows_leave_the_others_their_predictions(base: Path, taxi: Path) -> None:
    rows = [GOOD, *(row for wrong in BAD for row in (wrong, {"fare": 1.0}))]
    (answer,) = ask(base, [("predict", {"instances": rows, "on_error": "row"}, {})])
    assert answer.status_code == 200
    found = answer.json()
    places = [1 + 2 * i for i in range(len(BAD))]
    assert [error["row"] for error in found["errors"]] == places
    assert [i for i, p in enumerate(found["predictions"]) if p is None] == places
    good = [i for i in range(len(rows)) if i not in places]
    own = ModelRuntime.load(str(taxi)).predict_rows([rows[i] for i in good])
    got = np.array([found["predictions"][i]["probabilities"] for i in good], np.float32)
    assert np.array_equal(got, own["probabilities"])
    texts = [error["error"] for error in found["errors"]]
    assert texts[0] == "field 'fare': expected float64, got str 'x'"
    assert texts[1].startswith("unknown field 'fair'. Did you mean 'fare'?")
    assert texts[2].startswith("expected an object of named values, got int")


def test_without_wrong_rows_the_list_of_errors_is_empty_and_nothing_else_changes(base: Path) -> None:
    whole, apart, nan = ask(
        base,
        [
            ("predict", {"instances": [GOOD, {}]}, {}),
            ("predict", {"instances": [GOOD, {}], "on_error": "row"}, {}),
            ("predict", {"instances": [{"company": "nan company"}, 1], "on_error": "row"}, {}),
        ],
    )
    assert apart.json() == whole.json() | {"errors": []}
    assert '"predictions":[{"probabilities":[NaN,NaN]' in nan.text


def test_a_request_without_a_good_row_or_with_very_many_wrong_ones_is_refused(base: Path) -> None:
    many: list[Any] = [1] * (MOST_ERRORS + 1) + [GOOD]
    none, most = ask(base, [("predict", {"instances": rows, "on_error": "row"}, {}) for rows in (BAD, many)])
    assert none.status_code == most.status_code == 400
    assert "no row of the request fits" in none.json()["error"]
    assert "row 0: field 'fare': expected float64, got str 'x'" in none.json()["error"]
    assert f"more than {MOST_ERRORS} rows do not fit" in most.json()["error"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([GOOD, {}, {"fare": 2}, *BAD]), min_size=1, max_size=12))
def test_a_row_is_wrong_on_its_own_exactly_if_it_is_wrong_alone(taxi_runtime: ModelRuntime, rows: list[Any]) -> None:
    def wrong(row: Any) -> bool:
        try:
            parse_predict(taxi_runtime, json.dumps({"instances": [row]}).encode(), ServerOptions())
        except RequestError:
            return True
        return False

    alone = [wrong(row) for row in rows]
    body = json.dumps({"instances": rows, "on_error": "row"}).encode()
    if all(alone):
        with pytest.raises(RequestError):
            parse_predict(taxi_runtime, body, ServerOptions())
    else:
        assert parse_predict(taxi_runtime, body, ServerOptions()).rows == alone.count(False)


@pytest.fixture(scope="module")
def taxi_runtime(taxi: Path) -> ModelRuntime:
    return ModelRuntime.load(str(taxi))


def size_of(values: list[bytes | None]) -> list[int | None]:
    """A host step over bytes: their number; b"raise" makes it fail."""
    if b"raise" in values:
        raise ValueError("asked to raise")
    return [None if v is None else len(v) for v in values]


def bytes_model(folder: Path) -> Path:
    """One feature of bytes, as a model of images has it: the prediction is how many there are."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["host:size"], ["prediction"], to=TensorProto.FLOAT)],
        "g",
        [info("host:size", TensorProto.INT64, ["N"]), info("host:size:present", TensorProto.BOOL, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    made = RawFeature("host:size", "int64")
    step = {"output": "size", "inputs": ["image"], "function": "test_serving_rest_forms:size_of", "dtype": "int64"}
    outputs = [{"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}]
    return write_model(folder, model, [RawFeature("image", "bytes")], outputs, steps=[step], feeds=[made])


def test_bytes_come_as_base64_whether_they_are_text_or_not(tmp_path: Path) -> None:
    """As an image does; JSON text stands for its UTF-8 bytes."""
    bytes_model(tmp_path / "base" / "1")
    images = [b"\xff\xd8\xff\x00", b"plain text", "Zürich".encode(), b""]
    coded = [{"b64": base64.b64encode(image).decode()} for image in images]
    requests = [
        ("predict", {"instances": coded}, {}),
        ("predict", {"instances": [{"image": c} for c in coded]}, {}),
        ("predict", {"inputs": {"image": coded}}, {}),
        ("predict", {"inputs": coded}, {}),
        ("predict", {"instances": ["Zürich"]}, {}),
        ("predict", {"inputs": {"image": ["Zürich"]}}, {}),
        ("predict", {"instances": [5]}, {}),
        ("predict", {"instances": [{"b64": "cmFpc2U="}, {"b64": "YQ=="}], "on_error": "row"}, {}),
    ]
    answers = ask(tmp_path / "base", requests, allow_host=("test_serving_rest_forms",))
    for answer in answers[:4]:
        assert answer.status_code == 200, answer.text
        assert next(iter(answer.json().values())) == [float(len(image)) for image in images]
    for answer in answers[4:6]:
        assert next(iter(answer.json().values())) == [7.0]
    assert answers[6].status_code == 400
    assert "row 0, field 'image': expected bytes, got int 5" in answers[6].json()["error"]
    failed = answers[7].json()
    assert failed["predictions"] == [None, 1.0]
    assert failed["errors"][0]["row"] == 0


TASKS = {
    "regression": ("prediction", [None], ["serving_default", "regression"]),
    "ranking": ("score", [None], ["serving_default", "regression"]),
    "embedding": ("embedding", [None, 2], ["serving_default"]),
    "multiclass": ("class_probabilities", [None, 2], ["serving_default", "classification"]),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_model_has_the_signatures_of_its_task_and_answers_their_verbs_alone(task: str, tmp_path: Path) -> None:
    meaning, shape, names = TASKS[task]
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("Cast", ["x"], ["out"], to=TensorProto.FLOAT)]
    feature = RawFeature("x", "float64", "fixed", 2, optional=False) if shape[1:] else RawFeature("x", "float64")
    inputs = [info("x", TensorProto.DOUBLE, ["N", 2] if shape[1:] else ["N"])]
    if feature.optional:
        inputs.append(info("x:present", TensorProto.BOOL, ["N"]))
    graph = helper.make_graph(nodes, "g", inputs, [info("out", TensorProto.FLOAT, ["N", *shape[1:]])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    outputs = [{"name": "out", "dtype": "float32", "shape": shape, "meaning": meaning}]
    folder = write_model(tmp_path / "base" / "1", model, [feature], outputs, manifest=False)
    described = folder / "model.json"
    classes = ["cat", "dog"] if task == "multiclass" else None
    described.write_text(json.dumps(json.loads(described.read_text()) | {"task": task, "classes": classes}))
    write_manifest(str(folder), "Model", 1)
    value = [0.25, 0.75] if shape[1:] else 0.25
    example = {"examples": [{"x": value}]}
    metadata, predicted, classified, regressed = ask(
        tmp_path / "base",
        [
            ("GET", "/v1/models/m/metadata", {}),
            ("predict", {"instances": [value]}, {}),
            ("classify", example, {}),
            ("regress", example, {}),
        ],
    )
    assert list(metadata.json()["metadata"]["signature_def"]["signature_def"]) == names
    assert predicted.json() == {"predictions": [value]}
    assert classified.status_code == (200 if "classification" in names else 400)
    assert regressed.status_code == (200 if "regression" in names else 400)
    if task == "multiclass":
        assert classified.json() == {"results": [[["cat", 0.25], ["dog", 0.75]]]}
    if "regression" in names:
        assert regressed.json() == {"results": [0.25]}


def test_only_named_origins_may_read(base: Path) -> None:
    path = "/v1/models/m"
    requests = [
        ("GET", path, {"origin": "https://shop.example"}),
        ("GET", path, {"origin": "https://other.example"}),
        ("GET", path, {}),
        ("OPTIONS", path + ":predict", {"origin": "https://shop.example"}),
        ("OPTIONS", "/readyz", {"origin": "https://shop.example"}),
    ]
    named = ask(base, requests, cors_origins=("https://shop.example",))
    allowed = [answer.headers.get("access-control-allow-origin") for answer in named]
    assert allowed == ["https://shop.example", None, None, "https://shop.example", "https://shop.example"]
    assert all(answer.headers["vary"] == "Origin" for answer in named)
    off = ask(base, requests)
    assert [answer.headers.get("access-control-allow-origin") for answer in off] == [None] * 5
    assert [answer.status_code for answer in off] == [200, 200, 200, 200, 405]


def test_a_label_is_answered_by_its_version(tmp_path: Path, taxi: Path, taxi_other: Path) -> None:
    base = tmp_path / "base"
    publish(taxi, base, 1)
    publish(taxi_other, base, 2)

    async def main() -> None:
        model = ModelConfig("m", str(base), policy=Latest(2), labels={"stable": 1, "canary": 2})
        options = ServerOptions(poll_seconds=0.05, allow_version_labels_for_unavailable_models=True)
        app = create_app(ServerConfig((model,)), options)
        await app.startup()
        try:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                for _ in range(500):
                    if app.ready and len(app.manager.table["m"].versions) == 2:
                        break
                    await asyncio.sleep(0.02)
                for label, version in (("stable", "1"), ("canary", "2")):
                    for verb, body in (("predict", {"instances": [{}]}), ("classify", {"examples": [{}]})):
                        answer = await client.post(f"/v1/models/m/labels/{label}:{verb}", json=body)
                        assert answer.headers["x-model-version"] == version, answer.text
        finally:
            await app.shutdown()

    asyncio.run(main())
