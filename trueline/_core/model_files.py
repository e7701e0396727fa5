"""The files of a model directory as bytes: read within that directory alone, and graphs that bring all they need.

ONNX lets a graph say that its weights lie in another file. Nothing here writes such graphs, and one that comes from
outside could name any file of the machine: it is refused before ONNX Runtime sees it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.errors import ModelError

__all__ = ["external_files", "read_file", "read_graph", "read_json"]

_KEY = b"location"
_ENDS = "the file ends within a field"
# Fields of ONNX's protobuf messages that hold messages, by number: the way to every tensor.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}


def read_file(uri: str, path: str) -> bytes:
    """A file of a model directory.

    Raises:
        ModelError: the path, or a link on its way, leads out of the directory.
    """
    if path.startswith("/") or ".." in path.split("/"):
        raise ModelError(f"{path!r} is no path within the model", where=uri)
    file_uri = store.join(uri, path)
    if store.is_local(file_uri):
        folder = Path(store.local_path(uri)).resolve()
        if not Path(store.local_path(file_uri)).resolve().is_relative_to(folder):
            raise ModelError(f"{path} is a link that leads out of the model's folder", where=uri)
    return store.read_bytes(file_uri)


def read_json(uri: str, path: str) -> dict[str, Any]:
    """A JSON object of a model directory.

    Raises:
        ModelError: see `read_file`.
        ValueError: it does not parse, or is no object.
    """
    value = json.loads(read_file(uri, path))
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no object")
    return value


def read_graph(uri: str, path: str) -> bytes:
    """A serialised graph that needs no other file.

    Raises:
        ModelError: see `read_file`; a graph whose weights lie elsewhere.
    """
    data = read_file(uri, path)
    if found := external_files(data):
        raise ModelError(
            f"the graph asks for weights in other files: {', '.join(map(repr, found[:5]))}",
            where=store.join(uri, path),
            hint="do not use this model: a folder whose graph reads other files was not written by this product.",
        )
    return data


def external_files(model: bytes) -> list[str]:
    """The files that the tensors of a serialised ONNX model ask for; what does not parse is left to ONNX Runtime."""
    if _KEY not in model:  # a file is named under this key and no other, so nearly every graph is done here
        return []
    found: list[str] = []
    try:
        _walk(memoryview(model), "model", found)
    except (IndexError, ValueError, RecursionError):
        return found or ["(a graph that does not parse)"]
    return found


def _walk(data: memoryview, kind: str, found: list[str]) -> None:
    inner = _MESSAGES[kind]
    for number, value in _fields(data):
        if kind == "tensor" and number == 13:
            entry = {n: bytes(v) for n, v in _fields(value)}
            if entry.get(1) == _KEY:
                found.append(entry.get(2, b"").decode(errors="replace"))
        elif number in inner:
            _walk(value, inner[number], found)


def _fields(data: memoryview) -> list[tuple[int, memoryview]]:
    """The length-delimited fields of a protobuf message; others are stepped over."""
    at, found = 0, []
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            _, at = _varint(data, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError(_ENDS)
            found.append((tag >> 3, data[at : at + length]))
            at += length
        else:
            raise ValueError(f"wire type {wire}")
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
        if shift > 63:
            raise ValueError("a varint of more than ten bytes")
