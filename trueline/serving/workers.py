"""Several processes on one port: a supervisor binds the sockets, starts workers, changes versions in all at once.

``python -m trueline.serving --workers 4``. The supervisor answers no requests. It looks for versions, tells the workers
what there is (`worker_rounds`), starts workers anew that end (`worker_pool`), adds up their metrics, and is where
signals, a file of models and the ready file are looked after. The listening socket is one, inherited by all: while a
worker is replaced the others take its clients. Workers are interpreters of their own, not forks.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trueline._core.errors import ConfigError, TruelineError, did_you_mean
from trueline.serving.app import create_app
from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.errors import Code, RequestError
from trueline.serving.front import Front
from trueline.serving.options import ServerOptions
from trueline.serving.reload import ConfigFile
from trueline.serving.server import Place, bind, write_whole
from trueline.serving.sources import Plugs, Source, source_of
from trueline.serving.surroundings import Event, told
from trueline.serving.worker_board import Board
from trueline.serving.worker_control import Message, Told, config_of, error_to_json
from trueline.serving.worker_metrics import MetricsText
from trueline.serving.worker_pool import Member, Pool
from trueline.serving.worker_rounds import Rounds

__all__ = ["Supervisor", "supervise"]

_BACKLOG = 2048
_REPLY_SECONDS = 2.0
_RELOAD_SECONDS = 30.0
_END_SECONDS = 10.0
_FIRST_SECONDS = 60.0
_OWN_EVENTS = frozenset({"available", "load_failed", "scan_failed", "configured", "configuration_failed"})
"""What the supervisor tells itself, once and not by every worker."""
_DAEMON_METRICS = """\
# HELP trueline_workers Worker processes that take requests.
# TYPE trueline_workers gauge
trueline_workers {live}
# HELP trueline_worker_restarts_total Worker processes that were started in place of another.
# TYPE trueline_worker_restarts_total counter
trueline_worker_restarts_total {restarts}
"""


def supervise(
    models: Mapping[str, str] | ServerConfig,
    place: Place,
    options: ServerOptions,
    front: Front,
    *,
    plugs: Plugs = MappingProxyType({}),
    tell: Event,
) -> int:
    """Serves models with several processes until SIGTERM. Call it on the main thread.

    Args:
        models: a configuration, or base directory by model name.
        place: where to listen, and with how many workers.
        options: the settings of each worker; limits hold for each of them.
        front: who may ask, and how.
        plugs: further kinds of sources, by scheme.
        tell: told every event.

    Returns:
        the exit status: 0 after an orderly end, 1 when `Place.fail_fast` ended it or no worker could be kept alive.

    Raises:
        ConfigError: names or options that are wrong, a port that is taken, what several processes cannot share.
    """
    _check(place)
    app = create_app(models, options, plugs=plugs)
    # What stands around the app is made once here, so that what is wrong with it is known before any process starts.
    replace(front, access_log=None, trace_endpoint=None).install(app).close()
    app.service.close()
    with contextlib.ExitStack() as stack:
        sockets = _Sockets(place, front, stack)
        own = replace(place, port=sockets.port, grpc_port=sockets.grpc_port)
        return asyncio.run(Supervisor(app.manager.config, own, options, front, plugs, tell, sockets).run())


def _check(place: Place) -> None:
    problems = []
    if place.workers < 1:
        problems.append(f"workers: expected 1 or more, got {place.workers}")
    if place.grpc_socket is not None:
        problems.append("grpc_socket: several processes cannot listen on one Unix socket; use a port, or one process")
    if sys.platform == "win32":
        problems.append("workers: several processes need sockets that are inherited, which Windows does not have here")
    if problems:
        raise ConfigError("several processes cannot serve like this", problems=problems)


class _Sockets:
    """What the workers inherit, bound once: REST, and the admin endpoints.

    gRPC cannot listen on an inherited socket. Its workers bind the same port each (SO_REUSEPORT), and this one is
    bound, but does not listen, so that the port is known and stays ours.
    """

    def __init__(self, place: Place, front: Front, stack: contextlib.ExitStack) -> None:
        self.rest = stack.enter_context(bind(place))
        self.rest.listen(_BACKLOG)
        self.rest.setblocking(False)
        self.port: int = self.rest.getsockname()[1]
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
    def inherited(self) -> list[socket.socket]:
        return [self.rest, *([self.admin] if self.admin is not None else [])]


class Supervisor:
    """Looks after workers; to a file of models it is what a `ModelManager` is in one process.

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
        sockets: _Sockets,
    ) -> None:
        self._place = place
        self._options = options
        self._front = front
        self._plugs = plugs
        self._tell = tell
        self._sockets = sockets
        self.board = Board(config, options)
        self.pool = Pool(place.workers, sockets.inherited, self._start_message, self._heard, self._left, tell)
        self.rounds = Rounds(self.pool, self.board, tell, self._changed)
        self._sources: dict[str, tuple[ModelConfig, Source]] = {}
        self._seen: dict[str, Told] = {}
        self._errors: dict[str, str] = {}
        self._silent: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._applying = asyncio.Lock()
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._gone = MetricsText()
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
            "reply": self._reply,
            "ask": lambda member, message: self._do(self._answer(member, message)),
            "draining": lambda member, message: self._leaves(member),
            "gone": lambda member, message: None,
        }
        file = place.model_config_file
        self._file = ConfigFile(file, self, options, tell) if file is not None else None

    @property
    def config(self) -> ServerConfig:
        """What is in force."""
        return self.board.config

    # The process

    async def run(self) -> int:
        """From the start to the orderly end; the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._signalled)
        loop.add_signal_handler(signal.SIGINT, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._do(self._hang_up()))
        self._follow_sources(self.config)
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
        for task in (*helpers, *self._watchers.values()):
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
        facts = {"host": host, "port": self._sockets.port, "pid": os.getpid(), "models": sorted(self.config.by_name)}
        facts |= {"workers": self._place.workers}
        if self._sockets.grpc_port is not None:
            facts["grpc_port"] = self._sockets.grpc_port
        if self._sockets.admin is not None:
            facts["admin_port"] = self._sockets.admin.getsockname()[1]
        self._tell("listening", facts)
        self._watch_all(look_now=True)
        while not self.board.ready:
            await self._next_news()
        if self._place.ready_file is not None:
            write_whole(Path(self._place.ready_file), json.dumps(facts) + "\n")
        self._tell("ready", facts)

    async def _next_news(self) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), 1.0)

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Sources

    def _follow_sources(self, config: ServerConfig) -> None:
        kept = {name: known for name, known in self._sources.items() if name in config.by_name}
        for model in config.models:
            if model.name not in kept or kept[model.name][0].base != model.base:
                kept[model.name] = (model, source_of(model.base, self._plugs))
                self._seen.pop(model.name, None)
                self._errors.pop(model.name, None)
        self._sources = kept

    def _watch_all(self, *, look_now: bool) -> None:
        for name in set(self._watchers) - set(self._sources):
            self._watchers.pop(name).cancel()
        for name in self._sources:
            if name not in self._watchers:
                self._watchers[name] = asyncio.ensure_future(self._watch(name, look_now))

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
            usable = self.board.usable(name, found)
            if (usable != self._seen.get(name) or always) and await self.rounds.look(name, usable):
                self._seen[name] = self.board.usable(name, usable)

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
        self._watch_all(look_now=self._options.poll_seconds > 0)

    async def _apply(self, config: ServerConfig) -> None:
        known = {name: source for name, (model, source) in self._sources.items()}
        sources = {
            m.name: known[m.name]
            if m.name in known and self._sources[m.name][0].base == m.base
            else source_of(m.base, self._plugs)
            for m in config.models
        }
        found = dict(zip(sources, await asyncio.gather(*map(self._scan, sources.values())), strict=True))
        await self.rounds.configure(config, found)
        self._follow_sources(config)
        for name in config.by_name:
            self._seen.pop(name, None)

    # Workers

    def _start_message(self, index: int) -> Message:
        admin = self._sockets.admin
        return {
            "do": "start",
            "worker": index,
            "listen": self._sockets.rest.fileno(),
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
        self._gone.add(member.metrics, gauges=False)
        self.rounds.left(member)
        self._changed()

    def _leaves(self, member: Member) -> None:
        """A worker that was told to end by somebody else; another one comes when it has."""
        member.live = False
        self.rounds.left(member)

    async def _admit(self, member: Member, message: Message) -> None:
        """Lets a worker take requests, when it has what the others have at this moment."""
        async with self.rounds.flipping:
            if set(member.states) != set(self.config.by_name) or message["configured"] != self.board.configured:
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

    # Questions

    async def _answer(self, member: Member, message: Message) -> None:
        answers: Mapping[str, Callable[[Message], Awaitable[Any]]] = {
            "metrics": self._metrics,
            "refresh": lambda m: self.refresh(m["model"]),
            "apply": lambda m: self.apply(config_of(m["config"])),
            "reload": lambda m: self._reload(),
            "log_level": self._log_level,
        }
        said: Message = {"do": "answer", "id": message["id"]}
        try:
            said["value"] = await answers[message["what"]](message)
        except TruelineError as error:
            said["error"] = error_to_json(error)
        member.channel.send(said)

    async def _log_level(self, message: Message) -> None:
        self.pool.broadcast({"do": "log_level", "level": message["level"]})

    async def _ask_all(self, what: str, seconds: float) -> list[Any]:
        """What the workers answer, without those that do not answer in time."""
        questions = []
        for member in self.pool.live:
            number = next(self._numbers)
            self._replies[number] = asyncio.get_running_loop().create_future()
            questions.append(number)
            member.channel.send({"do": what, "id": number})
        waited = [self._replies[number] for number in questions]
        if waited:
            await asyncio.wait(waited, timeout=seconds)
        for number in questions:
            del self._replies[number]
        return [future.result() for future in waited if future.done()]

    def _reply(self, member: Member, message: Message) -> None:
        if message.get("metrics"):
            member.metrics = message["value"]
        future = self._replies.get(message["id"])
        if future is not None and not future.done():
            future.set_result(message["value"])

    async def _metrics(self, message: Message) -> str:
        """What all processes count, those that are gone too."""
        await self._ask_all("metrics", _REPLY_SECONDS)
        total = MetricsText()
        total.add(_DAEMON_METRICS.format(live=len(self.pool.live), restarts=self.pool.restarts))
        for member in self.pool.members:
            total.add(member.metrics)
        total.add(self._gone.text())
        return total.text()

    # Reading anew

    async def _reload(self) -> list[str]:
        """Certificates and keys in every worker, then the models; what went wrong."""
        problems = list(dict.fromkeys(p for told in await self._ask_all("reload", _RELOAD_SECONDS) for p in told))
        try:
            if self._file is not None:
                await self._file.reload()
            else:
                await asyncio.gather(*(self.refresh(name) for name in self.config.by_name))
        except (TruelineError, OSError) as error:
            problems.append(f"models: {error}")
        self._tell("reloaded" if not problems else "reload_failed", {"problems": problems})
        return problems

    async def _hang_up(self) -> None:
        await self._reload()
