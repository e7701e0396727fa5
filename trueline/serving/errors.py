"""The server's errors and the HTTP status codes they become, those of TensorFlow Serving.

    ServingError
    └── RequestError        one request cannot be answered; `status` says how

An answer to a failed request is ``{"error": "<message>"}`` with that status.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueline._core.errors import ServingError

__all__ = [
    "BAD_REQUEST",
    "INTERNAL",
    "NOT_FOUND",
    "NOT_IMPLEMENTED",
    "PAYLOAD_TOO_LARGE",
    "UNAVAILABLE",
    "RequestError",
]

BAD_REQUEST = 400
NOT_FOUND = 404
PAYLOAD_TOO_LARGE = 413
INTERNAL = 500
NOT_IMPLEMENTED = 501
UNAVAILABLE = 503


class RequestError(ServingError):
    """A request that cannot be answered.

    Args:
        status: the HTTP status code.
        message: what the client is told.
        hint: how the client mends it.
        problems: single problems, by row and field.
    """

    def __init__(self, status: int, message: str, *, hint: str | None = None, problems: Sequence[str] = ()) -> None:
        self.status = status
        super().__init__(message, hint=hint, problems=problems)
