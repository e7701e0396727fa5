"""What a gRPC request costs the server, in CPU time, against a grpc.aio server that does nothing on the same settings.

``python benchmarks/serving_grpc.py`` prints JSON. The model is that of `serving.py`: 14 numbers and 6 texts, one tensor
each. The load comes from a process of this file that speaks as much of HTTP/2 as it needs, with two connections of
eight calls in flight: gRPC's own client for Python is slower than the server, which would then never have a batch.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0].endswith("benchmarks"):
    del sys.path[0]  # this folder holds a `statistics.py` that would hide the standard library's

import argparse
import asyncio
import importlib.util
import json
import random
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_SPEC = importlib.util.spec_from_file_location("bench_serving", Path(__file__).with_name("serving.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
serving = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(serving)

METHOD = "/tensorflow.serving.PredictionService/"
CASES = (("predict_1", "Predict", 1), ("predict_32", "Predict", 32), ("predict_256", "Predict", 256),
         ("classify_1", "Classify", 1), ("classify_32", "Classify", 32))  # fmt: skip
CONNECTIONS, CALLS = 2, 8
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
"""Kinds of frames of HTTP/2 (RFC 9113, section 6)."""


def make_request(method: str, rows: int) -> bytes:
    """A request of `rows` rows, the same for every run."""
    import numpy as np

    from trueline.serving.grpc_descriptors import message
    from trueline.serving.grpc_tensors import fill_tensor

    data = json.loads(serving.make_body("inputs", rows))["inputs"]
    kind = {"Predict": "PredictRequest", "Classify": "ClassificationRequest"}[method]
    request = message(f"tensorflow.serving.{kind}")()
    request.model_spec.name = serving.NAME
    if method == "Predict":
        for name, values in data.items():
            fill_tensor(request.inputs[name], np.array(values, object if name[0] == "s" else np.float64))
    else:
        for i in range(rows):
            features = request.input.example_list.examples.add().features.feature
            for name, values in data.items():
                if name[0] == "s":
                    features[name].bytes_list.value.append(values[i].encode())
                else:
                    features[name].float_list.value.append(values[i])
    body: bytes = request.SerializeToString()
    return body


def serve_nothing(port_file: str) -> None:
    """A server that takes any call's bytes and answers two, on the server's own settings and event loop."""
    import grpc
    import uvloop

    from trueline.serving.grpc_server import grpc_options
    from trueline.serving.options import ServerOptions

    class Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            async def answer(body: bytes, context: Any) -> bytes:
                return b"\x0a\x00"

            return grpc.unary_unary_rpc_method_handler(answer)

    async def run() -> None:
        server = grpc.aio.server(options=grpc_options(ServerOptions()))
        server.add_generic_rpc_handlers((Everything(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        Path(port_file).write_text(json.dumps({"port": port, "grpc_port": port}))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        await server.stop(0)

    uvloop.run(run())


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2 (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def head_block(method: str) -> bytes:
    """The head of a call in HPACK, all of it literal and without an index (RFC 7541, section 6.2.2)."""
    fields = {":method": "POST", ":scheme": "http", ":path": METHOD + method, ":authority": "x", "te": "trailers"}
    fields["content-type"] = "application/grpc"
    return b"".join(b"\x00" + bytes([len(k)]) + k.encode() + bytes([len(v)]) + v.encode() for k, v in fields.items())


class Connection(asyncio.Protocol):
    """One connection that keeps a number of calls in flight; it reads of an answer whether it has a message."""

    def __init__(self, method: str, message: bytes, counts: dict[str, int]) -> None:
        self.head, self.counts = head_block(method), counts
        self.body = b"\x00" + len(message).to_bytes(4, "big") + message
        self.buffer, self.stream, self.window, self.waiting = bytearray(), 1, 65535, CALLS
        self.answered: set[int] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        most = (2**31 - 1).to_bytes(4, "big")
        opening = frame(SETTINGS, 0, 0, b"\x00\x04" + most) + frame(WINDOW, 0, 0, (2**31 - 65537).to_bytes(4, "big"))
        transport.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + opening)
        self.send()

    def send(self) -> None:
        """Starts as many calls as wait and as the server's window lets in."""
        pieces = []
        while self.waiting and self.window >= len(self.body):
            self.waiting -= 1
            self.window -= len(self.body)
            pieces.append(frame(HEADERS, 4, self.stream, self.head))
            for start in range(0, len(self.body), 16384):
                last = start + 16384 >= len(self.body)
                pieces.append(frame(DATA, int(last), self.stream, self.body[start : start + 16384]))
            self.stream += 2
        self.transport.write(b"".join(pieces))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        place = 0
        while len(self.buffer) >= place + 9:
            size = int.from_bytes(self.buffer[place : place + 3], "big")
            if len(self.buffer) < place + 9 + size:
                break
            kind, flags = self.buffer[place + 3], self.buffer[place + 4]
            stream = int.from_bytes(self.buffer[place + 5 : place + 9], "big")
            self.frame_received(kind, flags, stream, bytes(self.buffer[place + 9 : place + 9 + size]))
            place += 9 + size
        del self.buffer[:place]
        self.send()

    def frame_received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """One frame of the server."""
        if kind == DATA and payload:
            self.answered.add(stream)
        elif kind in (SETTINGS, PING) and not flags & 1:
            self.transport.write(frame(kind, 1, 0, payload if kind == PING else b""))
        elif kind == WINDOW and stream == 0:
            self.window += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.counts["failed"] += 1
        if (kind == HEADERS and flags & 1) or kind == RESET:
            self.counts["ok" if stream in self.answered else "failed"] += 1
            self.answered.discard(stream)
            self.waiting += 1


