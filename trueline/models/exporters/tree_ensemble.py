"""Ensembles of decision trees as arrays, and as one ONNX node: the writer that every booster shares.

A node sends a row left or right by the interval in which its feature lies. One bound is an ordinary split; several
make a set: categories ``{2, 3, 7}`` are intervals of integers, as is "zero or missing". In ONNX a node of several
bounds becomes a chain of nodes with one comparison each whose true branches share their targets. So one mode of
comparison serves a whole ensemble, sets have no limit of size, and operator set 3 of ai.onnx.ml suffices, which every
runtime has.

The ensemble is written in double precision: features, which are float32, are widened exactly, thresholds are not
rounded, and leaves are added in double. The sum is rounded once to float32. On ONNX Runtime this costs nothing that
can be measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

__all__ = ["RAW", "Ensemble", "Pieces", "Tree", "constant_tree", "ensemble_graph", "integer_pieces"]

RAW = "booster:raw"
_LEAF = -1
_DOUBLE = "booster:double"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """A node of several intervals, which go left and right by turns.

    Attributes:
        bounds: ascending, one at least. A value on a bound belongs to the interval below it (or above it in an
            ensemble that compares strictly).
        first_left: whether values below the first bound go left.
    """

    bounds: tuple[float, ...]
    first_left: bool

    def __post_init__(self) -> None:
        if not self.bounds or any(a >= b for a, b in zip(self.bounds, self.bounds[1:], strict=False)):
            raise ValueError(f"bounds must ascend: {self.bounds[:10]!r}")


@dataclass(frozen=True)
class Tree:
    """One tree; arrays of K nodes, node 0 is the root.

    Attributes:
        feature: column that a node tests; -1 at a leaf.
        threshold: where the left side ends; not read at leaves and at nodes in `pieces`.
        left: the child for values below the threshold.
        right: the other child.
        missing_left: where NaN goes.
        values: ``[K, len(outputs)]``; read at leaves.
        outputs: the outputs of the ensemble to which the leaf's values are added.
        pieces: nodes that have more than one bound.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    missing_left: npt.NDArray[np.bool_]
    values: Floats
    outputs: tuple[int, ...] = (0,)
    pieces: Mapping[int, Pieces] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """Trees whose leaves are summed.

    Attributes:
        trees: in the order in which they are added.
        base: what each output starts from; its length is the number of outputs.
        strict: whether a value equal to a threshold goes right (``x < t``), as in XGBoost, and not left (``x <= t``).
        single: whether sums are in float32, from the base on and tree by tree, as in XGBoost: the same bits then. Every
            threshold must be a float32.
    """

    trees: tuple[Tree, ...]
    base: tuple[float, ...] = (0.0,)
    strict: bool = False
    single: bool = False


def constant_tree(value: float, output: int = 0) -> Tree:
    """A tree of one leaf."""
    leaf, none = np.array([_LEAF]), np.zeros(1, np.int64)
    return Tree(leaf, np.zeros(1), none, none, np.zeros(1, bool), np.full((1, 1), value), (output,))


def integer_pieces(members: Sequence[int], inside_left: bool, strict: bool, from_minus_one: bool) -> Pieces:
    """A set of integers, for libraries that drop a value's fraction: 3.7 belongs to 3.

    Args:
        members: integers from 0; one at least.
        inside_left: whether the members go left.
        strict: of the ensemble.
        from_minus_one: whether -0.5 belongs to 0, as where fractions are dropped before the sign is looked at.
    """
    ordered = np.unique(np.asarray(members, np.int64))
    gaps = np.flatnonzero(np.diff(ordered) > 1)
    firsts = ordered[np.concatenate([[0], gaps + 1])]
    lasts = ordered[np.concatenate([gaps, [len(ordered) - 1]])]
    least = float(np.nextafter(np.float32(-1), np.float32(0))) if from_minus_one else 0.0
    lower = np.where(firsts == 0, least, firsts)
    edges = np.stack([lower, lasts + 1.0], axis=1).ravel()
    if not strict:
        edges = np.nextafter(edges, -np.inf)
    return Pieces(tuple(edges.tolist()), not inside_left)


