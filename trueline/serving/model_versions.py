"""The versions of one model: what its source has, what is loaded, what leaves.

A look (`refresh`) loads what is new beside what answers, and only then lets the old go. `stage` does the first half for
a configuration that is not in force yet, and `commit` or `rollback` ends it. Both hold `lock`.

TensorFlow Serving's rules, but for these. A base that does not exist is an error of its own model; there it stops the
look for all. An empty source leaves the last version answering, unless `servable_versions_always_present` is off;
there it is the other way round. A failed load counts as ended until its next try, and an older version stands in;
there it stays LOADING. A version that failed is tried again when its files change, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trueline.serving.config import ModelConfig, Specific
from trueline.serving.router import Router
from trueline.serving.scan import Candidate
from trueline.serving.sources import Source
from trueline.serving.surroundings import Exits, Surroundings, told
from trueline.serving.versions import Routes, State, Version, routes_of

__all__ = ["ModelVersions"]

_ENDED_KEPT = 10


@dataclass
class _Stage:
    """What a change of configuration has done so far, and what was before."""

    config: ModelConfig
    tracked: dict[int, Version]
    ready: list[tuple[Version, Mapping[str, Any]]] = field(default_factory=list)


class ModelVersions:
    """One model of a server.

    Args:
        config: which model, which versions.
        source: where they come from.
        around: what it shares with the server's other models.

    Attributes:
        tracked: every version that is known of, by number.
        error: why the last look at the source failed, or "".
        found: what the last look saw.
        silent: why nothing answers, found out by the last look; or "".
        lock: held while versions are looked for, loaded or chosen.
    """

    def __init__(self, config: ModelConfig, source: Source, around: Surroundings) -> None:
        self.config = config
        self.source = source
        self.tracked: dict[int, Version] = {}
        self.error = ""
        self.lock = asyncio.Lock()
        self.found: dict[int, Candidate] = {}
        self._around = around
        self._assigned: dict[str, int] = {}
        self._stage: _Stage | None = None
        self._missing: tuple[int, ...] = ()
        self.silent = ""
        self._exits = Exits(around)

    # What answers

    def routes(self) -> Routes:
        """The available versions, and the labels whose version is available or was when they were given."""
        for label, number in self.config.labels.items():
            if number in self.available:
                self._assigned[label] = number
        held = {label: n for label, n in self.config.labels.items() if self._assigned.get(label) == n}
        routes, config = routes_of(self.tracked, held), self.config
        if config.traffic is None:
            return routes
        router = Router(config.name, config.traffic, routes.versions, config.labels, routes.default)
        return replace(routes, router=router)

    @property
    def available(self) -> set[int]:
        """The numbers of the versions that answer."""
        return {n for n, v in self.tracked.items() if v.state is State.AVAILABLE}

    # A look

    async def refresh(self) -> None:
        """One look at the source: loads what is new, retires what is old."""
        async with self.lock:
            try:
                self.found = await self._around.loader.scan(self.source)
            except Exception as error:  # a source that cannot be asked is no reason to stop
                self.scan_failed(told(error))
                return
            self.error = ""
            self._tell_missing()
            usable = await self._load_wanted()
            self.retire(self._leavers(usable))
            self._forget_ended()
            self._tell_silence()

    def scan_failed(self, message: str) -> None:
        """Notes why the source could not be asked."""
        if self.error != message:
            self.error = message
            self._around.on_event("scan_failed", {"model": self.config.name, "error": message})
        self._tell_silence()

    async def _load_wanted(self) -> dict[int, Candidate]:
        """Loads what the policy wants; gives what may be served: one that fails lets an older one stand in."""
        usable = dict(self.found)
        while (candidate := self._next_to_load(usable)) is not None:
            if not await self._load(candidate, usable):
                del usable[candidate.number]  # not again in this round
        return usable

    def wanted(self, found: Mapping[int, Candidate]) -> list[int]:
        """Those of `found` that the policy wants and that have not failed as they now are, the largest first."""
        return self.config.policy.wanted([n for n in found if not self._failed(self.tracked.get(n), found[n])])

    def _failed(self, version: Version | None, candidate: Candidate) -> bool:
        if version is None or version.failed_at is None or version.signature != candidate.signature:
            return False
        options = self._around.options
        used_up = version.attempts > options.max_load_retries
        return used_up or time.monotonic() - version.failed_at < options.retry_seconds

    def _next_to_load(self, found: Mapping[int, Candidate]) -> Candidate | None:
        for number in self.wanted(found):
            version = self.tracked.get(number)
            if version is None or version.state is State.END:
                return found[number]
        return None

    # One version

    async def _load(self, candidate: Candidate, usable: Mapping[int, Candidate]) -> bool:
        before = self.tracked.get(candidate.number)
        again = before is not None and before.failed_at is not None and before.signature == candidate.signature
        attempts = before.attempts + 1 if before is not None and again else 1
        version = Version(candidate.number, candidate.uri, candidate.signature, attempts)
        self.tracked[candidate.number] = version

        def began() -> None:
            version.state = State.LOADING

        try:
            if self.config.resource_preserving and self._stage is None:
                await self._make_room(candidate, usable)
            loaded = await self._around.loader.load(self.config, candidate, began)
            version.live = loaded.live
            facts = {"model": self.config.name, "version": version.number, **loaded.facts}
            del loaded
            if self._stage is not None:
                self._stage.ready.append((version, facts))
                return True
            if self._around.before_publish is not None:
                await self._around.before_publish(self.config.name, version.number)
        except asyncio.CancelledError:
            self._ended(version, "the server is stopping")
            await self._around.free(version)
            raise
        except Exception as error:  # whatever a broken model does, the other versions go on answering
            await self._around.free(version)
            self._ended(version, told(error))
            facts = {"model": self.config.name, "version": version.number, "error": version.error}
            self._around.on_event("load_failed", facts)
            return False
        version.state = State.AVAILABLE
        self._around.publish(self)
        self._around.on_event("available", facts)
        return True

    @staticmethod
    def _ended(version: Version, error: str) -> None:
        version.error = error
        version.failed_at = time.monotonic()
        version.state = State.END

    async def _make_room(self, candidate: Candidate, usable: Mapping[int, Candidate]) -> None:
        """Lets the versions that are not wanted go before a new one is loaded, when its files are whole."""
        leavers = sorted(self.available - set(self.wanted(usable)))
        if leavers:
            await self._around.loader.check(candidate)
            self.retire(leavers)
        await self._exits.done()

    # Leaving

    def _leavers(self, usable: Mapping[int, Candidate]) -> list[int]:
        """Versions that are not wanted any more; none, as long as nothing that is wanted answers."""
        available, wanted = self.available, set(self.wanted(usable))
        if not self.found and not self._around.options.servable_versions_always_present:
            return sorted(available)
        return sorted(available - wanted) if available & wanted else []

    def retire(self, numbers: list[int]) -> None:
        """Takes versions out of the table at once, and frees them in the background, the lowest first."""
        if numbers:
            leaving = self.mark_leaving(numbers)
            self._around.publish(self)
            self.drain(leaving)

    def mark_leaving(self, numbers: list[int]) -> list[Version]:
        """Versions that get no more requests once the table is made anew."""
        leaving = [self.tracked[n] for n in sorted(numbers)]
        for version in leaving:
            version.state = State.UNLOADING
        return leaving

    def drain(self, leaving: list[Version], *, silently: bool = False) -> None:
        """Frees versions in the background; see `Exits`."""
        self._exits.drain(self.config.name, leaving, silently=silently)

    @property
    def leaving(self) -> bool:
        """Whether versions are being freed."""
        return self._exits.busy

    async def gone(self) -> None:
        """Waits until every version that leaves is free."""
        await self._exits.done()

    def _forget_ended(self) -> None:
        """Keeps the status page short; a failure whose files are still there is remembered and not tried anew."""
        kept = self.found
        ended = [n for n, v in sorted(self.tracked.items()) if v.state is State.END and (not v.error or n not in kept)]
        for number in ended[:-_ENDED_KEPT]:
            del self.tracked[number]

    # What an operator is told

    def _tell_missing(self) -> None:
        if not isinstance(self.config.policy, Specific):
            return
        missing = tuple(sorted(set(self.config.policy.versions) - set(self.found)))
        if missing != self._missing:
            self._missing = missing
            if missing:
                self._around.on_event("version_missing", {"model": self.config.name, "versions": list(missing)})

    def _tell_silence(self) -> None:
        """After a look: nothing answers for this model, and why."""
        why = self.silence() if not self.available else ""
        if why and why != self.silent:
            self._around.on_event("no_version", {"model": self.config.name, "error": why})
        self.silent = why

    def silence(self) -> str:
        """Why no version can be served."""
        failed = [f"version {n}: {v.error}" for n, v in sorted(self.tracked.items()) if v.error and n in self.found]
        if self.error or failed:
            return self.error or "; ".join(failed)
        if self.found:
            return f"the policy wants none of the versions that are there: {', '.join(map(str, sorted(self.found)))}"
        return f"there is no complete version in {self.config.base}"

    # A change of configuration

    async def stage(self, config: ModelConfig) -> str:
        """Loads what a new configuration wants, unseen by requests; what stands against it, or "".

        The caller holds `lock` and ends with `commit` or `rollback`. A resource-preserving model that already answers
        is not loaded twice: its new versions come with the next look.
        """
        self._stage = _Stage(self.config, dict(self.tracked))
        self.config = config
        if self.available and config.resource_preserving:
            return ""
        try:
            self.found = await self._around.loader.scan(self.source)
        except Exception as error:
            return "" if self.available else told(error)
        await self._load_wanted()
        return "" if self.available or self._stage.ready else self.silence()

    @property
    def staged(self) -> list[int]:
        """The versions that a commit makes available."""
        return [version.number for version, _ in self._stage.ready] if self._stage is not None else []

    def served_after(self) -> set[int]:
        """The versions that answer after a commit."""
        there = self.available | set(self.staged)
        wanted = set(self.wanted(self.found)) if self.found else there
        return there & wanted or there

    def commit(self, assigned: Mapping[str, int]) -> tuple[list[Version], list[Mapping[str, Any]]]:
        """Puts the staged configuration in force; the versions that leave and the facts of those that came.

        Args:
            assigned: the labels that hold from now on, though their version may come later.
        """
        stage, after = self._stage, self.served_after()
        assert stage is not None
        for version, _ in stage.ready:
            version.state = State.AVAILABLE
        self._stage = None
        self._assigned = dict(assigned)
        return self.mark_leaving(sorted(self.available - after)), [facts for _, facts in stage.ready]

    async def rollback(self) -> None:
        """Everything as it was before `stage`."""
        stage, self._stage = self._stage, None
        if stage is None:
            return
        self.config = stage.config
        self.tracked.clear()
        self.tracked.update(stage.tracked)
        for version, _ in stage.ready:
            version.state = State.END
            await self._around.free(version)
