"""The page to try the models: safe whatever a model is called, and in a real browser the API's own answers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from onnx import ModelProto
from serving_helpers import Process, publish, running, taxi_graph, write_model
from serving_oip_helpers import echo_model

from trueline._core.manifest import write_manifest
from trueline._core.values import RawFeature
from trueline.serving.front import Front

CHROMIUM = Path("/usr/bin/chromium")
EVIL = "<script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"


def renamed(model: ModelProto, old: str, new: str) -> ModelProto:
    """The graph with another name for an input."""
    for node in model.graph.node:
        node.input[:] = [name.replace(old, new) if name in (old, f"{old}:present") else name for name in node.input]
    for value in model.graph.input:
        value.name = value.name.replace(old, new) if value.name in (old, f"{old}:present") else value.name
    return model


def evil_model(folder: Path, base: Path) -> Path:
    """The taxi model whose feature, classes and example hold markup, published as version 7."""
    features = (RawFeature("fare", "float64"), RawFeature(EVIL, "utf8"))
    model = write_model(folder, renamed(taxi_graph(), "company", EVIL), features, manifest=False)
    info = json.loads((model / "model.json").read_text())
    info["classes"] = [EVIL, "</script><b>&amp;"]
    info["signature"]["inputs"][0]["example"] = 12.5
    info["signature"]["inputs"][1]["example"] = EVIL
    (model / "model.json").write_text(json.dumps(info))
    write_manifest(str(model), "Model", 1)
    publish(model, base, 7)
    return base


def page_of(models: dict[str, Path], path: str = "/", **options: Any) -> httpx.Response:
    async def main() -> httpx.Response:
        async with running(models, **options) as (_, client):
            return await client.get(path)

    return asyncio.run(main())


def test_the_page_holds_nothing_but_its_own_script_and_style(tmp_path: Path) -> None:
    """Policy with hashes of exactly what stands in the page; markup in names is data; no other address is named."""
    answer = page_of({"taxi": evil_model(tmp_path / "m", tmp_path / "b")}, "/try")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy, page = answer.headers["content-security-policy"], answer.text
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for kind, found in (
        ("script", re.findall(r"<script>(.*?)</script>", page, re.S)),
        ("style", re.findall(r"<style>(.*?)</style>", page, re.S)),
    ):
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert EVIL not in page
    assert not re.search(r"<b>|<img|style=|https?://", page)
    (data,) = re.findall(r'<script type="application/json" id="models">(.*?)</script>', page, re.S)
    (model,) = json.loads(data)
    assert model["classes"][0] == EVIL
    assert [i["example"] for i in model["inputs"]] == [12.5, EVIL]
    assert (model["version"], model["versions"], model["labels"]) == ("7", ["7"], [])


def test_the_page_can_be_switched_off(base: Path) -> None:
    assert page_of({"taxi": base}).text == page_of({"taxi": base}, "/try").text
    assert page_of({"taxi": base}, try_page=False).status_code == 404
    assert page_of({"taxi": base}, "/try", try_page=False).status_code == 404


def test_a_page_without_models_says_so(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    answer = page_of({"taxi": tmp_path / "none"}, wait=False)
    assert answer.status_code == 200
    assert 'id="models">[]</script>' in answer.text


KEY = "key-of-the-taxi-alone-0123456789"


def keys_file(folder: Path) -> Path:
    """A file with one key, for the model taxi."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    made = folder / "keys.json"
    made.write_text(json.dumps({"keys": [{"name": "t", "sha256": digest, "scopes": ["predict:taxi"]}]}))
    return made


