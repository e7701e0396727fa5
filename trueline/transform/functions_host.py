"""Functions that are host steps: local time, images, text embeddings, and a user's own Python by upstream's name.

They read raw columns, or results of other host steps, and run before the graph; see `trueline.transform.host`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from trueline._core.errors import TruelineError, did_you_mean
from trueline._core.values import Kind
from trueline.transform.column import Column
from trueline.transform.functions import tracer_of
from trueline.transform.hoststeps import host

__all__ = ["apply_pyfunc", "decode_image", "embed_text", "to_local", "to_utc"]

EpochUnit = Literal["second", "millisecond", "microsecond"]

_LIBRARY = "trueline.transform.host_library"
_DTYPES: dict[str, Any] = {
    "float16": "float64", "float32": "float64", "float64": "float64", "float": "float64", "double": "float64",
    "int8": "int64", "int16": "int64", "int32": "int64", "int64": "int64", "int": "int64",
    "uint8": "int64", "uint16": "int64", "uint32": "int64",
    "bool": "bool", "string": "utf8", "str": "utf8", "object": "utf8", "utf8": "utf8", "timestamp": "timestamp",
}  # fmt: skip


def _zone_step(x: Column, zone: str, function: str, unit: EpochUnit | None = None) -> Column:
    from trueline.transform.host_library import to_local as known

    if (x.dtype, unit is None) not in (("timestamp", True), ("int64", False)):
        raise x.tracer.error(
            f"{x.tracer.describe(x)} is no timestamp" + ("" if unit is None else " in whole numbers"),
            'a raw column of whole numbers since 1970: tlt.to_local(x, zone, unit="second"); timestamps take no unit; '
            "anything else: tlt.host with a function of yours.",
        )
    try:
        known([], zone=zone)
    except TruelineError as error:
        raise x.tracer.error(error.message, error.hint) from error
    params: dict[str, Any] = {} if unit is None else {"unit": unit}
    name = _named(x, function, zone, *params.values())
    return host(f"{_LIBRARY}:{function}", x, dtype="timestamp", name=name, zone=zone, **params)


def _named(x: Column, function: str, *parts: Any) -> str:
    read = "_".join(sorted(x.tracer.graph.input_names([x.index]))).removeprefix("host:")
    return "_".join([function, read, *(str(p).replace("/", "_").replace(":", "_") for p in parts)])


def to_local(x: Column, zone: str, *, unit: EpochUnit | None = None) -> Column:
    """The clock's time in a zone, as a timestamp whose parts (`hour`, `weekday`, ...) are those of that clock.

    Args:
        x: a raw timestamp column, UTC, or with `unit` a raw column of whole numbers since 1970-01-01 UTC, of which
            `from_epoch` makes times too late for a step before the graph; times outside the years 1 to 9999 are
            missing in the result.
        zone: a name of the IANA time zone database, ``Europe/Berlin``, which the machine must have.
        unit: what the numbers count: ``second``, ``millisecond`` or ``microsecond``.

    Raises:
        TransformError: for an unknown zone, or a column of another type.
    """
    return _zone_step(x, zone, "to_local", unit)


def to_utc(x: Column, zone: str) -> Column:
    """The UTC time of a zone's clock: the inverse of `to_local`.

    Of an hour that comes twice in autumn it is the first one; a time that is left out in spring is an hour later.
    """
    return _zone_step(x, zone, "to_utc")


def decode_image(
    x: Column,
    size: tuple[int, int],
    channels: Literal[1, 3, 4] = 3,
    *,
    dtype: Literal["int64", "float64"] = "int64",
    resize: str = "bilinear",
    max_pixels: int = 50_000_000,
    invalid: Literal["error", "missing"] = "error",
) -> Column:
    """The pixels of encoded images, 0 to 255, as vectors in the order height, width, channels.

    It needs the extra ``image`` wherever the graph runs.

    Args:
        x: a raw column of bytes: BMP, GIF (the first frame), JPEG, PNG or WebP files. EXIF orientation is followed.
        size: height and width of the result.
        channels: 1 (brightness), 3 (red, green, blue) or 4 (with opacity); images are converted.
        dtype: of the pixels.
        resize: how images of other sizes are fitted: ``nearest``, ``bilinear``, ``bicubic``, ``lanczos``, ``box`` or
            ``hamming``, with antialiasing where they shrink; proportions are not kept.
        max_pixels: images with more pixels are not unpacked but treated as invalid.
        invalid: whether bytes that are no such image are an error that names the row, or missing.

    Raises:
        TransformError: for a column that holds no bytes, or other options.
    """
    from trueline.transform.images_pillow import RESAMPLING

    if x.dtype != "bytes":
        raise x.tracer.error(f"{x.tracer.describe(x)} holds no bytes: decode_image takes encoded images")
    if resize not in RESAMPLING:
        raise x.tracer.error(f"there is no way to resize named {resize!r}", did_you_mean(resize, RESAMPLING))
    height, width = (int(s) for s in size)
    if min(height, width) < 1 or channels not in (1, 3, 4) or invalid not in ("error", "missing"):
        raise x.tracer.error(
            f"an image of size {tuple(size)} with {channels} channels, invalid={invalid!r} cannot be made",
            'size is (height, width), channels 1, 3 or 4, invalid "error" or "missing".',
        )
    options: dict[str, Any] = {"resample": resize, "max_pixels": int(max_pixels), "invalid": invalid}
    return host(
        f"{_LIBRARY}:decode_image",
        x,
        dtype=dtype,
        kind="fixed",
        size=height * width * channels,
        name=_named(x, "decode_image", height, width, channels, *options.values(), dtype),
        height=height,
        width=width,
        channels=int(channels),
        **options,
    )


def embed_text(
    x: Column, encoder: str, *, max_tokens: int | None = None, normalize: bool = True, batch_size: int = 1
) -> Column:
    """The vectors of texts by a local encoder of the BERT family.

    A vector is the mean of the last layer's token vectors (or the model's own ``sentence_embedding``). The encoder
    stays outside the model: every machine that runs the graph has its folder at the same path, and a folder with other
    content is refused. With the default batch size a text's vector has the same bits wherever it stands.

    Args:
        x: a raw column of text; missing stays missing.
        encoder: a local folder with ``model.onnx`` (inputs ``input_ids``, ``attention_mask``, ``token_type_ids``),
            ``vocab.txt`` or a WordPiece ``tokenizer.json``, and maybe ``tokenizer_config.json``.
        max_tokens: longer texts are cut; by default what the tokeniser's configuration says, or 512.
        normalize: scale vectors to length 1.
        batch_size: texts for one run of the encoder; more than 1 is faster, and may change last bits with the company.

    Raises:
        TransformError: for a folder that holds no such encoder.
    """
    from trueline.transform.encoders import encoder_sha256, open_encoder

    if x.dtype != "utf8":
        raise x.tracer.error(f"{x.tracer.describe(x)} is no text")
    try:
        digest = encoder_sha256(str(encoder))
        opened = open_encoder(str(encoder), digest)
        width = opened.width
    except TruelineError as error:
        raise x.tracer.error(f"{error.where or encoder}: {error.message}", error.hint) from error
    most = opened.tokenizer.max_tokens if max_tokens is None else int(max_tokens)
    if most < 3 or batch_size < 1:
        raise x.tracer.error(f"max_tokens must be at least 3 and batch_size at least 1: {most}, {batch_size}")
    return host(
        f"{_LIBRARY}:embed_text",
        x,
        dtype="float64",
        kind="fixed",
        size=width,
        name=_named(x, "embed_text", digest[:8], most, bool(normalize)),
        encoder=str(encoder),
        sha256=digest,
        max_tokens=most,
        normalize=bool(normalize),
        batch_size=int(batch_size),
    )


def apply_pyfunc(
    func: Callable[..., Any] | str,
    Tout: Any,
    stateful: bool = True,
    name: str | None = None,
    *args: Column,
    kind: Kind = "scalar",
    size: int | None = None,
) -> Column:
    """`host` with the order of TensorFlow Transform's arguments: a Python function on numpy arrays.

    Args:
        func: a function that is importable by name; it takes one numpy array for each column and returns one.
        Tout: the dtype of what it returns: ``"float64"``, ``"int64"``, ``"bool"``, ``"utf8"``, ``"timestamp"``, a numpy
            or a TensorFlow dtype. Narrow numbers are widened.
        stateful: taken for compatibility; a host step is always run for every row.
        name: name of the new column.
        args: raw columns. Missing floats come as NaN; other columns with missing values as objects with None.
        kind: ``scalar``, ``fixed`` or ``ragged``, as for `host`.
        size: the length of the vectors, for ``fixed`` alone.

    Raises:
        TransformError: for a dtype that cannot be, and as `host` does.
    """
    tracer = tracer_of(*args)
    label = Tout if isinstance(Tout, str) else str(getattr(Tout, "name", getattr(Tout, "__name__", Tout)))
    if label not in _DTYPES:
        raise tracer.error(f"Tout is {label!r}", did_you_mean(label, _DTYPES))
    return host(func, *args, dtype=_DTYPES[label], name=name, kind=kind, size=size, as_="numpy")
