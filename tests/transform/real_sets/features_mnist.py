"""Handwritten digits: 784 numbers of a tf.Example as an image; TFX's mnist features, and a smaller image."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

SHAPE = (28, 28, 1)
PIXELS = 28 * 28


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """The pixels as they are (as TFX's example has them), half as wide and high, and each image standardised."""
    image = tlt.pad(inputs["image_floats"], PIXELS)
    small = tlt.resize_image(image, SHAPE, (14, 14))
    return {
        "image_floats_xf": tlt.scale_by_min_max(image, -0.5, 0.5),
        "small": small,
        "standard": tlt.standardize_image(tlt.center_crop(image, SHAPE, (20, 20))),
        "ink": tlt.vector_sum(tlt.cast(image > 0.0, "float64")),
        "image_class_xf": inputs["image_class"],
    }