def load(port: int, method: str, body_file: str, seconds: float) -> None:
    """Keeps calls in flight and prints how many answers came."""
    import uvloop

    body = Path(body_file).read_bytes()
    counts = {"ok": 0, "failed": 0}

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(method, body, counts), "127.0.0.1", port)
        await asyncio.sleep(seconds)

    uvloop.run(run())
    print(json.dumps(counts))


def measure(servers: dict[str, tuple[int, int]], folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """CPU of every case and server: the median over shuffled rounds."""
    cases = [case for case in CASES if case[0] in arguments.cases]
    found: dict[str, dict[str, list[float]]] = {name: {s: [] for s in servers} for name, _, _ in cases}
    jobs = [(case, server) for case in cases for server in servers] * arguments.rounds
    random.Random(0).shuffle(jobs)
    for (name, method, rows), server in jobs:
        body_file = folder / f"{name}.binpb"
        body_file.write_bytes(make_request(method, rows))
        pid, port = servers[server]
        before = serving.cpu_seconds(pid)
        command = [sys.executable, __file__, "--load", str(port), method, str(body_file), str(arguments.seconds)]
        counts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        if counts["failed"] or not counts["ok"]:
            raise SystemExit(f"{name}: {counts} answers")
        found[name][server].append((serving.cpu_seconds(pid) - before) * 1e6 / counts["ok"])
    report: dict[str, Any] = {}
    for name, _, rows in cases:
        micros = {server: max(serving.median(values), 1.0) for server, values in found[name].items()}
        report[name] = {
            server: {
                "rows_per_request": rows,
                "cpu_us_per_request": round(micros[server], 1),
                "ratio_to_empty_server": round(micros[server] / micros["empty_server"], 2),
            }
            for server in servers
        }
    return report


def run_servers(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Starts the server and the empty one, measures them in one run and ends them."""
    serving.make_model(folder / "base" / "1")
    ready, nothing = folder / "ready.json", folder / "nothing.json"
    command = [sys.executable, "-P", "-m", "trueline.serving", "--model", f"{serving.NAME}={folder / 'base'}"]
    started: list[subprocess.Popen[bytes]] = []
    try:
        process, _ = serving.start([*command, "--port", "0", "--grpc-port", "0", "--ready-file", str(ready)], ready)
        started.append(process)
        empty, port = serving.start([sys.executable, __file__, "--nothing", str(nothing)], nothing)
        started.append(empty)
        grpc_port = int(json.loads(ready.read_text())["grpc_port"])
        cases = measure({"server": (process.pid, grpc_port), "empty_server": (empty.pid, port)}, folder, arguments)
        peak = {"server": serving.peak_megabytes(process.pid), "empty_server": serving.peak_megabytes(empty.pid)}
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    return {"load": "built-in", "calls_in_flight": CONNECTIONS * CALLS, "cases": cases, "peak_memory_mb": peak}


def main() -> None:
    """Prints the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="load of one case in one round")
    parser.add_argument("--rounds", type=int, default=3)
    names = [case[0] for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--nothing", metavar="PORT_FILE", help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.nothing:
        serve_nothing(arguments.nothing)
        return
    if arguments.load:
        port, method, body, seconds = arguments.load
        load(int(port), method, body, float(seconds))
        return
    with tempfile.TemporaryDirectory() as text:
        report = run_servers(Path(text), arguments)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
