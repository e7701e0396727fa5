"""Versions, their states, and the routing table that every request reads.

The table is immutable and replaced by one assignment, so a request sees either the old versions or the new ones.
`Version.acquire` and `Version.release` are called on the event loop only, without an await between look-up and count:
an old version is dropped when its count is zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from trueline._core.feed_blocks import Packed
from trueline._core.runtime import ModelRuntime
from trueline.serving.batching import Batcher
from trueline.serving.router import Router

__all__ = ["EMPTY_TABLE", "Live", "Routes", "State", "Table", "Version", "routes_of"]


class State(StrEnum):
    """TensorFlow Serving's states, as GetModelStatus reports them."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclass(frozen=True)
class Live:
    """What a loaded version answers with.

    Attributes:
        runtime: the model.
        batcher: where its requests go.
        executor: its one slot off the event loop.
        inline: whether small batches run on the event loop.
        headers: what every answer of this version carries: its number and the names of its outputs.
        copy: the local copy of a version from elsewhere, to be removed with it; or None.
    """

    runtime: ModelRuntime
    batcher: Batcher[Packed]
    executor: ThreadPoolExecutor
    inline: bool
    headers: tuple[tuple[bytes, bytes], ...]
    copy: str | None = None


class Version:
    """One version of a model: its number, state and error, and while loaded, what answers.

    Attributes:
        number: the folder's name as an integer.
        uri: the folder.
        signature: what the folder looked like; a version that failed is tried again when this changes.
        state: where it is on its way from START to END.
        error: why it could not be loaded, or "".
        failed_at: the clock when it failed, or None.
        attempts: how often this very signature was tried to load.
        live: what answers, or None.
    """

    def __init__(self, number: int, uri: str, signature: str, attempts: int = 1) -> None:
        self.number = number
        self.attempts = attempts
        self.uri = uri
        self.signature = signature
        self.state = State.START
        self.error = ""
        self.failed_at: float | None = None
        self.live: Live | None = None
        self._references = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def references(self) -> int:
        """Requests that hold this version now."""
        return self._references

    def acquire(self) -> Live:
        """Holds the version for one request; each call is paired with one `release`."""
        assert self.live is not None
        self._references += 1
        if self._references == 1:
            self._idle.clear()
        return self.live

    def release(self) -> None:
        """Gives the version back."""
        self._references -= 1
        if self._references == 0:
            self._idle.set()

    async def drained(self, seconds: float) -> bool:
        """Waits until no request holds the version; False when that took longer than `seconds`."""
        if self._idle.is_set():
            return True
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True)
class Routes:
    """The available versions of one model.

    Attributes:
        versions: by number.
        default: the one that answers when a request names none.
        labels: version number by label; a label stays when the version that it points at goes.
        router: what shares requests out among versions, or None.
    """

    versions: Mapping[int, Version]
    default: Version | None
    labels: Mapping[str, int] = field(default_factory=dict)
    router: Router | None = None


Table = Mapping[str, Routes]
EMPTY_TABLE: Table = MappingProxyType({})


def routes_of(versions: Mapping[int, Version], labels: Mapping[str, int] = MappingProxyType({})) -> Routes:
    """Routes over those of `versions` that are available; the largest number is the default."""
    live = {n: v for n, v in sorted(versions.items()) if v.state is State.AVAILABLE}
    return Routes(MappingProxyType(live), live[max(live)] if live else None, MappingProxyType(dict(labels)))
