"""A fitted estimator as nodes of a graph: by a writer of our own where there is one, else through skl2onnx.

Compositions (pipelines, column transformers, ensembles of other estimators) have writers of their own, so that each of
their parts may be of either kind, a booster of another library included. What a part hands on is float32 ``[N, F]``
for features, as scikit-learn keeps it, and double precision for scores.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

from trueline._core.errors import ModelError
from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.sklearn_convert import converted

__all__ = ["REFUSED", "NoDecisionError", "Want", "by_converter", "emit", "own_writer", "refuse"]


class NoDecisionError(ModelError):
    """A decision function that has no writer: what needs it goes through skl2onnx as a whole."""


Want = Literal["transform", "probabilities", "prediction", "decision"]
Writer = Callable[[Nodes, Any, str, Want], str]

_WRITERS: dict[str, str] = {
    "Pipeline": "sklearn_steps:pipeline",
    "FeatureUnion": "sklearn_steps:union",
    "ColumnTransformer": "sklearn_steps:columns",
    "StandardScaler": "sklearn_steps:standard_scaler",
    "RobustScaler": "sklearn_steps:robust_scaler",
    "MinMaxScaler": "sklearn_steps:min_max_scaler",
    "MaxAbsScaler": "sklearn_steps:max_abs_scaler",
    "KBinsDiscretizer": "sklearn_steps:bins",
    "FunctionTransformer": "sklearn_steps:function",
    "RandomForestClassifier": "sklearn_forests:forest",
    "ExtraTreesClassifier": "sklearn_forests:forest",
    "GaussianNB": "sklearn_scores:gaussian_bayes",
    "LinearDiscriminantAnalysis": "sklearn_scores:linear_discriminant",
    "DummyClassifier": "sklearn_scores:dummy_classifier",
    "DummyRegressor": "sklearn_scores:dummy_regressor",
    "SVR": "sklearn_scores:support_vectors",
    "NuSVR": "sklearn_scores:support_vectors",
    "KernelRidge": "sklearn_scores:kernel_ridge",
    "IsotonicRegression": "sklearn_scores:isotonic",
    "VotingClassifier": "sklearn_ensembles:voting_classifier",
    "VotingRegressor": "sklearn_ensembles:voting_regressor",
    "StackingClassifier": "sklearn_ensembles:stacking",
    "StackingRegressor": "sklearn_ensembles:stacking",
    "BaggingClassifier": "sklearn_ensembles:bagging",
    "BaggingRegressor": "sklearn_ensembles:bagging",
    "OneVsRestClassifier": "sklearn_ensembles:one_vs_rest",
    "CalibratedClassifierCV": "sklearn_calibrated:calibrated",
    "FrozenEstimator": "sklearn_ensembles:frozen",
    "TransformedTargetRegressor": "sklearn_ensembles:transformed_target",
    "SelfTrainingClassifier": "sklearn_ensembles:self_training",
}

_OWN_LABEL = "its label is not the class of the largest probability, which is what a model gives here"
REFUSED: dict[str, tuple[str, str]] = {
    "SplineTransformer": ("splines have no converter", "use KBinsDiscretizer or PolynomialFeatures."),
    "GaussianProcessClassifier": ("its graph would hold no prediction that can be trusted", "use SVC or a forest."),
    "TunedThresholdClassifierCV": (_OWN_LABEL, "export the estimator inside and decide on the probabilities."),
    "FixedThresholdClassifier": (_OWN_LABEL, "export the estimator inside and decide on the probabilities."),
    "RadiusNeighborsClassifier": ("rows without a neighbour have no prediction", "use KNeighborsClassifier."),
    "RadiusNeighborsRegressor": ("rows without a neighbour have no prediction", "use KNeighborsRegressor."),
    "LabelPropagation": ("it keeps all rows of its training", "use a classifier trained on its labels."),
    "LabelSpreading": ("it keeps all rows of its training", "use a classifier trained on its labels."),
    "NearestCentroid": ("there is no converter", "use LinearDiscriminantAnalysis or GaussianNB."),
    "Nystroem": ("there is no converter", "use SVC or SVR with the kernel itself."),
    "RBFSampler": ("there is no converter", "use SVC or SVR with the kernel itself."),
    "KNNImputer": ("it keeps all rows of its training", "use SimpleImputer, or fill_missing in preprocessing_fn."),
    "FastICA": ("there is no converter", "use PCA."),
}
"""Why an estimator is not exported, and what to use instead."""


def _of_distance(estimator: Any) -> tuple[str, str] | None:
    if estimator.weights == "uniform":
        return None
    return "votes that are weighted by distance have no exact converter", "use weights='uniform'."


def _of_init(estimator: Any) -> tuple[str, str] | None:
    if estimator.init is None or (estimator.init == "zero" and estimator.init_ is not None and _one_sum(estimator)):
        return None
    return "what it starts from has no converter", "leave init=None."


def _one_sum(estimator: Any) -> bool:
    return int(estimator.estimators_.shape[1]) == 1


_REFUSED_IF: dict[str, Callable[[Any], tuple[str, str] | None]] = {
    "KNeighborsClassifier": _of_distance,
    "KNeighborsRegressor": _of_distance,
    "GradientBoostingClassifier": _of_init,
    "GradientBoostingRegressor": _of_init,
}
"""Estimators that are exported unless one of their parameters says otherwise."""


def refuse(estimator: Any, why: str, instead: str) -> ModelError:
    """The error that names an estimator, the reason and the way out."""
    return ModelError(f"{type(estimator).__name__} cannot be exported: {why}", hint=instead)


def own_writer(estimator: Any) -> Writer | None:
    """The writer for an estimator of scikit-learn itself; a class that a user derived is not it."""
    place = _WRITERS.get(type(estimator).__name__)
    if place is None or type(estimator).__module__.partition(".")[0] != "sklearn":
        return None
    module, _, name = place.partition(":")
    writer: Writer = getattr(importlib.import_module("trueline.models.exporters." + module), name)
    return writer


def emit(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Adds the estimator's nodes and returns the name of what is wanted.

    Args:
        g: the graph.
        estimator: a fitted estimator.
        x: features, float32 ``[N, F]``.
        want: ``transform`` gives float32 ``[N, K]``; ``probabilities`` ``[N, C]`` in the order of ``classes_``,
            ``prediction`` ``[N, 1]`` and ``decision`` ``[N, 1]`` or ``[N, C]`` are double.

    Raises:
        ModelError: naming the part that cannot be exported.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    name = type(estimator).__name__
    if reason := REFUSED.get(name) or (_REFUSED_IF[name](estimator) if name in _REFUSED_IF else None):
        raise refuse(estimator, *reason)
    writer = own_writer(estimator)
    if writer is not None:
        return writer(g, estimator, x, want)
    if want == "decision":
        from trueline.models.exporters.sklearn_scores import decision

        return decision(g, estimator, x)
    return by_converter(g, estimator, x, want)


def by_converter(g: Nodes, estimator: Any, x: str, want: Want) -> str:
    """Through the boosters' own writer or skl2onnx."""
    from trueline.models.exporters.boosters import booster_model, is_booster

    if is_booster(estimator):
        model = booster_model(estimator)
        output = model.graph.output[0].name
        if output != want:
            raise refuse(estimator, f"it gives {output} where {want} is needed", "use another estimator there.")
    else:
        model, output = converted(estimator, _width(estimator), probabilities=want == "probabilities")
    made = g.call(model, x, output)
    if want == "transform":
        return g.float(made)
    columns = len(estimator.classes_) if want == "probabilities" else 1
    return g.double(g.add("Reshape", made, g.integers([-1, columns])))


def _width(estimator: Any) -> int:
    width = getattr(estimator, "n_features_in_", None)
    if width is None:
        raise refuse(estimator, "it does not say how many columns it was fitted on", "put it behind another step.")
    return int(width)
