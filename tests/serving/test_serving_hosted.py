"""The container's start on SageMaker, Vertex AI and KServe, by the variables and paths that these platforms use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from trueline._core.errors import ConfigError
from trueline.serving import Client
from trueline.serving.hosted import Hosting, hosting_of, main


def test_who_started_the_container():
    assert hosting_of(["--port", "8501"], {"MODEL_NAME": "churn"}) is None
    assert hosting_of(["serve"], {"TRUELINE_MODEL_NAME": "churn", "TRUELINE_MODEL_VERSION": "7"}) == Hosting(
        "/opt/ml/model", 8080, "churn", 7, sagemaker=True
    )
    assert hosting_of([], {"AIP_STORAGE_URI": "gs://b/7", "AIP_HTTP_PORT": "8501"}) == Hosting("gs://b/7", 8501)
    assert hosting_of([], {"TRUELINE_MODEL_DIR": "/mnt/models"}) == Hosting("/mnt/models", 8080)
    with pytest.raises(ConfigError) as caught:
        hosting_of(["serve"], {"AIP_HTTP_PORT": "http", "TRUELINE_MODEL_VERSION": "-1"})
    assert len(caught.value.problems) == 2


def start(tmp_path: Path, model: str, *arguments: str, **variables: str) -> tuple[subprocess.Popen[bytes], int]:
    ready, log = tmp_path / "ready.json", tmp_path / "log"
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
    environment = {**kept, "AIP_HTTP_PORT": "0", "TRUELINE_MODEL_DIR": model, **variables}
    command = [sys.executable, "-m", "trueline.serving.hosted", *arguments, "--ready-file", str(ready)]
    with log.open("wb") as handle:
        popen = subprocess.Popen(command, env=environment, stdout=handle, stderr=subprocess.STDOUT, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert popen.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return popen, json.loads(ready.read_text())["port"]


def test_sagemakers_two_paths_and_the_version(tmp_path, taxi):
    name = {"TRUELINE_MODEL_NAME": "a b", "TRUELINE_MODEL_VERSION": "1795265924"}
    popen, port = start(tmp_path, str(taxi), "serve", **name)
    try:
        url = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/ping", timeout=10) as answer:
            assert answer.status == 200
        body = json.dumps({"instances": [{"fare": 20.0, "company": "Flash"}]}).encode()
        request = urllib.request.Request(f"{url}/invocations", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.loads(answer.read())["predictions"][0]["label"] is True
            assert answer.headers["x-model-version"] == "1795265924"
        with Client(url, "a b") as client:
            assert client.predict([{"fare": 1.0}]).version == 1795265924
    finally:
        popen.terminate()
        assert popen.wait(30) == 0


def test_a_folder_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRUELINE_MODEL_DIR", str(tmp_path / "absent"))
    assert main([]) == 2
    assert "the platform gave no model" in capsys.readouterr().err
