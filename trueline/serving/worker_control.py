"""What a supervisor and its workers say to each other: JSON, one message a line, over a pair of sockets.

Both ends use `Channel`. It is not one of asyncio's streams because a worker must be able to stop everything and wait
for one message (`Channel.wait`): that is how all workers go over to a new version in one moment.

Every message from the supervisor has ``do``, every message from a worker ``say``.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

from trueline._core.errors import ConfigError, TruelineError
from trueline.serving import config as config_module
from trueline.serving import traffic as traffic_module
from trueline.serving.config import ServerConfig
from trueline.serving.errors import Code, RequestError
from trueline.serving.scan import Candidate

__all__ = [
    "Channel",
    "Message",
    "Told",
    "config_of",
    "config_to_json",
    "error_of",
    "error_to_json",
]

Message = dict[str, Any]
_READ = 1 << 18
_LARGEST = 64 * 1024 * 1024


class Channel:
    """One end of the line.

    Args:
        end: a connected socket.
        on_message: told each message, in order.
        on_closed: told once that the other end is gone.
    """

    def __init__(
        self,
        end: socket.socket,
        on_message: Callable[[Message], None] = lambda message: None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        end.setblocking(False)
        self.on_message = on_message
        self.on_closed = on_closed
        self._end = end
        self._inbox: deque[Message] = deque()
        self._part = b""
        self._out = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing = False
        self._busy = False
        self.closed = False

    def start(self) -> None:
        """Begins to listen on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._end, self._readable)
        self._loop.call_soon(self._dispatch)
        self._flush()

    def close(self) -> None:
        """Hangs up, without `on_closed`."""
        if not self.closed:
            self.closed = True
            self._forget()
            self._end.close()

    def _forget(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message; to an end that is gone it says nothing."""
        if not self.closed:
            self._out += json.dumps(message, separators=(",", ":")).encode() + b"\n"
            self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._end.send(self._out)]
        except BlockingIOError:
            if self._loop is not None and not self._writing:
                self._writing = True
                self._loop.add_writer(self._end, self._writable)
            return
        except OSError:
            self._out.clear()  # the reader notices that the other end is gone
        if self._writing and self._loop is not None:
            self._writing = False
            self._loop.remove_writer(self._end)

    def _writable(self) -> None:
        self._flush()

    def _readable(self) -> None:
        there = self._read()
        self._dispatch()
        if not there and not self.closed:
            self.close()
            self.on_closed()

    def _read(self) -> bool:
        """Takes what is there; False when the other end is gone."""
        try:
            data = self._end.recv(_READ)
        except BlockingIOError:
            return True
        except OSError:
            return False
        *lines, self._part = (self._part + data).split(b"\n")
        if len(self._part) > _LARGEST:
            return False
        self._inbox.extend(json.loads(line) for line in lines)
        return bool(data)

    def _dispatch(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                self.on_message(self._inbox.popleft())
        finally:
            self._busy = False

    def wait(self, seconds: float, wanted: Callable[[Message], bool]) -> Message | None:
        """Stands still until a message comes; the others are kept for later, in order.

        Args:
            seconds: how long at most.
            wanted: which message.

        Returns:
            the message, or None when it did not come or the other end is gone.
        """
        until = time.monotonic() + seconds
        while True:
            found = next((m for m in self._inbox if wanted(m)), None)
            if found is not None:
                self._inbox.remove(found)
                return found
            left = until - time.monotonic()
            out = [self._end] if self._out else []
            if left <= 0 or self.closed:
                return None
            readable, writable, _ = select.select([self._end], out, [], left)
            if writable:
                self._flush()
            if readable and not self._read():
                return None


@dataclass(frozen=True)
class Told:
    """What a model's source has, as the supervisor saw it.

    Attributes:
        candidates: versions by number.
        error: why the source could not be asked, or "".
    """

    candidates: Mapping[int, Candidate] = field(default_factory=dict)
    error: str = ""

    def to_json(self) -> Message:
        """As a message carries it."""
        return {"candidates": [asdict(c) for c in self.candidates.values()], "error": self.error}

    @classmethod
    def of(cls, data: Message) -> Told:
        """The other way round."""
        found = [Candidate(**c) for c in data["candidates"]]
        return cls({c.number: c for c in found}, data["error"])

    def without(self, numbers: set[int]) -> Told:
        """Fewer versions."""
        return replace(self, candidates={n: c for n, c in self.candidates.items() if n not in numbers})


_KINDS = {
    name: kind
    for module in (config_module, traffic_module)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and is_dataclass(kind)
}


def config_to_json(value: Any) -> Any:
    """A configuration as JSON: each record with its kind."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: config_to_json(getattr(value, f.name)) for f in fields(value)}
        return {"kind": type(value).__name__, "fields": parts}
    if isinstance(value, Mapping):
        return {"map": [[config_to_json(k), config_to_json(v)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        return [config_to_json(v) for v in value]
    return value


def config_of(data: Any) -> ServerConfig:
    """The other way round.

    Raises:
        ConfigError: it is no configuration.
    """
    made = _made(data)
    if not isinstance(made, ServerConfig):
        raise ConfigError(f"expected a configuration, got {type(made).__name__}")
    return made


def _made(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_made(v) for v in data)
    if isinstance(data, dict) and "kind" in data:
        return _KINDS[data["kind"]](**{name: _made(v) for name, v in data["fields"].items()})
    if isinstance(data, dict):
        return {_made(k): _made(v) for k, v in data["map"]}
    return data


def error_to_json(error: BaseException) -> Message:
    """An error as a message carries it: what a `RequestError` holds, and the text of any other."""
    if isinstance(error, TruelineError):
        code = error.code if isinstance(error, RequestError) else Code.INVALID_ARGUMENT
        status = error.status if isinstance(error, RequestError) else None
        return {"code": str(code), "message": error.message, "hint": error.hint,
                "problems": list(error.problems), "status": status}  # fmt: skip
    return {"code": str(Code.INTERNAL), "message": f"{type(error).__name__}: {error}"}


def error_of(data: Message) -> RequestError:
    """The other way round."""
    return RequestError(
        Code(data["code"]),
        data["message"],
        hint=data.get("hint"),
        problems=data.get("problems", ()),
        status=data.get("status"),
    )
