"""What a node that runs as a thread prints goes to its log, without its secrets, as that of a process of its own does.

``sys.stdout`` and ``sys.stderr`` are stand-ins while such nodes run. They look at who writes: a thread that carries a
node out (a `ContextVar` says which), and threads that such a thread starts, write to the node's log; all others write
where they always did. Handlers of `logging` that hold the streams themselves hold the stand-ins meanwhile. What a
library's own code, or a program that the node starts, writes past Python is not seen.
"""

from __future__ import annotations

import io
import itertools
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from trueline.pipeline.secrets import VeiledStream, veiled

__all__ = ["node_output", "shown_output"]

_NAMES = ("stdout", "stderr")
_MARK = "_trueline_node_output"
_LONGEST = 65536
"""Characters of a line without an end that are kept back; a secret is looked for in whole lines."""


class _NodeOutput:
    """Where one execution's output goes.

    Args:
        handler: of the node's log; None where the output stays in the terminal, without secrets.
        secrets: what is taken out; the set may grow.
    """

    def __init__(self, handler: logging.StreamHandler[Any] | None, secrets: set[str]) -> None:
        self._handler, self.secrets = handler, secrets
        self._pending = dict.fromkeys(_NAMES, "")
        self.serial = 0
        self.streams = {name: _NodeStream(self, name) for name in _NAMES}

    @property
    def to_log(self) -> bool:
        """Whether there is a log to write to: not after the node has ended."""
        return self._handler is not None

    def write(self, name: str, text: str, *, flush: bool = False) -> None:
        """Whole lines at once; the rest waits for its end."""
        handler = self._handler
        if handler is None:
            return
        handler.acquire()  # the lock of the log's own lines; logging renews it in forked processes
        try:
            whole, newline, rest = (self._pending[name] + text).rpartition("\n")
            ready = whole + newline
            if flush or len(rest) > _LONGEST:
                ready, rest = ready + rest, ""
            self._pending[name] = rest
            if ready:
                self._put(handler.stream, veiled(ready, self.secrets))
        finally:
            handler.release()

    @staticmethod
    def _put(log: Any, text: str) -> None:
        with suppress(OSError, ValueError):  # a full disk: no second failure beside the one that it would tell of
            log.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
            log.flush()

    def fileno(self) -> int:
        """The log's file: what a program that the node starts with this stream writes."""
        if self._handler is None:
            raise io.UnsupportedOperation("fileno")
        return int(self._handler.stream.fileno())

    def to_terminal(self) -> None:
        """From now on what is written stays in the terminal; the log has all that came before."""
        for name in _NAMES:
            self.write(name, "\n" if self._pending[name] else "", flush=True)
        self._handler = None


class _NodeStream(io.TextIOBase):
    """One of the two streams as the node's own code sees it."""

    def __init__(self, output: _NodeOutput, name: str) -> None:
        self._output, self._name = output, name

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> io.RawIOBase:
        return _Bytes(self)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._output.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        self._output.write(self._name, "", flush=True)

    def fileno(self) -> int:
        return self._output.fileno()

    def close(self) -> None:
        """Stays open: others write to it as well."""
        self.flush()


class _Bytes(io.RawIOBase):
    """The stream for bytes, which are read as UTF-8."""

    def __init__(self, text: _NodeStream) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._text.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)


class _StandIn:
    """Stands in for a stream: each call goes to the stream of whoever calls."""

    def __init__(self, original: Any, name: str) -> None:
        self._original, self._name = original, name
        self._serial = next(_serials)

    def write(self, text: str) -> int:
        """Writes to the calling thread's stream."""
        target = self._target()
        if target is not self._original and _shown > 0:
            VeiledStream(self._original, _here_secrets()).write(text)
        written: int = target.write(text)
        return written

    def __getattr__(self, name: str) -> Any:
        if name in ("_original", "_name", "_serial"):  # a copy that was not made by __init__
            raise AttributeError(name)
        return getattr(self._target(), name)

    def __iter__(self) -> Any:
        return iter(self._target())

    def _target(self) -> Any:
        output = _here()
        # What was put here after the node began is its own doing (`redirect_stdout`): it gets what it asked for.
        if output is None or output.serial < self._serial:
            return self._original
        return output.streams[self._name] if output.to_log else VeiledStream(self._original, output.secrets)


