"""One worker process: it has what the others serve before it accepts, and ends when its supervisor is gone.

The supervisor (`trueline.serving.workers`) starts it with the number of a file descriptor: its end of the control
channel, over which everything else comes. The sockets are inherited, bound and listening.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from trueline._core.errors import TruelineError
from trueline.serving.admin import AdminApp, is_loopback
from trueline.serving.admin_server import AdminServer
from trueline.serving.app import ServingApp
from trueline.serving.asgi import Answer
from trueline.serving.errors import Code, RequestError
from trueline.serving.front import Front, Installed
from trueline.serving.http_server import uvicorn_config
from trueline.serving.metrics import CONTENT_TYPE
from trueline.serving.options import ServerOptions
from trueline.serving.place import Place
from trueline.serving.protocol import sweep
from trueline.serving.server import start_grpc, watch_certificates
from trueline.serving.worker_control import Channel, Message, Told, config_of, error_of, error_to_json
from trueline.serving.worker_manager import WorkerManager
from trueline.serving.worker_server import SharedServer
from trueline.serving.worker_sockets import shared_counts

__all__ = ["HOLD_SECONDS", "Worker", "main"]

HOLD_SECONDS = 1.0
"""The longest that a worker stands still before a change; longer only when its supervisor does."""
_PUSH_SECONDS = 2.0


class _Admin(AdminApp):
    """The admin endpoints of any worker: what they change, they change in all."""

    tell_level: Callable[[str], None]

    def set_level(self, level: str) -> None:
        """See `AdminApp`."""
        self.tell_level(level)


class Worker:
    """What happens between a worker and its supervisor.

    Args:
        channel: the line.
        start: the supervisor's first message.
    """

    def __init__(self, channel: Channel, start: Message) -> None:
        self.channel = channel
        self._start = start
        self._place = Place(**_frozen(start["place"]))
        self._options = ServerOptions(**_frozen(start["options"]))
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted = asyncio.Event()
        self._generation = -1
        make = functools.partial(WorkerManager, self.channel.send, self.ask)
        self.app = ServingApp(config_of(start["config"]), self._options, self._event, make_manager=make)
        manager = self.app.manager
        assert isinstance(manager, WorkerManager)
        self.manager = manager
        self.installed = Front(**_frozen(start["front"])).install(self.app)
        self._shared_pages()
        refused = self.app.metrics.rejected
        config = uvicorn_config(self.app, self._options, lambda reason: refused.labels(reason).inc())
        self.server = SharedServer(config, self.app, self._place.drain_delay)
        self.server.listener = socket.socket(fileno=start["listen"])
        self.server.counts = shared_counts(start["counts"], start["workers"])
        self.server.index = start["worker"]
        self.server.on_draining = lambda: self.channel.send({"say": "draining"})
        self._main: asyncio.Task[None] | None = None
        self._orders: Mapping[str, Callable[[Message], None]] = {
            "look": lambda m: self._do(self._look(m)),
            "configure": lambda m: self._do(self._configure(m)),
            "hold": self._hold,
            "commit": lambda m: self.manager.open_gate(m["round"]),
            "abort": lambda m: self.manager.refuse(m["round"], m["reason"]),
            "release": lambda m: None,
            "catch_up": lambda m: self._do(self._catch_up(m)),
            "accept": lambda m: self._accepted.set(),
            "view": lambda m: self.manager.show(m["view"]),
            "answer": self._answered,
            "metrics": lambda m: self._say_metrics(m["id"]),
            "reload": lambda m: self._do(self._reload(m)),
            "log_level": lambda m: AdminApp.set_level(self._admin, m["level"]),
            "drain": lambda m: self._drain(force=m["force"]),
        }

    # The process

    async def run(self) -> None:
        """From the start to the orderly end."""
        self._main = asyncio.current_task()
        self.channel.on_message = lambda message: self._orders[message["do"]](message)
        self.channel.on_closed = self._left_alone
        self.server.config.ssl = self.installed.tls.context if self.installed.tls is not None else None
        self._admin = self._make_admin()
        self.channel.start()
        self._do(self._catch_up(self._start))
        await self._accepted.wait()
        ports = await self._open_ports()
        state = self.server.server_state
        helpers = [
            asyncio.ensure_future(sweep(state.connections, self._options.read_seconds, self._options.write_seconds)),
            asyncio.ensure_future(watch_certificates(self.installed, self._reload_here)),
            asyncio.ensure_future(self._push()),
            asyncio.ensure_future(self._tell(ports)),
        ]
        try:
            await self.server.serve(sockets=[])
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._admin_server.stop()
            self.installed.close()
            self._say_metrics(None)

    async def _open_ports(self) -> dict[str, int | None]:
        grpc = await start_grpc(self.server, self.app, self._place, self._options, self.installed, reuse_port=True)
        self._admin_server = AdminServer(uvicorn_config(self._admin, self._options))
        if self._start["admin"] is not None:
            bound = socket.socket(fileno=self._start["admin"])
            loopback = is_loopback(self.installed.front.admin_host)
            context = self.installed.tls.context if self.installed.tls is not None and not loopback else None
            await self._admin_server.start("", 0, context, bound)
        return {"grpc_port": grpc}

    async def _tell(self, ports: Mapping[str, int | None]) -> None:
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.channel.send({"say": "listening", "ports": ports})
        while not self.app.ready:
            await asyncio.sleep(0.1)
        gc.collect()
        gc.freeze()  # what lives as long as the process is not walked by every collection

    async def _push(self) -> None:
        """What was counted outlives this process, but for the last moments before a sudden end."""
        while True:
            await asyncio.sleep(_PUSH_SECONDS)
            self._say_metrics(None)

    def _left_alone(self) -> None:
        """The supervisor is gone: nobody answers questions, and what is begun is ended."""
        for future in self._questions.values():
            if not future.done():
                future.set_exception(RequestError(Code.UNAVAILABLE, "the server is stopping"))
        self._drain(force=False, at_once=True)

    def _drain(self, *, force: bool, at_once: bool = False) -> None:
        if not self._accepted.is_set():
            assert self._main is not None
            self._main.cancel()
            return
        self.server.handle_exit(signal.SIGTERM, None)
        self.server.should_exit = self.server.should_exit or at_once
        self.server.force_exit = self.server.force_exit or force

    def _do(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Orders

    async def _catch_up(self, message: Message) -> None:
        """Loads what the others serve, without a gate: nobody asks here yet."""
        for name, told in message["models"].items():
            await self.manager.look(name, Told.of(told), None)
            wrong = self.manager.silence(name)
            if wrong:
                self.channel.send({"say": "broken", "model": name, "error": wrong})
                return
        self._generation = message["generation"]
        said = {"say": "caught_up", "generation": self._generation, "configured": self._start["configured"]}
        self.channel.send({**said, "states": self.manager.states()})

    async def _look(self, message: Message) -> None:
        await self.manager.look(message["model"], Told.of(message["told"]), message["round"])
        self.channel.send({"say": "looked", "round": message["round"], "states": self.manager.states()})

    async def _configure(self, message: Message) -> None:
        told = {name: Told.of(entry) for name, entry in message["told"].items()}
        try:
            await self.manager.configure(config_of(message["config"]), told, message["round"])
        except (TruelineError, AssertionError) as error:
            said = {"say": "unprepared", "round": message["round"], "error": error_to_json(error)}
            self.channel.send(said)
            return
        self.channel.send({"say": "looked", "round": message["round"], "states": self.manager.states()})

    def _hold(self, message: Message) -> None:
        """Stands still, with every request that is not begun, until the supervisor says what happens."""
        flip = message["flip"]
        self.channel.send({"say": "held", "flip": flip})
        order = self.channel.wait(HOLD_SECONDS, lambda m: m.get("flip") == flip and m["do"] in ("commit", "release"))
        if order is not None:
            self._orders[order["do"]](order)

    async def _reload(self, message: Message) -> None:
        """Certificates and keys; models are the supervisor's."""
        self.channel.send({"say": "reply", "id": message["id"], "value": await self.installed.reload()})

    async def _reload_here(self, installed: Installed) -> None:
        problems = await installed.reload()
        self._event("reloaded" if not problems else "reload_failed", {"problems": problems})

    # What it says

    def _event(self, name: str, facts: Mapping[str, Any]) -> None:
        self.channel.send({"say": "event", "event": name, "facts": dict(facts), "states": self.manager.states()})

    def _say_metrics(self, number: int | None) -> None:
        self.channel.send({"say": "reply", "id": number, "value": self.app.metrics.text().decode(), "metrics": True})

    async def ask(self, what: str, **more: Any) -> Any:
        """Asks the supervisor.

        Raises:
            RequestError: what it says went wrong; UNAVAILABLE, it is gone.
        """
        if self.channel.closed:
            raise RequestError(Code.UNAVAILABLE, "the server is stopping")
        number = len(self._questions) + 1
        while number in self._questions:
            number += 1
        future = self._questions[number] = asyncio.get_running_loop().create_future()
        self.channel.send({"say": "ask", "what": what, "id": number, **more})
        try:
            return await future
        finally:
            self._questions.pop(number, None)

    def _answered(self, message: Message) -> None:
        future = self._questions.get(message["id"])
        if future is not None and not future.done():
            if message.get("error") is not None:
                future.set_exception(error_of(message["error"]))
            else:
                future.set_result(message.get("value"))

    # What all workers answer alike

    def _shared_pages(self) -> None:
        own = self.app.metrics_page
        for path in [path for path, page in self.app.pages.items() if page == own]:
            self.app.pages[path] = self._metrics_page

    async def _metrics_page(self) -> Answer:
        text = await self.ask("metrics")
        return Answer(200, text.encode(), CONTENT_TYPE.encode())

    def _make_admin(self) -> _Admin:
        settings = {"options": asdict(self._options), "front": self.installed.front.shown()}
        admin = _Admin(self.app, settings, functools.partial(self.ask, "reload"), self.installed.auth)
        admin.tell_level = lambda level: self.channel.send({"say": "ask", "what": "log_level", "id": 0, "level": level})
        return admin


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they were before they became JSON."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def main() -> int:
    """The process; returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    start = channel.wait(60.0, lambda message: message["do"] == "start")
    if start is None:
        return 1
    worker = None

    async def run() -> None:
        nonlocal worker
        worker = Worker(channel, start)
        worker.server.config.load()
        await worker.run()

    factory = uvicorn_config(None, ServerOptions()).get_loop_factory()
    try:
        with asyncio.Runner(loop_factory=factory) as runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(run())
    except TruelineError as error:
        channel.send({"say": "broken", "model": None, "error": str(error)})
        return 1
    channel.send({"say": "gone", "pid": os.getpid()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
