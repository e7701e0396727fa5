"""An app over a whole configuration, and the prediction log that it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving_helpers import until

from trueline.serving import ServerOptions, ServingApp, create_app
from trueline.serving.config import ServerConfig

PREDICT = "/v1/models/taxi:predict"
ROW = {"instances": [{"fare": 3.5, "company": "Flash"}]}


def scenario(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


@contextlib.asynccontextmanager
async def running_config(
    config: ServerConfig, on_event: Any = lambda name, facts: None, **settings: Any
) -> AsyncIterator[tuple[ServingApp, httpx.AsyncClient]]:
    """An app in this process, started, and a client of it."""
    app = create_app(config, ServerOptions(**({"poll_seconds": 0.05} | settings)), on_event=on_event)
    await app.startup()
    try:
        await until(lambda: app.ready)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield app, client
    finally:
        await app.shutdown()


def logged(folder: Path) -> pa.Table:
    """All rows of a prediction log."""
    files = sorted(folder.rglob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(file).read() for file in files])


def sample(app: ServingApp, name: str) -> dict[str, float]:
    """A metric's samples: value by labels as they are written."""
    lines = app.metrics.text().decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith((name + "{", name + " "))]
    return {labels.removeprefix(name): float(value) for labels, _, value in found}


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A small disk of its own; the test is skipped where none can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
