"""Encoded images to pixels with Pillow, of the extra ``image``."""

from __future__ import annotations

from typing import IO, Any

__all__ = ["RESAMPLING", "pixels"]

RESAMPLING = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def pixels(data: IO[bytes], size: tuple[int, int], channels: int, resample: str, max_pixels: int) -> list[int]:
    """The pixels of one image, 0 to 255, in the order height, width, channels.

    Args:
        data: a BMP, GIF (its first frame), JPEG, PNG or WebP file; an EXIF orientation is followed.
        size: height and width of the result.
        channels: 1 (brightness), 3 (red, green, blue) or 4 (with opacity).
        resample: one of `RESAMPLING`.
        max_pixels: a larger image is refused before it is unpacked.

    Raises:
        OSError: no image, or one that is cut off.
        ValueError: an image of more than `max_pixels`.
    """
    from PIL import Image, ImageOps

    try:
        opened = Image.open(data, formats=["BMP", "GIF", "JPEG", "PNG", "WEBP"])
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    with opened as image:
        if image.width * image.height > max_pixels:
            raise ValueError(f"{image.width} x {image.height} pixels are more than {max_pixels:,}")
        upright = ImageOps.exif_transpose(image)
        plain = _eight_bits(upright).convert(_MODES[channels])
        if (plain.height, plain.width) != size:
            plain = plain.resize((size[1], size[0]), Image.Resampling[resample.upper()])
        return list(plain.tobytes())


def _eight_bits(image: Any) -> Any:
    """Sixteen bits of grey cut to eight; Pillow would clip them."""
    if image.mode.startswith("I;16"):
        return image.point(lambda v: v / 256).convert("L")
    return image
