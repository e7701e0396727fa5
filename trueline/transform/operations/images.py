"""Images as vectors: height, width and channels in row-major order, the channels of a pixel side by side.

Resizing takes half-pixel centres without antialiasing: the output pixel i of n over an input of m pixels lies at
(i + 1/2) m / n - 1/2, limited to 0 .. m - 1. ONNX Runtime's Resize has no float64 kernel; here the neighbours of
each output pixel are known while the graph is written, and the weighting is a fixed sequence of products and sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "axis_neighbours", "nearest_pixels"]

Ints = npt.NDArray[np.int64]


def _image_rule(types: Sequence[ValueType], attrs: Attrs) -> tuple[int, int, int]:
    """The image's height, width and channels."""
    height, width, channels = (int(n) for n in attrs["shape"])
    if min(height, width, channels) < 1:
        raise RuleError(f"an image has height, width and channels of at least 1, not {attrs['shape']}")
    if types[0].kind != "fixed" or types[0].constant or types[0].size != height * width * channels:
        raise RuleError(
            f"an image of shape {height} x {width} x {channels} is a vector of {height * width * channels} numbers"
        )
    return height, width, channels


def _resize_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    channels = _image_rule(types, attrs)[2]
    height, width = (int(n) for n in attrs["size"])
    if min(height, width) < 1:
        raise RuleError(f"the new size must be at least 1 x 1, not {attrs['size']}")
    if attrs["method"] not in ("bilinear", "nearest"):
        raise RuleError(f"method must be 'bilinear' or 'nearest', not {attrs['method']!r}")
    expect(types, "float64", *(("int64",) if attrs["method"] == "nearest" else ()))
    return ValueType(types[0].dtype, "fixed", height * width * channels)


def axis_neighbours(old: int, new: int) -> tuple[Ints, Ints, Array]:
    """Per output pixel of one axis: the pixel before, the pixel behind, and how far it lies between the two."""
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0.0, old - 1.0)
    before = np.floor(place).astype(np.int64)
    return before, np.minimum(before + 1, old - 1), place - before


def nearest_pixels(old: int, new: int) -> Ints:
    """Per output pixel of one axis: the pixel that its centre lies in, the later one on a border."""
    return np.asarray(np.minimum(np.floor((np.arange(new) + 0.5) * (old / new)), old - 1), dtype=np.int64)


def _np_resize(values: Sequence[Value], attrs: Attrs) -> Array:
    (height, width, channels), (new_height, new_width) = attrs["shape"], attrs["size"]
    image = values[0].data.reshape(-1, height, width, channels)
    if attrs["method"] == "nearest":
        image = image[:, nearest_pixels(height, new_height)][:, :, nearest_pixels(width, new_width)]
    else:
        before, behind, part = axis_neighbours(width, new_width)
        image = image[:, :, before] * (1.0 - part[:, None]) + image[:, :, behind] * part[:, None]
        before, behind, part = axis_neighbours(height, new_height)
        image = image[:, before] * (1.0 - part[:, None, None]) + image[:, behind] * part[:, None, None]
    return image.reshape(len(values[0].data), new_height * new_width * channels)


def _pixels(em: Emitter, x: str, shape: Sequence[int]) -> str:
    """The vectors as ``[N, height, width, channels]``."""
    return em.node("Reshape", x, em.ints(-1, *shape))


def _flat(em: Emitter, image: str, *sizes: int) -> str:
    """Vectors again, of the product of the sizes."""
    return em.node("Reshape", image, em.ints(-1, math.prod(sizes)))


