"""Missing values in exported scikit-learn trees.

A fitted tree sends NaN to the child that ``missing_go_to_left`` says; skl2onnx writes "right" for every node of
decision trees and forests. The nodes are matched with the fitted trees one by one and corrected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["route_missing"]

_TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_FIELD = "nodes_missing_value_tracks_true"


def route_missing(model: onnx.ModelProto, estimator: Any) -> None:
    """Corrects the one tree ensemble of a decision tree or a forest, in place.

    Other estimators, and an ensemble whose nodes are not those of the fitted trees, are left as they are: the parity
    gate tries missing values for every feature that may lack one.
    """
    members = [estimator] if hasattr(estimator, "tree_") else list(np.ravel(getattr(estimator, "estimators_", [])))
    trees = [m.tree_ for m in members if hasattr(m, "tree_")]
    nodes = [n for n in model.graph.node if n.op_type in _TREES]
    if not trees or len(trees) != len(members) or len(nodes) != 1:
        return
    attributes = {a.name: a for a in nodes[0].attribute}
    tree_ids, node_ids = (np.array(attributes[n].ints, np.int64) for n in ("nodes_treeids", "nodes_nodeids"))
    if tree_ids.size != sum(t.node_count for t in trees) or set(tree_ids.tolist()) != set(range(len(trees))):
        return
    features, left = (np.array(attributes[n].ints, np.int64) for n in ("nodes_featureids", "nodes_truenodeids"))
    tracks = np.zeros(tree_ids.size, np.int64)
    for i, tree in enumerate(trees):
        at = np.flatnonzero(tree_ids == i)
        ids = node_ids[at]
        if at.size != tree.node_count or ids.max() >= tree.node_count:
            return
        inner = tree.children_left[ids] != -1
        if (features[at][inner] != tree.feature[ids][inner]).any():
            return
        if (left[at][inner] != tree.children_left[ids][inner]).any():
            return
        tracks[at] = np.where(inner, tree.missing_go_to_left[ids] != 0, False)
    attributes[_FIELD].ints[:] = tracks.tolist()
