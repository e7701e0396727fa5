"""HTTP/1.1 for the clients, without a socket: the bytes of a request, and an answer put together from what comes.

`Answer.feed` takes bytes as they arrive, so that a client with threads and one with asyncio share it, and so that a
client knows whether an answer had begun when its connection broke (RFC 9112).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Answer", "BadAnswerError", "Reply", "request_bytes"]

_MAX_HEAD = 256 * 1024
_MAX_DIGITS = 16
_NO_BODY = frozenset({204, 304})


class BadAnswerError(Exception):
    """What came is no HTTP/1.1 answer."""


@dataclass(frozen=True)
class Reply:
    """One whole answer.

    Attributes:
        status: the HTTP status.
        headers: by name in lower case; of several of one name the last.
        body: the bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it goes over the wire.

    Raises:
        ValueError: a header with a line break or another control character.
    """
    lines = [f"{method} {path} HTTP/1.1"]
    for name, value in headers.items():
        if not name.isascii() or any(c in "\r\n\0:" or c <= " " for c in name) or any(c in "\r\n\0" for c in value):
            raise ValueError(f"the header {name!r} has a character that no header may have")
        lines.append(f"{name}: {value}")
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "strict") + body


class Answer:
    """An answer that is being received.

    Attributes:
        begun: whether any byte of it came.
        done: whether it is whole.
        keep: whether the connection can be used again.
    """

    def __init__(self) -> None:
        self.begun = self.done = self.keep = False
        self._buffer = bytearray()
        self._body = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._left = 0
        self._step: Callable[[], bool] = self._head

    def feed(self, data: bytes) -> None:
        """Takes what came next; empty bytes say that the connection ended.

        Raises:
            BadAnswerError: it is no HTTP/1.1 answer, or it ends too early.
        """
        if not data:
            self._ended()
            return
        self.begun = True
        self._buffer += data
        while not self.done and self._step():
            pass
        if self.done and self._buffer:  # nobody asked for more: what follows belongs to nothing
            self.keep = False

    def reply(self) -> Reply:
        """The whole answer."""
        assert self.done
        return Reply(self._status, self._headers, bytes(self._body))

    def _ended(self) -> None:
        if self._step != self._until_end:
            raise BadAnswerError("the connection ended in the middle of the answer")
        self.done, self.keep = True, False

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise BadAnswerError("the answer's headers do not end")
            return False
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not (code.isascii() and code.isdigit() and len(code) == 3):
            raise BadAnswerError(f"the server does not speak HTTP/1.1: {first[:80]!r}")
        pairs = (line.partition(":") for line in lines)
        self._headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self._status = int(code)
        if 100 <= self._status < 200:  # such as 100 Continue: the answer proper follows
            return True
        wish = self._headers.get("connection", "").lower()
        self.keep = "close" not in wish and (version == "HTTP/1.1" or "keep-alive" in wish)
        self._step = self._framing()
        return not self.done

    def _framing(self) -> Callable[[], bool]:
        """How the body's end is told (RFC 9112, section 6.3)."""
        coding = self._headers.get("transfer-encoding")
        if self._status in _NO_BODY:
            self.done = True
        elif coding is not None:
            if coding.lower() != "chunked":
                raise BadAnswerError(f"the answer's transfer-encoding is {coding[:80]!r}")
            return self._chunk_size
        elif "content-length" in self._headers:
            text = self._headers["content-length"]
            if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
                raise BadAnswerError(f"the answer's content-length is {text[:80]!r}")
            self._left = int(text)
            self.done = self._left == 0
            return self._counted
        return self._until_end

    def _counted(self) -> bool:
        self._take()
        self.done = self._left == 0
        return False

    def _take(self) -> None:
        part = self._buffer[: self._left]
        self._body += part
        del self._buffer[: len(part)]
        self._left -= len(part)

    def _until_end(self) -> bool:
        self._body += self._buffer
        self._buffer.clear()
        return False

    def _line(self) -> str | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise BadAnswerError("a line of the answer does not end")
            return None
        line = bytes(self._buffer[:end]).decode("latin-1")
        del self._buffer[: end + 2]
        return line

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        digits = line.partition(";")[0].strip()
        if not digits or len(digits) > _MAX_DIGITS or set(digits.lower()) - set("0123456789abcdef"):
            raise BadAnswerError(f"a chunk of the answer has the size {line[:80]!r}")
        self._left = int(digits, 16)
        self._step = self._chunk if self._left else self._trailer
        return True

    def _chunk(self) -> bool:
        self._take()
        if self._left or len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise BadAnswerError("a chunk of the answer is longer than it says")
        del self._buffer[:2]
        self._step = self._chunk_size
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        self.done = line == ""
        return not self.done
