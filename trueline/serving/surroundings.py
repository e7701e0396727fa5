"""What the models of one server share, and how their versions leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import TruelineError
from trueline.serving.loader import Loader
from trueline.serving.options import ServerOptions
from trueline.serving.versions import State, Version

__all__ = ["BeforePublish", "Event", "Exits", "Surroundings", "told"]

Event = Callable[[str, Mapping[str, Any]], None]
BeforePublish = Callable[[str, int], Awaitable[None]]


def told(error: BaseException) -> str:
    """What an error says; its kind too, where it is none of ours."""
    return str(error) if isinstance(error, TruelineError) else f"{type(error).__name__}: {error}"


@dataclass
class Surroundings:
    """What the models of one server share.

    Attributes:
        options: the server's settings.
        loader: the threads for looking and loading.
        on_event: told what happens.
        publish: puts the routes of a model, a `ModelVersions`, into the server's table.
        before_publish: awaited with model and version between a version's load and its first request; or None.
    """

    options: ServerOptions
    loader: Loader
    on_event: Event
    publish: Callable[[Any], None]
    before_publish: BeforePublish | None = None

    async def free(self, version: Version) -> None:
        """Drops what a version answered with, off the event loop."""
        if version.live is not None:
            live, version.live = version.live, None
            await self.loader.free(live)


class Exits:
    """The versions of one model that leave: one after the other, the lowest first, each after its last request.

    Args:
        around: what the model shares with others.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether versions are being freed."""
        return self._task is not None and not self._task.done()

    def drain(self, model: str, leaving: list[Version], *, silently: bool = False) -> None:
        """Frees versions in the background, after those that leave already.

        Args:
            model: the model's name, for the events.
            leaving: versions that get no requests any more, the lowest first.
            silently: whether no event tells of it.
        """
        if leaving:
            until = time.monotonic() + self._around.options.drain_seconds
            self._task = asyncio.ensure_future(self._drop(model, leaving, self._task, until, silently))

    async def done(self) -> None:
        """Waits until every version that leaves is free."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _drop(
        self, model: str, leaving: list[Version], before: asyncio.Task[None] | None, until: float, silently: bool
    ) -> None:
        if before is not None:
            await before
        for version in leaving:
            drained = await version.drained(max(0.0, until - time.monotonic()))
            await self._around.free(version)
            version.state = State.END
            if not silently:
                facts = {"model": model, "version": version.number, "drained": drained}
                self._around.on_event("unloaded", facts)
