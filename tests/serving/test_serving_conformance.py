"""TensorFlow Serving's REST contract, case by case: `conformance/*.json` says where each case comes from.

Every case is asked of an app in this process, and in the slow group of a server as a process, over a socket. A case
with a ``deviation`` says what is deliberately different here; the guide's table lists the same.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance_models import conformance_config, write_models
from serving_helpers import until

from trueline.serving import ServerOptions, create_app

FOLDER = Path(__file__).resolve().parent / "conformance"
CASES = [
    pytest.param(case, id=f"{path.stem}-{case['name']}")
    for path in sorted(FOLDER.glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]
OPTIONS = {"cors_origins": ("*",), "poll_seconds": 0.05, "allow_version_labels_for_unavailable_models": True}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conformance")
    write_models(folder)
    return folder


class InProcess:
    """The app on a loop of its own."""

    def __init__(self, root: Path) -> None:
        self._runner = asyncio.Runner()
        self._app = create_app(conformance_config(root), ServerOptions(**OPTIONS))
        self._runner.run(self._start())

    async def _start(self) -> None:
        await self._app.startup()
        manager = self._app.manager
        await until(lambda: self._app.ready and len(manager.table["taxi"].versions) == 2)
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=True)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def ask(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, content=content, headers=headers))

    def close(self) -> None:
        self._runner.run(self._app.shutdown())
        self._runner.close()


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[InProcess]:
    unit = InProcess(root)
    yield unit
    unit.close()


def content_of(case: dict[str, Any]) -> bytes:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    return case["text"].encode() if "text" in case else json.dumps(case["body"]).encode() if "body" in case else b""


def check(case: dict[str, Any], answer: httpx.Response) -> None:
    """The status, the body or what it says, and the headers."""
    told = (case["from"], answer.status_code, answer.text)
    assert answer.status_code == case["status"], told
    if "exact" in case:
        assert answer.text == case["exact"], told
    if "answer" in case:
        got = {k: v for k, v in answer.json().items() if k != "trueline"}
        assert got == case["answer"], told
    if "error" in case:
        assert list(answer.json()) == ["error"], told
        assert case["error"] in answer.json()["error"], told
    for name, value in case.get("answer_headers", {}).items():
        assert answer.headers.get(name) == value, (name, dict(answer.headers))


@pytest.mark.parametrize("case", CASES)
def test_a_case_of_tensorflow_servings_rest(case: dict[str, Any], server: InProcess) -> None:
    headers = {"content-type": "application/json", **case.get("headers", {})}
    check(case, server.ask(case["method"], case["path"], content_of(case), headers))


def test_there_are_enough_cases_and_each_says_where_it_comes_from_and_what_is_expected() -> None:
    cases = [param.values[0] for param in CASES]
    assert len(cases) >= 200
    for case in cases:
        assert isinstance(case, dict)
        assert case["from"]
        assert {"answer", "error", "exact"} & case.keys(), case


SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conformance_models import conformance_config
from trueline.serving.options import ServerOptions
from trueline.serving.place import Place
from trueline.serving.server import serve_models
place = Place(port=0, ready_file=sys.argv[3])
options = ServerOptions(cors_origins=("*",), allow_version_labels_for_unavailable_models=True)
raise SystemExit(serve_models(conformance_config(Path(sys.argv[2])), place, options))
"""


@pytest.mark.slow
def test_a_server_as_a_process_answers_every_case_over_a_socket(root: Path, tmp_path: Path) -> None:
    """What stands before the app (uvicorn, its parser of paths and headers) changes no answer."""
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-c", SERVER, str(Path(__file__).parent), str(root), str(ready)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            port = json.loads(ready.read_text())["port"]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                while len(client.get("/v1/models/taxi").json()["model_version_status"]) < 2:
                    time.sleep(0.05)
                while client.get("/v1/models/taxi/labels/stable/metadata").status_code != 200:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                for param in CASES:
                    case = param.values[0]
                    assert isinstance(case, dict)
                    headers = {"content-type": "application/json", **case.get("headers", {})}
                    check(case, client.request(case["method"], case["path"], content=content_of(case), headers=headers))
        finally:
            process.terminate()
            process.wait(30)
