"""Lowers a bound graph to ONNX (opset 20, ai.onnx.ml 3): what bulk transform, evaluation and serving all run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import TransformError
from trueline._core.feeds import LENGTH, Feeds
from trueline._core.values import PRESENT, RawFeature
from trueline.transform.emitter import EXTENSIONS_DOMAIN, ML_DOMAIN, MS_DOMAIN, Emitter, elem_type
from trueline.transform.graph import Graph, Node, ValueType
from trueline.transform.operations import operation
from trueline.transform.operations.base import Wire

if TYPE_CHECKING:
    import onnx

__all__ = ["OUTPUT_PREFIX", "Target", "lower", "output_feature"]

OUTPUT_PREFIX = "transformed:"
_VERSIONS = {"": 20, ML_DOMAIN: 3, MS_DOMAIN: 1, EXTENSIONS_DOMAIN: 1}
_IR_VERSION = 10
_BLANK: dict[str, Any] = {"float64": 0.0, "float32": 0.0, "int64": 0, "timestamp": 0, "bool": False, "utf8": ""}


@dataclass(frozen=True)
class Target:
    """One output of the ONNX graph.

    Attributes:
        name: the output's name; its presence is ``<name>:present``.
        index: the node.
        final: cast float64 to float32 and blank missing payloads, as the transform's outputs are.
    """

    name: str
    index: int
    final: bool = True


def output_feature(name: str, node: Node) -> RawFeature:
    """A transform's output as a feature: float64 becomes float32."""
    t = node.type
    kind = "scalar" if t.kind == "table" else t.kind
    return RawFeature(name, "float32" if t.dtype == "float64" else t.dtype, kind, t.size, t.optional)


def lower(
    graph: Graph, targets: Sequence[Target], *, cuts: Mapping[int, str] | None = None, name: str = "transform"
) -> onnx.ModelProto:
    """The ONNX model that computes the targets.

    Args:
        graph: a bound graph, without analyzers.
        targets: its outputs.
        cuts: nodes that are given as inputs (tensor name by node index) instead of being computed.
        name: the ONNX graph's name.

    Returns:
        A model whose inputs are `Feeds.onnx_inputs` of the columns that the targets reach, then the cuts in use.
    """
    from onnx import helper

    cuts = dict(cuts or {})
    features, used_cuts, order = _needed(graph, [t.index for t in targets], cuts)
    feeds = Feeds(features)
    inputs = [helper.make_tensor_value_info(n, _elem(kind), shape) for n, kind, shape in feeds.onnx_inputs()]
    for index in used_cuts:
        inputs += _cut_inputs(graph.nodes[index], cuts[index])
    written = [t.name + suffix for t in targets for suffix in ("", LENGTH, PRESENT)]
    em = Emitter([i.name for i in inputs] + written)
    wires = _wires(graph, em, order, cuts)
    outputs = [info for target in targets for info in _write_output(em, wires[target.index], target)]
    proto = helper.make_graph(em.nodes, name, inputs, outputs, initializer=em.initializers)
    imports = [helper.make_opsetid(domain, _VERSIONS[domain]) for domain in sorted(em.domains | {""})]
    model = helper.make_model(proto, opset_imports=imports, ir_version=_IR_VERSION, producer_name="trueline")
    helper.set_model_props(model, {"trueline.feeds": json.dumps(feeds.to_json(), sort_keys=True)})
    return model


def _needed(graph: Graph, roots: list[int], cuts: Mapping[int, str]) -> tuple[list[RawFeature], list[int], list[int]]:
    """Features read, cuts used, and the nodes to compute in order."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        index = stack.pop()
        if index not in seen:
            seen.add(index)
            if index not in cuts:
                stack.extend(graph.nodes[index].inputs)
    names = {graph.nodes[i].attrs["name"] for i in seen if graph.nodes[i].op == "input" and i not in cuts}
    everything = (*graph.features, *(s.feature for s in graph.host_steps))
    features = [f for f in everything if f.name in names]
    return features, sorted(i for i in seen if i in cuts), sorted(seen)


def _elem(onnx_type: str) -> int:
    names = {"double": "float64", "float": "float32", "int64": "int64", "bool": "bool", "string": "utf8"}
    return elem_type(names[onnx_type.removeprefix("tensor(").removesuffix(")")])


def _shape(value_type: ValueType, name: str) -> list[str | int]:
    """The dimensions of a payload as ONNX writes them."""
    if value_type.kind == "fixed" and value_type.size is not None:
        return ["N", value_type.size]
    return ["N", f"K:{name}"] if value_type.kind == "ragged" else ["N"]


def _cut_inputs(node: Node, name: str) -> list[Any]:
    from onnx import helper

    infos = [helper.make_tensor_value_info(name, elem_type(node.type.dtype), _shape(node.type, name))]
    if node.type.kind == "ragged":
        infos.append(helper.make_tensor_value_info(name + LENGTH, elem_type("int64"), ["N"]))
    if node.type.optional:
        infos.append(helper.make_tensor_value_info(name + PRESENT, elem_type("bool"), ["N"]))
    return infos


def _wires(graph: Graph, em: Emitter, order: list[int], cuts: Mapping[int, str]) -> dict[int, Wire]:
    wires: dict[int, Wire] = {}
    for index in order:
        node = graph.nodes[index]
        given = cuts.get(index) or (node.attrs["name"] if node.op == "input" else None)
        if given is not None:
            lengths = given + LENGTH if node.type.kind == "ragged" else None
            wires[index] = Wire(given, given + PRESENT if node.type.optional else None, node.type, lengths)
        elif node.op == "constant":
            wires[index] = _constant_wire(em, node)
        else:
            wires[index] = _whole_wire(em, index, node, [wires[i] for i in node.inputs])
    return wires


def _whole_wire(em: Emitter, index: int, node: Node, inputs: list[Wire]) -> Wire:
    """The operation's wire; a graph that was damaged or made by hand is told by its node."""
    try:
        return _operation_wire(em, node, inputs)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, NotImplementedError) as error:
        raise TransformError(
            f"node {index} ({node.op}) cannot be written as ONNX: {type(error).__name__}: {error}",
            where=node.where or None,
            hint="the graph is damaged, or was not made by trace: run Transform again.",
        ) from error


