"""The Open Inference Protocol over HTTP: conformance cases, the binary extension, equality with the v1 API, faults."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_helpers import publish, running, taxi_graph, until, write_model
from serving_oip_helpers import binary_body, echo_model, outputs_of, raw_bytes, sizes_model, tensor

from trueline.serving import ServerOptions, create_app
from trueline.serving.config import AllVersions, ModelConfig, ServerConfig

CASES = json.loads((Path(__file__).parent / "conformance_oip" / "rest.json").read_text(encoding="utf-8"))["cases"]
INFER = "/v2/models/taxi/infer"
MICROS = 1_600_000_000_000_000


class Asker:
    """A server in this process that answers many requests of one test module."""

    def __init__(self, models: dict[str, Path], **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._context = running(models, **options)
        try:
            self._client = self._loop.run_until_complete(self._context.__aenter__())[1]
        except BaseException:
            self._loop.close()
            raise

    def __call__(self, method: str, path: str, **keywords: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, path, **keywords))

    def close(self) -> None:
        self._loop.run_until_complete(self._context.__aexit__(None, None, None))
        self._loop.close()


@contextmanager
def asking(models: dict[str, Path], **options: Any) -> Iterator[Asker]:
    asker = Asker(models, **options)
    try:
        yield asker
    finally:
        asker.close()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("oip")
    publish(write_model(folder / "m", taxi_graph()), folder / "taxi", 3)
    publish(echo_model(folder / "e"), folder / "echo", 1)
    with asking({"taxi": folder / "taxi", "echo": folder / "echo"}, max_rows=64, max_cells=64) as asker:
        yield asker


@pytest.mark.parametrize("case", CASES, ids=[c["name"].replace(" ", "-") for c in CASES])
def test_conformance(ask: Asker, case: dict[str, Any]) -> None:
    """Each case's status and body; an error is an object with the one member "error", a text."""
    answer = ask("GET", case["get"]) if "get" in case else ask("POST", case.get("post", INFER), json=case["json"])
    assert answer.status_code == case["status"], answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    for key, value in case.get("body", {}).items():
        assert body[key] == value
    if "error" in case:
        assert list(body) == ["error"]
        assert case["error"] in body["error"]


def test_what_is_not_json_is_an_error(ask: Asker) -> None:
    for body in (b"", b"{", b'{"inputs": [}', b"\xff", b"[" * 100_000):
        assert ask("POST", INFER, content=body).status_code == 400


def test_binary_in_and_out_is_the_same_as_json(ask: Asker) -> None:
    """Every output has the same values in both forms, and only those asked for are binary."""
    fares, companies = np.array([3.5, -7.0, 1e300]), [b"Flash", b"nan company", "Zürich".encode()]
    plain = {
        "inputs": [
            tensor("fare", "FP64", [3], fares.tolist()),
            tensor("company", "BYTES", [3], [c.decode() for c in companies]),
        ]
    }
    told = ask("POST", INFER, json=plain).json()
    given = [("fare", "FP64", [3], fares.tobytes()), ("company", "BYTES", [3, 1], raw_bytes(companies))]
    body, headers = binary_body(given, parameters={"binary_data_output": True}, id="a")
    answer = ask("POST", INFER, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    size = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.content[:size])
    assert head["id"] == "a"
    assert [o["parameters"]["binary_data_size"] for o in head["outputs"]] == [24, 3]
    rest = answer.content[size:]
    probabilities = np.frombuffer(rest[:24], "<f4").reshape(3, 2)
    expected = np.array(told["outputs"][0]["data"], np.float64).reshape(3, 2)
    assert np.array_equal(probabilities, expected.astype(np.float32), equal_nan=True)
    assert np.isnan(probabilities[1]).all()  # null in JSON
    assert np.frombuffer(rest[24:], np.uint8).tolist() == [1, 0, 1] == list(map(int, told["outputs"][1]["data"]))

    wanted = [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]
    body, headers = binary_body(given, outputs=wanted)
    mixed = ask("POST", INFER, content=body, headers=headers)
    head = json.loads(mixed.content[: int(mixed.headers["inference-header-content-length"])])
    assert "data" in head["outputs"][0]
    assert mixed.content.endswith(rest[:24])


def test_a_gzip_body_counts_the_header_after_inflating(ask: Asker) -> None:
    body, headers = binary_body([("fare", "FP64", [1], np.array([10.0]).tobytes())])
    answer = ask("POST", INFER, content=gzip.compress(body), headers=headers | {"content-encoding": "gzip"})
    assert answer.json()["outputs"][1]["data"] == [True]


