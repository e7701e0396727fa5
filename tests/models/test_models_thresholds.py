"""A split between two neighbouring float32 values stays between them in the exported model."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from trueline._core.values import RawFeature
from trueline.models.contract import Fitted
from trueline.models.exporters.sklearn import SklearnExporter
from trueline.models.inputs import ModelInput


@pytest.mark.parametrize("low", [0.1, 1 / 3, 0.7, -2.6, 16777217.0])
def test_neighbouring_float32_values_stay_on_their_sides(low):
    low = np.float32(low)
    sides = np.array([low, np.nextafter(low, np.float32(np.inf))], np.float32)
    x = np.repeat(sides, 50).reshape(-1, 1)
    y = x[:, 0] > low
    model = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=1).fit(x, y)
    thresholds = [p.nodes["num_threshold"].copy() for i in model._predictors for p in i]
    exporter = SklearnExporter(Fitted(model))
    inputs = (ModelInput("x", (RawFeature("a", "float32", optional=False),)),)
    exported = exporter.to_onnx(inputs, RawFeature("y", "bool"))
    session = onnxruntime.InferenceSession(exported.onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"x": sides.reshape(-1, 1)})
    np.testing.assert_allclose(found, model.predict_proba(sides.reshape(-1, 1)), atol=1e-6)
    # The user's own model is left as it was.
    for before, predictor in zip(thresholds, (p for i in model._predictors for p in i), strict=True):
        assert (predictor.nodes["num_threshold"] == before).all()
