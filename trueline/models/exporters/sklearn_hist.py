"""scikit-learn's histogram gradient boosting to ONNX, read from its predictors: categories and missing values too.

`hist_gradient_model` is what the exporter of scikit-learn puts in the place of skl2onnx, which refuses categories,
leaves out the log link and rounds thresholds to float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.exporters.boosters import Boosted, boosted_model
from trueline.models.exporters.tree_ensemble import Ensemble
from trueline.models.exporters.tree_ensemble_nodes import Pieces, Tree
from trueline.models.inputs import DEFAULT_INPUT

if TYPE_CHECKING:
    import onnx

__all__ = ["hist_gradient_model", "read_booster"]

_LOG_LINKS = ("poisson", "gamma")
_WORD_BITS = 32


def hist_gradient_model(estimator: Any, *, input_name: str = DEFAULT_INPUT) -> onnx.ModelProto:
    """A fitted HistGradientBoostingClassifier or HistGradientBoostingRegressor as ONNX, exact in its every branch.

    Splits on categories (``categorical_features``), unknown categories, missing values, all losses and early stopping
    are as scikit-learn predicts. Sums are in double precision and rounded once.

    Args:
        estimator: the estimator itself, no pipeline or search around it.
        input_name: name of the graph's input, float32 ``[N, n_features_in_]`` with NaN for missing values.

    Returns:
        A graph with opsets 20 and ai.onnx.ml 3 and one float32 output: ``probabilities`` ``[N, C]`` in the order of
        ``classes_``, or ``prediction`` ``[N]``.

    Raises:
        ModelError: not fitted.
    """
    return boosted_model(read_booster(estimator), input_name)


def read_booster(estimator: Any) -> Boosted:
    """The estimator's predictors as an ensemble.

    Raises:
        ModelError: not fitted, or fitted on categories that are not numbers.
    """
    name = type(estimator).__name__
    if not hasattr(estimator, "_predictors"):
        raise ModelError(f"{name} is not fitted", hint="call fit before you return it.")
    columns, categories = _columns(estimator)
    base = np.ravel(np.asarray(estimator._baseline_prediction, np.float64))
    trees = tuple(
        _tree(predictor, output, columns, categories)
        for iteration in estimator._predictors
        for output, predictor in enumerate(iteration)
    )
    body = Ensemble(trees, tuple(base.tolist()))
    width = int(estimator.n_features_in_)
    if hasattr(estimator, "classes_"):
        return Boosted(body, "probabilities", width, "sigmoid" if len(base) == 1 else "softmax")
    return Boosted(body, "prediction", width, "exp" if estimator.loss in _LOG_LINKS else "identity")


def _columns(estimator: Any) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.float64]]]:
    """The input column of each feature as the trees number them, and the categories of the first of these.

    scikit-learn encodes categories as their places in the sorted list and puts those columns in front.
    """
    width = int(estimator.n_features_in_)
    encoder = getattr(estimator, "_preprocessor", None)
    if encoder is None:
        return np.arange(width), []
    is_category = np.asarray(estimator.is_categorical_, bool)
    columns = np.concatenate([np.flatnonzero(is_category), np.flatnonzero(~is_category)])
    found = encoder.named_transformers_["encoder"].categories_
    try:
        return columns, [np.asarray(c, np.float64) for c in found]
    except ValueError as error:
        raise ModelError(
            f"{type(estimator).__name__} was fitted on categories that are no numbers: {error}",
            hint="fit on x as fn_args gives it, where categories are ids of a vocabulary.",
        ) from error


def _tree(
    predictor: Any, output: int, columns: npt.NDArray[np.int64], categories: Sequence[npt.NDArray[np.float64]]
) -> Tree:
    """One predictor."""
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    features = nodes["feature_idx"].astype(np.int64)
    missing_left = nodes["missing_go_to_left"].astype(bool)
    pieces = {}
    for n in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~is_leaf):
        known = categories[features[n]]
        bits = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][n]]
        pieces[int(n)] = _set(known, _members(bits, len(known)), bool(missing_left[n]))
    return Tree(
        feature=np.where(is_leaf, -1, columns[np.where(is_leaf, 0, features)]),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        missing_left=missing_left,
        values=nodes["value"].astype(np.float64)[:, None],
        outputs=(output,),
        pieces=pieces,
    )


def _members(bits: npt.NDArray[np.uint32], count: int) -> npt.NDArray[np.bool_]:
    """Whether each of `count` codes is in a set of bits."""
    codes = np.arange(count)
    words = np.asarray(bits, np.uint32)[codes // _WORD_BITS]
    return np.asarray((words >> (codes % _WORD_BITS).astype(np.uint32)) & 1, bool)


def _set(known: npt.NDArray[np.float64], goes_left: npt.NDArray[np.bool_], unknown_left: bool) -> Pieces:
    """Known categories by their side; any other number goes where missing values go."""
    known, goes_left = known[~np.isnan(known)], goes_left[~np.isnan(known)]
    apart = np.sort(known[goes_left != unknown_left])
    if not len(apart):
        return Pieces((np.inf,), unknown_left)
    edges = np.stack([np.nextafter(apart, -np.inf), apart], axis=1).ravel()
    return Pieces(tuple(edges.tolist()), unknown_left)
