"""One scikit-learn estimator alone through skl2onnx, with what skl2onnx does wrongly put right.

skl2onnx hands Python and numpy bools to ONNX attributes of type int, which the onnx library refuses
(HistGradientBoosting). `_int_attributes` turns them into ints while a conversion runs and puts everything back.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError, first_line, reason_of
from trueline.models.exporters.sklearn_repairs import last_step, prepared
from trueline.models.exporters.sklearn_trees import route_missing

if TYPE_CHECKING:
    import onnx

__all__ = ["SKLEARN_OPSETS", "converted"]

SKLEARN_OPSETS = {"": 20, "ai.onnx.ml": 3}
_INPUT = "x"
_LOCK = threading.Lock()


def converted(estimator: Any, width: int, *, probabilities: bool) -> tuple[onnx.ModelProto, str]:
    """The estimator's graph and the output that matters: probabilities, prediction, or what a transformer gives.

    Args:
        estimator: a fitted estimator.
        width: columns of its input.
        probabilities: whether those are wanted.

    Raises:
        ModelError: skl2onnx cannot convert it, or what it gives does not run; naming the estimator.
    """
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    name, source = type(estimator).__name__, prepared(estimator)
    try:
        with _int_attributes(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = skl2onnx.to_onnx(
                source,
                initial_types=[(_INPUT, FloatTensorType([None, width]))],
                options=_options(source, probabilities),
                target_opset=SKLEARN_OPSETS,
            )
    except Exception as error:
        raise ModelError(
            f"{name} cannot be exported: {reason_of(error)}",
            hint="use an estimator that can be (docs/models.md lists them); put preprocessing into preprocessing_fn.",
        ) from error
    route_missing(made, last_step(source))
    output = made.graph.output[-1].name
    _try(made, output, width, name)
    return made, output


def _options(estimator: Any, probabilities: bool) -> dict[Any, Any]:
    """Probabilities as a tensor; scalers that divide in float32 as scikit-learn does.

    skl2onnx multiplies by the reciprocal otherwise, and a tree behind the scaler may split exactly at a data value.
    """
    from sklearn.preprocessing import MaxAbsScaler, RobustScaler, StandardScaler

    options: dict[Any, Any] = {kind: {"div": "div"} for kind in (StandardScaler, RobustScaler, MaxAbsScaler)}
    if probabilities:
        options[id(estimator)] = {"zipmap": False}
    return options


def _try(model: onnx.ModelProto, output: str, width: int, name: str) -> None:
    """Runs the graph on three rows: some conversions give graphs that do not load, or give another number of rows.

    Raises:
        ModelError: naming the estimator.
    """
    from trueline._core.sessions import make_session

    rows = np.zeros((3, width), np.float32)
    try:
        session = make_session(model.SerializeToString())
        (found,) = session.run([output], {session.get_inputs()[0].name: rows})
    except Exception as error:
        raise ModelError(
            f"{name} cannot be exported: its graph does not run: {first_line(error)[:200]}",
            hint="use another estimator, or other parameters of it.",
        ) from error
    if len(found) != len(rows):
        raise ModelError(f"{name} cannot be exported: its graph gives {len(found)} rows for {len(rows)}")


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
