"""Functions on images: vectors in the order height, width, channels, so that a pixel's channels stand side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trueline.transform.column import Column
from trueline.transform.functions import as_float, maximum, sqrt
from trueline.transform.functions_vectors import vector_mean

__all__ = [
    "center_crop",
    "channels_first",
    "crop_image",
    "flip_image",
    "grayscale",
    "normalize_image",
    "resize_image",
    "standardize_image",
]

Shape = Sequence[int]
_GRAY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in the brightness, as TensorFlow's rgb_to_grayscale has them (ITU-R BT.601)."""


def _shape(x: Column, shape: Shape) -> list[int]:
    if len(shape) != 3:
        raise x.tracer.error(f"an image's shape is (height, width, channels), not {tuple(shape)}")
    return [int(n) for n in shape]


def resize_image(x: Column, shape: Shape, size: Shape, *, method: str = "bilinear") -> Column:
    """The image in another size, with half-pixel centres and without antialiasing.

    Args:
        x: the image as a vector; with ``nearest`` integers stay integers, otherwise the result is float64.
        shape: its height, width and channels.
        size: the new height and width.
        method: ``bilinear`` or ``nearest``.
    """
    if len(size) != 2:
        raise x.tracer.error(f"the new size is (height, width), not {tuple(size)}")
    with x.tracer.scope("resize_image"):
        x = as_float(x) if method == "bilinear" else x
        attrs = {"shape": _shape(x, shape), "size": [int(n) for n in size]}
        return x.tracer.op("resize_image", x, method=method, **attrs)


def normalize_image(x: Column, mean: float | Sequence[float], std: float | Sequence[float], shape: Shape) -> Column:
    """(x - mean) / std for each channel, float64.

    Args:
        x: the image as a vector.
        mean: one number for each channel, or one for all.
        std: the same.
        shape: height, width and channels.
    """
    with x.tracer.scope("normalize_image"):
        whole = _shape(x, shape)
        numbers = {
            name: [float(value)] * whole[2] if isinstance(value, int | float) else [float(v) for v in value]
            for name, value in (("mean", mean), ("std", std))
        }
        return x.tracer.op("normalize_image", as_float(x), shape=whole, **numbers)


def standardize_image(x: Column) -> Column:
    """Each image with mean 0 and variance 1, float64, as ``tf.image.per_image_standardization``.

    It is divided by its own standard deviation, but by no less than 1 / sqrt(numbers), so that a blank image becomes 0.
    """
    if x.type.kind != "fixed" or not x.type.size:
        raise x.tracer.error(f"standardize_image takes an image as a vector, not {x.tracer.describe(x)}")
    with x.tracer.scope("standardize_image"):
        centred = as_float(x) - vector_mean(x)
        spread = sqrt(vector_mean(centred * centred))
        return centred / maximum(spread, 1.0 / math.sqrt(x.type.size))


def grayscale(x: Column, shape: Shape) -> Column:
    """The brightness of an image of red, green and blue: 0.2989 R + 0.587 G + 0.114 B, a vector with one channel."""
    whole = _shape(x, shape)
    if whole[2] != 3 or x.type.size != whole[0] * whole[1] * 3:
        raise x.tracer.error(f"grayscale takes an image of three channels, not {x.tracer.describe(x)} as {whole}")
    with x.tracer.scope("grayscale"):
        x = as_float(x)
        red, green, blue = (x[channel::3] * weight for channel, weight in enumerate(_GRAY))
        return red + green + blue


def crop_image(x: Column, shape: Shape, box: Shape) -> Column:
    """A part of the image.

    Args:
        x: the image as a vector.
        shape: its height, width and channels.
        box: the part's first row, first column, height and width.
    """
    if len(box) != 4:
        raise x.tracer.error(f"the part is (top, left, height, width), not {tuple(box)}")
    return x.tracer.op("crop_image", x, shape=_shape(x, shape), box=[int(n) for n in box])


def center_crop(x: Column, shape: Shape, size: Shape) -> Column:
    """The part of height and width `size` in the middle; an odd rest lies at the bottom and at the right."""
    if len(size) != 2:
        raise x.tracer.error(f"the part's size is (height, width), not {tuple(size)}")
    with x.tracer.scope("center_crop"):
        height, width, _ = _shape(x, shape)
        return crop_image(x, shape, ((height - size[0]) // 2, (width - size[1]) // 2, *size))


def flip_image(x: Column, shape: Shape, axis: str = "horizontal") -> Column:
    """The image mirrored: ``horizontal`` exchanges left and right, ``vertical`` top and bottom."""
    return x.tracer.op("flip_image", x, shape=_shape(x, shape), axis=axis)


def channels_first(x: Column, shape: Shape) -> Column:
    """The vector in the order channels, height, width, as PyTorch's convolutions take it."""
    return x.tracer.op("channels_first", x, shape=_shape(x, shape))
