"""Talking with node and with a page: values with all their bits, one process that answers JSON lines."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import math
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HERE = Path(__file__).parent / "web"
ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
RUNTIME = ROOT / ".venvs" / "web" / "node_modules" / "onnxruntime-web" / "dist"
"""Where scripts/web_env.sh puts onnxruntime-web."""
_NUMPY = {"float64": "<f8", "float32": "<f4", "int64": "<i8", "bool": "?"}


def encode(value: Any) -> Any:
    """The form that codec.mjs decodes."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": f"{struct.unpack('<Q', struct.pack('<d', value))[0]:016x}"}
    if isinstance(value, list):
        return {"l": [encode(v) for v in value]}
    return {"d": [[k, encode(v)] for k, v in value.items()]}


def decode_arrays(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by name, from what codec.mjs encoded."""
    found = {}
    for name, (kind, dims, data) in arrays.items():
        if kind == "string":
            array = np.empty(math.prod(dims), object)
            array[:] = data
        else:
            array = np.frombuffer(bytes.fromhex(data), _NUMPY[kind])
        found[name] = array.reshape(dims)
    return found


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON would have them: times are integers."""
    names = table.schema.names
    columns = [c.cast(_without_times(c.type)).to_pylist() for c in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _without_times(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_fixed_size_list(arrow_type):
        return pa.list_(_without_times(arrow_type.value_type), arrow_type.list_size)
    if pa.types.is_list(arrow_type):
        return pa.list_(_without_times(arrow_type.value_type))
    return pa.int64() if pa.types.is_timestamp(arrow_type) else arrow_type


class Node:
    """A node process that answers one JSON line with one."""

    def __init__(self, script: str, *arguments: str) -> None:
        assert NODE is not None
        self._process = subprocess.Popen(
            [NODE, str(HERE / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "node ended: its error stands above"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Gives out a folder, and codec.mjs of the tests at /test/."""

    extensions_map = {".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html", "": "text/plain"}  # noqa: RUF012

    def translate_path(self, path: str) -> str:
        return str(HERE / "codec.mjs") if path == "/test/codec.mjs" else super().translate_path(path)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is given out, on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def chromium_page(address: str) -> Iterator[Any]:
    """A page of headless Chromium that reaches nothing but `address`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="NOT TESTED HERE: playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("NOT TESTED HERE: no Chromium; install Debian's package chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.route(lambda url: not url.startswith(address), lambda route: route.abort())
        yield page
        browser.close()
