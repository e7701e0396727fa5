"""Several processes: configurations, reloads, gRPC and the admin endpoints reach all of them, whichever is asked."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_grpc_helpers import MODELS, fill_spec, tf
from serving_helpers import Process, publish, write_model
from serving_worker_helpers import Load, kill, told, wait_for, worker_pids

from trueline.serving.config import (
    AllVersions,
    BatchSettings,
    Latest,
    ModelConfig,
    RequestLogging,
    ServerConfig,
    Specific,
)
from trueline.serving.config_file import read_config_file
from trueline.serving.errors import Code, RequestError
from trueline.serving.worker_control import config_of, config_to_json, error_of, error_to_json
from trueline.serving.worker_metrics import added

Start = Callable[..., Process]


def write_config(file: Path, *models: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"models": list(models)}))
    part.replace(file)


def model_status(port: int, name: str) -> Any:
    """GetModelStatus by gRPC on a connection of its own."""
    request = tf("GetModelStatusRequest")
    fill_spec(request.model_spec, name)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_unary(f"/{MODELS}/GetModelStatus")
        return tf("GetModelStatusResponse").FromString(call(request.SerializeToString(), timeout=10))


def admin(port: int, path: str, body: dict[str, Any] | None = None) -> Any:
    """A request on a connection of its own."""
    url = f"http://127.0.0.1:{port}/admin/{path}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
def test_a_configuration_is_in_force_in_all_workers_or_in_none(
    tmp_path: Path, base: Path, taxi_other: Path, start_server: Start
) -> None:
    file, other = tmp_path / "models.json", tmp_path / "other"
    publish(taxi_other, other, 7)
    write_model(tmp_path / "broken" / "1", b"no graph")
    one = {"name": "taxi", "base": str(base)}
    write_config(file, one)
    arguments = ["--workers", "2", "--admin-port", "0", "--grpc-port", "0", "--grpc-reload-root", str(tmp_path)]
    server = start_server(None, "--model-config-file", str(file), *arguments)
    ports = told(server, "ready")[0]
    with Load(server.url, 2, fresh=True) as load:
        write_config(file, one | {"labels": {"stable": 1}}, {"name": "other", "base": str(other)})
        server.popen.send_signal(signal.SIGHUP)
        configured = wait_for(lambda: told(server, "configured"))
        assert (configured[0]["models"], configured[0]["held"]) == (["other", "taxi"], True)
        for _ in range(8):
            answer = httpx.post(f"{server.url}/v1/models/other:predict", json={"instances": [{}]})
            assert (answer.status_code, answer.headers["x-model-version"]) == (200, "7")
            labelled = httpx.post(f"{server.url}/v1/models/taxi/labels/stable:predict", json={"instances": [{}]})
            assert labelled.status_code == 200
        write_config(file, one, {"name": "bad", "base": str(tmp_path / "broken")})
        server.popen.send_signal(signal.SIGHUP)
        wrong = wait_for(lambda: told(server, "configuration_failed"))
        assert "ONNX Runtime cannot load the graph" in wrong[0]["error"]
        wait_for(lambda: told(server, "reload_failed"))
        assert {httpx.get(f"{server.url}/v1/models/{m}").status_code for m in ("other", "taxi")} == {200}
        assert httpx.get(f"{server.url}/v1/models/bad").status_code == 404
        check_grpc(ports["grpc_port"], other, taxi_other)
        check_admin(ports["admin_port"], server)
    assert load.failures == []
    kill(worker_pids(server)[1])
    wait_for(lambda: len(told(server, "worker_started", worker=1)) == 2)
    wait_for(lambda: "trueline_workers 2" in httpx.get(f"{server.url}/metrics").text)
    answers = {httpx.get(f"{server.url}/v1/models/other").text for _ in range(8)}
    assert len(answers) == 1
    assert server.stop() == 0


def check_grpc(port: int, other: Path, taxi_other: Path) -> None:
    """Both workers answer on the same port, and a configuration that one of them is given holds for both."""
    reload = tf("ReloadConfigRequest")
    kept = reload.config.model_config_list.config.add()
    kept.name, kept.base_path, kept.model_platform = "other", str(other), "tensorflow"
    own = reload.config.model_config_list.config.add()
    own.name, own.base_path, own.model_platform = "taxi", str(other), "tensorflow"
    own.model_version_policy.specific.versions.append(7)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = channel.unary_unary(f"/{MODELS}/HandleReloadConfigRequest")(reload.SerializeToString(), timeout=20)
    assert tf("ReloadConfigResponse").FromString(answer).status.error_code == 0
    for _ in range(8):
        status = model_status(port, "taxi").model_version_status
        assert [(v.version, v.state) for v in status if v.state == 30] == [(7, 30)]


def check_admin(port: int, server: Process) -> None:
    """Any worker is asked, all do it."""
    assert admin(port, "models")["models"]["taxi"]["default"] == 7
    assert admin(port, "models/taxi/refresh", {})["models"]["taxi"]["default"] == 7
    assert admin(port, "log_level", {"level": "ERROR"}) == {"level": "ERROR"}
    with pytest.raises(urllib.error.HTTPError) as caught:  # the file still names the broken model
        admin(port, "reload", {})
    assert caught.value.code == 409
    assert "ONNX Runtime" in caught.value.read().decode()
    assert admin(port, "models/other/unload", {})["models"]
    for _ in range(8):
        answer = httpx.post(f"{server.url}/v1/models/other:predict", json={"instances": [{}]})
        assert answer.status_code == 404
    write = {"name": "other", "base": str(Path(admin_base(server)))}
    write_config(Path(admin_file(server)), {"name": "taxi", "base": write["base"]}, write)
    assert admin(port, "reload", {}) == {"problems": []}


def admin_file(server: Process) -> str:
    """The file of models that the server follows."""
    words: Any = server.popen.args
    return str(words[words.index("--model-config-file") + 1])


def admin_base(server: Process) -> str:
    """Where the other model lies."""
    return str(Path(admin_file(server)).parent / "other")


numbers = st.integers(0, 2**63 - 1)
policies = st.one_of(
    st.builds(Latest, st.integers(1, 9)),
    st.just(AllVersions()),
    st.builds(Specific, st.lists(numbers, min_size=1, max_size=3).map(tuple)),
)
models = st.builds(
    ModelConfig,
    st.text("abc-é ", min_size=1, max_size=5),
    st.text(min_size=1, max_size=9),
    policies,
    st.dictionaries(st.text("xyz", min_size=1, max_size=3), numbers, max_size=3),
    st.booleans(),
    st.none() | st.just(BatchSettings(64, 100, 5, (16, 64))),
    st.none() | st.just(RequestLogging(0.25, "/logs/x")),
)


@given(st.lists(models, min_size=1, max_size=3, unique_by=lambda m: m.name))
def test_a_configuration_survives_the_line(found: list[ModelConfig]) -> None:
    config = ServerConfig(tuple(found))
    assert config_of(json.loads(json.dumps(config_to_json(config)))) == config


def test_a_split_of_traffic_and_an_error_survive_the_line(tmp_path: Path) -> None:
    traffic = {"split": {"1": 95, "2": 5}, "shadow": {"to": "2", "fraction": 0.1}}
    write_config(tmp_path / "m.json", {"name": "a", "base": "/b", "traffic": traffic})
    config = read_config_file(str(tmp_path / "m.json"))
    assert config.models[0].traffic is not None
    assert config_of(json.loads(json.dumps(config_to_json(config)))) == config
    error = RequestError(Code.FAILED_PRECONDITION, "no", hint="so", problems=["a", "b"], status=409)
    again = error_of(json.loads(json.dumps(error_to_json(error))))
    assert (again.code, again.status, str(again)) == (error.code, error.status, str(error))


def test_metrics_of_processes_add_up() -> None:
    """Counters and histograms are sums, of dead processes too; gauges of the living alone, availability the least."""
    text = """\
# HELP a_total Some.
# TYPE a_total counter
a_total{{m="x y"}} {a}
# HELP t_seconds Time.
# TYPE t_seconds histogram
t_seconds_bucket{{le="0.5"}} {b}
t_seconds_bucket{{le="+Inf"}} {c}
t_seconds_sum {d}
# HELP trueline_model_available Up.
# TYPE trueline_model_available gauge
trueline_model_available{{v="1"}} {e}
# HELP q Rows.
# TYPE q gauge
q {f}
"""
    first, second = text.format(a=2, b=1, c=2, d=0.5, e=1.0, f=3), text.format(a=5, b=2, c=3, d=0.25, e=0.0, f=4)
    extra = second.replace('m="x y"', 'm="z"')
    total = added([first, second], [extra])
    assert total == (
        text.format(a=7, b=5, c=8, d=1.0, e=0.0, f=7.0)
        .replace("q 7.0", "q 7")
        .replace("# HELP t_s", 'a_total{m="z"} 5\n# HELP t_s')
    )