_current: ContextVar[_NodeOutput | None] = ContextVar("trueline_node_output", default=None)
_lock = threading.Lock()
_serials = itertools.count(1)
_nodes = 0
_shown = 0
_start_before: Any = None
_hook_before: Any = None


def _here() -> _NodeOutput | None:
    """The output of the node that the calling thread works for."""
    found = _current.get()
    return found if found is not None else getattr(threading.current_thread(), _MARK, None)


def _here_secrets() -> set[str]:
    output = _here()
    return set() if output is None else output.secrets


@contextmanager
def node_output(log: logging.Logger, secrets: set[str], *, terminal: bool = False) -> Iterator[None]:
    """Sends what this thread, and threads that it starts, print to a node's log.

    Args:
        log: the node's, whose handler writes a stream.
        secrets: what is taken out; the set may grow meanwhile.
        terminal: the output stays in the terminal, where a debugger talks; secrets are taken out all the same.
    """
    handler = None if terminal else next((h for h in log.handlers if isinstance(h, logging.StreamHandler)), None)
    output = _NodeOutput(handler, secrets)
    _install()
    output.serial = next(_serials)
    token = _current.set(output)
    try:
        yield
    finally:
        _current.reset(token)
        output.to_terminal()
        _remove()


@contextmanager
def shown_output() -> Iterator[None]:
    """Nodes' output goes to their logs and stays visible too, without secrets: for notebooks."""
    global _shown
    with _lock:
        _shown += 1
    try:
        yield
    finally:
        with _lock:
            _shown -= 1


def _install() -> None:
    """Puts the stand-ins where they are not yet: somebody may have changed a stream since the first node began."""
    global _nodes, _start_before, _hook_before
    with _lock:
        _nodes += 1
        made = {}
        for name in _NAMES:
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, _StandIn):
                stand_in = _StandIn(stream, name)
                setattr(sys, name, stand_in)
                made[id(stream)] = stand_in
        for handler in _stream_handlers():
            if id(handler.stream) in made:
                handler.setStream(made[id(handler.stream)])
        if _start_before is None:
            _start_before = threading.Thread.start
            threading.Thread.start = _start  # type: ignore[assignment,method-assign]
        if _hook_before is None:
            _hook_before, sys.breakpointhook = sys.breakpointhook, _breakpoint


def _remove() -> None:
    """After the last node, everything is as it was; what somebody else has put there meanwhile stays."""
    global _nodes, _start_before, _hook_before
    with _lock:
        _nodes -= 1
        if _nodes:
            return
        for name in _NAMES:
            stream = getattr(sys, name)
            if isinstance(stream, _StandIn):
                setattr(sys, name, stream._original)
        for handler in _stream_handlers():
            if isinstance(handler.stream, _StandIn):
                handler.setStream(handler.stream._original)
        # Where another library has wrapped them in between, ours go on to pass everything through.
        if threading.Thread.start is _start:
            threading.Thread.start, _start_before = _start_before, None  # type: ignore[method-assign]
        if sys.breakpointhook is _breakpoint:
            sys.breakpointhook, _hook_before = _hook_before, None


def _stream_handlers() -> Iterator[logging.StreamHandler[Any]]:
    """Handlers of all loggers that write to a stream which is no file of their own."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in list(getattr(logger, "handlers", ())):
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                yield handler


def _start(thread: threading.Thread) -> None:
    """`Thread.start`: a thread that a node starts speaks for the node."""
    output = _here()
    if output is not None:
        setattr(thread, _MARK, output)
    _start_before(thread)


def _breakpoint(*arguments: Any, **named: Any) -> Any:
    """`breakpoint`: in a node the terminal is needed from here on, or nobody would see the debugger ask."""
    output = _here()
    if output is not None:
        output.to_terminal()
    if _hook_before is not sys.__breakpointhook__ or os.environ.get("PYTHONBREAKPOINT"):
        return _hook_before(*arguments, **named)
    import pdb

    # This frame would be one too many between the debugger and the line that called for it.
    pdb.Pdb(nosigint=True).set_trace(sys._getframe(1))
    return None
