"""CatBoost to ONNX, read from the model's own JSON: symmetric trees, and trees grown by depth or by loss.

A value above a border goes right; in a symmetric tree split i of a row is bit i of its leaf's number. Borders are
float32 and leaves float64. Categorical, text and embedding features are refused: CatBoost hashes and counts them in
ways that no ONNX operator has.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.boosters import Boosted, BoosterExporter, BoosterOutput
from trueline.models.exporters.heads import probabilities_of
from trueline.models.exporters.tree_ensemble import Ensemble
from trueline.models.exporters.tree_ensemble_nodes import Tree

__all__ = ["CatboostExporter", "read_booster"]

# Loss: meaning of the prediction, the link, and what CatBoost calls that prediction.
_LOSSES: dict[str, tuple[BoosterOutput, str, str]] = {
    "Logloss": ("probabilities", "sigmoid", "Probability"),
    "CrossEntropy": ("probabilities", "sigmoid", "Probability"),
    "MultiClass": ("probabilities", "softmax", "Probability"),
    "MultiClassOneVsAll": ("probabilities", "sigmoid", "Probability"),
    **dict.fromkeys(
        ("RMSE", "MAE", "Quantile", "MAPE", "Lq", "Huber", "Expectile", "LogCosh"),
        ("prediction", "identity", "RawFormulaVal"),
    ),
    **dict.fromkeys(("Poisson", "Tweedie", "LogLinQuantile"), ("prediction", "exp", "Exponent")),
    **dict.fromkeys(
        (
            "YetiRank",
            "YetiRankPairwise",
            "PairLogit",
            "PairLogitPairwise",
            "QueryRMSE",
            "QuerySoftMax",
            "StochasticRank",
            "LambdaMart",
        ),
        ("score", "identity", "RawFormulaVal"),
    ),
}
_NAN_RIGHT = "AsTrue"


class CatboostExporter(BoosterExporter):
    """CatBoostClassifier, CatBoostRegressor, CatBoostRanker, or CatBoost."""

    framework = "catboost"

    def _read(self) -> Boosted:
        return read_booster(self.model)

    def _classes(self) -> Sequence[Any] | None:
        found = np.asarray(self.model.classes_).tolist()
        return found or None

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The model's own prediction.

        Raises:
            ModelError: CatBoost refuses the rows, as it does missing values with nan_mode="Forbidden".
        """
        import catboost

        (x,) = arrays.values()
        kind = _loss_of(self.model)[2]
        try:
            found = catboost.CatBoost.predict(self.model, x, prediction_type=kind, thread_count=1)
        except catboost.CatBoostError as error:
            raise ModelError(
                f"{self._name} refuses rows that its features give: {error}",
                hint="use fill_missing in preprocessing_fn for features that may be missing, or another nan_mode.",
            ) from error
        raw = np.asarray(found, np.float64)
        if self.boosted.output != "probabilities":
            return raw.reshape(len(x))
        return probabilities_of(raw, "probabilities")

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The model as .cbm, which ``catboost.CatBoost().load_model`` reads."""
        return {
            "model.cbm": _saved(self.model, "cbm")
        }, "CatBoost's own binary: catboost.CatBoost().load_model reads it"

    def versions(self) -> dict[str, str]:
        """catboost."""
        import catboost

        return {"catboost": str(catboost.__version__)}


def read_booster(model: Any) -> Boosted:
    """Trees of a CatBoost model, all that it has kept.

    Raises:
        ModelError: not fitted, a loss whose output cannot be exported, or features that are not numbers, by name.
    """
    name = type(model).__name__
    if not model.is_fitted():
        raise ModelError(f"{name} is not fitted", hint="call fit before you return it.")
    output, link, _ = _loss_of(model)
    _refuse_features(model, name)
    found = json.loads(_saved(model, "json"))
    floats = found["features_info"].get("float_features") or []
    columns = np.array([f["flat_feature_index"] for f in floats], np.int64)
    nan_right = np.array([f["nan_value_treatment"] == _NAN_RIGHT for f in floats], bool)
    scale, bias = found["scale_and_bias"]
    make = _symmetric if "oblivious_trees" in found else _grown
    trees = tuple(
        make(t, columns, nan_right, float(scale), len(bias))
        for t in found.get("oblivious_trees", found.get("trees", []))
    )
    return Boosted(Ensemble(trees, tuple(float(b) for b in bias)), output, len(model.feature_names_), link)


def _loss_of(model: Any) -> tuple[BoosterOutput, str, str]:
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    found = _LOSSES.get(loss)
    if found is None:
        raise ModelError(
            f"{type(model).__name__} was trained with the loss {loss!r}, whose output is no probability or single "
            "number that can be exported",
            hint=f"losses that can: {', '.join(sorted(_LOSSES))}.",
        )
    if type(model).__name__ == "CatBoostRanker":
        return "score", found[1], found[2]
    return found


def _refuse_features(model: Any, name: str) -> None:
    kinds = (
        ("categorical", model.get_cat_feature_indices(), "compute_and_apply_vocabulary and one_hot, or target means"),
        ("text", model.get_text_feature_indices(), "bag_of_words or tfidf"),
        ("embedding", model.get_embedding_feature_indices(), "the vector's numbers as plain features"),
    )
    problems = [
        f"{kind} features {[model.feature_names_[i] for i in found]!r}: use {remedy} in preprocessing_fn"
        for kind, found, remedy in kinds
        if len(found)
    ]
    if problems:
        raise ModelError(
            f"{name} has features that CatBoost hashes and counts itself, which ONNX cannot", problems=problems
        )


def _saved(model: Any, form: str) -> bytes:
    """The model in one of CatBoost's formats, which it writes to files alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{form}"
        model.save_model(str(path), format=form)
        return path.read_bytes()


