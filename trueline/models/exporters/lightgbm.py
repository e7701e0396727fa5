"""LightGBM to ONNX, read from the model's own text: boosted trees, DART, random forests, categories, missing types.

In the text a node has a ``decision_type``: bit 0 says that it splits by a set of categories, bit 1 that missing
values go left, bits 2 and 3 what is missing: nothing (0), zero and NaN (1), NaN (2). A negative child is a leaf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.boosters import Boosted, BoosterExporter, BoosterOutput
from trueline.models.exporters.heads import probabilities_of
from trueline.models.exporters.tree_ensemble import Ensemble
from trueline.models.exporters.tree_ensemble_nodes import Pieces, Tree, constant_tree, integer_pieces

__all__ = ["LightgbmExporter", "read_booster"]

# Objective: meaning of the prediction, and the link.
_OBJECTIVES: dict[str, tuple[BoosterOutput, str]] = {
    "regression": ("prediction", "identity"),
    "regression_l1": ("prediction", "identity"),
    "huber": ("prediction", "identity"),
    "fair": ("prediction", "identity"),
    "quantile": ("prediction", "identity"),
    "mape": ("prediction", "identity"),
    "poisson": ("prediction", "exp"),
    "gamma": ("prediction", "exp"),
    "tweedie": ("prediction", "exp"),
    "cross_entropy": ("prediction", "sigmoid"),
    "cross_entropy_lambda": ("prediction", "log1p_exp"),
    "binary": ("probabilities", "sigmoid"),
    "multiclass": ("probabilities", "softmax"),
    "multiclassova": ("probabilities", "sigmoid"),
    "lambdarank": ("score", "identity"),
    "rank_xendcg": ("score", "identity"),
}
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1
# LightGBM takes numbers this near to zero for zero (kZeroThreshold, a float constant).
_ZERO = float(np.float32(1e-35))
_BELOW_ZERO = float(np.nextafter(-_ZERO, -np.inf))


class LightgbmExporter(BoosterExporter):
    """LGBMClassifier, LGBMRegressor, LGBMRanker, or a raw Booster."""

    framework = "lightgbm"

    def _read(self) -> Boosted:
        return read_booster(self.model)

    def _classes(self) -> Sequence[Any] | None:
        found = getattr(self.model, "classes_", None)
        return None if found is None else np.asarray(found).tolist()

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The booster's own prediction.

        Raises:
            ModelError: LightGBM refuses the rows.
        """
        import lightgbm

        (x,) = arrays.values()
        try:
            found = _booster_of(self.model).predict(x, num_threads=1)
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise ModelError(f"{self._name} refuses rows that its features give: {error}") from error
        raw = np.asarray(found, np.float64)
        if self.boosted.output != "probabilities":
            return raw.reshape(len(x))
        return probabilities_of(raw, "probabilities")

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The booster's text, which ``lightgbm.Booster(model_file=...)`` reads."""
        content = _booster_of(self.model).model_to_string().encode()
        return {"model.txt": content}, "LightGBM's own text: lightgbm.Booster(model_file=...) reads it"

    def versions(self) -> dict[str, str]:
        """lightgbm."""
        import lightgbm

        return {"lightgbm": str(lightgbm.__version__)}


def read_booster(model: Any) -> Boosted:
    """Trees of an LGBMModel or a Booster up to its best iteration, as its own ``predict`` uses them.

    Raises:
        ModelError: not fitted, or an objective or a tree that cannot be exported, by name.
    """
    name = type(model).__name__
    booster = _booster_of(model)
    _refuse_recoded(booster, name)
    head, *sections = booster.model_to_string().split("\nTree=")
    facts = dict(line.partition("=")[::2] for line in head.splitlines())
    output, link, slope = _meaning(model, facts)
    outputs = int(facts["num_tree_per_iteration"])
    # A forest's prediction is the mean of its iterations.
    share = outputs / max(len(sections), 1) if "average_output" in facts else 1.0
    trees = tuple(_tree(_fields(text), i % outputs, share, name) for i, text in enumerate(sections))
    body = Ensemble(trees, (0.0,) * outputs)
    return Boosted(body, output, int(facts["max_feature_idx"]) + 1, link, slope)


def _booster_of(model: Any) -> Any:
    import lightgbm
    from sklearn.exceptions import NotFittedError

    if isinstance(model, lightgbm.Booster):
        return model
    try:
        return model.booster_
    except NotFittedError as error:
        raise ModelError(f"{type(model).__name__} is not fitted", hint="call fit before you return it.") from error


def _meaning(model: Any, facts: Mapping[str, str]) -> tuple[BoosterOutput, str, float]:
    """What the line ``objective`` says of the output, and its parameters."""
    words = facts.get("objective", "").split()
    objective, options = (words or [""])[0], dict(w.partition(":")[::2] for w in words[1:])
    is_classifier = hasattr(type(model), "predict_proba")
    found = _OBJECTIVES.get(objective)
    if not objective and not is_classifier and int(facts["num_class"]) == 1:
        return ("score" if _is_ranker(model) else "prediction"), "identity", 1.0
    if found is None or (is_classifier and found[0] != "probabilities"):
        said = f"the objective {objective!r}" if objective else "an objective of its own"
        raise ModelError(
            f"{type(model).__name__} was trained with {said}, whose output is no probability or number that can be "
            "exported",
            hint=f"objectives that can: {', '.join(sorted(_OBJECTIVES))}.",
        )
    output, link = found
    if objective == "regression" and "sqrt" in options:
        link = "signed_square"
    return ("score" if _is_ranker(model) else output), link, float(options.get("sigmoid") or 1.0)


