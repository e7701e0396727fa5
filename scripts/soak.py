"""Millions of requests to one server process: no request may fail, and the process may not grow.

``python scripts/soak.py --requests 10000000`` prints JSON and ends with status 1 when it does not hold. The requests
are a mix: rows and columns, missing and unknown values, lists of every size, bodies in pieces and packed by gzip, wrong
ones that must be refused, status, metrics, and connections that are closed half way. Memory is the resident size after
the warm-up against the end.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "soak"
PATH = f"/v1/models/{NAME}:predict"
WORDS = 50
WARM_UP_SHARE = 0.2
GROWTH_MB = 8.0
HANG_UP_SHARE = 0.002


def make_model(folder: Path) -> None:
    """Two numbers, a text with a vocabulary and a list: one score."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    from trueline._core.feeds import Feeds
    from trueline._core.manifest import write_manifest
    from trueline._core.values import RawFeature

    features = [RawFeature("a", "float64"), RawFeature("b", "float64"), RawFeature("s", "utf8")]
    feeds = Feeds([*features, RawFeature("tags", "float64", "ragged")])
    types = {
        "tensor(double)": TensorProto.DOUBLE,
        "tensor(bool)": TensorProto.BOOL,
        "tensor(string)": TensorProto.STRING,
        "tensor(int64)": TensorProto.INT64,
    }
    given = [helper.make_tensor_value_info(n, types[t], s) for n, t, s in feeds.onnx_inputs()]
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["s"],
            ["place"],
            domain="ai.onnx.ml",
            keys_strings=[f"word-{i}" for i in range(WORDS)],
            values_floats=[float(i) for i in range(WORDS)],
            default_float=-1.0,
        ),
        helper.make_node("Cast", ["place"], ["place64"], to=TensorProto.DOUBLE),
        helper.make_node("ReduceSum", ["tags", "axis"], ["sum"], keepdims=0),
        helper.make_node("Sum", ["a", "b", "place64", "sum"], ["total"]),
        helper.make_node("Cast", ["total"], ["score"], to=TensorProto.FLOAT),
    ]
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"])]
    graph = helper.make_graph(nodes, NAME, given, outputs, [axis])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "model.json").write_text(json.dumps(described(feeds)))
    (folder / "host.json").write_text(json.dumps({"steps": []}))
    write_manifest(str(folder), "Model", 1)


def described(feeds: Any) -> dict[str, Any]:
    """The contents of ``model.json``."""
    return {
        "format": 1,
        "name": NAME,
        "task": "regression",
        "framework": "onnx",
        "versions": {},
        "label": "y",
        "weight": None,
        "features": [f.name for f in feeds.features],
        "classes": None,
        "signature": {
            "inputs": feeds.to_json(),
            "outputs": [{"name": "score", "dtype": "float32", "shape": [None], "meaning": "predictions"}],
        },
        "feeds": feeds.to_json(),
    }


@dataclass(frozen=True)
class Ask:
    """One request as bytes, in pieces, and the status that it must be answered with."""

    pieces: tuple[bytes, ...]
    status: int


def make_mix(seed: int = 0) -> list[Ask]:
    """Some hundred requests, the same for every run."""
    rng = random.Random(seed)

    def row() -> dict[str, Any]:
        made: dict[str, Any] = {"a": rng.random(), "b": rng.random(), "s": f"word-{rng.randrange(WORDS + 20)}"}
        made["tags"] = [rng.random() for _ in range(rng.randrange(20))]
        return {k: v for k, v in made.items() if rng.random() > 0.1}

    mix = []
    for i in range(400):
        rows = [row() for _ in range(1 if rng.random() < 0.8 else rng.choice((2, 7, 32, 64)))]
        body, headers = json.dumps({"instances": rows}).encode(), ""
        if i % 23 == 0:
            columns = {"a": [rng.random()] * 50, "s": ["x" * rng.randrange(50)] * 50}
            body = json.dumps({"inputs": columns}).encode()
        if i % 29 == 0:
            body, headers = gzip.compress(body), "content-encoding: gzip\r\n"
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-request-id: soak-{i}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        )
        cut = len(body) // 2 if i % 31 == 0 else len(body)
        mix.append(Ask((head.encode() + body[:cut], *((body[cut:],) if cut < len(body) else ())), 200))
    for method, path, data, status in (
        ("POST", PATH, b'{"instances":[{"a":"x"}]}', 400),
        ("POST", PATH, b"no json", 400),
        ("POST", PATH.replace(NAME, "ghost"), b'{"instances":[{}]}', 404),
        ("GET", f"/v1/models/{NAME}", b"", 200),
        ("GET", "/metrics", b"", 200),
        ("GET", "/readyz", b"", 200),
    ):
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n".encode()
        mix.append(Ask((head + data,), status))
    return mix


