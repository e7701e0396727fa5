"""Forests that vote to ONNX: their trees are added up in double precision and divided once, as scikit-learn does.

skl2onnx adds shares such as 1/20 in float32. Where half of the trees say one thing and half the other, which is common,
the label is then not scikit-learn's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueline.models.exporters.boosters import Boosted, boosted_model
from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.sklearn_emit import Want, by_converter
from trueline.models.exporters.tree_ensemble import Ensemble
from trueline.models.exporters.tree_ensemble_nodes import LEAF, Tree

__all__ = ["forest"]


def forest(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Probabilities of a RandomForestClassifier or ExtraTreesClassifier: the sum over its trees, then divided once."""
    if want != "probabilities":
        return by_converter(g, estimator, x, want)
    classes = len(estimator.classes_)
    trees = tuple(_tree(member.tree_, classes) for member in estimator.estimators_)
    body = Ensemble(trees, (0.0,) * classes)
    model = boosted_model(Boosted(body, "prediction", int(estimator.n_features_in_)), "x", "prediction")
    votes = g.add("Reshape", g.call(model, x, model.graph.output[0].name), g.integers([-1, classes]))
    return g.add("Div", g.double(votes), float(len(trees)))


def _tree(tree: Any, classes: int) -> Tree:
    """A fitted tree of one label; at its leaves stand the shares of the classes."""
    is_leaf = tree.children_left == -1
    return Tree(
        feature=np.where(is_leaf, LEAF, tree.feature).astype(np.int64),
        threshold=np.where(is_leaf, 0.0, tree.threshold),
        left=np.where(is_leaf, 0, tree.children_left).astype(np.int64),
        right=np.where(is_leaf, 0, tree.children_right).astype(np.int64),
        missing_left=np.asarray(tree.missing_go_to_left, bool) & ~is_leaf,
        values=np.asarray(tree.value[:, 0, :classes], np.float64),
        outputs=tuple(range(classes)),
    )
