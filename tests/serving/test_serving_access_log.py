"""The access log: one line for each request with what matters and nothing that it must not hold; bounded, sampled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from front_helpers import PATH, ROW
from serving_helpers import running

from trueline._core.errors import ConfigError
from trueline.serving.access_log import AccessLog, writer_to
from trueline.serving.front import Front


def test_lines_tell_of_good_and_bad_requests_without_bodies_queries_and_headers(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"

    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            installed = Front(access_log=str(path)).install(app)
            body = json.dumps({"instances": [{"fare": 1.0, "company": "in-the-body"}] * 2})
            headers = {"x-request-id": "id-1", "authorization": "Bearer in-a-header"}
            await client.post(PATH + "?token=in-the-query", content=body, headers=headers)
            await client.post(PATH, json={"instances": [{"fare": "in-the-body"}]})
            await client.post("/v1/models/gho\u00f6st%0a:predict", content=ROW)
            await client.get("/" + "x" * 5000)
            installed.close()

    asyncio.run(main())
    text = path.read_text()
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    assert [line["status"] for line in lines] == [200, 400, 404, 404]
    first = lines[0]
    assert first["time"].endswith("+00:00")
    assert 0 < first["milliseconds"] < 10_000
    assert first["bytes_in"] > 50 < first["bytes_out"]
    known = {k: first[k] for k in ("request_id", "method", "path", "model", "version", "rows", "entrypoint")}
    assert known == {
        "request_id": "id-1",
        "method": "POST",
        "path": PATH,
        "model": "taxi",
        "version": 1,
        "rows": 2,
        "entrypoint": "REST",
    }
    assert (lines[1]["model"], "rows" in lines[1]) == ("taxi", False)
    assert "model" not in lines[2]
    assert len(lines[3]["path"]) == 512
    assert not any(word in text for word in ("in-the-body", "in-the-query", "in-a-header"))


def test_a_sample_holds_all_that_failed_and_lines_beyond_the_bound_are_counted(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueline.serving.access_log._MAX_LINES", 3)
    written: list[str] = []

    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            log = AccessLog(lambda lines: written.extend(lines), 0.0)
            Front().install(app).log(app, log)
            for _ in range(5):
                await client.post(PATH, content=ROW)
            assert log._lines == []
            for _ in range(5):
                await client.get("/absent")
            assert (log._noted, log._started) == ({}, {})
            log.flush()

    asyncio.run(main())
    assert [json.loads(line).get("status") for line in written] == [404, 404, 404, None]
    assert json.loads(written[-1]) == {"lost": 2}


def test_lines_are_written_within_a_second_by_themselves(base: Path) -> None:
    async def main() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def write(lines: Sequence[str]) -> None:
            loop.call_soon_threadsafe(done.set)

        async with running({"taxi": base}) as (app, client):
            Front().install(app).log(app, AccessLog(write))
            await client.post(PATH, content=ROW)
            await asyncio.wait_for(done.wait(), 5)

    asyncio.run(main())


def test_settings_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        writer_to(str(tmp_path / "absent" / "log"))
    with pytest.raises(ConfigError, match="0 to 1"):
        AccessLog(lambda lines: None, 1.5)
    writer_to("-")(["a", "b"])
    assert capsys.readouterr().err == "a\nb\n"
