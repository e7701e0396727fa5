"""What is handed to skl2onnx in an estimator's place, where it cannot read the estimator itself."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

__all__ = ["last_step", "prepared"]


def last_step(estimator: Any) -> Any:
    """The estimator that predicts: the last step of a pipeline, or the estimator itself."""
    return last_step(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def prepared(estimator: Any) -> Any:
    """An estimator that predicts the same: AdaBoost with classes of bools gets them as numbers, in a copy."""
    classes = getattr(estimator, "classes_", None)
    if type(estimator).__name__ != "AdaBoostClassifier" or getattr(classes, "dtype", None) != np.bool_:
        return estimator
    made = copy.deepcopy(estimator)
    for member in (made, *made.estimators_):
        member.classes_ = np.asarray(member.classes_, np.int64)
    return made
