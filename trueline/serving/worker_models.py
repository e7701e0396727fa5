"""The models of several processes: their sources are looked at here, once, and the workers are told what there is."""

from __future__ import annotations

import asyncio
import contextlib

from trueline._core.errors import TruelineError, did_you_mean
from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.errors import Code, RequestError
from trueline.serving.options import ServerOptions
from trueline.serving.sources import Plugs, Source, source_of
from trueline.serving.surroundings import Event, told
from trueline.serving.worker_board import Board
from trueline.serving.worker_control import Told
from trueline.serving.worker_rounds import Rounds

__all__ = ["SharedModels"]


class SharedModels:
    """To a file of models it is what a `ModelManager` is in one process.

    Args:
        board: what the workers agreed on.
        rounds: how they change.
        options: the server's settings.
        plugs: further kinds of sources, by scheme.
        tell: told ``scan_failed`` and ``configuration_failed``.
    """

    def __init__(self, board: Board, rounds: Rounds, options: ServerOptions, plugs: Plugs, tell: Event) -> None:
        self._board = board
        self._rounds = rounds
        self._options = options
        self._plugs = plugs
        self._tell = tell
        self._sources: dict[str, tuple[ModelConfig, Source]] = {}
        self._seen: dict[str, Told] = {}
        self._errors: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._applying = asyncio.Lock()
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._follow(board.config)

    @property
    def config(self) -> ServerConfig:
        """What is in force."""
        return self._board.config

    def _follow(self, config: ServerConfig) -> None:
        kept = {name: known for name, known in self._sources.items() if name in config.by_name}
        for model in config.models:
            if model.name not in kept or kept[model.name][0].base != model.base:
                kept[model.name] = (model, source_of(model.base, self._plugs))
                self._seen.pop(model.name, None)
                self._errors.pop(model.name, None)
        self._sources = kept

    def watch(self, *, look_now: bool) -> None:
        """Begins to look at every source that is not looked at yet.

        Args:
            look_now: whether the first look is at once.
        """
        for name in set(self._watchers) - set(self._sources):
            self._watchers.pop(name).cancel()
        for name in self._sources:
            if name not in self._watchers:
                self._watchers[name] = asyncio.ensure_future(self._watch(name, look_now))

    def stop(self) -> None:
        """Looks at nothing any more."""
        for task in self._watchers.values():
            task.cancel()

    async def _watch(self, name: str, look_now: bool) -> None:
        pause = self._options.poll_seconds
        while look_now or pause > 0:
            if look_now:
                with contextlib.suppress(TruelineError):
                    await self._look(name, always=False)
            look_now = True
            if pause <= 0:
                return
            await asyncio.sleep(pause)

    async def _scan(self, source: Source) -> Told:
        try:
            return Told(dict(await asyncio.to_thread(source.scan)))
        except Exception as error:  # whatever a source raises, the others are looked at
            return Told(error=told(error))

    async def _look(self, name: str, *, always: bool) -> None:
        """One look at a source; the workers are asked when it changed, or another attempt is due."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._sources:
                return
            found = await self._scan(self._sources[name][1])
            if found.error and found.error != self._errors.get(name):
                self._tell("scan_failed", {"model": name, "error": found.error})
            self._errors[name] = found.error
            usable = self._board.usable(name, found)
            if (usable != self._seen.get(name) or always) and await self._rounds.look(name, usable):
                self._seen[name] = self._board.usable(name, usable)

    async def refresh(self, name: str) -> None:
        """See `ModelManager.refresh`; returns when all workers have what there is.

        Raises:
            RequestError: NOT_FOUND, no such model.
        """
        if name not in self._sources:
            raise RequestError(Code.NOT_FOUND, f"no model {name!r}", hint=did_you_mean(name, self._sources))
        await self._look(name, always=True)

    async def apply(self, config: ServerConfig) -> None:
        """See `ModelManager.apply`; all workers take the configuration over in one moment, or none does.

        Raises:
            ConfigError: a kind of source that is not known here.
            RequestError: what stands against it.
        """
        async with self._applying, contextlib.AsyncExitStack() as locks:
            for name in sorted({*self.config.by_name, *config.by_name}):
                await locks.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            try:
                await self._apply(config)
            except TruelineError as error:
                self._tell("configuration_failed", {"error": told(error)})
                raise
        self.watch(look_now=self._options.poll_seconds > 0)

    async def _apply(self, config: ServerConfig) -> None:
        known = {name: source for name, (model, source) in self._sources.items()}
        sources = {
            m.name: known[m.name]
            if m.name in known and self._sources[m.name][0].base == m.base
            else source_of(m.base, self._plugs)
            for m in config.models
        }
        found = dict(zip(sources, await asyncio.gather(*map(self._scan, sources.values())), strict=True))
        await self._rounds.configure(config, found)
        self._follow(config)
        for name in config.by_name:
            self._seen.pop(name, None)
