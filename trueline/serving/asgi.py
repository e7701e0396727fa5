"""The little of HTTP that the app needs over plain ASGI: a request's head, its body within limits, one answer."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from trueline.serving.at_once import sent_at_once
from trueline.serving.errors import Code, RequestError, overloaded, too_large

__all__ = [
    "Answer",
    "Bodies",
    "ClientGoneError",
    "Head",
    "Message",
    "Receive",
    "Request",
    "Scope",
    "Send",
    "read_body",
    "send_answer",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_DISCARD_BYTES = 4 * 1024 * 1024
_DISCARD_SECONDS = 1.0
_ID_PREFIX = secrets.token_hex(6)
_ID_COUNT = itertools.count(1)
_ID_LENGTH = 128
_LENGTH_DIGITS = 18
_SMALL_BODY = 64 * 1024
_LONGEST_MS = 10**9
JSON_TYPE = b"application/json"


class ClientGoneError(Exception):
    """The client closed the connection before its request was whole."""


class Bodies:
    """The request bodies that lie in memory together; those that come in one small piece are not counted.

    Args:
        limit: their bytes; a request beyond it is refused.
    """

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0


@dataclass(slots=True)
class Answer:
    """One response: status, body, content type and further headers."""

    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Head:
    """What the app reads of a request's headers, and how much memory the request's body takes.

    Attributes:
        request_id: the client's ``x-request-id``, or one that was made here.
        length: what ``content-length`` says.
        encoding: what ``content-encoding`` says, in lower case.
        expects_continue: whether the client waits with its body.
        timeout: ``x-request-timeout-ms`` in seconds: how long the client waits for an answer.
        bodies: where the body is counted, or None.
        held: bytes of this body that are counted there.
    """

    request_id: bytes
    length: int | None
    encoding: bytes
    expects_continue: bool
    timeout: float | None = None
    bodies: Bodies | None = None
    held: int = 0

    def hold(self, size: int) -> None:
        """Counts bytes of the body.

        Raises:
            RequestError: RESOURCE_EXHAUSTED, when the bodies together are over the limit.
        """
        if self.bodies is None:
            return
        if self.bodies.held + size > self.bodies.limit:
            raise overloaded(f"the requests that are being read take more than {self.bodies.limit} bytes together")
        self.bodies.held += size
        self.held += size

    def let_go(self) -> None:
        """The body is not needed any more."""
        if self.bodies is not None:
            self.bodies.held -= self.held
            self.held = 0

    @classmethod
    def of(cls, scope: Scope) -> Head:
        """The head of an ASGI request; a request id is made when the client sent none, or none that is fit to log."""
        head = cls(b"", None, b"", False)
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                if 0 < len(value) <= _ID_LENGTH and value.isascii() and all(33 <= c < 127 for c in value):
                    head.request_id = value
            elif name == b"content-length":
                head.length = int(value) if value.isdigit() and len(value) < _LENGTH_DIGITS else None
            elif name == b"content-encoding":
                head.encoding = value.lower()
            elif name == b"expect":
                head.expects_continue = True
            elif name == b"x-request-timeout-ms":
                head.timeout = int(value) / 1000 if value.isdigit() and 0 < int(value[:10]) <= _LONGEST_MS else None
        if not head.request_id:
            head.request_id = b"%s-%x" % (_ID_PREFIX.encode(), next(_ID_COUNT))
        return head


class Request:
    """One HTTP request whose body was not read yet.

    Attributes:
        scope: the ASGI scope, with all headers.
        receive: what gives the body.
        head: what the app reads of the headers.
        method: in capitals.
        path: as it came, still percent-encoded.
        deadline: the event loop's clock at which the client does not wait any more, or None.
    """

    __slots__ = ("deadline", "head", "method", "path", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive, head: Head, timeout: float | None = None) -> None:
        if head.timeout is not None:
            timeout = head.timeout if timeout is None else min(timeout, head.timeout)
        self.deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        self.scope = scope
        self.receive = receive
        self.head = head
        self.method: str = scope["method"]
        self.path: bytes = scope.get("raw_path") or scope["path"].encode()

    def header(self, name: bytes) -> bytes | None:
        """The first header of that name, which is given in lower case."""
        return next((value for key, value in self.scope["headers"] if key == name), None)


async def read_body(receive: Receive, head: Head, limit: int) -> bytes:
    """The request's body, inflated when it came as gzip.

    Raises:
        RequestError: 413 for more than `limit` bytes, before or after inflating; 400 for another encoding; 503 when
            the bodies that are being read take too much memory together.
        ClientGoneError: the connection closed before the body was whole.
    """
    if head.length is not None and head.length > limit:
        if not head.expects_continue:
            await _discard(receive)
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if message.get("more_body", False) or len(body) > limit:
        body = await _rest(receive, message, head, limit)
    elif len(body) > _SMALL_BODY:
        head.hold(len(body))
    if head.encoding in (b"", b"identity"):
        return body
    data = _inflate(body, head.encoding, limit)
    head.hold(len(data))
    return data


async def _rest(receive: Receive, message: Message, head: Head, limit: int) -> bytes:
    pieces, size = [], 0
    while True:
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            if message.get("more_body", False):
                await _discard(receive)
            raise too_large(limit)
        head.hold(len(piece))
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError


async def _discard(receive: Receive) -> None:
    """Reads on for a moment, so that a client which writes before it reads gets its answer and not a reset."""
    dropped = 0
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while dropped < _DISCARD_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                dropped += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding not in (b"gzip", b"x-gzip"):
        raise RequestError(
            Code.INVALID_ARGUMENT, f"content-encoding {encoding.decode('latin-1')!r} is not known: use gzip"
        )
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        data = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestError(Code.INVALID_ARGUMENT, f"the body is not gzip: {error}") from None
    if len(data) > limit:
        raise too_large(limit)
    if not inflater.eof:
        raise RequestError(Code.INVALID_ARGUMENT, "the body is gzip that ends too early")
    return data


async def send_answer(send: Send, answer: Answer, request_id: bytes) -> None:
    """Sends one whole response."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id),
        *answer.headers,
    ]
    if answer.status == 200 and sent_at_once(send, headers, answer.body):
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
