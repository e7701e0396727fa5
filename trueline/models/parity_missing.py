"""The second half of the parity gate: every feature that may be missing is tried missing.

The sample need not hold a row for each missing value that a client will send. NaN is put into the model's own
inputs, one feature at a time, and the framework and the exported model must agree again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, ParityError
from trueline._core.python_model import PythonPart
from trueline._core.sessions import make_session
from trueline.models.exporters.base import Arrays, Exported, Exporter
from trueline.models.inputs import ModelInput

__all__ = ["try_missing"]

_ROWS = 8


def try_missing(
    exporter: Exporter,
    exported: Exported,
    inputs: Sequence[ModelInput],
    arrays: Arrays,
    absolute: float,
    relative: float,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compares both models with one feature missing at a time.

    Args:
        exporter: gives the framework's own prediction.
        exported: the model alone.
        inputs: its inputs.
        arrays: some rows of them.
        absolute: tolerance of a score.
        relative: of the framework's score, added to `absolute`.

    Returns:
        The features tried, and those that the framework refuses to take missing.

    Raises:
        ParityError: naming the features at which the two disagree.
    """
    run = _runner(exported)
    tried, refused, problems = [], [], []
    for spec, feature, start, stop in _optional(inputs):
        with_nan = {n: np.array(a[:_ROWS]) for n, a in arrays.items()}
        with_nan[spec.name][:, start:stop] = np.nan
        try:
            own = exporter.predict(with_nan)
        except ModelError:
            refused.append(feature)
            continue
        tried.append(feature)
        problems += _disagreement(feature, own, run(with_nan), absolute, relative)
    if problems:
        raise ParityError(
            "the exported model differs from the framework's own where features are missing; nothing was written",
            problems=problems,
            hint="use fill_missing for these features in preprocessing_fn.",
        )
    return tuple(tried), tuple(refused)


def _runner(exported: Exported) -> Callable[[Arrays], npt.NDArray[Any]]:
    """The exported model alone; of a Python model the function itself, which no export stands beside."""
    if exported.python is not None:
        return PythonPart(exported.python).scores
    session = make_session(exported.onnx.SerializeToString())
    output, names = session.get_outputs()[0].name, [i.name for i in session.get_inputs()]

    def run(arrays: Arrays) -> npt.NDArray[Any]:
        return np.asarray(session.run([output], {n: arrays[n] for n in names})[0])

    return run


def _optional(inputs: Sequence[ModelInput]) -> list[tuple[ModelInput, str, int, int]]:
    found = []
    for spec in inputs:
        at = 0
        for feature in spec.features:
            stop = at + (feature.size or 1)
            if feature.optional and spec.dtype == "float32":
                found.append((spec, feature.name, at, stop))
            at = stop
    return found


def _disagreement(
    feature: str, own: npt.NDArray[np.float64], theirs: npt.NDArray[Any], absolute: float, relative: float
) -> list[str]:
    close = np.isclose(theirs, own, rtol=relative, atol=absolute, equal_nan=True)
    if close.all():
        return []
    at = tuple(int(i) for i in np.argwhere(~close)[0])
    return [f"feature {feature!r} missing: the framework says {own[at]!s}, the exported model {theirs[at]!s}"]
