"""In which format a request's rows come and its answer goes: JSON, Arrow (stream or file) or Parquet.

Only a body that does not begin with ``{`` is looked at here: what JSON costs stays what it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from trueline.serving.asgi import JSON_TYPE, Request
from trueline.serving.errors import Code, RequestError

__all__ = ["MEDIA_TYPES", "Formats", "formats_of"]

MEDIA_TYPES: dict[str, bytes] = {
    "json": JSON_TYPE,
    "stream": b"application/vnd.apache.arrow.stream",
    "file": b"application/vnd.apache.arrow.file",
    "parquet": b"application/vnd.apache.parquet",
}
"""Media type by format."""

_BY_TYPE = {media: name for name, media in MEDIA_TYPES.items()}
_TABLES = {media: name for media, name in _BY_TYPE.items() if name != "json"}
_MAGIC = {b"PAR1": "parquet", b"ARRO": "file", b"\xff\xff\xff\xff": "stream"}
_ANY = (b"*/*", b"application/*")
_PARTS = 64


@dataclass(frozen=True, slots=True)
class Formats:
    """What comes and what goes.

    Attributes:
        given: ``stream``, ``file`` or ``parquet``.
        wanted: one of these or ``json``.
    """

    given: str
    wanted: str


def formats_of(request: Request, body: bytes) -> Formats | None:
    """The formats that the headers name; None where the body is JSON, or meant to be.

    Raises:
        RequestError: 415, for a table whose content type is not said; 406, for an answer that cannot be given.
    """
    content_type = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    given = _TABLES.get(content_type)
    if given is None:
        looks = _MAGIC.get(body[:4])
        if looks is None:
            return None
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"the body looks like {MEDIA_TYPES[looks].decode()}, its content-type is "
            f"{content_type.decode('latin-1')[:100]!r}",
            hint=f"send it with content-type: {MEDIA_TYPES[looks].decode()}.",
            status=415,
        )
    return Formats(given, _wanted(request.header(b"accept"), given))


def _wanted(accept: bytes | None, given: str) -> str:
    """The format that the client likes best; that of its request where it does not mind."""
    if accept is None or not accept.strip():
        return given
    choices = [_choice(part) for part in accept.lower().split(b",")[:_PARTS]]
    for media, quality in sorted(choices, key=lambda choice: -choice[1]):
        if quality > 0 and (media in _ANY or media in _BY_TYPE):
            return given if media in _ANY else _BY_TYPE[media]
    known = ", ".join(media.decode() for media in MEDIA_TYPES.values())
    raise RequestError(
        Code.INVALID_ARGUMENT,
        f"no answer can be given as {accept.decode('latin-1')[:200]!r}",
        hint=f"accept one of {known}.",
        status=406,
    )


def _choice(part: bytes) -> tuple[bytes, float]:
    media, *parameters = (piece.strip() for piece in part.split(b";"))
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            try:
                return media, float(value)
            except ValueError:
                return media, 0.0
    return media, 1.0
