"""The TransformGraph artifact: ``graph.json``, ``transform.onnx``, ``transformed_schema.pbtxt``, ``vocabularies/``.

``graph.json`` (format 1) is the source of truth: the traced graph and what the analyzers found. A vocabulary lies in
``vocabularies/<name>``, one token a line, with its counts in ``<name>.counts``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, TransformError
from trueline.transform.analyzers import Vocabulary, analyzer
from trueline.transform.graph import Graph, decode_json, encode_json
from trueline.transform.output import TransformOutput

__all__ = ["load", "save"]


def save(output: TransformOutput, uri: str) -> None:
    """Writes an analysed graph; `load` is its inverse."""
    from trueline.schema import write_schema_text

    store.makedirs(store.join(uri, "vocabularies"))
    results: dict[str, Any] = {}
    for index, value in sorted(output.findings.items()):
        if isinstance(value, Vocabulary):
            results[str(index)] = _write_vocabulary(uri, str(output.traced.nodes[index].attrs["name"]), value)
        else:
            results[str(index)] = encode_json(value)
    document = {**output.traced.to_json(), "results": results, "content_hash": output.content_hash}
    store.write_text(store.join(uri, "graph.json"), json.dumps(document, indent=1, allow_nan=False))
    store.write_bytes(store.join(uri, "transform.onnx"), output.to_onnx().SerializeToString(deterministic=True))
    write_schema_text(output.output_schema, store.join(uri, "transformed_schema.pbtxt"))


def _write_vocabulary(uri: str, name: str, vocabulary: Vocabulary) -> dict[str, Any]:
    tokens = "".join(f"{token}\n" for token in vocabulary.tokens).encode()
    store.write_bytes(store.join(uri, "vocabularies", name), tokens)
    counts = "".join(f"{count}\n" for count in vocabulary.counts)
    store.write_text(store.join(uri, "vocabularies", name + ".counts"), counts)
    sha256 = hashlib.sha256(tokens).hexdigest()
    return {"vocabulary": name, "unfiltered": vocabulary.unfiltered, "size": len(vocabulary.tokens), "sha256": sha256}


def load(uri: str) -> TransformOutput:
    """Reads what `save` wrote.

    Raises:
        ArtifactError: a file is missing, damaged, or does not belong to the graph.
        TransformError: another format, or a graph that contradicts itself.
    """
    place = store.join(uri, "graph.json")
    try:
        document = json.loads(store.read_text(place))
    except ValueError as error:
        raise ArtifactError(f"graph.json is no JSON: {error}", where=place) from error
    graph = Graph.from_json(document)
    try:
        findings = {int(index): _result(uri, graph, int(index), value) for index, value in document["results"].items()}
        expected = str(document["content_hash"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ArtifactError(f"graph.json is damaged: {error!r}", where=place) from error
    output = TransformOutput(graph, findings)
    if output.content_hash != expected:
        raise ArtifactError("graph.json was changed after it was written", where=place, hint="run Transform again.")
    return output


def _result(uri: str, graph: Graph, index: int, value: Any) -> Any:
    node = graph.nodes[index]
    analyzer(node.op)
    if isinstance(value, dict) and "vocabulary" in value:
        return _read_vocabulary(uri, value, node.type.dtype)
    decoded = decode_json(value)
    wanted = {"int64": int, "timestamp": int, "utf8": str, "bool": bool}.get(node.type.dtype, float)
    if isinstance(decoded, list) == (node.type.kind == "scalar") or any(type(v) is not wanted for v in _flat(decoded)):
        raise TransformError(f"the result of node {index} ({node.op}) is {value!r}, expected {node.type}")
    return decoded


def _flat(value: Any) -> list[Any]:
    return [v for item in value for v in _flat(item)] if isinstance(value, list) else [value]


def _read_vocabulary(uri: str, entry: dict[str, Any], dtype: str) -> Vocabulary:
    name = str(entry["vocabulary"])
    if "/" in name or "\\" in name or name.startswith("."):
        raise ArtifactError(f"a vocabulary is named {name!r}", where=uri)
    place = store.join(uri, "vocabularies", name)
    data = store.read_bytes(place)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ArtifactError("the vocabulary was changed after it was written", where=place, hint="run Transform again.")
    lines = data.decode().split("\n")[:-1]
    tokens = tuple(int(t) for t in lines) if dtype == "int64" else tuple(lines)
    counts = tuple(int(c) for c in store.read_text(place + ".counts").split())
    return Vocabulary(tokens, counts, int(entry["unfiltered"]))
