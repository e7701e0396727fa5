"""One form for a converter's graph: names by place instead of the counters and addresses that converters put into them.

The same weights give the same bytes, and no name can clash with what is put before or behind the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["canonical"]


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy: functions inlined, values named by place, constants in the order of their first use, notes dropped.

    The names of inputs and the order of outputs are kept; outputs are named ``o0``, ``o1``, ...
    """
    import onnx
    from onnx import inliner

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.functions:
        copy = inliner.inline_local_functions(copy)
    graph = copy.graph
    initial = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in initial]
    del graph.input[:]
    graph.input.extend(inputs)
    outputs = [o.name for o in graph.output]
    names = _Names({i.name for i in inputs})
    known = {i.name: i.name for i in inputs}
    _rename(graph, known, names)
    _constants_for_subgraphs(graph)
    _name_outputs(graph, [known.get(o, o) for o in outputs], {i.name for i in inputs})
    del copy.metadata_props[:]
    copy.doc_string = copy.graph.doc_string = ""
    copy.producer_name = copy.producer_version = ""
    copy.graph.name = "network"
    return copy


class _Names:
    """New names ``n0``, ``n1``, ... that are not among those taken."""

    def __init__(self, taken: set[str]) -> None:
        self._taken, self._next = taken, 0

    def new(self) -> str:
        while (name := f"n{self._next}") in self._taken:
            self._next += 1
        self._next += 1
        return name


def _rename(graph: onnx.GraphProto, known: dict[str, str], names: _Names) -> None:
    """Renames in place; `known` maps old to new and grows, a subgraph has its own copy."""
    constants = {i.name: i for i in graph.initializer}
    order: list[str] = []

    def see(values: Iterable[str]) -> None:
        for value in values:
            if value in constants and value not in known:
                known[value] = names.new()
                order.append(value)

    for node in graph.node:
        see(_read(node))
        node.input[:] = [known.get(n, n) for n in node.input]
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
                _subgraph(inner, known, names)
        for old in node.output:
            known[old] = names.new() if old else ""
        node.output[:] = [known[n] for n in node.output]
        node.name = node.doc_string = ""
        del node.metadata_props[:]
    see(o.name for o in graph.output)
    _order_constants(graph, [constants[n] for n in order], known)
    del graph.value_info[:]


def _order_constants(graph: onnx.GraphProto, used: list[onnx.TensorProto], known: dict[str, str]) -> None:
    import onnx

    made = []
    for tensor in used:
        kept = onnx.TensorProto()
        kept.CopyFrom(tensor)
        kept.name, kept.doc_string = known[tensor.name], ""
        del kept.metadata_props[:]
        made.append(kept)
    del graph.initializer[:]
    graph.initializer.extend(made)


def _subgraph(graph: onnx.GraphProto, outer: dict[str, str], names: _Names) -> None:
    known = dict(outer)
    for value in graph.input:
        known[value.name] = names.new()
        value.name = known[value.name]
    _rename(graph, known, names)
    for value in graph.output:
        value.name = known.get(value.name, value.name)
    graph.name, graph.doc_string = "inner", ""


def _constants_for_subgraphs(graph: onnx.GraphProto) -> None:
    """Constants that subgraphs read become nodes: `onnx.compose` forgets their names when it prefixes."""
    from onnx import helper

    inside = {name for node in graph.node for name in set(_read(node)) - set(node.input)}
    moved = [i for i in graph.initializer if i.name in inside]
    if not moved:
        return
    nodes = [helper.make_node("Constant", [], [i.name], value=i) for i in moved] + list(graph.node)
    kept = [i for i in graph.initializer if i.name not in inside]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def _read(node: onnx.NodeProto) -> list[str]:
    """Names that a node reads, those that its subgraphs may take from outside included, in order."""
    found = list(node.input)
    for attribute in node.attribute:
        for inner in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
            for within in inner.node:
                found += _read(within)
            found += [o.name for o in inner.output]
    return found


def _name_outputs(graph: onnx.GraphProto, sources: list[str], inputs: set[str]) -> None:
    """Gives the outputs names of their own, through Identity: an input or a constant may be an output."""
    from onnx import helper

    for i, (value, source) in enumerate(zip(graph.output, sources, strict=True)):
        value.name = f"o{i}" if f"o{i}" not in inputs else f"o{i}:output"
        graph.node.append(helper.make_node("Identity", [source], [value.name]))
