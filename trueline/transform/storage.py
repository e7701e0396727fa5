"""The TransformGraph artifact: ``graph.json``, ``transform.onnx``, ``transformed_schema.pbtxt``, ``vocabularies/``.

``graph.json`` is the source of truth: the traced graph and what the analyzers found. Vocabularies are files of their
own, see `trueline.transform.vocabulary_files`. A graph that ONNX cannot express (profile ``tensorflow``) has no
``transform.onnx``.
"""

from __future__ import annotations

import json
import os
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, DataError, TransformError
from trueline.transform.analyzers import Vocabulary, analyzer
from trueline.transform.check import holds
from trueline.transform.graph import FORMAT, Graph, decode_json, encode_json
from trueline.transform.output import TransformOutput
from trueline.transform.profiles import profiles_of
from trueline.transform.vocabulary_files import read_vocabulary, write_vocabulary

__all__ = ["load", "save"]


def save(output: TransformOutput, uri: str) -> None:
    """Writes an analysed graph; `load` is its inverse."""
    from trueline.schema import write_schema_text

    uri = os.fspath(uri)
    store.makedirs(store.join(uri, "vocabularies"))
    results: dict[str, Any] = {}
    for index, value in sorted(output.findings.items()):
        if isinstance(value, Vocabulary):
            attrs = output.traced.nodes[index].attrs
            results[str(index)] = write_vocabulary(uri, str(attrs["name"]), value, attrs)
        else:
            results[str(index)] = encode_json(value)
    document = {**output.traced.to_json(), "results": results, "content_hash": output.content_hash}
    store.write_text(store.join(uri, "graph.json"), json.dumps(document, indent=1, allow_nan=False))
    if "tensorflow" not in profiles_of(output.graph):
        store.write_bytes(store.join(uri, "transform.onnx"), output.to_onnx().SerializeToString(deterministic=True))
    write_schema_text(output.output_schema, store.join(uri, "transformed_schema.pbtxt"))


def load(uri: str) -> TransformOutput:
    """Reads what `save` wrote.

    Raises:
        ArtifactError: a file is missing, damaged, or does not belong to the graph.
        TransformError: another format, or a graph that contradicts itself.
    """
    uri = os.fspath(uri)
    place = store.join(uri, "graph.json")
    try:
        document = json.loads(store.read_text(place))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"graph.json is no JSON: {error}", where=place) from error
    graph = Graph.from_json(document)
    try:
        findings = {int(index): _result(uri, graph, int(index), value) for index, value in document["results"].items()}
        expected = str(document["content_hash"])
        output = TransformOutput(graph, findings)
        found = output.content_hash
    except DataError as error:  # a vocabulary's records
        raise ArtifactError(error.message, where=error.where, hint="run Transform again.") from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise ArtifactError(f"graph.json is damaged: {error!r}", where=place) from error
    if document["format"] == FORMAT and found != expected:  # the hash tells of the format too
        raise ArtifactError("graph.json was changed after it was written", where=place, hint="run Transform again.")
    return output


def _result(uri: str, graph: Graph, index: int, value: Any) -> Any:
    node = graph.nodes[index]
    analyzer(node.op)
    if isinstance(value, dict) and "vocabulary" in value:
        return read_vocabulary(uri, value, node.type.dtype)
    decoded = decode_json(value)
    whole = node.type.size is None or not isinstance(decoded, list) or len(_flat(decoded)) == node.type.size
    if isinstance(decoded, list) == (node.type.kind == "scalar") or not whole or not holds(decoded, node.type):
        raise TransformError(f"the result of node {index} ({node.op}) is {str(value)[:200]}, expected {node.type}")
    return decoded


def _flat(value: Any) -> list[Any]:
    return [v for item in value for v in _flat(item)] if isinstance(value, list) else [value]
