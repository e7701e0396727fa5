"""Which texts a model knows, read from its graph without the onnx package: protobuf's wire format is small.

A text feature has a vocabulary here when the graph looks it up as it came: its input reaches a `LabelEncoder`,
`OneHotEncoder` or `CategoryMapper` with text keys through nodes that change no text (`Identity`, `Reshape`, `Where`
with a constant, ...). Field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trueline._core.errors import ModelError
from trueline._core.model_files import read_graph
from trueline._core.runtime import ModelRuntime

__all__ = ["vocabularies_of", "vocabularies_of_model"]

_GRAPH, _NODE, _INITIALIZER, _INPUT = 7, 1, 5, 11
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_STRINGS = 1, 9
_TENSOR_NAME = 8
_KEYS = {"LabelEncoder": "keys_strings", "OneHotEncoder": "cats_strings", "CategoryMapper": "cats_strings"}
_UNCHANGED = frozenset({"Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Where", "Cast"})


@dataclass
class _Node:
    op: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    keys: dict[str, frozenset[str]] = field(default_factory=dict)


def vocabularies_of_model(runtime: ModelRuntime) -> dict[str, frozenset[str]]:
    """By text column that the graph is fed the values that it looks up; see `vocabularies_of`.

    Raises:
        TruelineError: the graph's file is gone or does not parse.
    """
    features = {f.name: f.dtype for f in runtime.graph.feeds.features if f.kind == "scalar"}
    if "utf8" not in features.values():
        return {}
    return vocabularies_of(read_graph(runtime.uri, "model.onnx"), features)


def vocabularies_of(model: bytes, features: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """By text feature the values that the graph looks up; a feature that it looks up twice has the larger set.

    Args:
        model: a serialised ONNX model.
        features: dtype by feature name; those of ``utf8`` are looked for.

    Raises:
        ModelError: bytes that are no protobuf message.
    """
    texts = {name for name, dtype in features.items() if dtype == "utf8"}
    try:
        nodes = [_node(part) for graph in _parts(model, _GRAPH) for part in _parts(graph, _NODE)]
    except (IndexError, ValueError) as error:
        raise ModelError(f"the graph's bytes do not parse: {error}") from error
    made = {output: node for node in nodes for output in node.outputs}
    found: dict[str, frozenset[str]] = {}
    for node in nodes:
        keys = node.keys.get(_KEYS.get(node.op, ""))
        source = _source(node.inputs[0], made, texts) if keys and node.inputs else None
        if keys and source is not None and len(keys) > len(found.get(source, ())):
            found[source] = keys
    return found


def _source(name: str, made: Mapping[str, _Node], texts: set[str]) -> str | None:
    """The text feature whose values `name` holds unchanged, or None."""
    for _ in range(32):
        if name in texts:
            return name
        node = made.get(name)
        if node is None or node.op not in _UNCHANGED:
            return None
        branches = node.inputs[1:3] if node.op == "Where" else node.inputs[:1]
        open_ends = [b for b in branches if b in texts or (b in made and made[b].op in _UNCHANGED)]
        if len(open_ends) != 1:
            return None
        name = open_ends[0]
    return None


def _node(data: memoryview) -> _Node:
    node = _Node()
    for number, value in _fields(data):
        if number == _NODE_INPUT:
            node.inputs.append(_text(value))
        elif number == _NODE_OUTPUT:
            node.outputs.append(_text(value))
        elif number == _NODE_OP:
            node.op = _text(value)
        elif number == _NODE_ATTRIBUTE and (node.op in _KEYS or not node.op):
            _attribute(node, value)
    return node


def _attribute(node: _Node, data: memoryview) -> None:
    name = next((_text(value) for number, value in _fields(data) if number == _ATTRIBUTE_NAME), "")
    if name in _KEYS.values():
        node.keys[name] = frozenset(_text(value) for number, value in _fields(data) if number == _ATTRIBUTE_STRINGS)


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8", "replace")


def _parts(data: bytes | memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for number, value in _fields(memoryview(data)) if number == wanted)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each length-delimited field of a message; others are stepped over."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > end:
                raise ValueError(f"a field of {size} bytes ends behind its message")
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")
