"""Ensembles of decision trees as arrays, and as one ONNX node: the writer that every booster shares.

A node sends a row left or right by the interval in which its feature lies. One bound is an ordinary split; several
make a set: categories ``{2, 3, 7}`` are intervals of integers, as is "zero or missing". In ONNX a node of several
bounds becomes a search of nodes with one comparison each. So one mode of comparison serves a whole ensemble, sets
have no limit of size, and operator set 3 of ai.onnx.ml suffices, which every runtime has.

An ensemble is written in double precision: features, which are float32, are widened exactly, thresholds are not
rounded, and leaves are added in double. The sum is rounded once to float32. On ONNX Runtime this costs nothing that
can be measured. XGBoost alone adds in float32 and has float32 thresholds; `Ensemble.single` adds as it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.models.exporters.tree_ensemble_nodes import (
    LEAF,
    Tree,
    constant_tree,
    lowered_pieces,
)

if TYPE_CHECKING:
    import onnx

__all__ = ["RAW", "Ensemble", "ensemble_graph"]

RAW = "booster:raw"
_DOUBLE = "booster:double"

Floats = npt.NDArray[np.float64]


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
    is_leaf = column["feature"] == LEAF
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
    is_leaf = tree.feature == LEAF
    columns: dict[str, npt.NDArray[Any]] = {
        "node": np.arange(count),
        "feature": tree.feature,
        "threshold": tree.threshold.astype(np.float64),
        "true": np.where(is_leaf, 0, tree.left),
        "false": np.where(is_leaf, 0, tree.right),
        "missing_true": (tree.missing_left & ~is_leaf).astype(np.int64),
    }
    leaves = np.flatnonzero(is_leaf)
    values = np.asarray(tree.values, np.float64)[leaves]
    if tree.pieces:
        columns, unreached = lowered_pieces(tree, columns)
        leaves = np.concatenate([leaves, unreached])
        values = np.concatenate([values, np.zeros((len(unreached), values.shape[1]))])
    return columns | {
        "leaf_node": np.repeat(leaves, len(tree.outputs)),
        "leaf_output": np.tile(np.array(tree.outputs, np.int64), len(leaves)),
        "leaf_value": values.ravel(),
    }
