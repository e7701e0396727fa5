"""Where skl2onnx converts a fitted estimator wrongly or not at all, and what is done about it.

Each repair is small and local; the parity gate is what proves it. What cannot be repaired is refused by name.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError
from trueline.models.exporters.sklearn_trees import float32_thresholds

if TYPE_CHECKING:
    import onnx

__all__ = ["apply_link", "last_step", "prepared"]

_LOG_LINKS = ("poisson", "gamma")


def last_step(estimator: Any) -> Any:
    """The estimator that predicts: the last step of a pipeline, or the estimator itself."""
    return last_step(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def prepared(estimator: Any) -> Any:
    """What is handed to skl2onnx in an estimator's place; it predicts the same.

    A search is replaced by its best estimator; soft voting loses an option that only concerns ``transform``; the
    thresholds of histogram gradient boosting become float32 in a copy, see `float32_thresholds`.

    Raises:
        ModelError: splits on categories, which ONNX trees as skl2onnx writes them cannot hold.
    """
    found = getattr(estimator, "best_estimator_", estimator)
    if getattr(found, "flatten_transform", False) and hasattr(found, "voting"):
        found = copy.copy(found)
        found.flatten_transform = False
    categorical = getattr(last_step(found), "is_categorical_", None)
    if categorical is not None and any(categorical):
        raise ModelError(
            f"{type(last_step(found)).__name__} splits on {int(sum(categorical))} features as categories, which its "
            "ONNX export cannot",
            hint="fit with categorical_features=None; give categories as one_hot or as ordered ids.",
        )
    if hasattr(last_step(found), "_predictors"):
        found = copy.deepcopy(found)
        float32_thresholds(last_step(found))
    return found


def apply_link(model: onnx.ModelProto, estimator: Any) -> None:
    """Puts exp behind histogram gradient boosting with a log link, which skl2onnx leaves out; in place."""
    from onnx import helper

    last = last_step(estimator)
    if type(last).__name__ != "HistGradientBoostingRegressor" or last.loss not in _LOG_LINKS:
        return
    output = model.graph.output[-1]
    model.graph.node.append(helper.make_node("Exp", [output.name], [output.name + ":exp"]))
    output.name += ":exp"