def _constant_wire(em: Emitter, node: Node) -> Wire:
    value = node.attrs["value"]
    # a table is written by the operation that applies it, in the form that it needs
    data = "" if node.type.kind == "table" else em.constant(value, node.type.dtype)
    return Wire(data, None, replace(node.type, literal=value))


def _operation_wire(em: Emitter, node: Node, inputs: list[Wire]) -> Wire:
    record = operation(node.op)
    if record.onnx is None:
        raise TransformError(
            f"{node.scope or node.op} has no ONNX form: it needs the profile {record.profile!r}",
            where=node.where or None,
            hint=record.alternatives or "use another operation, or export to TensorFlow.",
        )
    payload, zipped = list(inputs), None
    if record.elementwise and node.type.kind in ("fixed", "ragged"):
        payload = [_beside(em, w) for w in inputs]
        payload, zipped = _zipped(em, payload)
    made = record.onnx(em, payload, node.attrs)
    present = em.all_of([record.presence.onnx(em, inputs, node.attrs), zipped])
    if isinstance(made, tuple):
        return Wire(made[0], present, node.type, made[1])
    lists = (
        list(dict.fromkeys(w.lengths for w in inputs if w.lengths is not None)) if node.type.kind == "ragged" else []
    )
    if zipped is not None:  # cut to another width than either has, so its lengths have a name of their own
        return Wire(made, present, node.type, em.node("Min", *lists))
    return Wire(made, present, node.type, lists[0] if lists else None)


def _beside(em: Emitter, wire: Wire) -> Wire:
    """A scalar column beside vectors or lists: ``[N, 1]``."""
    plain = wire.type.kind != "scalar" or wire.type.constant
    return wire if plain else replace(wire, data=em.column(wire.data))


def _zipped(em: Emitter, wires: list[Wire]) -> tuple[list[Wire], str | None]:
    """Lists cut to one width, and the mask of rows in which they are of one length (None: all)."""
    lengths = list(dict.fromkeys(w.lengths for w in wires if w.lengths is not None))
    if len(lengths) < 2:
        return wires, None
    same = em.all_of([em.node("Equal", other, lengths[0]) for other in lengths[1:]])
    widths = list(dict.fromkeys(em.width(w.data) for w in wires if w.lengths is not None))
    width = em.node("Min", *widths)
    cut = [
        w if w.lengths is None else replace(w, data=em.node("Slice", w.data, em.ints(0), width, em.ints(1)))
        for w in wires
    ]
    return cut, same


def _blanked(em: Emitter, wire: Wire) -> tuple[str, str | None]:
    """Payload and lengths with 0, "" or False where nothing is."""
    data, lengths, dtype = wire.data, wire.lengths, wire.type.dtype
    mask = wire.present
    if lengths is not None:
        if wire.present is not None:
            lengths = em.node("Where", wire.present, lengths, em.constant(0, "int64"))
        mask = em.inside(data, lengths)
    elif mask is not None and wire.type.kind == "fixed":
        mask = em.column(mask)
    if mask is not None:
        like = data if wire.type.kind == "fixed" else None
        data = em.where(mask, data, em.constant(_BLANK[dtype], dtype), dtype, like=like)
    return data, lengths


def _write_output(em: Emitter, wire: Wire, target: Target) -> list[Any]:
    from onnx import helper

    data, lengths, dtype = wire.data, wire.lengths, wire.type.dtype
    if target.final:
        data, lengths = _blanked(em, wire)
        if dtype == "float64":
            data, dtype = em.cast(data, "float32"), "float32"
    written: list[tuple[str, str, str, list[str | int]]] = [
        (target.name, data, dtype, _shape(wire.type, target.name)),
    ]
    if lengths is not None:
        written.append((target.name + LENGTH, lengths, "int64", ["N"]))
    if wire.type.optional:
        present = wire.present or em.node("Expand", em.constant(True, "bool"), em.rows(data))
        written.append((target.name + PRESENT, present, "bool", ["N"]))
    for name, tensor, _, _ in written:
        em.nodes.append(helper.make_node("Identity", [tensor], [name], name=f"output {name}"))
    return [helper.make_tensor_value_info(name, elem_type(kind), shape) for name, _, kind, shape in written]
