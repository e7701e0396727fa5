"""The model's own part of a merged graph: cut out, changed by somebody, put back in its place.

The part begins at the model's inputs (``model/x``, ``[N, width]``) and ends at its one output
(``model/probabilities`` and kin); what assembles the inputs before it and makes the label after it is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError
from trueline.models.contract import OUTPUT_NAMES
from trueline.models.graphs import ML_DOMAIN, all_nodes, drop_unused, opsets, set_opsets, unique_node_names

if TYPE_CHECKING:
    import onnx

__all__ = ["PREFIX", "cut_part", "part_names", "put_back"]

PREFIX = "model/"


def part_names(info: Mapping[str, Any]) -> tuple[list[str], str]:
    """The tensors at which the part begins, and the one at which it ends, by ``model.json``."""
    return [PREFIX + i["name"] for i in info["inputs"]], PREFIX + OUTPUT_NAMES[info["task"]]


def cut_part(model: onnx.ModelProto, info: Mapping[str, Any]) -> onnx.ModelProto:
    """The model's part as a graph of its own, with shapes ``["N", width]`` in and the output's as it is.

    Args:
        model: the merged graph.
        info: ``model.json``.

    Raises:
        ModelError: the graph has no such part: it was not merged by trueline.
    """
    import onnx
    from onnx import TensorProto, helper

    inputs, output = part_names(info)
    made = {name: node for node in model.graph.node for name in node.output}
    lost = [name for name in (*inputs, output) if name not in made]
    if lost:
        raise ModelError(f"the graph has no tensor {lost[0]!r}: where its model begins and ends is not known")
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph = part.graph
    kept = [node for node in graph.node if not set(node.output) & set(inputs)]
    del graph.node[:], graph.input[:], graph.output[:], part.metadata_props[:]
    graph.node.extend(kept)
    types = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    for spec, name in zip(info["inputs"], inputs, strict=True):
        graph.input.append(helper.make_tensor_value_info(name, types[spec["dtype"]], ["N", None]))
    shape = next(o["shape"] for o in info["signature"]["outputs"] if PREFIX + o["name"] == output)
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", *shape[1:]]))
    drop_unused(graph)
    unique_node_names(graph)
    if outside := _outside(graph):
        raise ModelError(f"the model's part reads {outside[0]!r} from outside, so it cannot be changed alone")
    _only_used_opsets(part)
    return part


def _outside(graph: onnx.GraphProto) -> list[str]:
    """Tensors that a graph's nodes read and nothing in it makes."""
    known = {i.name for i in graph.input} | {i.name for i in graph.initializer}
    known |= {i.values.name for i in graph.sparse_initializer} | {""}
    known |= {name for node in all_nodes(graph) for name in node.output}
    return sorted({name for node in graph.node for name in node.input} - known)


def _only_used_opsets(model: onnx.ModelProto) -> None:
    used = {"", ML_DOMAIN} | {node.domain for node in all_nodes(model.graph)}
    set_opsets(model, {d: v for d, v in opsets(model).items() if d in used})


def put_back(model: onnx.ModelProto, info: Mapping[str, Any], part: onnx.ModelProto) -> onnx.ModelProto:
    """The merged graph with another part in the place of its own; everything else is kept as it stands.

    Args:
        model: the merged graph.
        info: its ``model.json``.
        part: what `cut_part` gave, changed; its inputs and output have the same names.

    Raises:
        ModelError: other inputs or outputs, a lower opset that differs, or a graph that is not valid.
    """
    import onnx
    from onnx import checker, helper

    inputs, output = part_names(info)
    if [o.name for o in part.graph.output] != [output] or not {i.name for i in part.graph.input} <= set(inputs):
        raise ModelError("the changed part has other inputs or outputs than it had")
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    old = cut_part(model, info).graph
    gone = {name for node in old.node for name in node.output}
    rest = [node for node in whole.graph.node if not set(node.output) & gone]
    at = max(i for i, node in enumerate(rest) if set(node.output) & set(inputs)) + 1
    renamed = _inside_names(part.graph)
    weights = {i.name for i in old.initializer}
    kept = [i for i in whole.graph.initializer if i.name not in weights]
    del whole.graph.node[:], whole.graph.initializer[:]
    whole.graph.node.extend([*rest[:at], *renamed.node, *rest[at:]])
    whole.graph.initializer.extend([*kept, *renamed.initializer])
    drop_unused(whole.graph)
    unique_node_names(whole.graph)
    versions = opsets(whole)
    for domain, version in opsets(part).items():
        if versions.setdefault(domain, version) != version:
            raise ModelError(f"the changed part has opset {version} of {domain or 'ai.onnx'}, not {versions[domain]}")
    set_opsets(whole, versions)
    whole.ir_version = max(whole.ir_version, helper.find_min_ir_version_for(whole.opset_import, True))
    try:
        checker.check_model(whole)
    except Exception as error:
        raise ModelError(f"the graph with the changed part is not valid ONNX: {error}") from error
    return whole


def _inside_names(graph: onnx.GraphProto) -> onnx.GraphProto:
    """A copy in which every tensor that an optimiser named itself has the model's prefix too."""
    import onnx

    copy = onnx.GraphProto()
    copy.CopyFrom(graph)

    def name(old: str) -> str:
        return old if old == "" or old.startswith(PREFIX) else PREFIX + old

    for node in all_nodes(copy):
        node.input[:] = [name(n) for n in node.input]
        node.output[:] = [name(n) for n in node.output]
    for tensor in copy.initializer:
        tensor.name = name(tensor.name)
    return copy