@pytest.mark.parametrize(
    ("length", "rest", "part"),
    [
        ("x", b"", "expected a number"),
        ("-1", b"", "expected a number"),
        ("999999", b"", "expected a number"),
        ("9" * 30, b"", "expected a number"),
        ("0", b"", "JSON"),
        (None, b"12345678", "JSON"),
        ("whole", b"123", "'binary_data_size' is 8, 3 bytes"),
        ("whole", b"12345678+", "1 bytes of binary data that belong to no input"),
    ],
)
def test_a_wrong_header_length_is_an_error(ask: Asker, length: str | None, rest: bytes, part: str) -> None:
    body, headers = binary_body([("fare", "FP64", [1], b"12345678")])
    head = body[:-8]
    headers = (
        {} if length is None else {"inference-header-content-length": str(len(head)) if length == "whole" else length}
    )
    answer = ask("POST", INFER, content=head + rest, headers=headers)
    assert answer.status_code == 400
    assert part in answer.json()["error"]


@pytest.mark.parametrize(
    ("raw", "count", "part"),
    [
        (b"\x02\x00\x00\x00a", 1, "ends inside value 0"),
        (b"\x02\x00", 1, "ends inside value 0"),
        (b"\xff\xff\xff\xff", 1, "ends inside value 0"),
        (raw_bytes([b"a", b"b"]), 1, "is 1 values, its binary data has 2"),
        (b"", 1, "is 1 values, its binary data has 0"),
        (raw_bytes([b"ok", b"\xff"]), 2, "row 1, input 'company': expected utf8"),
    ],
)
def test_wrong_binary_text_is_an_error(ask: Asker, raw: bytes, count: int, part: str) -> None:
    body, headers = binary_body([("company", "BYTES", [count], raw)])
    answer = ask("POST", INFER, content=body, headers=headers)
    assert answer.status_code == 400
    assert part in answer.json()["error"]


ROW = st.fixed_dictionaries(
    {"i": st.integers(-(2**63), 2**63 - 1)},
    optional={
        "f": st.none() | st.floats(-1e9, 1e9),
        "b": st.none() | st.booleans(),
        "s": st.none() | st.text(max_size=4),
        "t": st.none() | st.integers(-MICROS, MICROS),
        "v": st.none() | st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2),
        "r": st.none() | st.lists(st.text(max_size=3), max_size=3),
        "n": st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    },
)
KINDS: dict[str, tuple[str, Any, int]] = {
    "f": ("FP64", 0.0, 0),
    "i": ("INT64", 0, 0),
    "b": ("BOOL", False, 0),
    "s": ("BYTES", "", 0),
    "t": ("INT64", 0, 0),
    "v": ("FP64", 0.0, 2),
    "r": ("BYTES", "", -1),
    "n": ("INT64", 0, -1),
}


