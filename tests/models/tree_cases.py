"""Rows and questions for the tests of boosted trees: values on and beside every threshold of an exported model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import checker, numpy_helper

from trueline._core.runtime import make_session
from trueline.models import Fitted
from trueline.models.exporters.boosters import booster_model
from trueline.models.exporters.registry import exporter_of

WIDTH = 6
CATEGORY = 2
TYPES = ["q", "q", "c", "q", "q", "q"]
SPECIAL = [0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1e-30, -1e-30, np.nan, 300.0, -1.0, -0.5, 2.5, 1e20, -1e20]


def rows(count: int = 500, gaps: float = 0.1, categories: int = 12, seed: int = 0) -> npt.NDArray[np.float32]:
    """Six columns: a normal, one rounded to tenths, categories, small integers, a normal, an exponential."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, WIDTH)).astype(np.float32)
    x[:, 1] = np.round(x[:, 1], 1)
    x[:, CATEGORY] = rng.integers(0, categories, count)
    x[:, 3] = rng.integers(-3, 4, count)
    x[:, 5] = rng.exponential(size=count)
    x[rng.random(x.shape) < gaps] = np.nan
    return x


def target(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """A number to learn, that every column but the fifth tells something of."""
    z = np.nan_to_num(x).astype(np.float64)
    noise = np.random.default_rng(5).normal(0, 0.1, len(x))
    return z[:, 0] + np.sin(z[:, 2] * 7) + 0.5 * z[:, 1] * z[:, 3] + 0.3 * np.isnan(x[:, 0]) + 0.1 * z[:, 5] + noise


def two(x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Two classes."""
    return (target(x) > 0).astype(np.int64)


def four(x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Four classes."""
    return np.digitize(target(x), [-1, 0, 1])


def positive(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Numbers above zero."""
    return np.abs(target(x)) + 0.1


def share(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Numbers between 0 and 1."""
    return 1 / (1 + np.exp(-target(x)))


def splits(model: onnx.ModelProto) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Feature and threshold of every inner node of the model's trees."""
    for node in model.graph.node:
        if node.op_type == "TreeEnsembleRegressor":
            found = {a.name: a for a in node.attribute}
            inner = np.array([m != b"LEAF" for m in found["nodes_modes"].strings])
            single = "nodes_values" in found
            values = (
                np.array(found["nodes_values"].floats)
                if single
                else numpy_helper.to_array(found["nodes_values_as_tensor"].t)
            )
            return np.array(found["nodes_featureids"].ints)[inner], values[inner]
    return np.zeros(0, np.int64), np.zeros(0)


def near_thresholds(
    model: onnx.ModelProto, base: npt.NDArray[np.float32], *, infinite: bool, nan: bool = True, count: int = 3000
) -> npt.NDArray[np.float32]:
    """Rows whose values are thresholds, the float32 beside them on either side, and numbers that are special."""
    rng = np.random.default_rng(1)
    x = base[rng.integers(0, len(base), count)].copy()
    features, thresholds = splits(model)
    special = np.array(SPECIAL + ([np.inf, -np.inf] if infinite else []), np.float32)
    with np.errstate(over="ignore"):
        thresholds = np.clip(thresholds, -3e38, 3e38).astype(np.float32)
    for column in range(x.shape[1]):
        own = thresholds[features == column]
        if len(own):
            value = own[rng.integers(0, len(own), count)]
            side = rng.integers(-1, 2, count)
            beside = np.nextafter(value, np.where(side > 0, np.inf, -np.inf).astype(np.float32))
            chosen = rng.random(count) < 0.7
            x[chosen, column] = np.where(side == 0, value, beside)[chosen]
        chosen = rng.random(count) < 0.1
        x[chosen, column] = special[rng.integers(0, len(special), count)][chosen]
    return x if nan else np.nan_to_num(x, nan=0.25, posinf=np.inf, neginf=-np.inf)


def run(model: onnx.ModelProto, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The model's output for the rows; it must be the same for batches of 1, 7 and all rows, and for none."""
    checker.check_model(model)
    session = make_session(model.SerializeToString())
    found = np.asarray(session.run(None, {"x": x})[0])
    assert found.dtype == np.float32
    # Softplus and its kin are within an ulp of themselves for another batch size; trees are the same bits.
    for size in (1, 7):
        parts = [session.run(None, {"x": x[i : i + size]})[0] for i in range(0, 35, size)]
        np.testing.assert_allclose(np.concatenate(parts), found[:35], rtol=2e-7, atol=2e-7)
    assert session.run(None, {"x": x[:0]})[0].shape == (0, *found.shape[1:])
    return found


def agrees(
    model: Any,
    base: npt.NDArray[np.float32],
    output: str,
    *,
    infinite: bool = True,
    nan: bool = True,
    tolerance: float = 2.5e-7,
) -> onnx.ModelProto:
    """The exported booster says what the library says, on thousands of rows beside its thresholds.

    `tolerance` is absolute for values below 1 and relative above: two units in the last place of a float32.
    """
    made = booster_model(model)
    assert [o.name for o in made.graph.output] == [output]
    assert {o.domain: o.version for o in made.opset_import} == {"": 20, "ai.onnx.ml": 3}
    x = near_thresholds(made, base, infinite=infinite, nan=nan)
    own = exporter_of(Fitted(model)).predict({"x": x.copy()})
    found = run(made, x)
    assert found.shape == own.shape
    np.testing.assert_array_less(np.abs(found - own) / np.maximum(1.0, np.abs(own)), tolerance)
    return made
