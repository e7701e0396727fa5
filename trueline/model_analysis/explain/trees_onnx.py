"""The tree ensemble of a model's ONNX graph: its splits and leaves, and the raw column that each split reads.

Trees are taken only where they can be mapped back honestly: one ensemble, whose every input column is made from one raw
column. Anything else is refused, with what stands in the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.model_analysis.explain.target import Floats

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["TreeModel", "Trees", "tree_model"]

_OPS = {
    "BRANCH_LEQ": np.less_equal,
    "BRANCH_LT": np.less,
    "BRANCH_GTE": np.greater_equal,
    "BRANCH_GT": np.greater,
    "BRANCH_EQ": np.equal,
    "BRANCH_NEQ": np.not_equal,
}
_TREES = ("TreeEnsembleRegressor", "TreeEnsembleClassifier")
_ONE_TO_ONE = ("Cast", "Identity", "Scaler")
_HINT = "use method='sampling' or 'exact', which ask the whole model."
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Trees:
    """All nodes of all trees, numbered through.

    Attributes:
        column, mode, threshold, true, false, missing_true: a split: which column of the input is compared how with
            what, where to go, and whether NaN counts as true.
        leaf: which nodes are leaves; `values` ``[nodes, K]`` is what they add.
        roots: the first node of each tree.
        base: what each output starts from, ``[K]``.
        player: the raw column of each split.
    """

    column: npt.NDArray[np.int64]
    mode: tuple[str, ...]
    threshold: npt.NDArray[Any]
    true: npt.NDArray[np.int64]
    false: npt.NDArray[np.int64]
    missing_true: npt.NDArray[np.bool_]
    leaf: npt.NDArray[np.bool_]
    values: Floats
    roots: tuple[int, ...]
    base: Floats
    player: npt.NDArray[np.int64]

    def holds(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which splits are true for which rows, ``[N, nodes]``, in the precision of the input."""
        out = np.zeros((len(inputs), len(self.column)), bool)
        limits = self.threshold.astype(inputs.dtype)
        for mode in dict.fromkeys(self.mode):
            if mode not in _OPS:
                continue
            chosen = np.array([m == mode for m in self.mode])
            out[:, chosen] = _OPS[mode](inputs[:, self.column[chosen]], limits[chosen])
        missing = np.isnan(inputs[:, self.column])
        return np.where(missing, self.missing_true, out)


@dataclass(frozen=True, eq=False)
class TreeModel:
    """The ensemble and the part of the graph that makes its input.

    Attributes:
        trees: the ensemble.
        runtime: the model.
        graph: the model's graph that ends at the ensemble: outputs ``input`` and ``output``.
        post: what the node does with the sums.
    """

    trees: Trees
    runtime: ModelRuntime
    session: Any
    source: str
    output: str
    post: str

    def inputs(self, table: pa.Table) -> npt.NDArray[Any]:
        """The ensemble's own input of raw rows, ``[N, columns]``."""
        return self._run(table, self.source)

    def _run(self, table: pa.Table, name: str) -> npt.NDArray[Any]:
        arrays = self.runtime.graph.arrays_from_arrow(table)
        wanted = [i.name for i in self.session.get_inputs()]
        found: npt.NDArray[Any] = self.session.run([name], {n: arrays[n] for n in wanted})[0]
        return found

    def check(self, table: pa.Table, margins: Floats) -> None:
        """Compares sums with what ONNX Runtime gives for the same rows.

        Raises:
            ModelError: they differ.
        """
        given = self._run(table, self.output).astype(np.float64).reshape(len(margins), -1)
        made = _after(margins, self.post, given.shape[1])
        if made.shape != given.shape or not np.allclose(made, given, rtol=_TOLERANCE, atol=_TOLERANCE):
            raise _refused("its trees add up in another way than is known here", self.runtime.uri)


def _after(margins: Floats, post: str, width: int) -> Floats:
    """What the node makes of the sums."""
    if post == "LOGISTIC":
        margins = 1 / (1 + np.exp(-margins))
    elif post == "SOFTMAX":
        if margins.shape[1] == 1 and width == 2:
            margins = np.concatenate([-margins, margins], axis=1)
        raised = np.exp(margins - margins.max(axis=1, keepdims=True))
        margins = raised / raised.sum(axis=1, keepdims=True)
    if margins.shape[1] == 1 and width == 2:
        return np.concatenate([1 - margins, margins], axis=1)
    return margins


