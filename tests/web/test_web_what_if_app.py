"""The local app: it answers its own page alone, what is wrong is told by field, and what is too large is not read."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from web_what_if_rows import rides

from trueline._core.errors import ConfigError, DataError, FeedError
from trueline.cli.app import run_command
from trueline.model_analysis import WhatIf, what_if
from trueline.model_analysis.whatif.record import MOST_ROWS
from trueline.model_analysis.whatif.values import decode, encode
from trueline.models import Model
from trueline.web import serve_what_if, what_if_app
from trueline.web.local import MOST_BYTES, json_of

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette", reason="NOT TESTED HERE: the extra web is not installed")
TOKEN = "a-token-for-the-tests"
HOME = f"/{TOKEN}/"
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def page(host: Model, table: pa.Table) -> WhatIf:
    return what_if(host, table, rows=20, near=0)


@pytest.fixture(scope="module")
def ask(page: WhatIf) -> Ask:
    app = what_if_app(page, TOKEN)

    def asked(method: str, path: str, base: str = "http://127.0.0.1:8000", **given: Any) -> Any:
        async def run() -> Any:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
                return await client.request(method, path, **given)

        return asyncio.run(run())

    return asked


def predict(ask: Ask, body: Any, **more: Any) -> Any:
    return ask("POST", HOME + "predict", json=body, **more)


def test_the_page_comes_with_a_strict_policy(ask: Ask) -> None:
    answer = ask("GET", HOME)
    assert answer.status_code == 200
    rules = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert '"endpoint": "predict"' in answer.text


def test_edited_rows_get_the_model_s_own_answer_to_the_last_bit(ask: Ask, host: Model) -> None:
    rows = [{"miles": 2.5, "shop": "Blue"}, {"miles": "Infinity", "shop": None}, {"miles": 0, "shop": "<b>"}]
    found = predict(ask, {"model": 0, "rows": rows[:1] + rows[2:]}).json()
    expected = host.predict_proba([rows[0], rows[2]])
    assert np.array(found["scores"], np.float32).tolist() == expected.tolist()
    assert found["labels"] == [int(p[1] > p[0]) for p in expected]
    assert predict(ask, {"rows": [rows[1]]}).status_code == 200


def test_what_is_wrong_is_told_by_field(ask: Ask) -> None:
    answer = predict(ask, {"rows": [{"miles": "far", "shop": 3, "milles": 1.0}]})
    assert answer.status_code == 422
    problems = "\n".join(answer.json()["problems"])
    assert "field 'miles': expected float64" in problems
    assert "field 'shop': expected utf8" in problems
    assert "unknown field 'milles'" in problems


BODIES = {
    "no object": [1],
    "no rows": {},
    "rows that are none": {"rows": [3]},
    "nothing to do": {"rows": []},
    "no such model": {"model": 1, "rows": [{}]},
    "a model that is no number": {"model": True, "rows": [{}]},
    "a text for a model": {"model": "0", "rows": [{}]},
    "more than is asked for": {"rows": [{}], "path": "/etc"},
    "too many rows": {"rows": [{}] * (MOST_ROWS + 1)},
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_another_form_is_refused(ask: Ask, name: str) -> None:
    answer = predict(ask, BODIES[name])
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'{"rows": [{"miles": NaN}]}', b"[" * 100_000],
    ids=["none", "cut", "bytes", "NaN", "deep"],
)
def test_what_is_no_json_is_refused(ask: Ask, text: bytes) -> None:
    answer = ask("POST", HOME + "predict", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_what_is_too_large_is_not_read_to_its_end(ask: Ask) -> None:
    sent = []

    async def body() -> Any:
        for _ in range(64):
            sent.append(1)
            yield b" " * (MOST_BYTES // 8)

    answer = ask("POST", HOME + "predict", content=body(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert len(sent) < 12
    assert ask("POST", HOME + "predict", content=b"rows", headers={"content-type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("path", "base", "headers"),
    [
        ("/another-token-of-the-tests/", "http://127.0.0.1:8000", {}),
        (HOME, "http://evil.example:8000", {}),
        (HOME, "http://127.0.0.1.evil.example", {}),
        (HOME, "http://127.0.0.1:8000", {"origin": "http://evil.example"}),
        (HOME, "http://127.0.0.1:8000", {"origin": "null"}),
        (HOME, "http://127.0.0.1:8000", {"sec-fetch-site": "cross-site"}),
    ],
    ids=["token", "host", "host that begins so", "origin", "no origin", "another site"],
)
def test_nobody_but_its_own_page_is_answered(ask: Ask, path: str, base: str, headers: dict[str, str]) -> None:
    assert ask("GET", path, base, headers=headers).status_code == 403
    answer = ask("POST", path + "predict", base, json={"rows": [{}]}, headers=headers)
    assert answer.status_code == 403
    assert "scores" not in answer.text


def test_its_own_names_are_answered(ask: Ask) -> None:
    for base in ("http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://localhost"):
        headers = {"origin": base, "sec-fetch-site": "same-origin"}
        assert predict(ask, {"rows": [{"miles": 1.0}]}, base=base, headers=headers).status_code == 200
    assert ask("GET", "/").status_code == 404
    assert ask("GET", HOME + "predict").status_code == 405


def test_a_token_that_can_be_guessed_is_refused(page: WhatIf) -> None:
    for token in ("", "short", "x" * 20 + "/.."):
        with pytest.raises(ConfigError, match="token"):
            what_if_app(page, token)


def test_a_port_that_is_taken_is_told(page: WhatIf) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot be used"):
            serve_what_if(page, port=taken.getsockname()[1])


def test_json_loses_no_value(binary: Model) -> None:
    """Numbers that are not finite, integers beyond 2^53, times and lists come back as they were."""
    table = rides().slice(0, 30)
    features = {f.name: f for f in binary.runtime.inputs}
    columns = {n: table[n].to_pylist() for n in features if n in table.column_names}
    there = {n: json_of(json.dumps(encode(v)).encode()) for n, v in columns.items()}
    back = {n: [decode(features[n], v) for v in values] for n, values in there.items()}
    expected = binary.predict_proba(table)
    rows = [{n: back[n][i] for n in back} for i in range(30)]
    assert binary.predict_proba(rows).tolist() == expected.tolist()


def test_integers_beyond_what_javascript_counts_are_texts(number: Model, table: pa.Table) -> None:
    made = what_if(number, table, rows=5, worst=0)
    row = made.document["rows"][0]
    values = dict(zip([f["name"] for f in made.document["fields"]], row["values"], strict=True))
    assert isinstance(values["number"], str)
    assert made.answer({"rows": [values]})["scores"] == row["scores"]
    with pytest.raises(FeedError, match="int64"):
        made.answer({"rows": [values | {"number": "12"}]})
    with pytest.raises(DataError):
        made.answer({"rows": "all"})


def test_bytes_go_as_base64() -> None:
    from trueline._core.values import RawFeature

    feature = RawFeature("picture", "bytes")
    assert decode(feature, encode(b"\x00\xff")) == b"\x00\xff"
    assert decode(feature, {"b64": "!"}) == {"b64": "!"}


@pytest.mark.slow
def test_the_app_runs_from_the_command_line(binary: Model, table: pa.Table, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "rows.parquet")
    code = "from trueline.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "explain", binary.uri, "--data", str(tmp_path / "rows.parquet")]
    options = ["--what-if", "--serve", "--rows", "10", "--allow-host", "web_python_code"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        body = json.dumps({"rows": [{"miles": 1.5, "position": [0.1, 0.2]}]}).encode()
        request = urllib.request.Request(address + "predict", body, {"content-type": "application/json"})
        for _ in range(50):
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    found = json.load(answer)
                break
            except ConnectionError:
                time.sleep(0.1)
        process.terminate()
    expected = binary.predict_proba([{"miles": 1.5, "position": [0.1, 0.2]}])
    assert found["scores"] == [[pytest.approx(v, abs=1e-7) for v in expected[0].tolist()]]


def test_the_page_is_written_with_both_models(
    number: Model, table: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(table, tmp_path / "rows.parquet")
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (tmp_path / name).write_bytes(b"stands for it")
    command = ["explain", number.uri, "--data", str(tmp_path / "rows.parquet"), "--what-if", "--rows", "12"]
    files = ["--html", str(tmp_path / "page.html"), "--runtime", str(tmp_path), "--compare", number.uri]
    assert run_command([*command, *files, "--slice", "shared"]) == 0
    assert "MB, with the models" in capsys.readouterr().out
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="part-model-1"' in html
    assert '"facets": ["shared"]' in html


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--what-if"], "into a file or is served"),
        (["--what-if", "--html", "page.html"], "--runtime"),
        (["--what-if", "--serve", "--row", "3"], "--row do not belong"),
        (["--serve"], "--serve belongs to --what-if"),
    ],
)
def test_options_that_do_not_fit_are_told(
    number: Model, table: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    pq.write_table(table, tmp_path / "rows.parquet")
    assert run_command(["explain", number.uri, "--data", str(tmp_path / "rows.parquet"), *options]) == 2
    assert said in capsys.readouterr().err
