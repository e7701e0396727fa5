"""Host functions of this library: local time, live tables, images, text embeddings.

They run before the graph: in bulk, evaluation and batch inference, and in a server whose operator allows this module
(``--allow-host trueline.transform.host_library``). Paths come from the graph, never from a request. What a function
needs beyond numpy and ONNX Runtime it imports when it runs.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["decode_image", "embed_text", "live_lookup", "live_version", "to_local", "to_utc"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS = {"second": 1_000_000, "millisecond": 1_000, "microsecond": 1}


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ModelError(
            f"there is no time zone {name!r} on this machine",
            hint="zones are named as in Europe/Berlin; where the system has no time zones, pip install tzdata.",
        ) from error


def to_local(times: Sequence[int | None], *, zone: str, unit: str = "microsecond") -> list[int | None]:
    """The clock's time in a zone, as if it were UTC.

    Args:
        times: whole units since 1970 UTC; those outside the years 1 to 9999 are missing in the result.
        zone: as in ``Europe/Berlin``.
        unit: ``second``, ``millisecond`` or ``microsecond``.
    """
    there, micros = _zone(zone), _MICROSECONDS[unit]

    def local(time: int) -> int | None:
        try:
            clock = (_EPOCH + timedelta(microseconds=time * micros)).astimezone(there)
        except (OverflowError, ValueError):
            return None
        return (clock.replace(tzinfo=None) - _EPOCH_NAIVE) // _MICROSECOND

    return [None if t is None else local(t) for t in times]


def to_utc(times: Sequence[int | None], *, zone: str) -> list[int | None]:
    """The time of a zone's clock. Of an hour that comes twice it is the first; one that is left out is moved on.

    Args:
        times: the clock's time in microseconds, as if it were UTC; outside the years 1 to 9999: missing.
        zone: as in ``Europe/Berlin``.
    """
    there = _zone(zone)

    def instant(time: int) -> int | None:
        try:
            clock = (_EPOCH_NAIVE + timedelta(microseconds=time)).replace(tzinfo=there)
            return (clock.astimezone(UTC) - _EPOCH) // _MICROSECOND
        except (OverflowError, ValueError):
            return None

    return [None if t is None else instant(t) for t in times]


def live_lookup(
    keys: Sequence[Any],
    *,
    source: str,
    key_column: str | None,
    key_dtype: str,
    value_column: str,
    value_dtype: str,
    width: int | None,
    default: Any,
    poll_seconds: float,
) -> list[Any]:
    """What the newest version of a table says of each key; see `trueline.transform.lookup`."""
    from trueline.transform.live_tables import live_table

    table = live_table(source, key_column, key_dtype)
    loaded = table.current(poll_seconds, (value_column, (value_dtype, width)))
    places, column = loaded.places, loaded.table.columns[value_column]
    if width is not None and default is not None and not isinstance(default, list):
        default = [default] * width
    values, nulls = column.values, column.nulls

    def found(key: Any) -> Any:
        place = None if key is None else places.get(key)
        if place is None or (nulls is not None and nulls[place]):
            return None if key is None else default
        return values[place]

    return [found(key) for key in keys]


def live_version(
    keys: Sequence[Any], *, source: str, key_column: str | None, key_dtype: str, poll_seconds: float
) -> list[int]:
    """The version of a live table that is in use, for every row."""
    from trueline.transform.live_tables import live_table

    return [live_table(source, key_column, key_dtype).current(poll_seconds).version] * len(keys)


def decode_image(
    images: Sequence[bytes | None],
    *,
    height: int,
    width: int,
    channels: int,
    resample: str = "bilinear",
    max_pixels: int = 50_000_000,
    invalid: str = "error",
) -> list[list[int] | None]:
    """The pixels of encoded images; see `trueline.transform.decode_image`."""
    from trueline.transform.images_pillow import pixels

    out: list[list[int] | None] = []
    for row, data in enumerate(images):
        try:
            out.append(
                None if data is None else pixels(io.BytesIO(data), (height, width), channels, resample, max_pixels)
            )
        except (OSError, ValueError, SyntaxError) as error:
            if invalid == "error":
                raise ModelError(
                    f"row {row}: {len(data or b'')} bytes are no image that can be read: {error}",
                    hint='clean the data, or make such images missing: invalid="missing".',
                ) from error
            out.append(None)
    return out


def embed_text(
    texts: Sequence[str | None], *, encoder: str, sha256: str, max_tokens: int, normalize: bool, batch_size: int = 32
) -> list[list[float] | None]:
    """The vectors of texts by a local encoder; see `trueline.transform.embed_text`."""
    from trueline.transform.encoders import open_encoder

    return open_encoder(encoder, sha256).embed(list(texts), max_tokens, normalize, batch_size)
