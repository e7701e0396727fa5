"""Images as vectors: against PyTorch's resizing, by numpy's indexing, and through a whole analysis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of, in_batches

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.tracer import trace

SHAPE = (7, 5, 3)


def images(rows: int, shape: tuple[int, int, int] = SHAPE, dtype: Any = np.float64) -> tuple[np.ndarray, pa.Table]:
    """Random pixels, as an array and as a column of vectors."""
    rng = np.random.default_rng(11)
    pixels = rng.integers(0, 256, (rows, *shape)).astype(dtype)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), int(np.prod(shape)))
    return pixels, pa.table({"image": flat})


def run(function: Callable[[Any], Any], table: pa.Table) -> np.ndarray:
    """The result, the same bits from the oracle and in batches of 1."""
    graph = graph_of(lambda x: {"y": function(x["image"])}, table, False)
    found = by_onnx(graph, table)["y"]
    assert_same(found, by_oracle(graph, table)["y"])
    assert_same(found, in_batches(graph, table, 1)["y"])
    return found.data


@pytest.mark.parametrize("size", [(14, 10), (3, 4), (7, 5), (1, 1), (20, 2)])
@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_resizing_is_pytorchs(size: tuple[int, int], method: str) -> None:
    """Half-pixel centres and no antialiasing, larger and smaller, within 1e-10 of the pixel values."""
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    pixels, table = images(4)
    mode = {"bilinear": {"mode": "bilinear", "align_corners": False}, "nearest": {"mode": "nearest-exact"}}[method]
    planes = torch.from_numpy(np.moveaxis(pixels, 3, 1).copy())
    expected = np.moveaxis(functional.interpolate(planes, size=size, **mode).numpy(), 1, 3)
    found = run(lambda x: tlt.resize_image(x, SHAPE, size, method=method), table)
    np.testing.assert_allclose(found.reshape(4, *size, 3), expected, rtol=0, atol=1e-10)


def test_bilinear_by_hand() -> None:
    """Two pixels become four: centres at -1/4, 1/4, 3/4, 5/4 of the way."""
    table = pa.table({"image": pa.array([[0.0, 8.0]], pa.list_(pa.float64(), 2))})
    assert run(lambda x: tlt.resize_image(x, (1, 2, 1), (1, 4)), table).tolist() == [[0.0, 2.0, 6.0, 8.0]]


def test_nearest_keeps_integers() -> None:
    pixels, table = images(2, dtype=np.int64)
    found = run(lambda x: tlt.resize_image(x, SHAPE, (7, 5), method="nearest"), table)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)


def test_parts_mirrors_and_planes() -> None:
    pixels, table = images(3)
    cases: list[tuple[Callable[[Any], Any], np.ndarray]] = [
        (lambda x: tlt.crop_image(x, SHAPE, (1, 2, 4, 3)), pixels[:, 1:5, 2:5]),
        (lambda x: tlt.center_crop(x, SHAPE, (4, 3)), pixels[:, 1:5, 1:4]),
        (lambda x: tlt.flip_image(x, SHAPE), pixels[:, :, ::-1]),
        (lambda x: tlt.flip_image(x, SHAPE, "vertical"), pixels[:, ::-1]),
        (lambda x: tlt.channels_first(x, SHAPE), np.moveaxis(pixels, 3, 1)),
        (lambda x: tlt.normalize_image(x, (1.0, 2.0, 3.0), 4.0, SHAPE), (pixels - [1.0, 2.0, 3.0]) / 4.0),
    ]
    for function, expected in cases:
        np.testing.assert_array_equal(run(function, table), expected.reshape(3, -1))
    gray = pixels[..., 0] * 0.2989 + pixels[..., 1] * 0.587 + pixels[..., 2] * 0.114
    np.testing.assert_array_equal(run(lambda x: tlt.grayscale(x, SHAPE), table), gray.reshape(3, -1))


def test_standardized_images() -> None:
    """Mean 0 and variance 1 for each image; one of a single grey becomes 0."""
    pixels, table = images(3)
    found = run(tlt.standardize_image, table)
    flat = pixels.reshape(3, -1)
    expected = (flat - flat.mean(axis=1, keepdims=True)) / flat.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    blank = pa.table({"image": pa.array([[7.0] * 4], pa.list_(pa.float64(), 4))})
    assert run(tlt.standardize_image, blank).tolist() == [[0.0] * 4]


def test_no_rows_and_missing_images() -> None:
    """An empty batch has the new width; a missing image is missing."""
    shape = (2, 2, 1)
    table = pa.table({"image": pa.array([[1, 2, 3, 4], None], pa.list_(pa.int64(), 4))})
    graph = graph_of(lambda x: {"y": tlt.resize_image(x["image"], shape, (3, 3))}, table)
    found = by_onnx(graph, table)["y"]
    assert found.present is not None
    assert found.present.tolist() == [True, False]
    assert by_onnx(graph, table.slice(0, 0))["y"].data.shape == (0, 9)
    assert by_oracle(graph, table.slice(0, 0))["y"].data.shape == (0, 9)


def test_whole_road() -> None:
    """Pixels of 28 x 28 scaled, shrunk, normalised by what the analysis found, as float32 vectors."""
    shape = (28, 28, 1)
    pixels, table = images(20, shape, np.int64)

    def preprocessing(x: Any) -> dict[str, Any]:
        unit = x["image"] / 255.0
        return {"small": tlt.resize_image(unit, shape, (14, 14)), "z": tlt.scale_to_z_score(unit)}

    features = [raw_feature_of(f, False) for f in table.schema]
    out = analyze(trace(preprocessing, features), Dataset.from_table(table), LocalEngine(workers=1)).transform(table)
    small = np.array(out["small"].to_pylist())
    expected = (pixels / 255.0).reshape(20, 14, 2, 14, 2).mean(axis=(2, 4))  # halving is the mean of 2 x 2 pixels
    np.testing.assert_allclose(small.reshape(20, 14, 14), expected, atol=1e-6)
    unit = pixels.reshape(20, -1) / 255.0
    np.testing.assert_allclose(np.array(out["z"].to_pylist()), (unit - unit.mean()) / unit.std(), atol=1e-5)


REFUSED: list[tuple[str, Callable[[Any], Any]]] = [
    ("is a vector of 12 numbers", lambda x: tlt.resize_image(x, (2, 2, 3), (1, 1))),
    ("shape is \\(height, width, channels\\)", lambda x: tlt.flip_image(x, (7, 5))),
    ("new size is \\(height, width\\)", lambda x: tlt.resize_image(x, SHAPE, (3,))),
    ("at least 1 x 1", lambda x: tlt.resize_image(x, SHAPE, (0, 3))),
    ("method must be", lambda x: tlt.resize_image(x, SHAPE, (3, 3), method="cubic")),
    ("one number for each of 3 channels", lambda x: tlt.normalize_image(x, (1.0, 2.0), 1.0, SHAPE)),
    ("standard deviation is 0", lambda x: tlt.normalize_image(x, 0.0, 0.0, SHAPE)),
    ("is not inside 7 x 5", lambda x: tlt.crop_image(x, SHAPE, (5, 0, 3, 3))),
    ("is not inside 7 x 5", lambda x: tlt.center_crop(x, SHAPE, (9, 9))),
    ("axis must be", lambda x: tlt.flip_image(x, SHAPE, "both")),
    ("takes an image as a vector", lambda x: tlt.standardize_image(x[0])),
    ("image of three channels", lambda x: tlt.grayscale(x, (7, 15, 1))),
]


@pytest.mark.parametrize(("message", "function"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_mistakes_are_told_at_the_users_line(message: str, function: Callable[[Any], Any]) -> None:
    table = images(1)[1]
    with pytest.raises(TransformError, match=message) as caught:
        graph_of(lambda x: {"y": function(x["image"])}, table)
    assert Path(__file__).name in str(caught.value)