def _is_ranker(model: Any) -> bool:
    return any(cls.__name__ == "LGBMRanker" for cls in type(model).__mro__)


def _refuse_recoded(booster: Any, name: str) -> None:
    """A model that was fitted on a data frame of categories knows their places, not the numbers in x."""
    for values in booster.pandas_categorical or []:
        if list(values) != list(range(len(values))):
            raise ModelError(
                f"{name} was fitted on a data frame with categories that are not 0, 1, 2, ...: {list(values)[:5]!r}",
                hint="fit on x as fn_args gives it, with categorical_feature=[...] naming its columns.",
            )


def _fields(section: str) -> dict[str, str]:
    """The lines ``name=value`` of one tree."""
    text = section.partition("\nend of trees")[0]
    return dict(line.partition("=")[::2] for line in text.splitlines()[1:])


def _numbers(fields: Mapping[str, str], name: str, dtype: Any) -> npt.NDArray[Any]:
    return np.array(fields.get(name, "").split(), dtype)


def _tree(fields: Mapping[str, str], output: int, share: float, name: str) -> Tree:
    """One tree of the text: inner nodes first, leaves after them."""
    if fields.get("is_linear", "0") != "0":
        raise ModelError(
            f"{name} has linear models at its leaves (linear_tree=True), which ONNX trees cannot hold",
            hint="train with linear_tree=False.",
        )
    leaves = _numbers(fields, "leaf_value", np.float64) * share
    inner = len(leaves) - 1
    if inner == 0:
        return constant_tree(float(leaves[0]), output)
    kinds = _numbers(fields, "decision_type", np.int64)
    thresholds = _numbers(fields, "threshold", np.float64)
    missing, default_left = (kinds >> 2) & 3, (kinds & _DEFAULT_LEFT) != 0
    is_set = (kinds & _CATEGORICAL) != 0
    # Where NaN is not missing it is read as zero; among categories it is no member.
    missing_left = np.where(missing == _MISSING_NONE, thresholds >= 0.0, default_left) & ~is_set
    tree = Tree(
        feature=_padded(_numbers(fields, "split_feature", np.int64), len(leaves), -1),
        threshold=_padded(_around_zero(thresholds), len(leaves), 0.0),
        left=_padded(_child(_numbers(fields, "left_child", np.int64), inner), len(leaves), 0),
        right=_padded(_child(_numbers(fields, "right_child", np.int64), inner), len(leaves), 0),
        missing_left=_padded(missing_left, len(leaves), False),
        values=np.concatenate([np.zeros(inner), leaves])[:, None],
        outputs=(output,),
    )
    zeros = {
        int(n): made
        for n in np.flatnonzero((missing == _MISSING_ZERO) & ~is_set)
        if (made := _zero_pieces(float(thresholds[n]), bool(default_left[n]))) is not None
    }
    return replace(tree, pieces=zeros | {int(n): _set(fields, thresholds[n]) for n in np.flatnonzero(is_set)})


def _padded(values: npt.NDArray[Any], leaves: int, filling: Any) -> npt.NDArray[Any]:
    return np.concatenate([values, np.full(leaves, filling, values.dtype)])


def _child(found: npt.NDArray[np.int64], inner: int) -> npt.NDArray[np.int64]:
    """Children as node numbers: leaf ``~c`` stands after the inner nodes."""
    return np.where(found >= 0, found, inner + ~found)


def _around_zero(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Thresholds among numbers so small that LightGBM reads them as zero are moved out, to the side of zero."""
    moved = np.where((thresholds >= 0.0) & (thresholds < _ZERO), _ZERO, thresholds)
    return np.where((thresholds >= -_ZERO) & (thresholds < 0.0), _BELOW_ZERO, moved)


def _zero_pieces(threshold: float, zero_left: bool) -> Pieces | None:
    """A split ``x <= threshold`` where zero goes to a side of its own; None where that is its side anyway."""
    below = _BELOW_ZERO
    if zero_left:
        if threshold >= _ZERO:
            return None
        return Pieces((_ZERO,), True) if threshold >= below else Pieces((threshold, below, _ZERO), True)
    if threshold <= below:
        return None
    return Pieces((below, _ZERO, threshold), True) if threshold > _ZERO else Pieces((below,), True)


def _set(fields: Mapping[str, str], number: float) -> Pieces:
    """The categories that go left, from the tree's bit sets."""
    edges = _numbers(fields, "cat_boundaries", np.int64)
    start, stop = edges[int(number)], edges[int(number) + 1]
    words = _numbers(fields, "cat_threshold", np.uint32)[start:stop]
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    return integer_pieces(np.flatnonzero(bits).tolist(), inside_left=True, strict=False, from_minus_one=True)
