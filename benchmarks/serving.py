"""What one request costs the server, in CPU time, against an ASGI app that does nothing on the same settings.

``python benchmarks/serving.py`` prints JSON; ``--before FOLDER`` measures another checkout of the product in the same
run. The load comes from wrk where it is installed, else from a process of this file that keeps a number of connections
busy. CPU time is the server process's own (``/proc/<pid>/stat``), so other load
on the machine changes the wall clock and hardly these figures; the ratio to the empty app is the one to compare.

Three models: `raw` of 14 numbers and 6 texts, `dense` of one list of 20 numbers, and `big`, whose weights are read from
memory in every run, so that runs of several requests pay (``batching_gain``: against a server that puts none together).
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

FLOATS, STRINGS, HIDDEN, WORDS = 14, 6, 64, 50
NAME = "bench"
WIDTH = 20
LAYERS = {"dense": (128, 64), "big": (1024, 1024)}
"""Hidden units of the models that take one list of `WIDTH` numbers."""
CASES = (
    ("rows_1", "raw", "instances", 1),
    ("columns_1", "raw", "inputs", 1),
    ("rows_32", "raw", "instances", 32),
    ("columns_256", "raw", "inputs", 256),
    ("dense_1", "dense", "instances", 1),
    ("dense_256", "dense", "instances", 256),
    ("big_1", "big", "instances", 1),
)
TICKS = os.sysconf("SC_CLK_TCK")


def make_model(folder: Path) -> None:
    """14 numbers and 6 texts -> one-hot by label encoders, MLP with 64 hidden units -> probabilities, label."""
    from trueline._core.feeds import Feeds
    from trueline._core.manifest import write_manifest
    from trueline._core.values import RawFeature

    numbers = [RawFeature(f"n{i}", "float64") for i in range(FLOATS)]
    texts = [RawFeature(f"s{i}", "utf8") for i in range(STRINGS)]
    feeds = Feeds([*numbers, *texts])
    names = ([f.name for f in numbers], [f.name for f in texts])
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(_onnx_model(feeds.onnx_inputs(), *names))
    (folder / "model.json").write_text(json.dumps(_described(feeds)))
    (folder / "host.json").write_text(json.dumps({"steps": []}))
    write_manifest(str(folder), "Model", 1)


def make_dense_model(folder: Path, hidden: tuple[int, ...]) -> None:
    """A list of 20 numbers, scaled -> MLP -> probabilities, label."""
    from trueline._core.feeds import Feeds
    from trueline._core.manifest import write_manifest
    from trueline._core.values import RawFeature

    feeds = Feeds([RawFeature("x", "float32", "fixed", WIDTH, optional=False)])
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(_dense_onnx(feeds.onnx_inputs(), hidden))
    (folder / "model.json").write_text(json.dumps(_described(feeds)))
    (folder / "host.json").write_text(json.dumps({"steps": []}))
    write_manifest(str(folder), "Model", 1)


def _dense_onnx(inputs: list[tuple[str, str, list[str | int]]], hidden: tuple[int, ...]) -> bytes:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    sizes = (WIDTH, *hidden, 2)
    weights = {"mean": rng.normal(size=WIDTH).astype(np.float32), "scale": np.full(WIDTH, 2, np.float32)}
    nodes = [helper.make_node("Sub", ["x", "mean"], ["c"]), helper.make_node("Div", ["c", "scale"], ["a0"])]
    for i, (wide, out) in enumerate(itertools.pairwise(sizes)):
        weights[f"w{i}"] = rng.normal(size=(wide, out)).astype(np.float32) / np.float32(wide**0.5)
        weights[f"b{i}"] = np.zeros(out, np.float32)
        nodes.append(helper.make_node("Gemm", [f"a{i}", f"w{i}", f"b{i}"], [f"h{i}"]))
        nodes.append(helper.make_node("Relu", [f"h{i}"], [f"a{i + 1}"]))
    last = f"h{len(hidden)}"
    nodes[-1] = helper.make_node("Softmax", [last], ["probabilities"], axis=1)
    nodes.append(helper.make_node("ArgMax", [last], ["label"], axis=1, keepdims=0))
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, _, shape in inputs]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "bench", given, _outputs(), constants)
    model: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9
    ).SerializeToString()
    return model


def _outputs() -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
        helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
    ]


def _weights() -> dict[str, Any]:
    """The constants of the graph, the same for every run."""
    import numpy as np

    rng = np.random.default_rng(0)
    width = FLOATS + STRINGS * (WORDS + 1)
    return {
        "axis": np.array([1], np.int64),
        "zero": np.array(0.0),
        "depth": np.array(WORDS + 1, np.int64),
        "onoff": np.array([0, 1], np.float32),
        "w1": rng.normal(size=(width, HIDDEN)).astype(np.float32) / width**0.5,
        "w2": rng.normal(size=(HIDDEN, 2)).astype(np.float32) / HIDDEN**0.5,
    }


def _number_nodes(name: str) -> list[Any]:
    """A number as a column ``name/x``, 0 where it is missing."""
    from onnx import TensorProto, helper

    return [
        helper.make_node("Where", [name + ":present", name, "zero"], [name + "/w"]),
        helper.make_node("Cast", [name + "/w"], [name + "/f"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", [name + "/f", "axis"], [name + "/x"]),
    ]


def _text_nodes(name: str) -> list[Any]:
    """A text as a one-hot vector ``name/x``."""
    from onnx import helper

    encoder = helper.make_node(
        "LabelEncoder",
        [name],
        [name + "/i"],
        domain="ai.onnx.ml",
        keys_strings=[f"{name}-word-{i}" for i in range(WORDS)],
        values_int64s=list(range(WORDS)),
        default_int64=WORDS,
    )
    return [encoder, helper.make_node("OneHot", [name + "/i", "depth", "onoff"], [name + "/x"])]


def _onnx_model(inputs: list[tuple[str, str, list[str | int]]], numbers: list[str], texts: list[str]) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    types = {
        "tensor(double)": TensorProto.DOUBLE,
        "tensor(bool)": TensorProto.BOOL,
        "tensor(string)": TensorProto.STRING,
    }
    given = [helper.make_tensor_value_info(n, types[t], s) for n, t, s in inputs]
    nodes = [node for name in numbers for node in _number_nodes(name)]
    nodes += [node for name in texts for node in _text_nodes(name)]
    nodes += [
        helper.make_node("Concat", [name + "/x" for name in (*numbers, *texts)], ["x"], axis=1),
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["o"]),
        helper.make_node("Softmax", ["o"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["o"], ["label"], axis=1, keepdims=0),
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in _weights().items()]
    graph = helper.make_graph(nodes, "bench", given, _outputs(), weights)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return model


def _described(feeds: Any) -> dict[str, Any]:
    """The contents of ``model.json``."""
    outputs = [
        {"name": "probabilities", "dtype": "float32", "shape": [None, 2], "meaning": "class_probabilities"},
        {"name": "label", "dtype": "int64", "shape": [None], "meaning": "label"},
    ]
    return {
        "format": 1,
        "name": NAME,
        "task": "binary",
        "framework": "onnx",
        "versions": {},
        "label": "y",
        "weight": None,
        "features": [f.name for f in feeds.features],
        "classes": [0, 1],
        "signature": {"inputs": feeds.to_json(), "outputs": outputs},
        "feeds": feeds.to_json(),
    }


def make_body(form: str, rows: int, model: str = "raw") -> bytes:
    """A request of `rows` rows, the same for every run."""
    rng = random.Random(rows)
    if model in LAYERS:
        lists = [[round(rng.gauss(0, 1), 4) for _ in range(WIDTH)] for _ in range(rows)]
        return json.dumps({form: lists}).encode()
    data: list[dict[str, Any]] = []
    for _ in range(rows):
        row: dict[str, Any] = {f"n{i}": round(rng.gauss(0, 1), 4) for i in range(FLOATS)}
        row |= {f"s{i}": f"s{i}-word-{rng.randrange(WORDS + 5)}" for i in range(STRINGS)}
        data.append(row)
    if form == "instances":
        return json.dumps({"instances": data}).encode()
    return json.dumps({"inputs": {k: [r[k] for r in data] for k in data[0]}}).encode()


def decode_micros(body: bytes) -> float:
    """CPU time to read a body of lists with orjson and to make a float32 array of it: the least that is possible."""
    import numpy as np
    import orjson

    found = []
    for _ in range(50):
        before = time.thread_time()
        np.array(orjson.loads(body)["instances"], np.float32)
        found.append((time.thread_time() - before) * 1e6)
    return median(found)


def serve_nothing(port_file: str) -> None:
    """An ASGI app that reads the body and answers two bytes, on the server's own uvicorn settings."""
    import socket

    import uvicorn

    from trueline.serving.options import ServerOptions
    from trueline.serving.server import uvicorn_config

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    bound = socket.create_server(("127.0.0.1", 0))
    Path(port_file).write_text(json.dumps({"port": bound.getsockname()[1]}))
    uvicorn.Server(uvicorn_config(app, ServerOptions())).run(sockets=[bound])


