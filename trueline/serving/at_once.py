"""An answer that lies there whole goes out in one step, where uvicorn stands behind `send`.

ASGI takes an answer in two messages and uvicorn looks at each header by itself; for a small answer that is a tenth of
all its work. Anything out of the ordinary (a client that does not take its answers, a connection that is to be closed,
HEAD, a header that uvicorn would refuse, another server) goes the usual way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["knows", "sent_at_once"]

_OK = b"HTTP/1.1 200 OK\r\n"
_LARGEST = 64 * 1024
_known: set[type] = set()


def knows(cycle: type) -> None:
    """Names uvicorn's class of one request and its answer; it is not imported here, for the app runs elsewhere too."""
    _known.add(cycle)


def sent_at_once(send: Any, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
    """Sends an answer with status 200, if it can be sent in one step.

    Args:
        send: the server's.
        headers: all headers, ``content-length`` among them; names in lower case, and no ``connection``.
        body: the whole body.

    Returns:
        whether it was sent.
    """
    cycle: Any = getattr(send, "__self__", None)
    if type(cycle) not in _known or len(body) > _LARGEST or not _ordinary(cycle):
        return False
    lines = [_OK]
    for name, value in (*cycle.default_headers, *headers):
        lines += (name, b": ", value, b"\r\n")
    head = b"".join(lines)
    ends = 1 + len(cycle.default_headers) + len(headers)
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = cycle.chunked_encoding = False
    cycle.transport.write(b"%b\r\n%b" % (head, body))
    cycle.message_event.set()
    cycle.on_response()
    return True


def _ordinary(cycle: Any) -> bool:
    started = cycle.response_started or cycle.disconnected or cycle.access_log
    open_ = cycle.keep_alive and not cycle.flow.write_paused
    return not started and open_ and cycle.scope["method"] != "HEAD"