class Run:
    """What all connections share: how many requests are left, and what came."""

    def __init__(self, requests: int, seed: int = 0) -> None:
        self.left = requests
        self.answered = 0
        self.failed: list[str] = []
        self.hung_up = 0
        self.mix = make_mix(seed)
        self.rng = random.Random(seed)

    async def connection(self, port: int) -> None:
        """Asks until nothing is left; now and then it goes away in the middle of a request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while self.left > 0 and not self.failed:
            self.left -= 1
            ask = self.rng.choice(self.mix)
            if self.rng.random() < HANG_UP_SHARE:
                writer.write(ask.pieces[0][:-1])
                writer.close()
                self.hung_up += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            for piece in ask.pieces:
                writer.write(piece)
                if len(ask.pieces) > 1:
                    await asyncio.sleep(0)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                body = await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                break
            if int(head.split(None, 2)[1]) != ask.status:
                self.failed.append(f"{ask.pieces[0][:80]!r}: {head[:40]!r} {body[:200]!r}")
            self.answered += 1
        writer.close()


def resident_mb(pid: int) -> float:
    """The resident size of a process."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def soak(requests: int, connections: int, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Starts a server, sends the requests and reports."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        make_model(folder / "base" / "1")
        ready = folder / "ready"
        command = [sys.executable, "-m", "trueline.serving", "--model", f"{NAME}={folder / 'base'}", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready), "--fail-fast", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise SystemExit(f"the server ended with status {process.returncode}")
                time.sleep(0.05)
            report = measure(process.pid, json.loads(ready.read_text())["port"], requests, connections)
        finally:
            process.send_signal(signal.SIGTERM)
            report_end = process.wait(60)
        return {**report, "exit_status": report_end}


def measure(pid: int, port: int, requests: int, connections: int) -> dict[str, Any]:
    """The run, with memory after the warm-up and at twenty points behind it."""
    first = int(requests * WARM_UP_SHARE)
    step = max(1, (requests - first) // 20)
    sizes = []
    totals = {"answered": 0, "hung_up": 0}
    failed: list[str] = []
    start = time.monotonic()
    done = 0
    while done < requests and not failed:
        part = first if not done else min(step, requests - done)
        run = Run(part, done)

        async def go(run: Run = run) -> None:
            await asyncio.gather(*(run.connection(port) for _ in range(connections)))

        asyncio.run(go())
        done += part
        totals["answered"] += run.answered
        totals["hung_up"] += run.hung_up
        failed = run.failed
        sizes.append(round(resident_mb(pid), 1))
    growth = round(sizes[-1] - sizes[0], 1)
    return {
        "requests": requests,
        **totals,
        "failed": failed[:5],
        "seconds": round(time.monotonic() - start, 1),
        "resident_mb_after_warm_up": sizes[0],
        "resident_mb_at_the_end": sizes[-1],
        "resident_mb": sizes,
        "growth_mb": growth,
        "holds": not failed and growth <= GROWTH_MB,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the report as JSON."""
    parser = argparse.ArgumentParser(description="Millions of requests: no failure, no growth.")
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--connections", type=int, default=32)
    given, further = parser.parse_known_args(argv)
    report = soak(given.requests, given.connections, further)
    print(json.dumps(report, indent=1))
    return 0 if report["holds"] and report["exit_status"] == 0 else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
