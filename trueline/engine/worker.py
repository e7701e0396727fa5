"""A worker process: reads requests on its standard input, answers on its standard output, and holds no state.

A message is two little-endian uint64 lengths, a JSON text and raw bytes (an accumulator's state, or a table as Arrow
IPC). Nothing is pickled, and the parent's main module is never imported. Whatever user code prints goes to standard
error.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from trueline._core import errors
from trueline._core.errors import EngineError, TruelineError
from trueline.engine.base import AccumulatorSpec, Block, FunctionSpec
from trueline.engine.jobs import call_function, update_block

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "block_from_message",
    "block_to_message",
    "error_from_json",
    "error_to_json",
    "read_message",
    "serve",
    "write_message",
]

_LENGTHS = struct.Struct("<QQ")
_LOOKS_EVERY = 0.2
"""Seconds between two looks at whether the parent is there."""


def write_message(stream: IO[bytes], header: Mapping[str, Any], body: bytes = b"") -> None:
    """Writes one message and flushes."""
    text = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(text), len(body)))
    stream.write(text)
    stream.write(body)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads one message.

    Raises:
        EOFError: when the other side is gone.
    """
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        raise EOFError
    text_size, body_size = _LENGTHS.unpack(lengths)
    text, body = stream.read(text_size), stream.read(body_size)
    if len(text) < text_size or len(body) < body_size:
        raise EOFError
    header: dict[str, Any] = json.loads(text)
    return header, body


def block_to_message(block: Block, columns: list[str] | None) -> tuple[dict[str, Any], bytes]:
    """A block as JSON, with the asked columns of a table in memory as Arrow IPC."""
    header = {"number": block.number, "uri": block.uri, "row_group": block.row_group, "rows": block.rows}
    if block.table is None:
        return header, b""
    import pyarrow as pa

    table: pa.Table = block.table
    if columns is not None and set(columns) <= set(table.schema.names):
        table = table.select(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return {**header, "table": True}, sink.getvalue().to_pybytes()


def block_from_message(header: Mapping[str, Any], body: bytes) -> Block:
    """The block that `block_to_message` described."""
    table = None
    if header.get("table"):
        import pyarrow as pa

        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            table = reader.read_all()
    return Block(header["number"], header["uri"], header["row_group"], header["rows"], table)


def error_to_json(error: BaseException) -> dict[str, Any]:
    """What `error_from_json` takes: class, message, place, hint, problems and trace."""
    if isinstance(error, TruelineError):
        return {
            "class": type(error).__name__,
            "message": error.message,
            "where": error.where,
            "hint": error.hint,
            "problems": list(error.problems),
            "trace": "".join(traceback.format_exception(error)),
        }
    return {
        "class": "EngineError",
        "message": f"{type(error).__name__}: {error}",
        "trace": "".join(traceback.format_exception(error)),
    }


def error_from_json(data: Mapping[str, Any]) -> TruelineError:
    """The error that a worker reported, in its own class where that is one of ours; its trace is kept as a note."""
    found = getattr(errors, str(data.get("class")), EngineError)
    kind = found if isinstance(found, type) and issubclass(found, TruelineError) else EngineError
    error = kind(
        str(data["message"]), where=data.get("where"), hint=data.get("hint"), problems=data.get("problems") or ()
    )
    error.add_note("In the worker process:\n" + str(data.get("trace", "")))
    return error


def _answer(header: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    block = block_from_message(header["block"], body)
    if header["op"] == "update":
        spec = AccumulatorSpec[Any](header["name"], header["params"], tuple(header.get("dictionaries", ())))
        return {"ok": True}, update_block(spec, block, header["columns"])
    function = FunctionSpec(header["name"], header["params"])
    return {"ok": True, "result": call_function(function, block)}, b""


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers requests until the other side closes the pipe. The first message carries the parent's ``sys.path``."""
    hello, _ = read_message(requests)
    sys.path[:] = [str(entry) for entry in hello["path"]]
    write_message(answers, {"ok": True, "pid": os.getpid()})
    while True:
        try:
            header, body = read_message(requests)
        except EOFError:
            return
        try:
            answer, state = _answer(header, body)
        except Exception as error:
            answer, state = {"ok": False, "error": error_to_json(error)}, b""
        write_message(answers, answer, state)


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone, in the middle of a block too: nobody waits for what it writes."""
    while os.getppid() == parent:
        time.sleep(_LOOKS_EVERY)
    os._exit(1)


def _main() -> None:
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    _main()
