"""One request over one socket within a call's time."""

from __future__ import annotations

import select
import socket

from trueline.serving.client_http import Answer
from trueline.serving.client_options import Attempts

__all__ = ["exchange", "left_of", "readable"]

_READ = 256 * 1024


def left_of(attempts: Attempts) -> float:
    """Seconds that are left.

    Raises:
        TimeoutError: none are.
    """
    left = attempts.left
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def exchange(connection: socket.socket, data: bytes, answer: Answer, attempts: Attempts) -> None:
    """Sends a request and receives its answer within the call's time.

    Raises:
        OSError, BadAnswerError: the connection broke, the time is over, or what came is no answer.
    """
    refused: OSError | None = None
    try:
        connection.settimeout(left_of(attempts))
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError) as error:
        refused = error  # the server may have answered before it took everything, such as 413
    while not answer.done:
        try:
            connection.settimeout(left_of(attempts))
            part = connection.recv(_READ)
        except OSError as error:
            raise refused or error from None
        if not part and not answer.begun:
            raise refused or ConnectionResetError("the connection was closed")
        answer.feed(part)


def readable(connection: socket.socket) -> bool:
    """Whether something came on an idle connection: bytes that nobody asked for, or its end."""
    try:
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))
    except (AttributeError, ValueError, OSError):  # no poll on this system, or a socket that is closed
        try:
            return bool(select.select([connection], [], [], 0)[0])
        except (ValueError, OSError):
            return True
