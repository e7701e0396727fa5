"""The process that looks after workers: signals, admission, reports, metrics and what is asked of all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from trueline.serving.config import ServerConfig
from trueline.serving.front import Front
from trueline.serving.options import ServerOptions
from trueline.serving.place import Place, write_whole
from trueline.serving.reload import ConfigFile
from trueline.serving.sources import Plugs
from trueline.serving.surroundings import Event
from trueline.serving.worker_answers import Answers
from trueline.serving.worker_board import Board
from trueline.serving.worker_control import Message
from trueline.serving.worker_models import SharedModels
from trueline.serving.worker_pool import Member, Pool
from trueline.serving.worker_rounds import Rounds
from trueline.serving.worker_sockets import ABSENT, Sockets

__all__ = ["Supervisor"]

_END_SECONDS = 10.0
_FIRST_SECONDS = 60.0
_OWN_EVENTS = frozenset({"available", "load_failed", "scan_failed", "configured", "configuration_failed"})
"""What the supervisor tells itself, once and not by every worker."""


class Supervisor:
    """Looks after workers until it is told to end.

    Args:
        config: the models.
        place: where the workers listen.
        options: their settings.
        front: who may ask, and how.
        plugs: further kinds of sources, by scheme.
        tell: told every event.
        sockets: what the workers inherit.
    """

    def __init__(
        self,
        config: ServerConfig,
        place: Place,
        options: ServerOptions,
        front: Front,
        plugs: Plugs,
        tell: Event,
        sockets: Sockets,
    ) -> None:
        self._place = place
        self._options = options
        self._front = front
        self._tell = tell
        self._sockets = sockets
        self.board = Board(config, options)
        self.pool = Pool(place.workers, sockets.inherited, self._start_message, self._heard, self._left, tell)
        self.rounds = Rounds(self.pool, self.board, tell, self._changed)
        self.models = SharedModels(self.board, self.rounds, options, plugs, tell)
        self._silent: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: Any = None
        self._news = asyncio.Event()
        self._stop = asyncio.Event()
        self._draining = False
        self._status = 0
        self._says: Mapping[str, Callable[[Member, Message], None]] = {
            **dict.fromkeys(("loaded", "prepared", "unprepared", "looked", "held"), self._in_round),
            "event": self._event,
            "caught_up": lambda member, message: self._do(self._admit(member, message)),
            "broken": self._broken,
            "listening": self._listening,
            "reply": lambda member, message: self.answers.reply(member, message),
            "ask": lambda member, message: self._do(self.answers.answer(member, message)),
            "draining": lambda member, message: self._leaves(member),
            "gone": lambda member, message: None,
        }
        file = place.model_config_file
        self._file = ConfigFile(file, self.models, options, tell) if file is not None else None
        self.answers = Answers(self.pool, self.models, self._file, tell)

    # The process

    async def run(self) -> int:
        """From the start to the orderly end; the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._signalled)
        loop.add_signal_handler(signal.SIGINT, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._do(self._hang_up()))
        self.pool.start()
        helpers = [asyncio.ensure_future(work) for work in (self._begin(), self._show(), self._watch_pool())]
        poll = self._place.model_config_file_poll_wait_seconds
        if self._file is not None and poll > 0:
            helpers.append(asyncio.ensure_future(self._file.poll(poll)))
        try:
            await self._stop.wait()
        finally:
            await self._end(helpers)
        self._tell("stopped", {"pid": os.getpid()})
        return self._status

    async def _end(self, helpers: list[asyncio.Task[None]]) -> None:
        self._draining = True
        self._tell("draining", {"pid": os.getpid()})
        self.models.stop()
        for task in helpers:
            task.cancel()
        delay = self._place.drain_delay
        stopping = asyncio.ensure_future(self.pool.stop(delay + 2 * self._options.drain_seconds + _END_SECONDS))
        await asyncio.wait([stopping], timeout=delay)
        self._sockets.rest.close()  # clients that wait here are refused, as by one process that ends
        await stopping
        if self._place.ready_file is not None:
            Path(self._place.ready_file).unlink(missing_ok=True)

    def _signalled(self) -> None:
        if self._draining:
            self.pool.hurry()
        self._stop.set()

    async def _watch_pool(self) -> None:
        await self.pool.given_up.wait()
        self._status = 1
        self._stop.set()

    async def _begin(self) -> None:
        """Waits for the workers, begins to look, and tells of it when every model answers."""
        until = time.monotonic() + _FIRST_SECONDS
        while len([m for m in self.pool.live if m.ports is not None]) < self._place.workers:
            await self._next_news()
            if time.monotonic() > until and self.pool.live:
                break
        host = self._sockets.rest.getsockname()[0]
        facts = {
            "host": host,
            "port": self._sockets.port,
            "pid": os.getpid(),
            "models": sorted(self.board.config.by_name),
        }
        facts |= {"workers": self._place.workers}
        if self._sockets.grpc_port is not None:
            facts["grpc_port"] = self._sockets.grpc_port
        if self._sockets.admin is not None:
            facts["admin_port"] = self._sockets.admin.getsockname()[1]
        self._tell("listening", facts)
        self.models.watch(look_now=True)
        while not self.board.ready:
            await self._next_news()
        if self._place.ready_file is not None:
            write_whole(Path(self._place.ready_file), json.dumps(facts) + "\n")
        self._tell("ready", facts)

    async def _next_news(self) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), 1.0)

    async def _hang_up(self) -> None:
        await self.answers.reload()

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Workers

    def _start_message(self, index: int) -> Message:
        admin = self._sockets.admin
        return {
            "do": "start",
            "worker": index,
            "listen": self._sockets.rest.fileno(),
            "counts": self._sockets.pages,
            "workers": self._place.workers,
            "admin": admin.fileno() if admin is not None else None,
            "options": asdict(self._options),
            "place": asdict(replace(self._place, ready_file=None, model_config_file=None)),
            "front": asdict(self._front),
            "configured": self.board.configured,
            **self.board.start_facts(),
        }

    def _heard(self, member: Member, message: Message) -> None:
        if "states" in message:
            member.states = {m: {n: tuple(s) for n, s in v.items()} for m, v in message["states"].items()}
        self._says[message["say"]](member, message)
        if "states" in message:
            self._changed()

    def _in_round(self, member: Member, message: Message) -> None:
        self.rounds.heard(member, message)

    def _left(self, member: Member) -> None:
        self.answers.left(member)
        self._sockets.counts[member.index] = ABSENT
        self.rounds.left(member)
        self._changed()

    def _leaves(self, member: Member) -> None:
        """A worker that was told to end by somebody else; another one comes when it has."""
        member.live = False
        self.rounds.left(member)

    async def _admit(self, member: Member, message: Message) -> None:
        """Lets a worker take requests, when it has what the others have at this moment."""
        async with self.rounds.flipping:
            if set(member.states) != set(self.board.config.by_name) or message["configured"] != self.board.configured:
                member.kill()  # it began with a configuration that is not in force any more
            elif message["generation"] != self.board.generation:
                member.channel.send({"do": "catch_up", **self.board.catch_up_facts()})
            elif not self._draining:
                member.live, member.since = True, time.monotonic()
                member.channel.send({"do": "view", "view": self._view()})
                member.channel.send({"do": "accept"})
                self.rounds.joined(member)

    def _listening(self, member: Member, message: Message) -> None:
        member.ports = message["ports"]
        self._news.set()

    def _broken(self, member: Member, message: Message) -> None:
        facts = {"worker": member.index, "pid": member.process.pid, "error": message["error"]}
        self._tell("worker_failed", facts | ({"model": message["model"]} if message["model"] else {}))
        member.kill()

    def _event(self, member: Member, message: Message) -> None:
        name, facts = message["event"], message["facts"]
        if name == "load_failed":
            self.rounds.load_failed(member, facts["model"], facts["version"], facts["error"])
        elif name == "no_version":
            self._tell_once(facts)
        elif name not in _OWN_EVENTS:
            self._tell(name, {**facts, "worker": member.index})

    def _tell_once(self, facts: Mapping[str, Any]) -> None:
        """Nothing answers for a model: what the first worker says of it, for the others only follow."""
        if facts["model"] in self._silent or self.board.committed.get(facts["model"]):
            return
        self._silent[facts["model"]] = facts["error"]
        self._tell("no_version", facts)
        if self._place.fail_fast:
            self._status = 1
            self._stop.set()

    # What is reported

    def _view(self) -> Any:
        return self.board.view([m.states for m in self.pool.live])

    def _changed(self) -> None:
        for name in [name for name in self._silent if self.board.committed.get(name)]:
            del self._silent[name]
        self._news.set()

    async def _show(self) -> None:
        """Every worker reports the same states."""
        while True:
            view = self._view()
            if view != self._shown:
                self._shown = view
                self.pool.broadcast({"do": "view", "view": view})
            await self._next_news()
