"""The sockets of several processes, bound once."""

from __future__ import annotations

import contextlib
import mmap
import socket
import tempfile

from trueline._core.errors import ConfigError
from trueline.serving.front import Front
from trueline.serving.place import Place, bind

__all__ = ["ABSENT", "Sockets", "shared_counts"]

_BACKLOG = 2048
ABSENT = 2**62
"""The count of a process that takes no connections."""


def shared_counts(descriptor: int, workers: int) -> memoryview[int]:
    """A number for each worker, in a file's pages that all processes see."""
    return memoryview(mmap.mmap(descriptor, 8 * workers)).cast("q")


class Sockets:
    """What the workers inherit, bound once: REST, and the admin endpoints.

    gRPC cannot listen on an inherited socket. Its workers bind the same port each (SO_REUSEPORT), and this one is
    bound, but does not listen, so that the port is known and stays ours.

    Args:
        place: where to listen.
        front: where the admin endpoints listen.
        stack: closes the sockets.

    Attributes:
        rest: listens for REST.
        port: its port.
        admin: listens for the admin endpoints, or None.
        grpc_port: the port for gRPC, or None.
        counts: how many connections each worker has, `ABSENT` for one that takes none.

    Raises:
        ConfigError: a port is taken or an address is not there.
    """

    def __init__(self, place: Place, front: Front, stack: contextlib.ExitStack) -> None:
        self.rest = stack.enter_context(bind(place))
        self.rest.listen(_BACKLOG)
        self.rest.setblocking(False)
        self.port: int = self.rest.getsockname()[1]
        self._pages = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._pages.truncate(8 * place.workers)
        self.counts = shared_counts(self._pages.fileno(), place.workers)
        for index in range(place.workers):
            self.counts[index] = ABSENT
        self.admin: socket.socket | None = None
        if front.admin_port is not None:
            self.admin = stack.enter_context(bind(Place(front.admin_host, front.admin_port)))
            self.admin.listen(16)
            self.admin.setblocking(False)
        self.grpc_port = place.grpc_port
        if place.grpc_port is not None:
            family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
            held = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                held.bind((place.host, place.grpc_port))
            except OSError as error:
                where = f"{place.host} port {place.grpc_port}"
                raise ConfigError(f"cannot listen for gRPC on {where}: {error}") from error
            self.grpc_port = held.getsockname()[1]

    @property
    def pages(self) -> int:
        """The file descriptor of `counts`."""
        return self._pages.fileno()

    @property
    def inherited(self) -> list[int]:
        """The file descriptors that workers get."""
        return [self.rest.fileno(), self.pages, *([self.admin.fileno()] if self.admin is not None else [])]