def tensors_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as tensors: missing values by ``:present``, short lists by ``:length``; a column without values left out."""
    made = []
    for name, (datatype, fill, size) in KINDS.items():
        values = [row.get(name) for row in rows]
        if all(v is None for v in values):
            continue
        present = [v is not None for v in values]
        if size == 0:
            made.append(tensor(name, datatype, [len(rows)], [fill if v is None else v for v in values]))
        else:
            width = max(size, max(len(v or ()) for v in values))
            padded = [[*(v or ()), *[fill] * (width - len(v or ()))] for v in values]
            made.append(tensor(name, datatype, [len(rows), width], padded))
        if name != "i":
            made.append(tensor(f"{name}:present", "BOOL", [len(rows)], present))
        if size < 0:
            made.append(tensor(f"{name}:length", "INT64", [len(rows), 1], [len(v or ()) for v in values]))
    return made


NUMPY = {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}


def as_binary(tensors: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
    packed = []
    for t in tensors:
        flat = [x for v in t["data"] for x in v] if t["data"] and isinstance(t["data"][0], list) else t["data"]
        raw = (
            raw_bytes([v.encode() for v in flat])
            if t["datatype"] == "BYTES"
            else np.array(flat, NUMPY[t["datatype"]]).tobytes()
        )
        packed.append((t["name"], t["datatype"], t["shape"], raw))
    return binary_body(packed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=4))
def test_rows_as_tensors_are_what_the_v1_api_makes_of_them(ask: Asker, rows: list[dict[str, Any]]) -> None:
    """The graph is fed the very same arrays by rows in JSON, by tensors in JSON and by tensors in binary form."""
    told = ask("POST", "/v1/models/echo:predict", json={"instances": rows}).json()["predictions"]
    tensors = tensors_of(rows)
    by_json = ask("POST", "/v2/models/echo/infer", json={"inputs": tensors})
    body, headers = as_binary(tensors)
    assert ask("POST", "/v2/models/echo/infer", content=body, headers=headers).json() == by_json.json()
    for name, array in outputs_of(by_json.json()).items():
        assert array.tolist() == [row[name] for row in told], name


def test_datatypes_that_hold_a_feature_without_loss_are_taken(ask: Asker) -> None:
    """Every number datatype for a float, every whole one for an int; what does not fit names row and value."""
    path = "/v2/models/echo/infer"
    for datatype, kind in (("FP16", "<f2"), ("FP32", "<f4"), ("UINT8", "<u1"), ("INT32", "<i4"), ("UINT64", "<u8")):
        inputs = [("f", datatype, [2], np.array([1, 2], kind).tobytes()), ("i", "INT8", [2], b"\x01\xff")]
        body, headers = binary_body(inputs)
        outputs = outputs_of(ask("POST", path, content=body, headers=headers).json())
        assert outputs["out_f"].tolist() == [1.0, 2.0]
        assert outputs["out_i"].tolist() == [1, -1]
    refused = ask("POST", path, json={"inputs": [tensor("i", "UINT64", [2], [1, 2**63])]})
    assert "row 1, input 'i': expected int64, got 9223372036854775808, beyond 64 bits" in refused.json()["error"]
    refused = ask("POST", path, json={"inputs": [tensor("i", "FP64", [1], [1.0])]})
    assert "expected int64 as INT64" in refused.json()["error"]


def test_times_come_as_microseconds_or_text(ask: Asker) -> None:
    inputs = [tensor("i", "INT64", [2], [0, 0]), tensor("t", "BYTES", [2], ["2020-09-13T12:26:40Z", "1970-01-01"])]
    outputs = outputs_of(ask("POST", "/v2/models/echo/infer", json={"inputs": inputs}).json())
    assert outputs["out_t"].tolist() == [MICROS, 0]
    inputs[1]["data"][1] = "yesterday"
    assert "row 1, input 't'" in ask("POST", "/v2/models/echo/infer", json={"inputs": inputs}).json()["error"]


def test_required_features_limits_and_lengths(ask: Asker) -> None:
    def error(*inputs: dict[str, Any]) -> str:
        answer = ask("POST", "/v2/models/echo/infer", json={"inputs": list(inputs)})
        assert answer.status_code == 400
        text: str = answer.json()["error"]
        return text

    i = tensor("i", "INT64", [1], [0])
    assert "input 'i' is required" in error(tensor("f", "FP64", [1], [0.5]))
    assert "no input 'i:present'" in error(i, tensor("i:present", "BOOL", [1], [False]))
    assert "has 65 rows, this server takes 64" in error(tensor("i", "INT64", [65], [0] * 65))
    assert "expected the shape [N, 2], got [1, 3]" in error(i, tensor("v", "FP64", [1, 3], [0, 0, 0]))
    assert "expected INT64 [1] of 0 to 1" in error(
        i, tensor("n", "INT64", [1, 1], [0]), tensor("n:length", "INT64", [1], [2])
    )
    assert "of 64 at most" in error(i, tensor("n", "INT64", [1, 65], [0] * 65))


def test_infinity_is_said_in_binary_only(ask: Asker) -> None:
    inputs = [("i", "INT64", [1], bytes(8)), ("f", "FP64", [1], np.array([-np.inf]).tobytes())]
    body, headers = binary_body(inputs, outputs=[{"name": "out_f"}])
    refused = ask("POST", "/v2/models/echo/infer", content=body, headers=headers)
    assert refused.status_code == 400
    assert "binary_data" in refused.json()["error"]
    wanted = [{"name": "out_f", "parameters": {"binary_data": True}}]
    body, headers = binary_body(inputs, outputs=wanted)
    assert ask("POST", "/v2/models/echo/infer", content=body, headers=headers).content.endswith(
        np.float32(-np.inf).tobytes()
    )


def test_a_server_without_its_models_is_live_and_not_ready(tmp_path: Path) -> None:
    """Health, readiness and inference before any version is there: 200, 503 and 404."""

    async def main() -> list[int]:
        (tmp_path / "taxi").mkdir()
        async with running({"taxi": tmp_path / "taxi"}, wait=False) as (_, client):
            paths = ("/v2/health/live", "/v2/health/ready", "/v2/models/taxi/ready", "/v2/models/taxi")
            found = [(await client.get(path)).status_code for path in paths]
            return [*found, (await client.post(INFER, json={"inputs": []})).status_code]

    assert asyncio.run(main()) == [200, 503, 503, 404, 404]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NEAR_TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["f", "i", "s", "n", "n:length", "f:present"]) | JSON_VALUES,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON_VALUES,
        "datatype": st.sampled_from(["FP64", "FP32", "INT64", "BOOL", "BYTES", "UINT64"]) | JSON_VALUES,
        "data": st.lists(JSON_VALUES, max_size=4) | JSON_VALUES,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 40) | JSON_VALUES}) | JSON_VALUES,
    },
)
NEAR_REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(NEAR_TENSOR, max_size=3) | JSON_VALUES},
    optional={
        "id": JSON_VALUES,
        "parameters": st.fixed_dictionaries({"binary_data_output": JSON_VALUES}) | JSON_VALUES,
        "outputs": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["out_f", "out_v"]) | JSON_VALUES},
                optional={"parameters": st.fixed_dictionaries({"classification": JSON_VALUES}) | JSON_VALUES},
            ),
            max_size=2,
        )
        | JSON_VALUES,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NEAR_REQUEST, st.binary(max_size=40), st.none() | st.integers(-3, 3))
def test_whatever_comes_is_answered_or_refused(ask: Asker, request: Any, rest: bytes, shift: int | None) -> None:
    """JSON near the protocol's with binary data behind it: 200 or 400, and nothing else."""
    head = json.dumps(request).encode()
    headers = {} if shift is None else {"inference-header-content-length": str(len(head) + shift)}
    assert ask("POST", "/v2/models/echo/infer", content=head + rest, headers=headers).status_code in (200, 400)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=64), st.sampled_from(["FP64", "BOOL", "BYTES", "INT64", "UINT64", "FP16"]), st.integers(0, 4))