def ensemble_graph(ensemble: Ensemble, source: str, raw: str = RAW) -> tuple[list[onnx.NodeProto], list[Any]]:
    """Nodes and initializers from ``source`` float32 ``[N, F]`` to `raw` float32 ``[N, outputs]``.

    The initializers' list is empty; it is there so that all graphs of boosters have one form.
    """
    from onnx import TensorProto, helper

    first = tuple(constant_tree(base, i) for i, base in enumerate(ensemble.base))
    # ONNX Runtime adds the base last. As trees of one leaf it comes first, where float32 sums begin.
    trees = first + ensemble.trees if ensemble.single or not ensemble.trees else ensemble.trees
    parts = [_lowered(tree) for tree in trees]
    column = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    tree_ids = np.repeat(np.arange(len(parts)), [len(p["node"]) for p in parts])
    leaf_trees = np.repeat(np.arange(len(parts)), [len(p["leaf_node"]) for p in parts])
    mode = "BRANCH_LT" if ensemble.strict else "BRANCH_LEQ"
    is_leaf = column["feature"] == _LEAF
    thresholds = np.where(is_leaf, 0.0, column["threshold"])
    node = helper.make_node(
        "TreeEnsembleRegressor",
        [source if ensemble.single else _DOUBLE],
        [raw],
        domain="ai.onnx.ml",
        n_targets=len(ensemble.base),
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=column["node"].tolist(),
        nodes_featureids=np.where(is_leaf, 0, column["feature"]).tolist(),
        nodes_modes=["LEAF" if leaf else mode for leaf in is_leaf.tolist()],
        nodes_truenodeids=column["true"].tolist(),
        nodes_falsenodeids=column["false"].tolist(),
        nodes_missing_value_tracks_true=column["missing_true"].tolist(),
        target_treeids=leaf_trees.tolist(),
        target_nodeids=column["leaf_node"].tolist(),
        target_ids=column["leaf_output"].tolist(),
        **_numbers(ensemble.single, thresholds, column["leaf_value"], ensemble.base if trees is ensemble.trees else ()),
    )
    widen = helper.make_node("Cast", [source], [_DOUBLE], to=TensorProto.DOUBLE)
    return [node] if ensemble.single else [widen, node], []


def _numbers(single: bool, thresholds: Floats, leaves: Floats, base: Sequence[float]) -> dict[str, Any]:
    """The attributes that say the precision of a sum: lists of float32, or tensors of float64."""
    from onnx import numpy_helper

    if not single:
        made = {"nodes_values_as_tensor": thresholds, "target_weights_as_tensor": leaves}
        made |= {"base_values_as_tensor": np.array(base, np.float64)} if base else {}
        return {name: numpy_helper.from_array(values, name) for name, values in made.items()}
    if (thresholds.astype(np.float32) != thresholds).any():
        raise ValueError("an ensemble of single precision has a threshold that is no float32")
    return {"nodes_values": thresholds.tolist(), "target_weights": leaves.astype(np.float32).tolist()}


def _lowered(tree: Tree) -> dict[str, npt.NDArray[Any]]:
    """A tree as columns of ONNX nodes of one comparison each; the root first."""
    count = len(tree.feature)
    is_leaf = tree.feature == _LEAF
    columns: dict[str, npt.NDArray[Any]] = {
        "node": np.arange(count),
        "feature": tree.feature,
        "threshold": tree.threshold.astype(np.float64),
        "true": np.where(is_leaf, 0, tree.left),
        "false": np.where(is_leaf, 0, tree.right),
        "missing_true": (tree.missing_left & ~is_leaf).astype(np.int64),
    }
    chains: list[dict[str, npt.NDArray[Any]]] = []
    for node, pieces in tree.pieces.items():
        chain = _chain(tree, node, pieces, count)
        count += len(pieces.bounds) - 1
        for name, values in chain.items():
            columns[name] = columns[name].copy() if not chains else columns[name]
            columns[name][node] = values[0]
        chains.append({name: values[1:] for name, values in chain.items()})
    columns = {name: np.concatenate([v, *(c[name] for c in chains)]) for name, v in columns.items()}
    leaves = np.flatnonzero(is_leaf)
    return columns | {
        "leaf_node": np.repeat(leaves, len(tree.outputs)),
        "leaf_output": np.tile(np.array(tree.outputs, np.int64), len(leaves)),
        "leaf_value": np.asarray(tree.values, np.float64)[leaves].ravel(),
    }


def _chain(tree: Tree, node: int, pieces: Pieces, free: int) -> dict[str, npt.NDArray[Any]]:
    """One ONNX node a bound; the first keeps the node's own id, the others are numbered from `free`.

    A true branch leads to the side of the interval that ends there, a false branch to the next bound, the last false
    branch to the side of the last interval. ONNX Runtime lets true branches share a target and false ones not: each
    side is reached by one false branch at most.
    """
    count = len(pieces.bounds)
    goes_left = (np.arange(count + 1) % 2 == 0) == pieces.first_left
    sides = np.where(goes_left, tree.left[node], tree.right[node])
    ids = np.concatenate([[node], np.arange(free, free + count - 1)]).astype(np.int64)
    wanted = goes_left == bool(tree.missing_left[node])
    missing = np.zeros(count, np.int64)
    # NaN fails every comparison and so reaches the last interval, unless a bound before it leads where NaN belongs.
    if not wanted[-1]:
        missing[int(np.argmax(wanted[:-1]))] = 1
    return {
        "node": ids,
        "feature": np.full(count, tree.feature[node], np.int64),
        "threshold": np.array(pieces.bounds, np.float64),
        "true": sides[:-1],
        "false": np.concatenate([ids[1:], sides[-1:]]),
        "missing_true": missing,
    }
