"""A model's graph for many rows: what depends on one text column alone is computed on that column's distinct texts.

The merged graph is cut in two kinds of parts. A part reads one text column (and whether it is there) and ends where its
numbers meet the other features; it runs on the words of a dictionary column. The rest runs on all rows and is given the
parts' results, gathered. Only operations that treat every row by itself and exactly go into a part, so the bits are
those of the whole graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.feeds import Feeds
from trueline._core.sessions import make_session
from trueline._core.values import PRESENT, RawFeature
from trueline.engine.base import DEFAULT_BLOCK_ROWS

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

__all__ = ["BulkGraph"]

Arrays = dict[str, npt.NDArray[Any]]
_ARITHMETIC = frozenset({"Mod", "Add", "Sub", "Mul", "Min", "Max", "Abs", "Cast", "Identity", "OneHot"})
_LOGIC = frozenset({"Equal", "Not", "And", "Or", "Where", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"})
_BY_ROW = frozenset({"LabelEncoder", "MurmurHash3"}) | _ARITHMETIC | _LOGIC
"""Operations that give each row its own result, which is exact or correctly rounded whatever rows stand beside it."""
_SHAPED = {"Reshape": ([-1, 1],), "Unsqueeze": ([1], [-1])}
"""Operations that keep the rows apart where their second input is one of these."""
_TYPES = {
    "tensor(string)": 8,
    "tensor(int64)": 7,
    "tensor(int32)": 6,
    "tensor(uint32)": 12,
    "tensor(bool)": 9,
    "tensor(float)": 1,
    "tensor(double)": 11,
}
"""ONNX Runtime's names of types, and ONNX's numbers of them."""
_MOST_VALUES = 1 << 23
"""Elements that the widest tensor may have; rows are predicted in pieces of no more."""
_FEWEST_ROWS = 256


@dataclass(frozen=True)
class _Part:
    """What one text column alone decides."""

    column: str
    session: Any
    feeds: Feeds
    takes: tuple[str, ...]
    gives: tuple[str, ...]

    def run(self, column: pa.Array) -> Arrays:
        """The part's results, one a row, gathered from those of the distinct texts where the column is coded."""
        import pyarrow as pa

        places = None
        if pa.types.is_dictionary(column.type):
            from trueline.transform.codes import used_codes

            column, places = used_codes(column)
        words = pa.RecordBatch.from_arrays([column], [self.column])
        arrays = self.feeds.from_arrow(words)
        results = self.session.run(list(self.gives), {name: arrays[name] for name in self.takes})
        made = dict(zip(self.gives, results, strict=True))
        return made if places is None else {name: array.take(places, axis=0) for name, array in made.items()}


