"""Small surgery on ONNX models: versions, names, outputs. Nothing here knows of features or labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from trueline._core.errors import ModelError

if TYPE_CHECKING:
    import onnx

__all__ = [
    "ML_DOMAIN",
    "OPSET",
    "all_nodes",
    "drop_unused",
    "keep_output",
    "normalise",
    "opsets",
    "reads",
    "unique_node_names",
]

OPSET = 20
ML_DOMAIN = "ai.onnx.ml"
_ML_VERSION = 3


def opsets(model: onnx.ModelProto) -> dict[str, int]:
    """Domain to version; a domain that is listed twice has its highest version."""
    found: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        found[domain] = max(found.get(domain, 0), entry.version)
    return found


def set_opsets(model: onnx.ModelProto, versions: dict[str, int]) -> None:
    """Replaces the list of imported operator sets, one entry a domain, sorted."""
    from onnx import helper

    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(d, v) for d, v in sorted(versions.items()))


def normalise(model: onnx.ModelProto, opset: int = OPSET) -> onnx.ModelProto:
    """A copy at the wanted opset: domains named one way and once, ai.onnx.ml at 3 or more, functions inlined.

    Raises:
        ModelError: when onnx cannot convert the model to that opset.
    """
    import onnx
    from onnx import inliner, version_converter

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.functions:
        copy = inliner.inline_local_functions(copy)
    for node in all_nodes(copy.graph):
        if node.domain == "ai.onnx":
            node.domain = ""
    versions = opsets(copy)
    versions.setdefault("", opset)
    versions[ML_DOMAIN] = max(_ML_VERSION, versions.get(ML_DOMAIN, 0))
    set_opsets(copy, versions)
    if versions[""] != opset:
        try:
            copy = version_converter.convert_version(copy, opset)
        except Exception as error:
            raise ModelError(
                f"the model has opset {versions['']} and cannot be converted to {opset}: {error}"
            ) from error
        set_opsets(copy, {**versions, "": opset})
    del copy.graph.value_info[:]
    _strip_notes(copy)
    return copy


def all_nodes(graph: onnx.GraphProto) -> Iterable[onnx.NodeProto]:
    """All nodes, those of subgraphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g)
            for subgraph in attribute.graphs:
                yield from all_nodes(subgraph)


def _strip_notes(model: onnx.ModelProto) -> None:
    """Drops notes of the exporter: they hold source lines and paths of the machine it ran on."""
    del model.metadata_props[:]
    model.doc_string = ""
    model.graph.doc_string = ""
    del model.graph.metadata_props[:]
    for node in all_nodes(model.graph):
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]


def reads(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, those that its subgraphs take from outside included."""
    names = set(node.input)
    for attribute in node.attribute:
        for subgraph in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            for inner in subgraph.node:
                names |= reads(inner)
            names |= {o.name for o in subgraph.output}
    return names


def drop_unused(graph: onnx.GraphProto) -> None:
    """Removes nodes and initializers that no output of the graph needs."""
    needed = {o.name for o in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= reads(node)
            kept.append(node)
    kept.reverse()
    initializers = [i for i in graph.initializer if i.name in needed]
    del graph.node[:]
    del graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(initializers)


def keep_output(model: onnx.ModelProto, output: str, name: str, columns: int) -> onnx.ModelProto:
    """A copy whose one output is `output`, as float32 ``[N, columns]`` (``[N]`` for 0 columns) under another name."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    shape = [-1, columns] if columns else [-1]
    taken = {n for node in graph.node for n in (*node.input, *node.output)}
    source = output
    if name in taken:
        source = _rename(graph, name, f"{name}:exported") if output == name else output
        if output != name:
            _rename(graph, name, f"{name}:exported")
    flat, form = f"{name}:float", f"{name}:shape"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), form))
    graph.node.append(helper.make_node("Cast", [source], [flat], to=TensorProto.FLOAT))
    graph.node.append(helper.make_node("Reshape", [flat, form], [name]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *([columns] if columns else [])]))
    del graph.value_info[:]
    drop_unused(graph)
    return copy


def _rename(graph: onnx.GraphProto, old: str, new: str) -> str:
    for node in graph.node:
        node.input[:] = [new if n == old else n for n in node.input]
        node.output[:] = [new if n == old else n for n in node.output]
    return new


def unique_node_names(graph: onnx.GraphProto) -> None:
    """Names every node by its operator and place."""
    for i, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{i}"
