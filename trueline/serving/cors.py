"""Requests from pages of other origins: which ones a browser may let read the answers.

Off unless `ServerOptions.cors_origins` names origins; ``("*",)`` is TensorFlow Serving's
``--rest_api_enable_cors_support``. As there, a preflight is answered under ``/v1/`` in any case, and needs an origin.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueline.serving.asgi import Answer, Request
from trueline.serving.errors import Code, RequestError

__all__ = ["Cors", "preflight"]

_SCHEMES = (b"http://", b"https://")
_FIXED = (
    (b"access-control-allow-methods", b"POST, GET"),
    (
        b"access-control-allow-headers",
        b"Content-Type, Content-Encoding, Accept, Authorization, X-API-Key, X-Request-ID, X-Request-Timeout-Ms",
    ),
    (b"access-control-expose-headers", b"X-Model-Version, X-Request-ID"),
)


class Cors:
    """The headers by which a browser knows that a page may read an answer.

    Args:
        origins: ``https://shop.example`` and its like, or ``*`` for any.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode("ascii", "replace") for origin in origins)

    def add(self, request: Request, answer: Answer) -> None:
        """Adds the headers to an answer, when the request's origin is one of those allowed."""
        if self._any:
            answer.headers.append((b"access-control-allow-origin", b"*"))
        else:
            answer.headers.append((b"vary", b"Origin"))
            origin = request.header(b"origin")
            if origin is None or origin not in self._origins:
                return
            answer.headers.append((b"access-control-allow-origin", origin))
        answer.headers.extend(_FIXED)


def preflight(request: Request) -> Answer:
    """The answer to OPTIONS, empty; what may be done stands in the headers that `Cors` adds.

    Raises:
        RequestError: 400, for a request without an origin.
    """
    origin = request.header(b"origin") or b""
    if not any(scheme in origin for scheme in _SCHEMES):
        raise RequestError(Code.FAILED_PRECONDITION, "Origin header is missing in CORS preflight")
    return Answer(200, b"")