class BulkGraph:
    """The graph of a model, run on Arrow rows.

    Args:
        model: the serialised graph.
        feeds: what it takes.
        providers: where it runs; the parts of text run on the CPU.

    Attributes:
        text: the columns that it would rather have as dictionary arrays.
        output_names: the graph's outputs.
    """

    def __init__(self, model: bytes, feeds: Feeds, providers: Sequence[str] = ("cpu",)) -> None:
        import onnx

        proto = onnx.load_from_string(model)
        self.output_names = [o.name for o in proto.graph.output]
        self._parts = [p for f in feeds.features if (p := _part(proto, f)) is not None]
        gone = {p.column for p in self._parts}
        rest = _rest(proto, self._parts) if gone else proto
        self._session = make_session(rest.SerializeToString() if gone else model, providers)
        self._rows = max(_FEWEST_ROWS, min(DEFAULT_BLOCK_ROWS, _MOST_VALUES // _widest(rest)))
        self._wanted = [i.name for i in self._session.get_inputs()]
        still = set(self._wanted)
        self._feeds = Feeds([f for f in feeds.features if f.name in still or f.name + PRESENT in still])
        self.text = tuple(p.column for p in self._parts if p.column not in self._feeds.by_name)

    def run(self, rows: pa.RecordBatch | pa.Table) -> Arrays:
        """The outputs for rows with all raw and host columns, computed on as many at a time as memory bears.

        Raises:
            FeedError: a missing value in a required column, or a column of another type.
        """
        if rows.num_rows <= self._rows:
            return self._piece(rows)
        pieces = [self._piece(rows.slice(start, self._rows)) for start in range(0, rows.num_rows, self._rows)]
        return {name: np.concatenate([p[name] for p in pieces]) for name in self.output_names}

    def _piece(self, rows: pa.RecordBatch | pa.Table) -> Arrays:
        import pyarrow as pa

        arrays = self._feeds.from_arrow(rows)
        for part in self._parts:
            column = _column(rows, part.column)
            if column is None:
                column = pa.nulls(rows.num_rows, pa.string())
            arrays.update(part.run(column))
        results = self._session.run(self.output_names, {name: arrays[name] for name in self._wanted})
        return dict(zip(self.output_names, results, strict=True))


def _column(rows: pa.RecordBatch | pa.Table, name: str) -> pa.Array | None:
    import pyarrow as pa

    if name not in rows.schema.names:
        return None
    column = rows.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    return column


def _part(model: onnx.ModelProto, feature: RawFeature) -> _Part | None:
    """The part of a text column, or None where there is nothing to gain."""
    if feature.dtype != "utf8" or feature.kind != "scalar":
        return None
    nodes, cuts = _cut(model.graph, feature.name)
    if not cuts:
        return None
    graph = _subgraph(model, nodes, cuts)
    takes = [i.name for i in graph.graph.input]
    session = make_session(graph.SerializeToString())
    if any(o.type not in _TYPES or not o.shape for o in session.get_outputs()) or feature.name not in takes:
        return None
    return _Part(feature.name, session, Feeds([feature]), tuple(takes), tuple(cuts))


def _cut(graph: onnx.GraphProto, column: str) -> tuple[list[onnx.NodeProto], list[str]]:
    """The nodes that one column alone decides, and those of their results that others read."""
    constant = {i.name for i in graph.initializer} | {""}
    own = {column, column + PRESENT}
    last = {o.name for o in graph.output}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if all(n in constant for n in node.input):
            constant |= set(node.output)
        elif last & set(node.output):
            continue
        elif _by_row(node, graph, constant) and all(n in constant or n in own for n in node.input):
            own |= set(node.output)
            nodes.append(node)
    made = {n for node in nodes for n in node.output}
    inner = {id(node) for node in nodes}
    read = {n for node in graph.node if id(node) not in inner for n in _reads([node])}
    return nodes, sorted(made & read)


def _by_row(node: onnx.NodeProto, graph: onnx.GraphProto, constant: set[str]) -> bool:
    """Whether each row of the result is that of the row alone."""
    from onnx import numpy_helper

    if node.op_type in _SHAPED:
        second = next((i for i in graph.initializer if i.name == node.input[1]), None)
        return second is not None and numpy_helper.to_array(second).tolist() in _SHAPED[node.op_type]
    if node.op_type == "Gather":  # rows of a constant table
        return node.input[0] in constant and not any(a.name == "axis" and a.i for a in node.attribute)
    return node.op_type in _BY_ROW


def _reads(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names that nodes read, those of subgraphs included."""
    names: set[str] = set()
    for node in nodes:
        names |= set(node.input)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                names |= _reads(attribute.g.node) | {o.name for o in attribute.g.output}
    return names


def _subgraph(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> onnx.ModelProto:
    """The nodes as a model of their own; ONNX Runtime infers the types of its outputs."""
    import onnx
    from onnx import helper

    from trueline.models.graphs import drop_unused

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    keep = {n for node in nodes for n in node.output}
    constant = {i.name for i in graph.initializer} | {""}
    kept = []
    for node in model.graph.node:
        if all(n in constant for n in node.input):
            constant |= set(node.output)
            kept.append(node)
        elif set(node.output) & keep:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    del graph.output[:]
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    drop_unused(graph)
    _keep_inputs(graph)
    return made


def _rest(model: onnx.ModelProto, parts: Sequence[_Part]) -> onnx.ModelProto:
    """The graph without the parts' nodes; their results are inputs."""
    import onnx
    from onnx import helper

    from trueline.models.graphs import drop_unused

    made = onnx.ModelProto()
    made.CopyFrom(model)
    given = {o.name: o for p in parts for o in p.session.get_outputs()}
    nodes = [n for n in made.graph.node if not set(n.output) & given.keys()]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    made.graph.input.extend(
        helper.make_tensor_value_info(name, _TYPES[o.type], ["N", *o.shape[1:]]) for name, o in given.items()
    )
    drop_unused(made.graph)
    _keep_inputs(made.graph)
    return made


def _widest(model: onnx.ModelProto) -> int:
    """The most numbers that any step is known to make of a row."""
    import onnx

    try:
        values = onnx.shape_inference.infer_shapes(model).graph.value_info
    except (ValueError, onnx.shape_inference.InferenceError):  # a graph beyond protobuf's limit, or odd shapes
        values = []
    sizes = [v.type.tensor_type.shape.dim for v in values]
    return max((int(np.prod([d.dim_value for d in s[1:] if d.dim_value] or [1])) for s in sizes), default=1)


def _keep_inputs(graph: onnx.GraphProto) -> None:
    """Drops the inputs that no node reads."""
    read = _reads(graph.node) | {o.name for o in graph.output}
    kept = [i for i in graph.input if i.name in read]
    del graph.input[:]
    graph.input.extend(kept)
