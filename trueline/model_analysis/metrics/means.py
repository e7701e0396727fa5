"""Counts, means and errors: everything that is a ratio of two weighted sums."""

from __future__ import annotations

import numpy as np

from trueline.model_analysis.metrics.record import (
    HIGHER,
    LOWER,
    NO_WEIGHT,
    ONE_CLASS,
    SCALAR,
    TASKS,
    Metric,
    Options,
    Sums,
    mean,
    over,
)
from trueline.model_analysis.rows import Floats

__all__ = ["MEAN_METRICS"]


def _pearson(s: Sums, _: Options) -> Floats:
    w, y, p = s("weight"), s("label"), s("prediction")
    covariance = s("product") - over(y * p, w)
    variances = (s("label_square") - over(y * y, w), s("prediction_square") - over(p * p, w))
    scale = s("label_square") * s("prediction_square")
    tiny = 1e-24 * np.maximum(scale, 1e-300)  # a constant column leaves only rounding
    product = variances[0] * variances[1]
    return np.where(product > tiny, over(covariance**2, product), np.nan)


def _tjur(s: Sums) -> tuple[Floats, Floats]:
    return over(s("product"), s("label")), over(s("negative_product"), s("negative"))


_COUNT = frozenset[str]()
MEAN_METRICS = (
    Metric("ExampleCount", "example_count", TASKS, "", ("weight",), lambda s, o: s("weight"), reads=_COUNT),
    Metric("WeightedExampleCount", "weighted_example_count", TASKS, "", ("weight",), lambda s, o: s("weight"),
           reads=_COUNT),
    Metric("MeanLabel", "mean_label", SCALAR, NO_WEIGHT, ("label", "weight"), mean("label"),
           reads=frozenset({"label"})),
    Metric("MeanPrediction", "mean_prediction", SCALAR, NO_WEIGHT, ("prediction", "weight"), mean("prediction"),
           reads=frozenset({"prediction"})),
    Metric("Calibration", "calibration", SCALAR, "the labels add up to 0", ("prediction", "label"),
           mean("prediction", "label")),
    Metric("MeanAbsoluteError", "mean_absolute_error", SCALAR, NO_WEIGHT, ("abs_error", "weight"),
           mean("abs_error"), better=LOWER),
    Metric("MeanSquaredError", "mean_squared_error", SCALAR, NO_WEIGHT, ("square_error", "weight"),
           mean("square_error"), better=LOWER),
    Metric("RootMeanSquaredError", "root_mean_squared_error", SCALAR, NO_WEIGHT, ("square_error", "weight"),
           lambda s, o: np.sqrt(over(s("square_error"), s("weight"))), better=LOWER),
    Metric("MeanAbsolutePercentageError", "mean_absolute_percentage_error", SCALAR, "all labels are 0",
           ("percentage_error", "label_not_zero"),
           lambda s, o: 100 * over(s("percentage_error"), s("label_not_zero")), better=LOWER),
    Metric("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", SCALAR,
           "a label or prediction is -1 or below, or the weights add up to 0",
           ("log_error", "weight"), mean("log_error"), better=LOWER),
    Metric("SquaredPearsonCorrelation", "squared_pearson_correlation", SCALAR, "labels or predictions are constant",
           ("weight", "label", "prediction", "label_square", "prediction_square", "product"), _pearson, better=HIGHER),
    Metric("CoefficientOfDiscrimination", "coefficient_of_discrimination", ("binary",), ONE_CLASS,
           ("product", "label", "negative_product", "negative"), lambda s, o: _tjur(s)[0] - _tjur(s)[1], better=HIGHER),
    Metric("RelativeCoefficientOfDiscrimination", "relative_coefficient_of_discrimination", ("binary",),
           ONE_CLASS + ", or all predictions of negatives are 0",
           ("product", "label", "negative_product", "negative"), lambda s, o: over(*_tjur(s)), better=HIGHER),
)  # fmt: skip