def _refused(why: str, where: str) -> ModelError:
    return ModelError(f"no exact values of trees: {why}", where=where, hint=_HINT)


def tree_model(runtime: ModelRuntime) -> TreeModel:
    """The tree ensemble of a model.

    Raises:
        ModelError: no trees, several ensembles, or columns that are made from several raw columns.
    """
    import onnx

    from trueline._core.model_files import read_graph
    from trueline._core.sessions import make_session

    if runtime.python is not None:
        raise _refused("the model is a Python function", runtime.uri)
    proto = onnx.load_model_from_string(read_graph(runtime.uri, "model.onnx"))
    nodes = [n for n in proto.graph.node if n.op_type in _TREES]
    if len(nodes) != 1:
        raise _refused(f"the graph has {len(nodes)} tree ensembles where one is needed", runtime.uri)
    node = nodes[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    output = node.output[0] if node.op_type == _TREES[0] else node.output[1]
    blocks = _blocks(proto, node, runtime)
    for name in [node.input[0], output, *blocks]:
        if name not in [o.name for o in proto.graph.output]:
            proto.graph.output.append(onnx.ValueInfoProto(name=name))
    session = make_session(proto.SerializeToString(), ("cpu",))
    post = attributes.get("post_transform", b"NONE").decode()
    trees = _trees(attributes, runtime.uri)
    made = TreeModel(trees, runtime, session, node.input[0], output, post)
    players = _players(made, blocks)
    if len(players) <= int(trees.column.max(initial=0)):
        raise _refused("its input has more columns than can be told apart", runtime.uri)
    trees = Trees(**{**vars(trees), "player": players[trees.column]})
    return TreeModel(trees, runtime, session, node.input[0], output, post)


def _blocks(proto: onnx.ModelProto, node: onnx.NodeProto, runtime: ModelRuntime) -> dict[str, int]:
    """The tensors that make up the ensemble's input, in order, and the raw column of each."""
    makers = {name: n for n in proto.graph.node for name in n.output}
    at = node.input[0]
    while at in makers and makers[at].op_type in _ONE_TO_ONE:
        at = makers[at].input[0]
    parts = list(makers[at].input) if at in makers and makers[at].op_type == "Concat" else [at]
    raw = _raw_columns(runtime)
    found: dict[str, int] = {}
    for part in parts:
        reads = {column for name in _ancestors(part, makers) for column in raw.get(name, ())}
        if len(reads) != 1:
            names = ", ".join(map(repr, sorted(runtime.inputs[c].name for c in reads))) or "no raw column"
            raise _refused(f"{part!r}, a part of its input, is made from {names}", runtime.uri)
        if part in found:
            raise _refused(f"its input has {part!r} twice", runtime.uri)
        found[part] = reads.pop()
    return found


def _raw_columns(runtime: ModelRuntime) -> dict[str, tuple[int, ...]]:
    """Input of the graph -> raw columns that it says something of."""
    places = {f.name: i for i, f in enumerate(runtime.inputs)}
    from_host = {s.feature.name: tuple(places[n] for n in s.inputs if n in places) for s in runtime.graph.steps}
    found = {}
    for name, _, _ in runtime.graph.feeds.onnx_inputs():
        base = name if name in places or name in from_host else name.rpartition(":")[0]
        found[name] = from_host[base] if base in from_host else (places[base],)
    return found


def _ancestors(name: str, makers: dict[str, onnx.NodeProto]) -> set[str]:
    """The inputs and constants that a tensor is made from."""
    seen, stack, ends = set(), [name], set()
    while stack:
        at = stack.pop()
        if at in seen or not at:
            continue
        seen.add(at)
        if at in makers:
            stack += list(makers[at].input)
        else:
            ends.add(at)
    return ends


def _players(made: TreeModel, blocks: dict[str, int]) -> npt.NDArray[np.int64]:
    """The raw column of each column of the ensemble's input, by the widths of its parts on one row."""
    import pyarrow as pa

    from trueline._core.values import arrow_type_of

    def value(feature: Any) -> Any:
        if feature.optional:
            return None
        one = {"utf8": "", "bytes": b"", "bool": False}.get(feature.dtype, 0)
        return one if feature.kind == "scalar" else [one] * (feature.size or 1)

    inputs = made.runtime.inputs
    row = pa.table({f.name: pa.array([value(f)], arrow_type_of(f)) for f in inputs})
    widths = [made._run(row, name).reshape(1, -1).shape[1] for name in blocks]
    return np.repeat(np.array(list(blocks.values()), np.int64), widths)


def _numbers(attributes: dict[str, Any], name: str) -> npt.NDArray[Any]:
    """An attribute of numbers, in single precision or as a tensor in double."""
    from onnx import numpy_helper

    if f"{name}_as_tensor" in attributes:
        return np.asarray(numpy_helper.to_array(attributes[f"{name}_as_tensor"]))
    return np.array(attributes.get(name, ()), np.float32)


def _trees(attributes: dict[str, Any], where: str) -> Trees:
    """The nodes of the attributes of a TreeEnsembleRegressor or TreeEnsembleClassifier."""
    if attributes.get("aggregate_function", b"SUM") not in (b"SUM", b"AVERAGE"):
        raise _refused(f"its trees are combined by {attributes['aggregate_function'].decode()}", where)
    kind = "target" if "target_ids" in attributes else "class"
    ids = list(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True))
    place = {key: i for i, key in enumerate(ids)}
    mode = tuple(m.decode() for m in attributes["nodes_modes"])
    leaf = np.array([m == "LEAF" for m in mode])
    if unknown := sorted({m for m in mode if m != "LEAF" and m not in _OPS}):
        raise _refused(f"its splits compare by {unknown[0]}", where)

    def target(name: str) -> npt.NDArray[np.int64]:
        goes = [
            i if is_leaf else place[tree, node]
            for i, (is_leaf, (tree, _), node) in enumerate(zip(leaf.tolist(), ids, attributes[name], strict=True))
        ]
        return np.array(goes, np.int64)

    true, false = target("nodes_truenodeids"), target("nodes_falsenodeids")
    inner = set(true[~leaf].tolist()) | set(false[~leaf].tolist())
    base, outputs = _base(attributes, kind)
    values = np.zeros((len(ids), len(outputs)))
    weights = _numbers(attributes, f"{kind}_weights").astype(np.float64)
    keys = zip(attributes[f"{kind}_treeids"], attributes[f"{kind}_nodeids"], attributes[f"{kind}_ids"], strict=True)
    for (tree, node, which), weight in zip(keys, weights.tolist(), strict=True):
        values[place[tree, node], outputs[which]] += weight
    roots = tuple(i for i in range(len(ids)) if i not in inner)
    if attributes.get("aggregate_function", b"SUM") == b"AVERAGE":
        values /= len(roots)
    missing = attributes.get("nodes_missing_value_tracks_true") or [0] * len(ids)
    column = np.array(attributes["nodes_featureids"], np.int64)
    return Trees(
        np.where(leaf, 0, column), mode, _numbers(attributes, "nodes_values"), true, false,
        np.array(missing, bool), leaf, values, roots, base, np.zeros(len(ids), np.int64),
    )  # fmt: skip


def _base(attributes: dict[str, Any], kind: str) -> tuple[Floats, dict[int, int]]:
    """What the outputs start from, and which output each target or class number is."""
    given = _numbers(attributes, "base_values").astype(np.float64)
    if kind == "target":
        count = int(attributes.get("n_targets", 1))
        outputs = {i: i for i in range(count)}
    else:
        labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or ()
        used = sorted(set(attributes["class_ids"]))
        # Two classes of which one has weights: that one's sum is the margin of the second.
        outputs = {used[0]: 0} if len(used) == 1 and len(labels) == 2 else {i: i for i in range(len(labels))}
        count = len(set(outputs.values()))
    base = np.zeros(count)
    base[: len(given)] += given[:count]
    return base, outputs
