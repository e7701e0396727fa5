"""The admin port: closed unless it is asked for, out of reach of web pages, and what it can do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from front_helpers import PATH, ROW, events_named
from serving_helpers import Process, publish, running, until

from trueline._core.errors import ConfigError
from trueline.serving import ServingApp
from trueline.serving.admin import AdminApp, is_loopback
from trueline.serving.front import Front
from trueline.serving.server import main as serve_main


async def nothing() -> list[str]:
    return []


@asynccontextmanager
async def looked_after(
    base: Path, reload: Callable[[], Awaitable[list[str]]] = nothing, **settings: Any
) -> AsyncIterator[tuple[ServingApp, httpx.AsyncClient, httpx.AsyncClient]]:
    async with running({"taxi": base, "other": base}, **settings) as (app, client):
        transport = httpx.ASGITransport(app=AdminApp(app, {"front": Front().shown()}, reload))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as admin:
            yield app, client, admin


def test_models_are_listed_refreshed_and_unloaded(base: Path, taxi_other: Path) -> None:
    async def main() -> None:
        async with looked_after(base, poll_seconds=60) as (app, client, admin):
            found = (await admin.get("/admin/models")).json()["models"]
            assert sorted(found) == ["other", "taxi"]
            assert found["taxi"]["default"] == 1
            (version,) = found["taxi"]["versions"]
            assert (version["version"], version["state"], version["in_flight"]) == (1, "AVAILABLE", 0)
            publish(taxi_other, base, 2)
            json: dict[str, Any] = {"json": {}}
            refreshed = await admin.post("/admin/models/taxi/refresh", **json)
            assert refreshed.status_code == 200
            await until(lambda: app.manager.table["taxi"].default.number == 2)  # type: ignore[union-attr]
            assert (await admin.post("/admin/models/absent/refresh", **json)).status_code == 404
            assert (await admin.post("/admin/models/other/unload", **json)).status_code == 200
            assert (await client.post(PATH.replace("taxi", "other"), content=ROW)).status_code == 404
            assert (await client.post(PATH, content=ROW)).status_code == 200
            assert sorted((await admin.get("/admin/config")).json()["models"]) == ["taxi"]
            assert (await admin.get("/metrics")).status_code == 200
            assert (await admin.get("/readyz")).status_code == 200
            assert (await admin.post("/admin/what", **json)).status_code == 404
            assert (await client.get("/admin/models")).status_code == 404  # not on the port that clients reach

    asyncio.run(main())


def test_a_web_page_cannot_reach_it_and_levels_are_checked(base: Path) -> None:
    async def main() -> None:
        async with looked_after(base) as (_, _, admin):
            rebound = {"host": "evil.example"}
            assert (await admin.get("/admin/models", headers=rebound)).status_code == 403
            assert (await admin.get("/healthz", headers=rebound)).status_code == 200
            form = await admin.post("/admin/reload", content="x", headers={"content-type": "text/plain"})
            assert form.status_code == 415
            for host in ("localhost:9", "[::1]:9", "127.9.9.9"):
                assert (await admin.get("/admin/config", headers={"host": host})).status_code == 200
            before = logging.getLogger("trueline").level
            try:
                assert (await admin.post("/admin/log_level", json={"level": "DEBUG"})).status_code == 200
                assert logging.getLogger("trueline").level == logging.DEBUG
                for wrong in ({"level": "LOUD"}, {}, [], {"level": 10}):
                    assert (await admin.post("/admin/log_level", json=wrong)).status_code == 400
            finally:
                logging.getLogger("trueline").setLevel(before)

    asyncio.run(main())


def test_a_reload_tells_what_failed(base: Path) -> None:
    async def main() -> None:
        found = [["TLS: no"], []]

        async def reload() -> list[str]:
            return found.pop(0)

        async with looked_after(base, reload) as (_, _, admin):
            failed = await admin.post("/admin/reload", json={})
            assert (failed.status_code, failed.json()) == (409, {"problems": ["TLS: no"]})
            assert (await admin.post("/admin/reload", json={})).status_code == 200

    asyncio.run(main())


def test_the_port_is_loopback_alone_unless_keys_are_asked_for(
    base: Path, start_server: Callable[..., Process], capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve_main(["--model", f"taxi={base}", "--port", "0", "--admin-port", "0", "--admin-host", "0.0.0.0"]) == 2
    assert "open to everybody" in capsys.readouterr().err
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "x.example", "")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(ConfigError):
        Front(access_log="/not/a/folder/log").install(None)  # type: ignore[arg-type]
    server = start_server(base, "--admin-port", "0")
    port = events_named(server, "listening")[0]["admin_port"]
    assert port != server.port
    answer = httpx.post(f"http://127.0.0.1:{port}/admin/reload", json={})
    assert answer.json() == {"problems": []}
    assert events_named(server, "reloaded")
    assert server.stop() == 0
