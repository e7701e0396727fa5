"""Why a model says what it says: an open table of methods, and the one that is exact for every model, ablation.

Ablation asks the whole model, from raw features on: how does the score of a row change when one raw feature takes the
values it has in other rows? It needs nothing but predictions, so it is the same for a tree, a network or an ONNX file.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline.models.model_data import Rows, as_table

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models.model import Model

__all__ = ["EXPLAINERS", "Explanation", "ablation", "explainer", "register_explainer", "score_function"]

Explainer = Callable[..., Any]
EXPLAINERS: dict[str, str | Explainer] = {
    "ablation": "trueline.models.explain:ablation",
    "counterfactual": "trueline.model_analysis.explain.by_name:counterfactual",
    "lime": "trueline.model_analysis.explain.surrogate:lime_surrogate",
    "neighbours": "trueline.model_analysis.explain.by_name:neighbours",
    "pdp": "trueline.model_analysis.explain.dependence:partial_dependence",
    "permutation": "trueline.model_analysis.explain.permutation:permutation_importance",
    "shap": "trueline.model_analysis.explain.shapley:shap_values",
}
"""Method name -> ``"package.module:function"`` or the function; called as ``function(model, data, **options)``."""
_CHUNK = 8192
_BACKGROUND = 32


def register_explainer(name: str, function: str | Explainer) -> None:
    """Adds a method to `Model.explain`.

    Args:
        name: the value of ``method=``.
        function: ``"package.module:function"``, imported on use, or the function itself.

    Raises:
        ModelError: the name is taken by another function, or `function` is neither.
    """
    if not callable(function) and ":" not in str(function):
        raise ModelError(f"explain method {name!r}: {function!r} is no function and no 'package.module:function'")
    if EXPLAINERS.get(name, function) != function:
        raise ModelError(f"there is an explain method {name!r} already", hint="choose another name.")
    EXPLAINERS[name] = function


def explainer(name: str) -> Explainer:
    """The function of a method.

    Raises:
        ModelError: there is none of this name, or it cannot be imported.
    """
    found = EXPLAINERS.get(name)
    if found is None:
        raise ModelError(f"there is no explain method {name!r}", hint=did_you_mean(name, EXPLAINERS))
    if not isinstance(found, str):
        return found
    module, _, attribute = found.partition(":")
    try:
        function: Explainer = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"explain method {name!r} needs {found}, which cannot be imported: {error}") from error
    return function


@dataclass(frozen=True, eq=False)
class Explanation:
    """What every raw feature does to every row's score.

    Attributes:
        method: how it was found.
        scores: the model's scores ``[N]``.
        features: raw features, in the signature's order.
        effects: ``[N, F]``: by how much the row's own value of the feature raises its score above the mean over the
            background's values.
        score: what the score is, for people.
    """

    method: str
    scores: npt.NDArray[np.float64]
    features: tuple[str, ...]
    effects: npt.NDArray[np.float64]
    score: str

    def importance(self) -> dict[str, float]:
        """Feature -> mean of the absolute effects, the greatest first."""
        size = np.abs(self.effects).mean(axis=0) if len(self.effects) else np.zeros(len(self.features))
        return {self.features[i]: float(size[i]) for i in np.argsort(-size, kind="stable")}

    def table(self) -> pa.Table:
        """``score`` and one float64 column a feature, named ``effect:<feature>``."""
        import pyarrow as pa

        columns = {f"effect:{n}": self.effects[:, i] for i, n in enumerate(self.features)}
        return pa.table({"score": self.scores, **columns})

    def _repr_html_(self) -> str:
        from trueline.models.model_html import explanation_html

        return explanation_html(self)


def score_function(model: Model, output_class: Any = None) -> Callable[[Rows], npt.NDArray[np.float64]]:
    """A function from raw rows to one score each, as tools like SHAP call it.

    It takes all that `Model.predict` takes, and numpy matrices whose columns are the raw features in the signature's
    order.

    Args:
        model: the model.
        output_class: the class whose probability is the score; for two classes the second by default.

    Raises:
        ModelError: an embedding, or more than two classes without `output_class`.
    """
    name, column = _score_of(model, output_class)

    def score(data: Rows) -> npt.NDArray[np.float64]:
        outputs: npt.NDArray[np.float64] = model.outputs_of(data)[name].astype(np.float64)
        return outputs if column is None else outputs[:, column]

    return score


def _score_of(model: Model, output_class: Any) -> tuple[str, int | None]:
    classes = model.classes
    if classes is None:
        if model.task == "embedding":
            raise ModelError("an embedding has no score that could be explained", where=model.uri)
        if output_class is not None:
            raise ModelError(f"{model.name} has no classes, so no output_class", where=model.uri)
        return str(model.runtime.outputs[0]["name"]), None
    if output_class is None and len(classes) == 2:
        return "probabilities", 1
    if output_class not in classes:
        said = "which class is to be explained?" if output_class is None else f"{output_class!r} is no class"
        raise ModelError(f"{said} The model has {classes!r}", hint=f"say output_class={classes[0]!r}, for one.")
    return "probabilities", classes.index(output_class)


def ablation(model: Model, data: Rows, *, background: Rows | None = None, output_class: Any = None) -> Explanation:
    """The effect of every raw feature: the row's score less its mean over the background's values of that feature.

    It asks the model for N * F * B rows, in pieces of at most some thousand.

    Args:
        model: the model.
        data: raw rows.
        background: raw rows whose values take a feature's place; by default up to 32 rows of `data`, evenly spread.
        output_class: see `score_function`; for more than two classes each row's own predicted class by default.

    Raises:
        ModelError: no rows, or an embedding.
    """
    features = model.runtime.inputs
    table = as_table(data, features)
    others = _spread(table) if background is None else as_table(background, features)
    if not table.num_rows or not others.num_rows:
        raise ModelError("there are no rows to explain" if not table.num_rows else "the background has no rows")
    score, said = _scorer(model, table, output_class)
    own = score(table, np.arange(table.num_rows))
    effects = np.empty((table.num_rows, len(features)))
    step = max(1, _CHUNK // others.num_rows)
    for start in range(0, table.num_rows, step):
        rows = np.arange(start, min(start + step, table.num_rows))
        repeated = table.take(np.repeat(rows, others.num_rows))
        for i, feature in enumerate(features):
            values = others.column(feature.name).take(np.tile(np.arange(others.num_rows), len(rows)))
            asked = repeated.set_column(i, feature.name, values)
            found = score(asked, np.repeat(rows, others.num_rows)).reshape(len(rows), -1)
            effects[rows, i] = own[rows] - found.mean(axis=1)
    return Explanation("ablation", own, tuple(f.name for f in features), effects, said)


def _spread(table: pa.Table) -> pa.Table:
    count = min(_BACKGROUND, table.num_rows)
    return table.take(np.linspace(0, max(table.num_rows - 1, 0), count).round().astype(np.int64))


def _scorer(
    model: Model, table: pa.Table, output_class: Any
) -> tuple[Callable[[pa.Table, npt.NDArray[Any]], npt.NDArray[np.float64]], str]:
    """The score of rows of which the second argument says from which row of `table` each was made; and its name."""
    if model.classes is not None and len(model.classes) > 2 and output_class is None:
        chosen = model.predict_proba(table).argmax(axis=1)

        def score(rows: pa.Table, of: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
            return np.asarray(model.predict_proba(rows)[np.arange(rows.num_rows), chosen[of]], np.float64)

        return score, "probability of the predicted class"
    plain = score_function(model, output_class)
    name, column = _score_of(model, output_class)
    said = name if column is None else f"probability of {(model.classes or [])[column]!r}"
    return lambda rows, of: plain(rows), said
