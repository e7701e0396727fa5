"""Small models made with onnx.helper, servers in this process and servers as processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from trueline._core.manifest import write_manifest
from trueline._core.values import RawFeature
from trueline.serving import ServerOptions, ServingApp, create_app

FEATURES = (RawFeature("fare", "float64"), RawFeature("company", "utf8"))


def taxi_graph(bias: float = 0.0, *, nan_for: str = "nan company") -> onnx.ModelProto:
    """p = sigmoid(0.1 * fare + (company == "Flash") + bias); company == `nan_for` gives NaN; label = p > 0.5."""
    constants = {
        "slope": np.array(0.1),
        "bias": np.array(bias),
        "flash": np.array(["Flash"], object),
        "nan_for": np.array([nan_for], object),
        "nan": np.array(np.nan),
        "zero": np.array(0.0),
        "one": np.array(1.0),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Mul", ["fare", "slope"], ["scaled"]),
        helper.make_node("Where", ["fare:present", "scaled", "zero"], ["fare_part"]),
        helper.make_node("Equal", ["company", "flash"], ["is_flash"]),
        helper.make_node("And", ["is_flash", "company:present"], ["is_flash_there"]),
        helper.make_node("Where", ["is_flash_there", "one", "zero"], ["company_part"]),
        helper.make_node("Equal", ["company", "nan_for"], ["is_nan"]),
        helper.make_node("Where", ["is_nan", "nan", "bias"], ["offset"]),
        helper.make_node("Add", ["fare_part", "company_part"], ["sum"]),
        helper.make_node("Add", ["sum", "offset"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["p1"]),
        helper.make_node("Sub", ["one", "p1"], ["p0"]),
        helper.make_node("Unsqueeze", ["p0", "axis"], ["c0"]),
        helper.make_node("Unsqueeze", ["p1", "axis"], ["c1"]),
        helper.make_node("Concat", ["c0", "c1"], ["wide"], axis=1),
        helper.make_node("Cast", ["wide"], ["probabilities"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["p1", "p0"], ["label"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "taxi",
        [
            info("fare", TensorProto.DOUBLE, ["N"]),
            info("fare:present", TensorProto.BOOL, ["N"]),
            info("company", TensorProto.STRING, ["N"]),
            info("company:present", TensorProto.BOOL, ["N"]),
        ],
        [info("probabilities", TensorProto.FLOAT, ["N", 2]), info("label", TensorProto.BOOL, ["N"])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


OUTPUTS = [
    {"name": "probabilities", "dtype": "float32", "shape": [None, 2], "meaning": "class_probabilities"},
    {"name": "label", "dtype": "bool", "shape": [None], "meaning": "label"},
]


def write_model(
    folder: Path,
    graph: onnx.ModelProto | bytes,
    features: Sequence[RawFeature] = FEATURES,
    outputs: Sequence[dict[str, Any]] = tuple(OUTPUTS),
    *,
    warmup: Any = None,
    steps: Sequence[dict[str, Any]] = (),
    feeds: Sequence[RawFeature] | None = None,
    manifest: bool = True,
) -> Path:
    """A Model artifact in `folder`."""
    folder.mkdir(parents=True)
    info = {
        "format": 1,
        "name": "taxi",
        "task": "binary",
        "framework": "none",
        "versions": {},
        "label": "big_tipper",
        "weight": None,
        "features": [f.name for f in features],
        "classes": [False, True],
        "signature": {"inputs": [f.to_json() for f in features], "outputs": list(outputs)},
        "feeds": [f.to_json() for f in (feeds if feeds is not None else features)],
    }
    (folder / "model.json").write_text(json.dumps(info))
    (folder / "host.json").write_text(json.dumps({"steps": list(steps)}))
    data = graph if isinstance(graph, bytes) else graph.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    if warmup is not None:
        (folder / "warmup.json").write_text(json.dumps(warmup))
    if manifest:
        write_manifest(str(folder), "Model", 1)
    return folder


def publish(folder: Path, base: Path, version: int) -> Path:
    """Copies a model into a base directory as a careful pusher does: the manifest last."""
    target = base / str(version)
    target.mkdir(parents=True)
    for name in sorted(os.listdir(folder), key=lambda n: n == "MANIFEST.json"):
        shutil.copy2(folder / name, target / name)
    return target


@contextlib.asynccontextmanager
async def running(
    models: dict[str, Path], wait: bool = True, on_event: Any = lambda name, facts: None, **settings: Any
) -> AsyncIterator[tuple[ServingApp, httpx.AsyncClient]]:
    """An app in this process, started, and a client of it."""
    options = ServerOptions(**({"poll_seconds": 0.05} | settings))
    app = create_app({n: str(p) for n, p in models.items()}, options, on_event=on_event)
    await app.startup()
    try:
        if wait:
            await until(lambda: app.ready)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield app, client
    finally:
        await app.shutdown()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


@dataclass
class Process:
    """A server as a process."""

    popen: subprocess.Popen[bytes]
    url: str
    port: int
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """What it said so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """SIGTERM and wait."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(20)


def lengths(values: list[str | None]) -> list[int | None]:
    """A host step: the length of each text; the text "raise" makes it fail."""
    if "raise" in values:
        raise ValueError("asked to raise")
    return [None if v is None else len(v) for v in values]


def sleep_for(values: list[float | None]) -> list[float | None]:
    """A host step that takes its time: up to a second, and no time for warm-up rows."""
    time.sleep(max((v for v in values if v == 1.0), default=0.0))
    return values
