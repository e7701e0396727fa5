"""The server's errors: gRPC's canonical codes, and the HTTP statuses that TensorFlow Serving gives them.

    ServingError
    └── RequestError        one request cannot be answered; `code` says why, `status` how REST says so

An answer to a failed REST request is ``{"error": "<message>"}`` with that status; gRPC sends the code and the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from trueline._core.errors import ServingError

__all__ = ["HTTP_STATUS", "Code", "RequestError", "code_of", "late", "overloaded", "too_large"]


class Code(StrEnum):
    """Why a request failed: the names of gRPC's status codes."""

    OK = "OK"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


HTTP_STATUS: Mapping[Code, int] = MappingProxyType(
    {
        Code.OK: 200,
        Code.CANCELLED: 499,
        Code.UNKNOWN: 500,
        Code.INVALID_ARGUMENT: 400,
        Code.DEADLINE_EXCEEDED: 504,
        Code.NOT_FOUND: 404,
        Code.ALREADY_EXISTS: 409,
        Code.PERMISSION_DENIED: 403,
        Code.RESOURCE_EXHAUSTED: 429,
        Code.FAILED_PRECONDITION: 400,
        Code.ABORTED: 409,
        Code.OUT_OF_RANGE: 400,
        Code.UNIMPLEMENTED: 501,
        Code.INTERNAL: 500,
        Code.UNAVAILABLE: 503,
        Code.DATA_LOSS: 500,
        Code.UNAUTHENTICATED: 401,
    }
)
"""By code the HTTP status, as TensorFlow Serving's ``ToHTTPStatusCode`` has it (``http_server.cc``)."""


class RequestError(ServingError):
    """A request that cannot be answered.

    Args:
        code: why.
        message: what the client is told.
        hint: how the client mends it.
        problems: single problems, by row and field.
        status: the HTTP status, where it is not the code's own.

    Attributes:
        version: the version that could not answer, where the request had come that far.
    """

    version: int | None = None

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str | None = None,
        problems: Sequence[str] = (),
        status: int | None = None,
    ) -> None:
        self.code = code
        self.status = HTTP_STATUS[code] if status is None else status
        super().__init__(message, hint=hint, problems=problems)


_CODES = {status: code for code, status in reversed(tuple(HTTP_STATUS.items()))}
_CODES |= {400: Code.INVALID_ARGUMENT, 413: Code.RESOURCE_EXHAUSTED}


def code_of(status: int) -> Code:
    """The code that an HTTP status most likely stands for; UNKNOWN for one that no code becomes."""
    return _CODES.get(status, Code.UNKNOWN)


def overloaded(message: str) -> RequestError:
    """A request that finds a queue full: 503 by REST, RESOURCE_EXHAUSTED by gRPC."""
    return RequestError(Code.RESOURCE_EXHAUSTED, message, hint="try again later.", status=503)


def late() -> RequestError:
    """A request whose deadline passed before its answer was there: 504 by REST, DEADLINE_EXCEEDED by gRPC."""
    return RequestError(Code.DEADLINE_EXCEEDED, "the request's deadline passed before the model could answer")


def too_large(limit: int) -> RequestError:
    """A body over the limit in bytes: 413 by REST, RESOURCE_EXHAUSTED by gRPC."""
    return RequestError(
        Code.RESOURCE_EXHAUSTED,
        f"the request body is larger than {limit} bytes",
        hint="send fewer rows.",
        status=413,
    )