def _onnx_resize(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    (height, width, channels), (new_height, new_width) = attrs["shape"], attrs["size"]
    image = _pixels(em, wires[0].data, attrs["shape"])
    if attrs["method"] == "nearest":
        image = em.node("Gather", image, em.array(nearest_pixels(height, new_height)), axis=1)
        image = em.node("Gather", image, em.array(nearest_pixels(width, new_width)), axis=2)
    else:
        image = _onnx_between(em, image, 2, axis_neighbours(width, new_width))
        image = _onnx_between(em, image, 1, axis_neighbours(height, new_height))
    return _flat(em, image, new_height, new_width, channels)


def _onnx_between(em: Emitter, image: str, axis: int, places: tuple[Ints, Ints, Array]) -> str:
    """Each output pixel of one axis between two input pixels."""
    before, behind = (em.node("Gather", image, em.array(p), axis=axis) for p in places[:2])
    part = places[2].reshape([-1] + [1] * (3 - axis))
    return em.node("Add", em.node("Mul", before, em.array(1.0 - part)), em.node("Mul", behind, em.array(part)))


def _normalize_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    channels = _image_rule(types, attrs)[2]
    expect(types, "float64")
    for name in ("mean", "std"):
        if len(attrs[name]) != channels:
            raise RuleError(f"{name} needs one number for each of {channels} channels, it has {len(attrs[name])}")
    if any(s == 0 for s in attrs["std"]):
        raise RuleError("a standard deviation is 0")
    return ValueType("float64", "fixed", types[0].size)


def _np_normalize(values: Sequence[Value], attrs: Attrs) -> Array:
    image = values[0].data.reshape(-1, *attrs["shape"])
    made = (image - np.array(attrs["mean"], np.float64)) / np.array(attrs["std"], np.float64)
    return np.asarray(made.reshape(values[0].data.shape))


def _onnx_normalize(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    mean, std = (em.constant(attrs[n], "float64") for n in ("mean", "std"))
    image = _pixels(em, wires[0].data, attrs["shape"])
    return _flat(em, em.node("Div", em.node("Sub", image, mean), std), *attrs["shape"])


def _crop_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    height, width, channels = _image_rule(types, attrs)
    expect(types, "float64", "int64")
    top, left, new_height, new_width = (int(n) for n in attrs["box"])
    if min(top, left) < 0 or min(new_height, new_width) < 1 or top + new_height > height or left + new_width > width:
        raise RuleError(
            f"a part of {new_height} x {new_width} at row {top}, column {left} is not inside {height} x {width} pixels"
        )
    return ValueType(types[0].dtype, "fixed", new_height * new_width * channels)


def _np_crop(values: Sequence[Value], attrs: Attrs) -> Array:
    top, left, height, width = attrs["box"]
    image = values[0].data.reshape(-1, *attrs["shape"])[:, top : top + height, left : left + width]
    return image.reshape(len(image), height * width * attrs["shape"][2])


def _onnx_crop(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    top, left, height, width = attrs["box"]
    image = _pixels(em, wires[0].data, attrs["shape"])
    part = em.node("Slice", image, em.ints(top, left), em.ints(top + height, left + width), em.ints(1, 2))
    return _flat(em, part, height, width, attrs["shape"][2])


def _flip_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    _image_rule(types, attrs)
    expect(types, "float64", "int64")
    if attrs["axis"] not in ("horizontal", "vertical"):
        raise RuleError(f"axis must be 'horizontal' (left and right) or 'vertical', not {attrs['axis']!r}")
    return ValueType(types[0].dtype, "fixed", types[0].size)


def _np_flip(values: Sequence[Value], attrs: Attrs) -> Array:
    image = values[0].data.reshape(-1, *attrs["shape"])
    return np.flip(image, 2 if attrs["axis"] == "horizontal" else 1).reshape(values[0].data.shape)


def _onnx_flip(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    axis = 2 if attrs["axis"] == "horizontal" else 1
    backwards = np.arange(attrs["shape"][axis - 1])[::-1].copy()
    image = em.node("Gather", _pixels(em, wires[0].data, attrs["shape"]), em.array(backwards), axis=axis)
    return _flat(em, image, *attrs["shape"])


def _planes_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    _image_rule(types, attrs)
    expect(types, "float64", "int64")
    return ValueType(types[0].dtype, "fixed", types[0].size)


def _np_planes(values: Sequence[Value], attrs: Attrs) -> Array:
    image = values[0].data.reshape(-1, *attrs["shape"])
    return np.moveaxis(image, 3, 1).reshape(values[0].data.shape)


def _onnx_planes(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    planes = em.node("Transpose", _pixels(em, wires[0].data, attrs["shape"]), perm=[0, 3, 1, 2])
    return _flat(em, planes, *attrs["shape"])


OPERATIONS = (
    Operation("resize_image", _resize_rule, _np_resize, _onnx_resize, elementwise=False),
    Operation("normalize_image", _normalize_rule, _np_normalize, _onnx_normalize, elementwise=False),
    Operation("crop_image", _crop_rule, _np_crop, _onnx_crop, elementwise=False),
    Operation("flip_image", _flip_rule, _np_flip, _onnx_flip, elementwise=False),
    Operation("channels_first", _planes_rule, _np_planes, _onnx_planes, elementwise=False),
)
"""Rows of the table of operations."""
