"""The typed graph from raw features to outputs: immutable nodes, one JSON format, one content hash.

Nodes stand in topological order, so an input index is always smaller than the node's own. An analyzer is a node
whose value is known only after a pass over the data; `trueline.transform.bind` puts the found constants in.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

from trueline._core.errors import SchemaError, TransformError, did_you_mean
from trueline._core.host import HOST_PREFIX, HostStep
from trueline._core.values import DType, RawFeature
from trueline.transform.folds import is_fold

__all__ = ["ANALYZER_PREFIX", "FORMAT", "Graph", "Node", "NodeKind", "ValueType", "decode_json", "encode_json"]

FORMAT = 2
_READABLE = (1, 2)
"""Format 1 had no lists, no vectors of constants, one input for each analyzer and tables without sizes; what it wrote
gives the same bits."""
ANALYZER_PREFIX = "analyze."
NodeKind = Literal["scalar", "fixed", "ragged", "table"]
"""How a value is shaped: per row a scalar, a vector or a list; ``table`` is a constant list (boundaries, tokens)."""


@dataclass(frozen=True)
class ValueType:
    """What is known of a node's value before any data is seen.

    Attributes:
        dtype: the values' type.
        kind: one of `NodeKind`.
        size: length of a fixed vector, else None.
        optional: whether the value may be missing in a row.
        constant: whether it is one value for the whole data.
        literal: the value itself, where the user wrote it down.
    """

    dtype: DType
    kind: NodeKind = "scalar"
    size: int | None = None
    optional: bool = False
    constant: bool = False
    literal: Any = None

    def __str__(self) -> str:
        shape = {"fixed": f"[{self.size}]", "ragged": "[...]", "table": " table"}.get(self.kind, "")
        return f"{self.dtype}{shape}" + (", may be missing" if self.optional else "")


@dataclass(frozen=True)
class Node:
    """One operation on earlier nodes.

    Attributes:
        op: name of a record in `trueline.transform.operations`, or ``input``, ``constant``, ``analyze.*``.
        inputs: indices of earlier nodes.
        attrs: JSON parameters; ``input`` has ``name``, ``constant`` has ``value``.
        type: what the operation's type rule says of the value.
        scope: the user's function that made the node (``scale_to_z_score``), for readable paths; not hashed.
        where: file and line of the user's call; not hashed.
    """

    op: str
    inputs: tuple[int, ...]
    attrs: Mapping[str, Any]
    type: ValueType
    scope: str = ""
    where: str = ""

    @property
    def is_analyzer(self) -> bool:
        """Whether the value comes from a pass over the data."""
        return self.op.startswith(ANALYZER_PREFIX)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        out: dict[str, Any] = {"op": self.op, "inputs": list(self.inputs), "dtype": self.type.dtype}
        if self.attrs:
            out["attrs"] = encode_json(dict(self.attrs))
        if self.type.kind != "scalar":
            out["kind"] = self.type.kind
        if self.type.size is not None:
            out["size"] = self.type.size
        for flag in ("optional", "constant"):
            if getattr(self.type, flag):
                out[flag] = True
        for note in ("scope", "where"):
            if getattr(self, note):
                out[note] = getattr(self, note)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Node:
        """The node that `to_json` described."""
        attrs = decode_json(data.get("attrs", {}))
        dtype, kind, size = data["dtype"], data.get("kind", "scalar"), data.get("size")
        words = isinstance(dtype, str) and isinstance(kind, str)
        if not isinstance(attrs, dict) or not words or type(size) not in (int, type(None)):
            raise TypeError(f"no node: {str(data)[:200]}")
        value_type = ValueType(
            cast("DType", dtype),
            cast("NodeKind", kind),
            size,
            bool(data.get("optional", False)),
            bool(data.get("constant", False)),
            attrs.get("value") if data["op"] == "constant" and data.get("kind", "scalar") == "scalar" else None,
        )
        scope, where = str(data.get("scope", "")), str(data.get("where", ""))
        return cls(str(data["op"]), tuple(int(i) for i in data["inputs"]), attrs, value_type, scope, where)


@dataclass(frozen=True)
class Graph:
    """All nodes, the named outputs and the raw features that the user's function was offered.

    Attributes:
        nodes: in topological order.
        outputs: (name, node index) in the order in which the user's function returned them.
        features: raw columns, whether used or not.
        host_steps: Python steps that run before the graph, in the order in which they were traced.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, int], ...]
    features: tuple[RawFeature, ...]
    host_steps: tuple[HostStep, ...] = ()

    def output(self, name: str) -> int:
        """The node index of an output.

        Raises:
            TransformError: naming the outputs that do exist.
        """
        for known, index in self.outputs:
            if known == name:
                return index
        raise TransformError(f"there is no output {name!r}", hint=did_you_mean(name, [n for n, _ in self.outputs]))

    def reachable(self, roots: Iterable[int], *, through_analyzers: bool = False) -> frozenset[int]:
        """Nodes that the roots' values in a row depend on, the roots included.

        Args:
            roots: node indices.
            through_analyzers: also follow what an analyzer read of the whole data.
        """
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            index = stack.pop()
            if index not in seen:
                seen.add(index)
                if through_analyzers or not self.nodes[index].is_analyzer:
                    stack.extend(self.nodes[index].inputs)
        return frozenset(seen)

    def input_names(self, roots: Iterable[int], *, through_analyzers: bool = False) -> frozenset[str]:
        """Columns of the ONNX part (``host:`` ones included) that the roots read in a row."""
        reached = self.reachable(roots, through_analyzers=through_analyzers)
        return frozenset(str(self.nodes[i].attrs["name"]) for i in reached if self.nodes[i].op == "input")

    def steps_for(self, names: Iterable[str]) -> tuple[HostStep, ...]:
        """Host steps that make the ``host:`` columns among `names`, with the steps those steps need, in order."""
        wanted = {n.removeprefix(HOST_PREFIX) for n in names if n.startswith(HOST_PREFIX)}
        chosen: list[HostStep] = []
        for step in reversed(self.host_steps):
            if step.output in wanted:
                chosen.append(step)
                wanted |= set(step.inputs)
        return tuple(reversed(chosen))

    def raw_names(self, names: Iterable[str]) -> frozenset[str]:
        """Raw columns behind the columns of the ONNX part: a host step's inputs stand for its output.

        The hidden columns of folds (`trueline.transform.folds`) are made from row ids and are no raw columns.
        """
        names = [n for n in names if not is_fold(n)]
        made = {step.output for step in self.host_steps}
        read = {i for step in self.steps_for(names) for i in step.inputs if i not in made}
        return frozenset({n for n in names if not n.startswith(HOST_PREFIX)} | read)

    def pruned(self) -> Graph:
        """Only the nodes and host steps that the outputs reach, analyzers' inputs included."""
        kept = sorted(self.reachable([i for _, i in self.outputs], through_analyzers=True))
        places = {old: new for new, old in enumerate(kept)}
        moved = (self.nodes[i] for i in kept)
        nodes = tuple(replace(n, inputs=tuple(places[i] for i in n.inputs)) for n in moved)
        names = [str(n.attrs["name"]) for n in nodes if n.op == "input"]
        return Graph(nodes, tuple((n, places[i]) for n, i in self.outputs), self.features, self.steps_for(names))

    @cached_property
    def phases(self) -> tuple[int, ...]:
        """Per node, how many passes over the data come before its value is known in a row.

        An analyzer of phase k reads values of phase k and its own result belongs to phase k + 1.
        """
        phases: list[int] = []
        for node in self.nodes:
            before = max((phases[i] for i in node.inputs), default=0)
            phases.append(before + 1 if node.is_analyzer else before)
        return tuple(phases)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with a format number; `from_json` is its inverse."""
        return {
            "format": FORMAT,
            "features": [f.to_json() for f in self.features],
            "host_steps": [s.to_json() for s in self.host_steps],
            "nodes": [n.to_json() for n in self.nodes],
            "outputs": [[name, index] for name, index in self.outputs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Graph:
        """The graph that `to_json` described, with every node checked against its operation's type rule.

        Raises:
            TransformError: for another format, unknown operations, or types that contradict the rules.
        """
        from trueline.transform.check import check_graph, with_sizes

        if not isinstance(data, Mapping) or data.get("format") not in _READABLE:
            found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
            raise TransformError(
                f"a transform graph of format {found!r} cannot be read; this version reads formats 1 and {FORMAT}",
                hint="update trueline, or run Transform again.",
            )
        try:
            graph = cls(
                tuple(Node.from_json(n) for n in data["nodes"]),
                tuple((str(name), int(index)) for name, index in data["outputs"]),
                tuple(RawFeature.from_json(f) for f in data["features"]),
                tuple(HostStep.from_json(s) for s in data.get("host_steps", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, SchemaError) as error:
            raise TransformError(f"graph.json is damaged: {error!r}") from error
        if data["format"] == 1:
            graph = with_sizes(graph)
        check_graph(graph)
        return graph

    @property
    def content_hash(self) -> str:
        """sha256 of what the graph computes; notes (scopes, source lines) and unused features do not count."""
        nodes = [replace(n, scope="", where="").to_json() for n in self.nodes]
        used = self.raw_names(self.input_names([i for _, i in self.outputs], through_analyzers=True))
        whole = {**self.to_json(), "nodes": nodes, "features": [f.to_json() for f in self.features if f.name in used]}
        return hashlib.sha256(json.dumps(whole, sort_keys=True, allow_nan=False).encode()).hexdigest()


def encode_json(value: Any) -> Any:
    """JSON with NaN and infinities written as ``{"$float": "nan"}``; finite doubles keep every bit in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, Mapping):
        return {k: encode_json(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [encode_json(v) for v in value]
    return value


def decode_json(value: Any) -> Any:
    """The inverse of `encode_json`."""
    if isinstance(value, Mapping):
        if value.keys() == {"$float"} and value["$float"] in ("nan", "inf", "-inf"):
            return float(value["$float"])
        return {k: decode_json(v) for k, v in value.items()}
    return [decode_json(v) for v in value] if isinstance(value, list) else value
