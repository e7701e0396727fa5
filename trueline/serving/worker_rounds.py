"""How all workers go from one state to the next: one loads first, then the others, and all change in one moment.

A round has two phases. In the first a change is prepared: a version is loaded and warmed up, a configuration is checked
and what it names is loaded; one worker goes ahead, so that a model that ends its process takes one worker along and not
all of them. When every worker that takes requests is at its gate, the second phase begins: all are told to stand still,
and when all have said that they do, all are told to change. A worker that stands still begins no request. So a request
that is sent after any client got an answer of the new version is never answered by the old one.

When a worker cannot stand still in time (`HOLD_LIMIT`), nobody waits for it for ever: the others go on with the old
version, it is tried again, and after `HOLD_TRIES` the change happens without, which the event tells (``held`` false).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trueline.serving.config import ServerConfig
from trueline.serving.errors import Code
from trueline.serving.surroundings import Event
from trueline.serving.worker_board import Board
from trueline.serving.worker_control import Message, Told, config_to_json, error_of
from trueline.serving.worker_pool import Member, Pool

__all__ = ["HOLD_LIMIT", "HOLD_TRIES", "Rounds"]

HOLD_LIMIT = 0.5
HOLD_TRIES = 3
_HOLD_PAUSE = 0.05
_DEATHS = 2
_BUSY, _DONE, _PREPARED = "busy", "done", "prepared"


@dataclass(eq=False)
class _Round:
    """One change on its way.

    Attributes:
        number: what messages name it by.
        order: makes the message that begins it in a worker.
        at: where each worker is: busy, done, prepared, or the number of the version that waits at its gate.
        everyone: whether the first worker is through, and all take part.
        failures: why versions do not load, by number.
        error: why a configuration is refused.
        deaths: workers that ended while they were busy with it.
        died: versions that failed because workers ended.
        changed: set with every message.
    """

    number: int
    order: Callable[[], Message]
    at: dict[Member, str | int] = field(default_factory=dict)
    everyone: bool = False
    failures: dict[int, str] = field(default_factory=dict)
    error: Message | None = None
    deaths: int = 0
    died: set[int] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, member: Member) -> None:
        self.at[member] = _BUSY
        member.channel.send(self.order())

    async def settled(self) -> None:
        while _BUSY in self.at.values():
            self.changed.clear()
            await self.changed.wait()

    def waiting(self) -> set[int]:
        return {place for place in self.at.values() if isinstance(place, int)}

    def abort(self, member: Member, reason: str) -> None:
        self.at[member] = _BUSY
        member.channel.send({"do": "abort", "round": self.number, "reason": reason})


@dataclass(frozen=True)
class _Flip:
    """How a change went: the workers that changed, whether all stood still, and for how many milliseconds."""

    workers: int
    held: bool
    pause_ms: float

    def facts(self) -> Message:
        return {"workers": self.workers, "held": self.held, "pause_ms": self.pause_ms}


class Rounds:
    """The changes of one server.

    Args:
        pool: the workers.
        board: what they agreed on.
        tell: told ``available`` and ``load_failed``.
        changed: called when what is reported may have changed.

    Attributes:
        flipping: held while all workers change, and while a worker is let in.
    """

    def __init__(self, pool: Pool, board: Board, tell: Event, changed: Callable[[], None]) -> None:
        self.flipping = asyncio.Lock()
        self._pool = pool
        self._board = board
        self._tell = tell
        self._changed = changed
        self._numbers = itertools.count(1)
        self._active: dict[int, _Round] = {}
        self._holds: dict[int, set[Member]] = {}
        self._held = asyncio.Event()

    # What workers say

    def heard(self, member: Member, message: Message) -> None:
        """A message about a round."""
        if message["say"] == "held":
            self._holds.get(message["flip"], set()).discard(member)
            self._held.set()
            return
        change = self._active.get(message["round"])
        if change is None or member not in change.at:
            return
        if message["say"] == "loaded" and message["version"] in change.failures:
            change.abort(member, change.failures[message["version"]])
        else:
            change.at[member] = {"loaded": message.get("version", 0), "prepared": _PREPARED}.get(message["say"], _DONE)
        if message["say"] == "unprepared":
            change.error = change.error or message["error"]
        change.changed.set()

    def load_failed(self, member: Member, model: str, version: int, error: str) -> None:
        """A version did not load in a worker."""
        for change in self._active.values():
            if member in change.at and change.order().get("model") == model:
                change.failures.setdefault(version, error)
                change.changed.set()

    def left(self, member: Member) -> None:
        """A worker is gone."""
        for change in self._active.values():
            if change.at.pop(member, None) == _BUSY:
                change.deaths += 1
            change.changed.set()
        for waited in self._holds.values():
            waited.discard(member)
        self._held.set()

    def joined(self, member: Member) -> None:
        """A worker takes requests from now on; the caller holds `flipping`."""
        for change in self._active.values():
            if change.everyone:
                change.enter(member)

    # One model's versions

    async def look(self, model: str, told: Told) -> bool:
        """All workers see what a source has, load what they want of it, and change together.

        Args:
            model: the model.
            told: what its source has.

        Returns:
            False when no worker is left that could do it: look again later.
        """

        def order() -> Message:
            seen = told.without(set(change.failures))
            return {"do": "look", "round": change.number, "model": model, "told": seen.to_json()}

        change = _Round(next(self._numbers), order)
        self._active[change.number] = change
        self._board.loading[model] = self._board.wanted(model, told)
        self._changed()
        try:
            finished = await self._look(change, model, told)
        finally:
            del self._active[change.number]
            self._board.loading.pop(model, None)
            self._note_failures(change, model, told)
        states = next((m.states.get(model, {}) for m in change.at), None)
        if finished and states is not None:
            available = [int(n) for n, (state, _) in states.items() if state == "AVAILABLE"]
            self._board.settle(model, available, told)
        self._changed()
        return finished

    async def _look(self, change: _Round, model: str, told: Told) -> bool:
        while True:
            if not change.at and (change.everyone or not self._begin(change)):
                return False
            await change.settled()
            if change.deaths >= _DEATHS:
                self._blame(change, model, told)
            if self._abort_failed(change) or (not change.at and not change.everyone):
                continue
            if not change.everyone:
                self._all_enter(change)
                continue
            waiting = change.waiting()
            if not waiting:
                return bool(change.at)
            if len(waiting) > 1 or _DONE in change.at.values():
                reason = "the workers do not have the same versions; another attempt follows"
                change.failures |= dict.fromkeys(waiting, reason)
                change.died |= waiting
                continue
            await self._make_available(change, model, told.candidates[waiting.pop()].number, told)

    async def _make_available(self, change: _Round, model: str, number: int, told: Told) -> None:
        def agreed() -> None:
            self._board.commit(model, told.candidates[number])

        flip = await self._flip(change, agreed)
        if flip is not None:
            self._tell("available", {"model": model, "version": number, **flip.facts()})
            self._changed()

    def _begin(self, change: _Round) -> bool:
        live = self._pool.live
        if live:
            change.enter(live[0])
        return bool(live)

    def _all_enter(self, change: _Round) -> None:
        change.everyone = True
        for member in self._pool.live:
            if member not in change.at:
                change.enter(member)

    def _blame(self, change: _Round, model: str, told: Told) -> None:
        """Workers that end while they load something may do so because of it."""
        reason = f"{change.deaths} worker processes ended while they loaded it"
        numbers = self._board.wanted(model, told) - set(change.failures)
        change.failures |= dict.fromkeys(numbers, reason)
        change.died |= numbers
        change.deaths = 0

    def _abort_failed(self, change: _Round) -> bool:
        failed = [(m, place) for m, place in change.at.items() if isinstance(place, int) and place in change.failures]
        for member, place in failed:
            change.abort(member, change.failures[place])
        return bool(failed)

    def _note_failures(self, change: _Round, model: str, told: Told) -> None:
        for number, error in change.failures.items():
            if number in told.candidates:
                self._board.failed(model, told.candidates[number], error, died=number in change.died)
                self._tell("load_failed", {"model": model, "version": number, "error": error})

    # A configuration

    async def configure(self, config: ServerConfig, told: Mapping[str, Told]) -> None:
        """All workers take over a configuration in one moment, or none does.

        Args:
            config: the configuration.
            told: by model what its source has.

        Raises:
            RequestError: why a worker refuses it.
        """
        sources = {name: entry.to_json() for name, entry in told.items()}
        number = next(self._numbers)
        message = {"do": "configure", "round": number, "config": config_to_json(config), "told": sources}
        change = _Round(number, lambda: message)
        self._active[number] = change
        try:
            await self._configure(change, config)
        finally:
            del self._active[number]
        for name, entry in told.items():
            states = next((m.states.get(name, {}) for m in change.at), {})
            self._board.settle(name, [int(n) for n, (state, _) in states.items() if state == "AVAILABLE"], entry)
        self._changed()

    async def _configure(self, change: _Round, config: ServerConfig) -> None:
        flip = None
        self._begin(change)
        while flip is None:
            await change.settled()
            if change.error is None and not change.at:
                change.error = {"code": str(Code.UNAVAILABLE), "message": "the worker ended that tried it first"}
            if change.error is not None:
                await self._refuse(change)
                raise error_of(change.error)
            if not change.everyone:
                self._all_enter(change)
                continue
            flip = await self._flip(change, lambda: self._board.configure(config))
        change.everyone = False  # a worker that comes now has begun with the new one
        await change.settled()
        self._tell("configured", {"models": sorted(config.by_name), **flip.facts()})

    async def _refuse(self, change: _Round) -> None:
        for member, place in list(change.at.items()):
            if place == _PREPARED:
                change.abort(member, "another worker refuses the configuration")
        await change.settled()

    # The moment

    async def _flip(self, change: _Round, agreed: Callable[[], None]) -> _Flip | None:
        """All workers of a round go through their gates; None when one of them is not there yet."""
        async with self.flipping:
            if _BUSY in change.at.values() or not change.at:
                return None
            for attempt in range(1, HOLD_TRIES + 1):
                began, flip = time.monotonic(), next(self._numbers)
                held = await self._stand_still(change, flip)
                if held or attempt == HOLD_TRIES or _BUSY in change.at.values():
                    break
                self._send(change, {"do": "release", "flip": flip})
                await asyncio.sleep(_HOLD_PAUSE)
            if not change.at:
                return None
            self._send(change, {"do": "commit", "flip": flip, "round": change.number})
            pause = round(1000 * (time.monotonic() - began), 3)
            change.at = dict.fromkeys(change.at, _BUSY)
            agreed()
            return _Flip(len(change.at), held, pause)

    async def _stand_still(self, change: _Round, flip: int) -> bool:
        waited = self._holds[flip] = set(change.at)
        self._send(change, {"do": "hold", "flip": flip})
        try:
            async with asyncio.timeout(HOLD_LIMIT):
                while waited:
                    self._held.clear()
                    await self._held.wait()
        except TimeoutError:
            return False
        finally:
            del self._holds[flip]
        return True

    def _send(self, change: _Round, message: Message) -> None:
        for member in change.at:
            member.channel.send(message)
