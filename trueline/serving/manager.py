"""Watches the base directories and moves versions from disk to the routing table and out of it again.

A new version is loaded and warmed up on the loader thread before the table is replaced; the old one is then drained
and dropped. A version that fails to load takes nothing down: the versions before it go on answering, it is shown as
END with its error, and it is tried again when its files change or after a while. A version whose folder vanishes is
unloaded only when another one is available. A number stands for one content: files that change under a version which
answers are not loaded anew; publish a new number.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from trueline._core.errors import TruelineError
from trueline._core.feed_blocks import merge_packed
from trueline.serving.batching import Batcher
from trueline.serving.config import ServerConfig
from trueline.serving.loading import LoadedModel, load_model
from trueline.serving.options import ServerOptions
from trueline.serving.scan import Candidate, scan_base
from trueline.serving.versions import EMPTY_TABLE, Live, Routes, State, Table, Version, routes_of

__all__ = ["ModelManager"]

_LOG = logging.getLogger("trueline.serving")
_ENDED_KEPT = 10
Event = Callable[[str, Mapping[str, Any]], None]


class ModelManager:
    """All models of a server.

    Args:
        config: the models.
        options: the server's settings.
        on_event: told ``available``, ``load_failed``, ``unloaded`` and ``scan_failed`` with what happened.
        observe_batch: told model, version and rows of each run.
    """

    def __init__(
        self,
        config: ServerConfig,
        options: ServerOptions,
        on_event: Event = lambda name, facts: None,
        observe_batch: Callable[[str, int], Callable[[int], None]] = lambda model, version: lambda rows: None,
    ) -> None:
        self.config = config
        self.table: Table = EMPTY_TABLE
        self.tracked: dict[str, dict[int, Version]] = {model.name: {} for model in config.models}
        self.scan_errors: dict[str, str] = {}
        self._options = options
        self._on_event = on_event
        self._observe_batch = observe_batch
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="trueline-loader")
        self._watchers: list[asyncio.Task[None]] = []
        self._drains: set[asyncio.Task[None]] = set()
        self._locks = {name: asyncio.Lock() for name in self.tracked}

    def start(self) -> None:
        """Begins to watch; returns at once. Call it on the event loop."""
        self._watchers = [asyncio.ensure_future(self._watch(name)) for name in self.tracked]

    async def stop(self) -> None:
        """Stops watching and drops every version after its last request."""
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        versions = [v for tracked in self.tracked.values() for v in tracked.values() if v.live is not None]
        self.table = EMPTY_TABLE
        await asyncio.gather(*(v.drained(self._options.drain_seconds) for v in versions))
        await asyncio.gather(*self._drains)
        for version in versions:
            if version.live is not None:
                version.live.executor.shutdown(wait=False)
                version.live = None
            version.state = State.END
        self._loader.shutdown(wait=False)

    @property
    def ready(self) -> bool:
        """Whether every model has an available version."""
        return all(name in self.table and self.table[name].default is not None for name in self.config.by_name)

    async def _watch(self, name: str) -> None:
        while True:
            try:
                await self.refresh(name)
            except Exception as error:  # a look that fails is no reason to stop looking
                _LOG.exception("looking for versions of %s failed", name)
                self._scan_failed(name, f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._options.poll_seconds)

    async def refresh(self, name: str) -> None:
        """One look at a model's base directory: loads what is new, retires what is old."""
        async with self._locks[name]:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._loader, scan_base, self.config.by_name[name].base)
            except (TruelineError, OSError) as error:
                self._scan_failed(name, str(error))
                return
            self.scan_errors.pop(name, None)
            usable = dict(found)
            while (candidate := self._next_to_load(name, usable)) is not None:
                if not await self._load(name, candidate):
                    del usable[candidate.number]  # not again in this round: an older version may stand in
            self._retire(name, usable)
            self._forget_ended(name, found)

    def _scan_failed(self, name: str, message: str) -> None:
        if self.scan_errors.get(name) != message:
            self.scan_errors[name] = message
            self._on_event("scan_failed", {"model": name, "error": message})

    def _wanted(self, name: str, found: Mapping[int, Candidate]) -> list[int]:
        """The newest versions that have not failed as they now are."""
        tracked = self.tracked[name]
        usable = [n for n in found if not self._failed(tracked.get(n), found[n])]
        return self.config.by_name[name].policy.wanted(usable)

    def _failed(self, version: Version | None, candidate: Candidate) -> bool:
        return (
            version is not None
            and version.failed_at is not None
            and version.signature == candidate.signature
            and time.monotonic() - version.failed_at < self._options.retry_seconds
        )

    def _next_to_load(self, name: str, found: Mapping[int, Candidate]) -> Candidate | None:
        tracked = self.tracked[name]
        for number in self._wanted(name, found):
            version = tracked.get(number)
            if version is None or version.state is State.END:
                return found[number]
        return None

    async def _load(self, name: str, candidate: Candidate) -> bool:
        version = Version(candidate.number, candidate.uri, candidate.signature)
        self.tracked[name][candidate.number] = version
        version.state = State.LOADING
        loop = asyncio.get_running_loop()
        try:
            loaded = await loop.run_in_executor(self._loader, load_model, candidate.uri, self._options)
        except Exception as error:  # whatever a broken model does, the other versions go on answering
            known = isinstance(error, TruelineError)
            version.error = str(error) if known else f"{type(error).__name__}: {error}"
            version.failed_at = time.monotonic()
            version.state = State.END
            self._on_event("load_failed", {"model": name, "version": version.number, "error": version.error})
            return False
        version.live = self._live(name, version.number, loaded)
        version.state = State.AVAILABLE
        self._publish(name)
        facts = {"load_seconds": loaded.load_seconds, "one_row_micros": loaded.one_row_micros}
        self._on_event("available", {"model": name, "version": version.number, "inline": version.live.inline, **facts})
        return True

    def _live(self, name: str, number: int, loaded: LoadedModel) -> Live:
        options = self._options
        inline = loaded.one_row_micros is not None and loaded.one_row_micros < options.inline_micros
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"trueline-{name}-{number}")
        batcher = Batcher(
            loaded.runtime.graph.run_packed,
            executor,
            merge=merge_packed,
            inline=inline,
            inline_rows=options.inline_rows,
            max_batch_rows=options.max_batch_rows,
            max_queue_rows=options.max_queue_rows,
            observe=self._observe_batch(name, number),
        )
        outputs = ",".join(quote(n, safe="") for n in loaded.runtime.graph.output_names)
        headers = ((b"x-model-version", b"%d" % number), (b"x-model-outputs", outputs.encode()))
        return Live(loaded.runtime, batcher, executor, inline, headers)

    def _publish(self, name: str) -> None:
        routes: dict[str, Routes] = {
            **self.table,
            name: routes_of(self.tracked[name], self.config.by_name[name].labels),
        }
        self.table = MappingProxyType(routes)

    def _retire(self, name: str, found: Mapping[int, Candidate]) -> None:
        tracked = self.tracked[name]
        wanted = set(self._wanted(name, found))
        available = {n for n, v in tracked.items() if v.state is State.AVAILABLE}
        if not available & wanted:
            return  # nothing newer answers yet, so what answers now stays
        leaving = [tracked[n] for n in sorted(available - wanted)]
        for version in leaving:
            version.state = State.UNLOADING
        if leaving:
            self._publish(name)
        for version in leaving:
            task = asyncio.ensure_future(self._drop(name, version))
            self._drains.add(task)
            task.add_done_callback(self._drains.discard)

    def _forget_ended(self, name: str, found: Mapping[int, Candidate]) -> None:
        """Keeps the status page short; a failure whose files are still there is remembered and not tried anew."""
        tracked = self.tracked[name]
        ended = [n for n, v in sorted(tracked.items()) if v.state is State.END and (not v.error or n not in found)]
        for number in ended[:-_ENDED_KEPT]:
            del tracked[number]

    async def _drop(self, name: str, version: Version) -> None:
        drained = await version.drained(self._options.drain_seconds)
        if version.live is not None:
            held, version.live = [version.live], None
            await asyncio.get_running_loop().run_in_executor(self._loader, _forget, held)
        version.state = State.END
        self._on_event("unloaded", {"model": name, "version": version.number, "drained": drained})


def _forget(held: list[Live]) -> None:
    """Drops the last reference here, on the loader thread: freeing a large session takes a while."""
    for live in held:
        live.executor.shutdown(wait=False)
    del live
    held.clear()
