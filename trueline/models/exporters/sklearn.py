"""scikit-learn to ONNX: classifiers with probabilities, regressors, and whatever is composed of them.

Compositions and what skl2onnx does wrongly are written by hand (`sklearn_emit`), the rest goes through skl2onnx.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, first_line
from trueline._core.values import RawFeature
from trueline.models.contract import Fitted, Head, Task, head_of, python_classes
from trueline.models.exporters.base import Arrays, Exported
from trueline.models.exporters.nodes import Nodes
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["SklearnExporter"]

_OTHER_LABELS = ("SVC", "NuSVC")
"""Classifiers whose own ``predict`` follows another function than their probabilities (scikit-learn says so)."""


class SklearnExporter:
    """One fitted estimator or pipeline."""

    framework = "sklearn"

    def __init__(self, fitted: Fitted) -> None:
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        self.model = fitted.model
        self.fitted = fitted
        try:
            check_is_fitted(self.model)
        except (NotFittedError, TypeError) as error:
            raise ModelError(f"{self._name} is not fitted: {error}", hint="call fit before you return it.") from error

    @property
    def _name(self) -> str:
        return type(self.model).__name__

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """One float32 input, as wide as the estimator was fitted."""
        if len(inputs) != 1:
            raise ModelError(f"a scikit-learn model has one input and was given {len(inputs)}")
        one = ModelInput(inputs[0].name, inputs[0].features)
        width = getattr(self.model, "n_features_in_", one.width)
        if width != one.width:
            raise ModelError(
                f"{self._name} was fitted on {width} columns and its features are {one.width} columns wide",
                problems=one.column_names,
                hint="fit on x as fn_args gives it, or name the features used: Fitted(model, inputs={'x': [...]}).",
            )
        return (one,)

    def head(self, label: RawFeature) -> Head:
        """From ``classes_`` for a classifier; a regression otherwise."""
        from sklearn.base import is_classifier, is_regressor

        if is_regressor(self.model):
            return head_of(label, "score" if self.fitted.output == "score" else "prediction", 1, None)
        if not is_classifier(self.model):
            raise ModelError(f"{self._name} is neither a classifier nor a regressor")
        if not hasattr(self.model, "predict_proba"):
            voting = "use voting='soft'." if hasattr(self.model, "voting") else None
            raise ModelError(
                f"{self._name} gives no probabilities",
                hint=voting or "wrap it in sklearn.calibration.CalibratedClassifierCV.",
            )
        own = self.model.classes_
        if isinstance(own, list):
            raise ModelError(f"{self._name} predicts {len(own)} labels at once; one is supported")
        declared = self.fitted.classes
        if declared is not None and len(declared) != len(own):
            raise ModelError(f"{len(declared)} classes are declared and the model knows {len(own)}")
        if declared is not None:
            _check_order(own, declared)
        if declared is None and label.dtype == "bool" and own.tolist() == [0, 1]:
            declared = [False, True]  # boosters count the classes of bools
        classes = python_classes(own if declared is None else declared, label)
        task: Task = "binary" if len(classes) == 2 else "multiclass"
        dtype = {bool: "bool", int: "int64", str: "utf8"}[type(classes[0])]
        return Head(task, classes, dtype)  # type: ignore[arg-type]

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """The estimator's graph with the one output; `trueline.models.merge` makes the label."""
        from trueline.models.exporters.sklearn_emit import emit

        head, one, g = self.head(label), inputs[0], Nodes()
        made = emit(g, self.model, one.name, "probabilities" if head.is_classifier else "prediction")
        return Exported(_graph(g, one, made, head), head)

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """``predict_proba`` or ``predict``, float64; naive Bayes is asked in double precision, as it is exported.

        Raises:
            ModelError: the estimator refuses the rows, as most refuse missing values.
        """
        from sklearn.base import is_classifier

        (x,) = arrays.values()
        if _is_bayes(self.model):
            x = x.astype(np.float64)
        try:
            with warnings.catch_warnings():
                # fitted on a frame, asked with a matrix: that their columns agree was checked before
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                if is_classifier(self.model):
                    return np.asarray(self.model.predict_proba(x), np.float64)
                return np.asarray(self.model.predict(x), np.float64).reshape(len(x))
        except ValueError as error:
            raise ModelError(
                f"{self._name} refuses rows that its features give: {first_line(error)}",
                hint="fit on x of fn_args.train.arrays(), a matrix; give columns by their number in fn_args.features."
                if "dataframe" in str(error).lower()
                else "use fill_missing in preprocessing_fn for features that may be missing.",
            ) from error

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The estimator in skops' format, which holds no code, where that takes it."""
        from trueline.models.exporters.sklearn_native import native
        from trueline.models.exporters.sklearn_repairs import last_step

        files, note = native(self.model)
        last = last_step(getattr(self.model, "best_estimator_", self.model))
        if type(last).__name__ in _OTHER_LABELS:
            note += f"; the label is the class of the largest probability, {type(last).__name__}.predict may differ"
        return files, note

    def versions(self) -> dict[str, str]:
        """scikit-learn and skl2onnx."""
        import skl2onnx
        import sklearn

        return {"scikit-learn": sklearn.__version__, "skl2onnx": skl2onnx.__version__}


def _is_bayes(model: Any) -> bool:
    """Whether scikit-learn would have too few digits in float32: see `sklearn_scores.gaussian_bayes`."""
    inner = getattr(model, "estimator", None) if type(model).__name__ == "CalibratedClassifierCV" else model
    return type(inner).__name__ == "GaussianNB"


def _check_order(own: npt.NDArray[Any], declared: Sequence[Any]) -> None:
    """Declared classes may rename codes that the model was fitted on, but not reorder the label's own values.

    Raises:
        ModelError: the same values in another order, which would hand each class another's probability.
    """
    fitted, said = own.tolist(), list(declared)
    if sorted(map(repr, fitted)) == sorted(map(repr, said)) and list(map(repr, fitted)) != list(map(repr, said)):
        raise ModelError(
            f"the declared classes {said!r} are the model's own in another order: its probabilities are of {fitted!r}",
            hint="leave classes out, scikit-learn knows them; where they name codes, use values that are no codes.",
        )


def _graph(g: Nodes, spec: ModelInput, output: str, head: Head) -> onnx.ModelProto:
    """The nodes as a model with one input and the head's output."""
    from onnx import TensorProto, helper

    from trueline.models.exporters.sklearn_convert import SKLEARN_OPSETS

    g.nodes.append(helper.make_node("Cast", [output], ["narrow"], to=TensorProto.FLOAT))
    shape = g.integers([-1, head.columns] if head.columns else [-1])
    g.nodes.append(helper.make_node("Reshape", ["narrow", shape], [head.output]))
    sizes: list[str | int | None] = ["N", head.columns] if head.columns else ["N"]
    made = helper.make_graph(
        g.nodes,
        "sklearn",
        [helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, ["N", spec.width])],
        [helper.make_tensor_value_info(head.output, TensorProto.FLOAT, sizes)],
        g.constants,
    )
    domains = {"", "ai.onnx.ml"} | {node.domain for node in g.nodes}
    opsets = [helper.make_opsetid(d, SKLEARN_OPSETS.get(d, 1)) for d in sorted(domains)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)