def _split(found: Mapping[str, Any], columns: npt.NDArray[np.int64]) -> tuple[int, float, int]:
    """Column, border, and number among the float features."""
    number = int(found["float_feature_index"])
    return int(columns[number]), float(np.float32(found["border"])), number


def _symmetric(
    found: Mapping[str, Any],
    columns: npt.NDArray[np.int64],
    nan_right: npt.NDArray[np.bool_],
    scale: float,
    outputs: int,
) -> Tree:
    """A symmetric tree as a complete binary one: level i asks split i, its leaves stand after the inner nodes."""
    leaf_values = np.array(found["leaf_values"], np.float64).reshape(-1, outputs) * scale
    splits = [_split(s, columns) for s in found["splits"] or []]
    depth = len(splits)
    inner, leaves = 2**depth - 1, 2**depth
    level = np.repeat(np.arange(depth, dtype=np.int64), [2**i for i in range(depth)])
    nodes, filling = np.arange(inner), np.zeros(leaves, np.int64)
    column, number = (np.array([s[i] for s in splits], np.int64) for i in (0, 2))
    border = np.array([s[1] for s in splits], np.float64)
    # The path to a leaf, root first, is its place among the leaves; bit i of its number is its turn at level i.
    place = np.arange(leaves)
    order = sum((((place >> (depth - 1 - i)) & 1) << i for i in range(depth)), np.zeros(leaves, np.int64))
    return Tree(
        feature=np.concatenate([column[level], filling - 1]),
        threshold=np.concatenate([border[level], filling.astype(np.float64)]),
        left=np.concatenate([2 * nodes + 1, filling]),
        right=np.concatenate([2 * nodes + 2, filling]),
        missing_left=np.concatenate([~nan_right[number[level]], filling.astype(bool)]),
        values=np.concatenate([np.zeros((inner, outputs)), leaf_values[order]]),
        outputs=tuple(range(outputs)),
    )


def _grown(
    found: Mapping[str, Any],
    columns: npt.NDArray[np.int64],
    nan_right: npt.NDArray[np.bool_],
    scale: float,
    outputs: int,
) -> Tree:
    """A tree of nested nodes."""
    rows: list[list[Any]] = []
    pending: list[tuple[Mapping[str, Any], int, str]] = [(found, -1, "")]
    place = {"left": 2, "right": 3}
    while pending:
        node, parent, side = pending.pop()
        if side:
            rows[parent][place[side]] = len(rows)
        if "value" in node:
            value = np.asarray(node["value"], np.float64).reshape(-1) * scale
            rows.append([-1, 0.0, 0, 0, False, value])
            continue
        column, border, number = _split(node["split"], columns)
        pending += [(node["right"], len(rows), "right"), (node["left"], len(rows), "left")]
        rows.append([column, border, 0, 0, not nan_right[number], np.zeros(outputs)])
    feature, threshold, left, right, missing_left, values = zip(*rows, strict=True)
    return Tree(
        np.array(feature, np.int64),
        np.array(threshold, np.float64),
        np.array(left, np.int64),
        np.array(right, np.int64),
        np.array(missing_left, bool),
        np.stack(values),
        tuple(range(outputs)),
    )
