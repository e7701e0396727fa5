"""XGBoost to ONNX, read from the model's own JSON: trees, DART, forests, linear boosters, categories, early stopping.

The layout is that of XGBoost's documented model schema (doc/model.schema): ``split_conditions`` holds float32
thresholds and leaves, a value goes left where it is below the threshold, a category goes right where it is a member.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.boosters import Boosted, BoosterExporter, BoosterOutput, Linear
from trueline.models.exporters.heads import probabilities_of
from trueline.models.exporters.tree_ensemble import Ensemble
from trueline.models.exporters.tree_ensemble_nodes import Tree, integer_pieces

__all__ = ["XgboostExporter", "read_booster"]

# Objective: meaning of the prediction, and the link.
_OBJECTIVES: dict[str, tuple[BoosterOutput, str]] = {
    "reg:squarederror": ("prediction", "identity"),
    "reg:linear": ("prediction", "identity"),
    "reg:squaredlogerror": ("prediction", "identity"),
    "reg:pseudohubererror": ("prediction", "identity"),
    "reg:absoluteerror": ("prediction", "identity"),
    "reg:quantileerror": ("prediction", "identity"),
    "reg:logistic": ("prediction", "sigmoid"),
    "reg:gamma": ("prediction", "exp"),
    "reg:tweedie": ("prediction", "exp"),
    "count:poisson": ("prediction", "exp"),
    "survival:cox": ("prediction", "exp"),
    "survival:aft": ("prediction", "exp"),
    "binary:logistic": ("probabilities", "sigmoid"),
    "multi:softprob": ("probabilities", "softmax"),
    "multi:softmax": ("probabilities", "softmax"),
    "rank:ndcg": ("score", "identity"),
    "rank:pairwise": ("score", "identity"),
    "rank:map": ("score", "identity"),
}


class XgboostExporter(BoosterExporter):
    """XGBClassifier, XGBRegressor, XGBRanker, their forests, or a raw Booster."""

    framework = "xgboost"

    def _read(self) -> Boosted:
        return read_booster(self.model)

    def _classes(self) -> Sequence[Any] | None:
        return None

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The booster's own prediction, with softmax over its margins where it would give classes (multi:softmax).

        Raises:
            ModelError: XGBoost refuses the rows, as it does infinities.
        """
        import xgboost

        (x,) = arrays.values()
        booster, missing = _booster_of(self.model), _missing_of(self.model)
        hard = _objective_of(booster) == "multi:softmax"
        try:
            data = xgboost.DMatrix(
                x,
                missing=np.nan if missing is None else missing,
                feature_types=booster.feature_types,
                enable_categorical=True,
                nthread=1,
            )
            found = booster.predict(
                data, output_margin=hard, iteration_range=_iterations(self.model), validate_features=False
            )
        except xgboost.core.XGBoostError as error:
            raise ModelError(
                f"{self._name} refuses rows that its features give: {_message(error)}",
                hint="XGBoost takes NaN, and no infinities: clip them in preprocessing_fn.",
            ) from error
        raw = np.asarray(found, np.float64)
        if self.boosted.output != "probabilities":
            return raw.reshape(len(x))
        return probabilities_of(raw, "logits" if hard else "probabilities")

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The booster as UBJSON, which ``xgboost.Booster(model_file=...)`` reads."""
        content = bytes(_booster_of(self.model).save_raw("ubj"))
        return {"model.ubj": content}, "XGBoost's own UBJSON: xgboost.Booster(model_file=...) reads it"

    def versions(self) -> dict[str, str]:
        """xgboost."""
        import xgboost

        return {"xgboost": str(xgboost.__version__)}


def read_booster(model: Any) -> Boosted:
    """Trees or weights of an XGBModel or a Booster, as its own ``predict`` uses them.

    Raises:
        ModelError: not fitted, or an objective, a label or a tree that cannot be exported, by name.
    """
    booster = _booster_of(model)
    document = json.loads(bytes(booster.save_raw("json")))
    learner = document["learner"]
    name = type(model).__name__
    output, link = _meaning(model, learner)
    parameters = learner["learner_model_param"]
    if int(parameters.get("num_target", "1")) > 1:
        raise ModelError(
            f"{name} predicts {parameters['num_target']} numbers a row; one is supported",
            hint="train a model for each label or quantile.",
        )
    width = int(parameters["num_feature"])
    machine = learner["gradient_booster"]
    if machine["name"] == "gblinear":
        body = _linear(machine["model"], booster, width)
        return Boosted(body, output, width, link, missing=_missing_of(model))
    trees = machine["gbtree"]["model"] if machine["name"] == "dart" else machine["model"]
    _refuse_recoded(trees.get("cats") or {}, name)
    weights = machine.get("weight_drop") or [1.0] * len(trees["trees"])
    start, stop = _range(trees, _iterations(model))
    made = tuple(_tree(trees["trees"][i], weights[i], trees["tree_info"][i], name) for i in range(start, stop))
    trees_body = Ensemble(made, tuple(_base_margin(document, trees, width).tolist()), strict=True, single=True)
    return Boosted(trees_body, output, width, link, missing=_missing_of(model))


def _booster_of(model: Any) -> Any:
    import xgboost
    from sklearn.exceptions import NotFittedError

    if not isinstance(model, xgboost.Booster):
        try:
            return model.get_booster()
        except NotFittedError as error:
            raise ModelError(f"{type(model).__name__} is not fitted", hint="call fit before you return it.") from error
    return model


def _objective_of(booster: Any) -> str:
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def _meaning(model: Any, learner: Mapping[str, Any]) -> tuple[BoosterOutput, str]:
    """What the objective says of the output."""
    objective, name = str(learner["objective"]["name"]), type(model).__name__
    custom = callable(getattr(model, "objective", None))
    is_classifier = getattr(model, "_estimator_type", "") == "classifier" or hasattr(type(model), "predict_proba")
    found = _OBJECTIVES.get(objective)
    if found is None or (is_classifier and (custom or found[0] != "probabilities")):
        said = "an objective of its own" if custom else f"the objective {objective!r}"
        raise ModelError(
            f"{name} was trained with {said}, whose output is no probability or number that can be exported",
            hint=f"objectives that can: {', '.join(sorted(_OBJECTIVES))}.",
        )
    if getattr(model, "_estimator_type", "") == "ranker" or type(model).__name__ == "XGBRanker":
        return "score", found[1]
    return found


def _missing_of(model: Any) -> float | None:
    """The number that an XGBModel takes for missing beside NaN; a Booster does not keep it."""
    value = getattr(model, "missing", None)
    return None if value is None or np.isnan(value) else float(value)


def _iterations(model: Any) -> tuple[int, int]:
    """The iterations of a prediction: XGBModel stops at the best one, a Booster uses all; (0, 0) means all."""
    choose = getattr(model, "_get_iteration_range", None)
    if choose is None or getattr(model, "booster", None) == "gblinear":
        return 0, 0
    start, stop = choose(None)
    return int(start), int(stop)


def _range(trees: Mapping[str, Any], iterations: tuple[int, int]) -> tuple[int, int]:
    """Numbers of the trees of some iterations; an iteration has one tree a class and parallel tree."""
    at = trees["iteration_indptr"]
    stop = iterations[1] or len(at) - 1
    return int(at[iterations[0]]), int(at[min(stop, len(at) - 1)])


def _base_margin(document: Mapping[str, Any], trees: Mapping[str, Any], width: int) -> npt.NDArray[np.float64]:
    """What sums start from, an output each: the margin that XGBoost gives when the leaves of this model are zero.

    So neither the link's inverse in float32 nor the meaning of ``base_score`` in a version of XGBoost is guessed.
    One iteration is kept: without a tree XGBoost forgets the link.
    """
    import xgboost

    edges = trees["iteration_indptr"][:2]
    kept = [_without_leaves(t) for t in trees["trees"][: edges[-1]]]
    facts = trees["gbtree_model_param"] | {"num_trees": str(len(kept))}
    model = {**trees, "trees": kept, "tree_info": trees["tree_info"][: edges[-1]]}
    model |= {"iteration_indptr": edges, "gbtree_model_param": facts}
    learner = document["learner"] | {"gradient_booster": {"name": "gbtree", "model": model}}
    booster = xgboost.Booster(model_file=bytearray(json.dumps({**document, "learner": learner}).encode()))
    return _margin_of_zeros(booster, width)


def _without_leaves(tree: Mapping[str, Any]) -> dict[str, Any]:
    values = zip(tree["split_conditions"], tree["left_children"], strict=True)
    return {**tree, "split_conditions": [0.0 if child == -1 else value for value, child in values]}


def _margin_of_zeros(booster: Any, width: int) -> npt.NDArray[np.float64]:
    import xgboost

    zeros = xgboost.DMatrix(np.zeros((1, width), np.float32), nthread=1)
    return np.asarray(booster.predict(zeros, output_margin=True, validate_features=False), np.float64).reshape(-1)


def _linear(model: Mapping[str, Any], booster: Any, width: int) -> Linear:
    """Weights of a linear booster; what it starts from is its own margin of a row of zeros.

    (XGBoost 3.2 adds the first class's base_score to every class here, and not to each its own.)
    """
    base = _margin_of_zeros(booster, width)
    weights = np.array(model["weights"], np.float32).astype(np.float64).reshape(width + 1, len(base))
    return Linear(weights[:-1], base)


def _refuse_recoded(categories: Mapping[str, Any], name: str) -> None:
    """A model that was fitted on a data frame of categories knows their places, not the numbers in x."""
    for column, found in enumerate(categories.get("enc") or []):
        values = found.get("values") or []
        if ("offsets" in found and values) or list(values) != list(range(len(values))):
            raise ModelError(
                f"{name} was fitted on a data frame whose column {column} holds categories that are not 0, 1, 2, ...",
                hint="fit on x as fn_args gives it: feature_types=['q', 'c', ...] with enable_categorical=True.",
            )


def _tree(found: Mapping[str, Any], weight: float, output: int, name: str) -> Tree:
    """One tree of the JSON; `weight` is DART's."""
    if int(found["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise ModelError(
            f"{name} has vectors at its leaves (multi_strategy='multi_output_tree')",
            hint="train with multi_strategy='one_output_per_tree'.",
        )
    left = np.array(found["left_children"], np.int64)
    right = np.array(found["right_children"], np.int64)
    conditions = np.array(found["split_conditions"], np.float32).astype(np.float64)
    is_leaf = left == -1
    tree = Tree(
        feature=np.where(is_leaf, -1, np.array(found["split_indices"], np.int64)),
        threshold=conditions,
        left=left,
        right=right,
        missing_left=np.array(found["default_left"], bool),
        values=(conditions * np.float64(np.float32(weight)))[:, None],
        outputs=(int(output),),
    )
    nodes, starts, sizes = (found[f"categories_{k}"] for k in ("nodes", "segments", "sizes"))
    members = {n: found["categories"][s : s + k] for n, s, k in zip(nodes, starts, sizes, strict=True)}
    pieces = {n: integer_pieces(m, inside_left=False, strict=True, from_minus_one=False) for n, m in members.items()}
    return replace(tree, pieces=pieces)


def _message(error: Exception) -> str:
    """XGBoost's reason without the stack of its library."""
    text = str(error).split("Stack trace")[0].strip().splitlines()
    return text[-1].partition("Check failed: ")[2] or text[-1]
