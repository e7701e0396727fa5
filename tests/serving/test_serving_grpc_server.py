"""The gRPC server as a server: health, deadlines, overload, sockets, its process and its end, its descriptors."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from onnx import TensorProto, helper
from serving_grpc_helpers import (
    MODELS,
    PREDICTION,
    Grpc,
    Refused,
    fill_spec,
    grpc_running,
    outputs_of,
    predict_request,
    regression_model,
    tf,
)
from serving_helpers import Process, publish, until, write_model

import trueline.serving
from trueline._core.errors import ConfigError
from trueline._core.values import RawFeature
from trueline.serving.errors import Code
from trueline.serving.grpc_calls import status_text
from trueline.serving.grpc_descriptors import enum_numbers, message, pool
from trueline.serving.grpc_model_service import is_below
from trueline.serving.grpc_server import GrpcServer

HEALTH = "/grpc.health.v1.Health/"
STATES = enum_numbers("grpc.health.v1.HealthCheckResponse.ServingStatus")


def asked(service: str = "") -> bytes:
    body: bytes = message("grpc.health.v1.HealthCheckRequest")(service=service).SerializeToString()
    return body


def state(answer: bytes) -> int:
    number: int = message("grpc.health.v1.HealthCheckResponse").FromString(answer).status
    return number


def slow_model(folder: Path) -> Path:
    """A model with a host step that sleeps a second for the value 1.0."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["host:h"], ["prediction"], to=TensorProto.FLOAT)],
        "slow",
        [info("host:h", TensorProto.DOUBLE, ["N"]), info("host:h:present", TensorProto.BOOL, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    step = {"output": "h", "inputs": ["s"], "function": "serving_helpers:sleep_for", "dtype": "float64"}
    outputs = [{"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}]
    made = [RawFeature("host:h", "float64")]
    return write_model(folder, model, [RawFeature("s", "float64")], outputs, steps=[step], feeds=made)


def test_health_follows_readiness_and_watch_tells_the_change(base: Path) -> None:
    async def run() -> None:
        async with grpc_running({"taxi": base}) as unit:
            check = unit.channel.unary_unary(HEALTH + "Check")
            for name in ("", PREDICTION, MODELS, "PredictionService", "ModelService"):
                assert state(await check(asked(name))) == STATES["SERVING"]
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await check(asked("nobody"))
            assert error.value.code() is grpc.StatusCode.NOT_FOUND
            assert PREDICTION in (error.value.details() or "")
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await check(b"\xff")
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            watch = unit.channel.unary_stream(HEALTH + "Watch")(asked(PREDICTION))
            unknown = unit.channel.unary_stream(HEALTH + "Watch")(asked("nobody"))
            assert state(await unknown.read()) == STATES["SERVICE_UNKNOWN"]
            assert state(await watch.read()) == STATES["SERVING"]
            unit.app.draining = True
            assert state(await watch.read()) == STATES["NOT_SERVING"]
            assert state(await check(asked())) == STATES["NOT_SERVING"]
            start = time.monotonic()
            await unit.server.stop(20)  # the watches end with the server, not with its grace
            assert time.monotonic() - start < 5
            assert await watch.read() is grpc.aio.EOF

    asyncio.run(run())


def test_a_broken_version_is_told_with_its_error(tmp_path: Path) -> None:
    regression_model(tmp_path / "base" / "1")
    graph = tmp_path / "base" / "1" / "model.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))

    async def run() -> None:
        async with grpc_running({"broken": tmp_path / "base"}, wait=False) as unit:
            request = tf("GetModelStatusRequest")
            fill_spec(request.model_spec, "broken")
            await until(lambda: any(v.error for v in unit.app.manager.tracked["broken"].values()))
            version = (await unit.call("GetModelStatus", request, MODELS)).model_version_status[0]
            assert version.state == enum_numbers("tensorflow.serving.ModelVersionStatus.State")["END"]
            assert version.status.error_code == enum_numbers("tensorflow.error.Code")["UNKNOWN"]
            assert "model.onnx" in version.status.error_message
            answer = await unit.predict({"fare": [1.0]}, "broken")
            assert answer.code is grpc.StatusCode.NOT_FOUND
            check = unit.channel.unary_unary(HEALTH + "Check")
            assert state(await check(asked())) == STATES["NOT_SERVING"]

    asyncio.run(run())


def test_labels_choose_versions(base: Path, taxi_other: Path) -> None:
    publish(taxi_other, base, 2)

    async def run() -> None:
        async with grpc_running({"taxi": base}, num_versions=2) as unit:
            manager = unit.app.manager
            routes = manager.table["taxi"]
            manager.table = {"taxi": type(routes)(routes.versions, routes.default, {"stable": 1, "canary": 2})}
            for label, number in (("stable", 1), ("canary", 2)):
                answer = await unit.predict({"fare": [1.0]}, label=label)
                assert answer.model_spec.version.value == number

    asyncio.run(run())


def test_what_is_no_message_no_method_and_no_service(base: Path) -> None:
    async def run() -> None:
        async with grpc_running({"taxi": base}) as unit:
            for body in (b"\xff", b"\x12\x05\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f"):
                answer = await unit.raw("Predict", body)
                assert isinstance(answer, Refused)
                assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
                assert "tensorflow.serving.PredictRequest" in answer.details
            for method, service in (("Nothing", PREDICTION), ("Predict", "nobody.Service")):
                answer = await unit.raw(method, b"", service)
                assert isinstance(answer, Refused)
                assert answer.code is grpc.StatusCode.UNIMPLEMENTED

    asyncio.run(run())


def test_a_unix_socket_answers_too_and_a_port_that_is_taken_is_an_error(base: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with grpc_running({"taxi": base}) as unit:
            other = GrpcServer(unit.app, unit.app.options)
            with pytest.raises(ConfigError, match=f"cannot listen for gRPC on 127.0.0.1:{unit.port}"):
                await other.start("127.0.0.1", unit.port)
            path = tmp_path / "grpc.sock"
            assert await other.start("127.0.0.1", None, socket_path=str(path)) is None
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                call = channel.unary_unary(f"/{PREDICTION}/Predict")
                answer = await call(predict_request({"fare": [1.0]}).SerializeToString())
                assert outputs_of(message("tensorflow.serving.PredictResponse").FromString(answer))
            await other.stop(0)

    asyncio.run(run())


def test_the_process_says_its_port_and_ends_in_order(base: Path, start_server: Callable[..., Process]) -> None:
    server = start_server(base, "--grpc-port", "0")
    listening = next(e for e in server.events() if e["event"] == "listening")
    with grpc.insecure_channel(f"127.0.0.1:{listening['grpc_port']}") as channel:
        call = channel.unary_unary(f"/{PREDICTION}/Predict")
        answer = call(predict_request({"fare": [1.0]}).SerializeToString(), timeout=20)
    assert message("tensorflow.serving.PredictResponse").FromString(answer).model_spec.version.value == 1
    ready = json.loads((server.log.parent / "ready-0.json").read_text())
    assert ready["grpc_port"] == listening["grpc_port"]
    taken = start_server(base, "--grpc-port", str(listening["grpc_port"]), wait=False)
    assert taken.popen.wait(20) == 2
    assert "cannot listen for gRPC" in taken.log.read_text()
    assert server.stop() == 0


def test_a_server_without_grpc_loads_neither_grpc_nor_protobuf(base: Path) -> None:
    program = (
        "import sys, trueline.serving.server, trueline.serving.app; "
        "print([m for m in sys.modules if m.split('.')[0] == 'grpc' or m.startswith('google.protobuf')])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_descriptors_are_compiled_from_the_files_beside_them() -> None:
    """Every field of every .proto, with its number, is in the compiled file; `scripts/make_descriptors.py` makes it."""
    folder = Path(trueline.serving.__file__).parent / "protos"
    numbers: dict[str, set[tuple[str, int]]] = {}
    for path in folder.glob("*.proto"):
        text = re.sub(r"//[^\n]*", "", path.read_text())
        package = re.findall(r"^package ([\w.]+);", text, re.MULTILINE)[0]
        stack: list[str] = []
        for opened, name, field, number, closed in re.findall(
            r"(message|enum|oneof|service)\s+(\w+)\s*\{|(\w+)\s*=\s*(\d+)\s*;|(\})", text
        ):
            if opened:
                stack.append("" if opened == "oneof" else name)
            elif closed:
                stack.pop()
            else:
                numbers.setdefault(".".join([package, *filter(None, stack)]), set()).add((field, int(number)))
    assert len(numbers) > 40
    for name, written in numbers.items():
        try:
            made = {(f.name, f.number) for f in pool().FindMessageTypeByName(name).fields}
        except KeyError:
            made = {(v.name, v.number) for v in pool().FindEnumTypeByName(name).values}
        assert made == written, name


def test_the_pool_is_private() -> None:
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("tensorflow.serving.PredictRequest")


def test_status_codes_and_texts_fit_grpc() -> None:
    assert {code.name for code in Code} == {code.name for code in grpc.StatusCode}
    codes = enum_numbers("tensorflow.error.Code")
    assert {code.name: code.value[0] for code in grpc.StatusCode} == codes
    assert status_text("short\n") == "short\n"
    assert status_text("x" * 10_000).startswith("x" * 4000)
    for text in ("x" * 10_000, "ä" * 5000, "%\n" * 5000, "\ud800" * 5000):
        sent = status_text(text)
        assert sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode("utf-8", "replace")) for c in sent) < 4200


def test_deadlines_overload_and_the_grace_of_an_end(tmp_path: Path) -> None:
    slow_model(tmp_path / "base" / "1")
    settings = {"allow_host": ("serving_helpers",), "max_parsing_requests": 1}

    async def run() -> None:
        async with grpc_running({"slow": tmp_path / "base"}, **settings) as unit:

            async def ask(value: float, **options: Any) -> Any:
                return await unit.call("Predict", predict_request({"s": [value]}, "slow"), **options)

            some = {"s": [0.5, 2.0], "s:present": [True, False]}  # host steps see None for what is missing
            assert outputs_of(await unit.predict(some, "slow"))["prediction"].tolist() == [0.5, 0.0]
            start = time.monotonic()
            assert (await ask(1.0, timeout=0.2)).code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert time.monotonic() - start < 0.9
            await asyncio.sleep(1.0)
            first = asyncio.ensure_future(ask(1.0, timeout=10))
            await asyncio.sleep(0.3)
            refused = await ask(0.0)
            assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "try again later" in refused.details
            stopping = asyncio.ensure_future(unit.server.stop(20))
            assert outputs_of(await first)["prediction"].tolist() == [1.0]
            await stopping
            assert (await ask(0.0)).code is grpc.StatusCode.UNAVAILABLE

    asyncio.run(run())


def test_a_second_signal_ends_the_wait_for_requests_in_flight(tmp_path: Path) -> None:
    slow_model(tmp_path / "base" / "1")

    async def run() -> None:
        async with grpc_running({"slow": tmp_path / "base"}, allow_host=("serving_helpers",)) as unit:
            late = asyncio.ensure_future(unit.call("Predict", predict_request({"s": [1.0]}, "slow")))
            await asyncio.sleep(0.3)
            start, hurried = time.monotonic(), asyncio.Event()
            asyncio.get_running_loop().call_later(0.2, hurried.set)
            await unit.server.stop(20, hurried.is_set)
            assert time.monotonic() - start < 0.7
            assert (await late).code in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)

    asyncio.run(run())


def test_large_requests_in_flight_are_bounded_together(base: Path) -> None:
    async def run() -> None:
        async with grpc_running({"taxi": base}, max_inflight_bytes=400_000) as unit:
            large = predict_request({"company": ["x" * 300_000]})
            assert outputs_of(await unit.call("Predict", large))
            unit.app.bodies.held += 200_000
            answer = await unit.call("Predict", large)
            assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            unit.app.bodies.held -= 200_000
            assert outputs_of(await unit.call("Predict", large))
            assert unit.app.bodies.held == 0

    asyncio.run(run())


def reload_request(models: dict[str, Path], metrics: tuple[str, ...] = (), **settings: Any) -> Any:
    request = tf("ReloadConfigRequest")
    for name, base in models.items():
        config = {"name": name, "base_path": str(base), "model_platform": "tensorflow", **settings}
        request.config.model_config_list.config.add(**config)
    request.metric_names.extend(metrics)
    return request


def test_a_configuration_by_rpc_replaces_the_whole_or_nothing(base: Path, taxi_other: Path, tmp_path: Path) -> None:
    publish(taxi_other, tmp_path / "more", 5)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"

    async def run() -> None:
        async with grpc_running({"taxi": base}) as unit:
            call = "HandleReloadConfigRequest"
            closed = await unit.call(call, reload_request({"taxi": base}), MODELS)
            assert closed.code is grpc.StatusCode.PERMISSION_DENIED
            assert "--grpc-reload-root" in closed.details
            server = GrpcServer(unit.app, unit.app.options, reload_root=str(tmp_path))
            port = await server.start("127.0.0.1", 0)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                opened = Grpc(unit.app, unit.http, server, channel, port or 0)
                for request, code, part in (
                    (tf("ReloadConfigRequest"), "INVALID_ARGUMENT", "model_config_list"),
                    (reload_request({}), "INVALID_ARGUMENT", "model_config_list"),
                    (reload_request({"taxi": Path("relative")}), "INVALID_ARGUMENT", "absolute"),
                    (reload_request({"a/b": base, "c": base / ".."}), "INVALID_ARGUMENT", "a/b"),
                    (reload_request({"x": outside}), "PERMISSION_DENIED", str(outside)),
                    (reload_request({"x": tmp_path / ".." / outside.name}), "PERMISSION_DENIED", "outside"),
                    (reload_request({"taxi": base}, version_labels={"stable": 7}), "FAILED_PRECONDITION", "stable"),
                ):
                    answer = await opened.call(call, request, MODELS)
                    assert isinstance(answer, Refused), request
                    assert answer.code is getattr(grpc.StatusCode, code), answer
                    assert part in answer.details
                    assert set(unit.app.manager.table) == {"taxi"}
                metric = "/tensorflow/serving/request_count"
                request = reload_request({"taxi": base, "more": tmp_path / "more"}, (metric, "/nothing"))
                done = await opened.call(call, request, MODELS)
                assert (done.status.error_code, done.status.error_message) == (0, "")
                assert {m.name: m.int64_value_increase for m in done.metric} == {metric: 0, "/nothing": 0}
                assert (await opened.predict({"fare": [1.0]}, "more")).model_spec.version.value == 5
                await opened.call(call, reload_request({"more": tmp_path / "more"}), MODELS)
                assert (await opened.predict({"fare": [1.0]})).code is grpc.StatusCode.NOT_FOUND
            await server.stop(0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("base", "root", "inside"),
    [
        ("/models/taxi", "/models", True),
        ("/models/taxi", "/", True),
        ("/models", "/models", True),
        ("/models-2/taxi", "/models", False),
        ("/models/../etc", "/models", False),
        ("s3://bucket/models/taxi", "s3://bucket/models/", True),
        ("s3://bucket/models/../taxi", "s3://bucket/models", False),
        ("s3://bucket-2/taxi", "s3://bucket", False),
        ("gs://bucket/taxi", "s3://bucket", False),
        ("s3://bucket/taxi", "/", False),
        ("/etc", "s3://bucket", False),
        ("pipeline:churn", "/", False),
        ("memory://x/../../y", "memory://x", False),
    ],
)
def test_what_lies_below_a_root(base: str, root: str, inside: bool) -> None:
    assert is_below(base, root) is inside


def test_a_link_out_of_the_root_leads_out(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    assert not is_below(str(tmp_path / "root" / "link" / "other"), str(tmp_path / "root"))