class Connection(asyncio.Protocol):
    """One kept connection that sends the same request again as soon as the answer is whole."""

    def __init__(self, request: bytes, counts: dict[str, int]) -> None:
        self.request, self.counts, self.buffer, self.wanted = request, counts, bytearray(), 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.wanted:
            head, found, _ = bytes(self.buffer).partition(b"\r\n\r\n")
            if not found:
                return
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self.wanted = len(head) + 4 + int(length.split(b":")[1])
            self.counts["ok" if b" 200 " in head[:20] else "failed"] += 1
        if len(self.buffer) >= self.wanted:
            self.buffer.clear()
            self.wanted = 0
            self.transport.write(self.request)


def load(port: int, path: str, body_file: str, connections: int, seconds: float) -> None:
    """Keeps the connections busy and prints how many answers came."""
    import uvloop

    body = Path(body_file).read_bytes()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    counts = {"ok": 0, "failed": 0}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(head.encode() + body, counts), "127.0.0.1", port)
        await asyncio.sleep(seconds)

    uvloop.run(main())
    print(json.dumps(counts))


def run_load(port: int, path: str, body_file: Path, connections: int, seconds: float) -> dict[str, int]:
    """Answers that came within `seconds`, from wrk or from a process of this file."""
    wrk = shutil.which("wrk")
    if wrk is None or seconds < 1:  # wrk counts in whole seconds
        command = [sys.executable, __file__, "--load", str(port), path, str(body_file), str(connections), str(seconds)]
        counts: dict[str, int] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return counts
    script = body_file.with_suffix(".lua")
    script.write_text(
        f'wrk.method = "POST"\nlocal f = io.open("{body_file}", "rb")\nwrk.body = f:read("*a")\nf:close()\n'
        'wrk.headers["content-type"] = "application/json"\n'
        'done = function(s, l, r) io.write("\\nRESULT " .. s.requests .. " " .. s.errors.status .. "\\n") end\n'
    )
    url = f"http://127.0.0.1:{port}{path}"
    command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, requests, failed = next(line for line in text.splitlines() if line.startswith("RESULT ")).split()
    return {"ok": int(requests) - int(failed), "failed": int(failed)}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_megabytes(pid: int) -> float:
    """The largest resident size that a process had."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)


def start(command: list[str], port_file: Path, tree: str | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """A process, of another checkout where `tree` names one, and the port that it writes."""
    environment = {**os.environ, "PYTHONPATH": tree} if tree else None
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    while not (port_file.exists() and port_file.read_text()):
        if process.poll() is not None:
            raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
        time.sleep(0.05)
    return process, int(json.loads(port_file.read_text())["port"])


def median(values: list[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]


def measure(servers: dict[str, tuple[int, int, str]], folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """CPU of every case and server: the median over shuffled rounds, and the empty app's of the same run."""
    cases = [case for case in CASES if case[0] in arguments.cases]
    asked = {case[0]: [s for s in servers if s != "unbatched" or case[1] == "big"] for case in cases}
    found: dict[str, dict[str, list[float]]] = {name: {s: [] for s in names} for name, names in asked.items()}
    total: dict[str, dict[str, float]] = {name: dict.fromkeys(names, 0.0) for name, names in asked.items()}
    decoding: dict[str, list[float]] = {case[0]: [] for case in cases}
    jobs = [(case, server) for case in cases for server in asked[case[0]]] * arguments.rounds
    random.Random(0).shuffle(jobs)
    for (name, model, form, rows), server in jobs:
        body_file = folder / f"{name}.json"
        body = make_body(form, rows, model)
        body_file.write_bytes(body)
        pid, port, path = servers[server]
        path = path.replace("MODEL", model)
        if name == "dense_256":
            decoding[name].append(decode_micros(body))
        before = cpu_seconds(pid)
        counts = run_load(port, path, body_file, arguments.connections, arguments.seconds)
        if counts["failed"] or not counts["ok"]:
            raise SystemExit(f"{name}: {counts} answers")
        used = cpu_seconds(pid) - before
        total[name][server] += used
        found[name][server].append(used * 1e6 / counts["ok"])
    report: dict[str, Any] = {}
    for name, _, _, rows in cases:
        micros = {server: max(median(values), 1.0) for server, values in found[name].items()}
        report[name] = {
            server: {
                "rows_per_request": rows,
                "cpu_seconds": round(total[name][server], 2),
                "cpu_us_per_request": round(micros[server], 1),
                "cpu_us_range": [round(min(found[name][server]), 1), round(max(found[name][server]), 1)],
                "rows_per_cpu_second": round(rows * 1e6 / micros[server]),
                "ratio_to_empty_app": round(micros[server] / micros["empty_app"], 2),
            }
            for server in asked[name]
        }
        if decoding[name]:
            report[name]["server"]["ratio_to_decoding"] = round(micros["server"] / median(decoding[name]), 2)
        if "unbatched" in micros:
            report[name]["server"]["batching_gain"] = round(micros["unbatched"] / micros["server"], 2)
    return report


