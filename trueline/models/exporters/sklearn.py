"""scikit-learn to ONNX through skl2onnx: classifiers with probabilities, regressors, and pipelines of them.

skl2onnx hands Python and numpy bools to ONNX attributes of type int, which the onnx library refuses
(HistGradientBoosting). `_int_attributes` turns them into ints while a conversion runs and puts everything back.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models.contract import Fitted, Head, Task, head_of, python_classes
from trueline.models.exporters.base import PREDICTION, PROBABILITIES, Arrays, Exported
from trueline.models.exporters.sklearn_repairs import apply_link, last_step, prepared
from trueline.models.exporters.sklearn_trees import route_missing
from trueline.models.inputs import ModelInput

__all__ = ["SklearnExporter"]

_OPSET = 20
_ML_OPSET = 3
_LOCK = threading.Lock()


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
            return head_of(label, "prediction", 1, None)
        if not is_classifier(self.model):
            raise ModelError(f"{self._name} is neither a classifier nor a regressor")
        if not hasattr(self.model, "predict_proba"):
            raise ModelError(
                f"{self._name} gives no probabilities", hint="wrap it in sklearn.calibration.CalibratedClassifierCV."
            )
        own = self.model.classes_
        if isinstance(own, list):
            raise ModelError(f"{self._name} predicts {len(own)} labels at once; one is supported")
        declared = self.fitted.classes
        if declared is not None and len(declared) != len(own):
            raise ModelError(f"{len(declared)} classes are declared and the model knows {len(own)}")
        if declared is not None:
            _check_order(own, declared)
        classes = python_classes(own if declared is None else declared, label)
        task: Task = "binary" if len(classes) == 2 else "multiclass"
        dtype = {bool: "bool", int: "int64", str: "utf8"}[type(classes[0])]
        return Head(task, classes, dtype)  # type: ignore[arg-type]

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """Conversion at opset 20; the class labels' output is cut off, `trueline.models.merge` makes its own."""
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType

        from trueline.models.graphs import keep_output

        head = self.head(label)
        one, source = inputs[0], prepared(self.model)
        try:
            with _int_attributes(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = skl2onnx.to_onnx(
                    source,
                    initial_types=[(one.name, FloatTensorType([None, one.width]))],
                    options=_options(source, head),
                    target_opset={"": _OPSET, "ai.onnx.ml": _ML_OPSET},
                )
        except Exception as error:
            raise ModelError(
                f"{self._name} cannot be exported: {type(error).__name__}: {error}",
                hint="use estimators that skl2onnx converts; put custom preprocessing into preprocessing_fn.",
            ) from error
        route_missing(made, last_step(source))
        apply_link(made, source)
        output = made.graph.output[-1].name
        name = PROBABILITIES if head.is_classifier else PREDICTION
        return Exported(keep_output(made, output, name, columns=len(head.classes)), head)

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """``predict_proba`` or ``predict``, float64.

        Raises:
            ModelError: the estimator refuses the rows, as most refuse missing values.
        """
        from sklearn.base import is_classifier

        (x,) = arrays.values()
        try:
            if is_classifier(self.model):
                return np.asarray(self.model.predict_proba(x), np.float64)
            return np.asarray(self.model.predict(x), np.float64).reshape(len(x))
        except ValueError as error:
            raise ModelError(
                f"{self._name} refuses rows that its features give: {str(error).splitlines()[0]}",
                hint="use fill_missing in preprocessing_fn for features that may be missing.",
            ) from error

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """None: scikit-learn's own formats execute code when read."""
        return {}, "scikit-learn has no safe format of its own; the ONNX graph is the model"

    def versions(self) -> dict[str, str]:
        """scikit-learn and skl2onnx."""
        import skl2onnx
        import sklearn

        return {"scikit-learn": sklearn.__version__, "skl2onnx": skl2onnx.__version__}


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


def _options(model: Any, head: Head) -> dict[Any, Any]:
    """Probabilities as a tensor; scalers that divide in float32 as scikit-learn does.

    skl2onnx multiplies by the reciprocal otherwise, and a tree behind the scaler may split exactly at a data value.
    """
    from sklearn.preprocessing import MaxAbsScaler, RobustScaler, StandardScaler

    options: dict[Any, Any] = {id(model): {"zipmap": False}} if head.is_classifier else {}
    for step in [s for _, s in getattr(model, "steps", [])]:
        if type(step) in (StandardScaler, RobustScaler, MaxAbsScaler):
            options[id(step)] = {"div": "div"}
    return options


@contextlib.contextmanager
def _int_attributes() -> Iterator[None]:
    """While it runs, ONNX attributes given as bools are made as ints; one conversion at a time."""
    from onnx import helper

    original = helper.make_attribute

    def make_attribute(key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return original(key, _as_ints(value), *args, **kwargs)

    with _LOCK:
        original = helper.make_attribute
        helper.make_attribute = make_attribute
        try:
            yield
        finally:
            helper.make_attribute = original


def _as_ints(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return value.astype(np.int64).tolist()
    if isinstance(value, (list, tuple)) and any(isinstance(v, (bool, np.bool_)) for v in value):
        return [_as_ints(v) for v in value]
    return value