def test_any_binary_data_is_answered_or_refused(ask: Asker, raw: bytes, datatype: str, count: int) -> None:
    """Bytes of every length for tensors of every datatype."""
    for name in ("f", "i", "b", "s", "t"):
        body, headers = binary_body(
            [("i", "INT64", [count], bytes(8 * count)), (name, datatype, [count], raw)][-1 if name == "i" else -2 :]
        )
        assert ask("POST", "/v2/models/echo/infer", content=body, headers=headers).status_code in (200, 400)


def test_bytes_and_lists_reach_host_steps(tmp_path: Path) -> None:
    """Bytes in binary form or as text, lists with lengths, missing rows: the answers of the v1 API's columns."""
    publish(sizes_model(tmp_path / "m"), tmp_path / "sizes", 1)
    images, tags = [b"\xff\x00", b"", "Zürich".encode()], [["a"], ["b", "c"], []]
    with asking({"sizes": tmp_path / "sizes"}, allow_host=("serving_oip_helpers",)) as ask:
        padded = [b"a", b"", b"b", b"c", b"", b""]
        inputs = [
            ("image", "BYTES", [3, 1], raw_bytes(images)),
            ("image:present", "BOOL", [3], b"\x01\x00\x01"),
            ("tags", "BYTES", [3, 2], raw_bytes(padded)),
            ("tags:length", "INT64", [3], np.array([1, 2, 0]).tobytes()),
        ]
        body, headers = binary_body(inputs)
        told = outputs_of(ask("POST", "/v2/models/sizes/infer", content=body, headers=headers).json())
        coded = [{"b64": base64.b64encode(images[0]).decode()}, None, {"b64": base64.b64encode(images[2]).decode()}]
        v1 = ask("POST", "/v1/models/sizes:predict", json={"inputs": {"image": coded, "tags": tags}}).json()["outputs"]
        assert (
            {name: array.tolist() for name, array in told.items()}
            == v1
            == {"a": [201, 0, 700], "p": [True, False, True]}
        )
        text = {"inputs": [tensor("image", "BYTES", [1], ["Zürich"]), tensor("tags", "BYTES", [1, 1], [["x"]])]}
        assert outputs_of(ask("POST", "/v2/models/sizes/infer", json=text).json())["a"].tolist() == [701]


def test_a_version_may_be_a_label(base: Path, taxi_other: Path) -> None:
    """Labels in the place of a version's number: inference, metadata, readiness; one that is not there is 404."""

    async def main() -> None:
        publish(taxi_other, base, 2)
        model = ModelConfig("taxi", str(base), AllVersions(), {"stable": 1})
        app = create_app(ServerConfig((model,)), ServerOptions(poll_seconds=0.05))
        await app.startup()
        await until(lambda: len(app.manager.table["taxi"].versions) == 2 if "taxi" in app.manager.table else False)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            body = {"inputs": [tensor("fare", "FP64", [1], [0])]}
            for version, number in (("/versions/stable", "1"), ("/versions/2", "2"), ("", "2")):
                path = f"/v2/models/taxi{version}"
                assert (await client.post(f"{path}/infer", json=body)).json()["model_version"] == number
                assert (await client.get(f"{path}/ready")).status_code == 200
                assert (await client.get(path)).json()["versions"] == ["1", "2"]
            assert (await client.post("/v2/models/taxi/versions/canary/infer", json=body)).status_code == 404
        await app.shutdown()

    asyncio.run(main())