def run_servers(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Starts every server, measures them in one run and ends them."""
    make_model(folder / "raw" / "1")
    for name, hidden in LAYERS.items():
        make_dense_model(folder / name / "1", hidden)
    command = [sys.executable, "-P", "-m", "trueline.serving", "--port", "0"]
    for name in ("raw", *LAYERS):
        command += ["--model", f"{name}={folder / name}"]
    if arguments.inline_micros is not None:
        command += ["--inline-micros", str(arguments.inline_micros)]
    trees: dict[str, str | None] = {"server": None}
    if arguments.before:
        trees["before"] = str(Path(arguments.before).resolve())
    if any(case[1] == "big" for case in CASES if case[0] in arguments.cases):
        trees["unbatched"] = None
    started: dict[str, subprocess.Popen[bytes]] = {}
    servers = {}
    try:
        for name, tree in trees.items():
            ready = folder / f"{name}.ready"
            alone = ["--max-batch-rows", "1"] if name == "unbatched" else []
            started[name], port = start([*command, *alone, "--ready-file", str(ready)], ready, tree)
            servers[name] = (started[name].pid, port, "/v1/models/MODEL:predict")
        nothing = folder / "nothing.json"
        started["empty_app"], port = start([sys.executable, __file__, "--nothing", str(nothing)], nothing)
        servers["empty_app"] = (started["empty_app"].pid, port, "/")
        time.sleep(0.5)
        cases = measure(servers, folder, arguments)
        peak = {name: peak_megabytes(process.pid) for name, process in started.items()}
    finally:
        for process in started.values():
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    load = "wrk" if shutil.which("wrk") and arguments.seconds >= 1 else "built-in"
    return {"load": load, "connections": arguments.connections, "cases": cases, "peak_memory_mb": peak}


def main() -> None:
    """Prints the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="load of one case in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    names = [case[0] for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--before", metavar="FOLDER", help="another checkout that is measured in the same run")
    parser.add_argument("--inline-micros", type=float, help="the server's setting; by default its own")
    parser.add_argument("--nothing", metavar="PORT_FILE", help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.nothing:
        serve_nothing(arguments.nothing)
        return
    if arguments.load:
        port, path, body, connections, seconds = arguments.load
        load(int(port), path, body, int(connections), float(seconds))
        return
    with tempfile.TemporaryDirectory() as text:
        report = run_servers(Path(text), arguments)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