def test_with_keys_the_page_is_open_and_says_nothing_and_the_models_are_for_who_may_read_them(
    tmp_path: Path, taxi: Path
) -> None:
    """The page, its models and the OpenAPI document without a key, with one, and of a model that it does not allow."""
    publish(taxi, tmp_path / "b", 1)

    async def main() -> None:
        async with running({"taxi": tmp_path / "b", "secret": tmp_path / "b"}) as (app, client):
            before = (await client.get("/try")).text
            assert "secret" in before
            assert {m["name"] for m in (await client.get("/try.json")).json()} == {"secret", "taxi"}
            Front(api_keys_file=str(keys_file(tmp_path))).install(app)
            page = await client.get("/try")
            assert page.status_code == 200
            assert 'id="models">null</script>' in page.text
            assert "taxi" not in page.text
            assert (await client.get("/try.json")).status_code == 401
            assert (await client.get("/openapi.json")).status_code == 401
            headers = {"authorization": f"Bearer {KEY}"}
            assert [m["name"] for m in (await client.get("/try.json", headers=headers)).json()] == ["taxi"]
            document = (await client.get("/openapi.json", headers=headers)).json()
            assert not any("secret" in path for path in document["paths"])
            predict = document["paths"]["/v1/models/taxi:predict"]["post"]
            assert {"401", "403"} <= set(predict["responses"])
            assert predict["security"] == [{"bearer": []}, {"key": []}]
            assert "security" not in document["paths"]["/healthz"]["get"]

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium at /usr/bin/chromium")
def test_in_the_browser(tmp_path: Path, start_server: Callable[..., Process]) -> None:
    """What the form sends is answered as the API answers; wrong and refused values are told at their field; markup in
    names does nothing; the browser asks nobody else and reports nothing."""
    playwright = pytest.importorskip("playwright.sync_api")
    base = evil_model(tmp_path / "m", tmp_path / "taxi")
    publish(echo_model(tmp_path / "e"), tmp_path / "echo", 1)
    server = start_server(base, "--model", f"echo={tmp_path / 'echo'}")
    said: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))

        page.goto(f"{server.url}/#taxi")
        page.get_by_label("fare").press("Enter")  # the keyboard alone sends the form
        page.wait_for_selector("#answer:not([hidden])")
        row = {"fare": 12.5, EVIL: EVIL}
        api = httpx.post(f"{server.url}/v1/models/taxi:predict", json={"instances": [row]})
        assert json.loads(page.locator("#raw").text_content()) == api.json()
        probabilities = api.json()["predictions"][0]["probabilities"]
        assert page.locator(".bars dt").all_text_contents() == [EVIL, "</script><b>&amp;"]
        assert page.locator(".bars .share").all_text_contents() == [f"{p * 100:.2f} %" for p in probabilities]
        assert page.locator(".most dt").text_content() == "</script><b>&amp;"
        assert "Version 7 answered in" in page.inner_text("#said")
        assert page.evaluate("window.hit") is None
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        namespace: dict[str, Any] = {}
        exec(page.locator("#python").text_content(), namespace)
        assert namespace["answer"].version == 7
        assert namespace["answer"].outputs["probabilities"] == [probabilities]

        page.select_option("#model", label="echo")
        page.get_by_role("button", name="Predict").click()
        assert page.locator("#field-1-wrong").inner_text() == "a value is required"
        page.fill("#field-0", ".5e1")
        page.fill("#field-1", "9223372036854775808")
        page.click("#send")
        page.wait_for_function("document.getElementById('error').textContent.includes('beyond 64 bits')")
        assert page.get_attribute("#field-1", "aria-invalid") == "true"
        page.fill("#field-1", "9007199254740993")
        page.select_option("#field-2", "true")
        page.fill("#field-3", '""')
        page.fill("#field-4", "2020-09-13T12:26:40")
        page.fill("#field-5", "1, 2.5")
        page.fill("#field-6", '["a, b", "c"]')
        page.fill("#field-7", "-1,9007199254740993")
        page.click("#send")
        page.wait_for_selector("#answer:not([hidden])")
        (told,) = json.loads(page.locator("#raw").text_content())["predictions"]
        assert {n: told[f"out_{n}"] for n in "fibstvrn"} == {
            "f": 5.0,
            "i": 9007199254740993,
            "b": True,
            "s": "",
            "t": 1_600_000_000_000_000,
            "v": [1.0, 2.5],
            "r": ["a, b", "c"],
            "n": [-1, 9007199254740993],
        }
        assert told["out_s_present"] is True
        browser.close()
    refused = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    assert [text for text in said if text != refused] == []
    assert {httpx.URL(url).host for url in asked if not url.startswith("data:")} == {"127.0.0.1"}
    assert all(url.startswith(server.url) for url in asked if not url.startswith("data:"))


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium at /usr/bin/chromium")
def test_in_the_browser_with_a_key(tmp_path: Path, taxi: Path, start_server: Callable[..., Process]) -> None:
    """A wrong key is refused in words; the right one shows the form, and goes with the prediction."""
    playwright = pytest.importorskip("playwright.sync_api")
    publish(taxi, tmp_path / "taxi", 1)
    server = start_server(tmp_path / "taxi", "--api-keys-file", str(keys_file(tmp_path)))
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{server.url}/try")
        page.get_by_label("API key or token").fill("wrong")
        page.keyboard.press("Enter")
        page.wait_for_function("document.getElementById('key-error').textContent !== ''")
        page.get_by_label("API key or token").fill(KEY)
        page.keyboard.press("Enter")
        page.get_by_label("fare").fill("10")
        page.get_by_role("button", name="Predict").click()
        page.wait_for_selector("#answer:not([hidden])")
        assert json.loads(page.locator("#raw").text_content())["predictions"][0]["label"] is True
        assert KEY not in page.inner_text("#page")
        assert "bearer=KEY" in page.inner_text("#python")
        browser.close()
