"""The worker processes: started, watched, started anew when they end, more slowly when they end at once.

A process that ends before it answers, or within its first second, is a failed start. Failed starts in a row are
followed by growing pauses; after `START_LIMIT` of them, with no other worker that answers, the pool gives up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trueline.serving.surroundings import Event
from trueline.serving.worker_control import Channel, Message

__all__ = ["START_LIMIT", "Member", "Pool"]

START_LIMIT = 8
_SETTLED_SECONDS = 1.0
_LONGEST_PAUSE = 10.0
_STUCK_SECONDS = 30.0


@dataclass(eq=False)
class Member:
    """One worker process, as the supervisor sees it.

    Attributes:
        index: its place, from 0; a process that replaces another one has the same.
        process: the process.
        channel: the line to it.
        live: whether it takes requests.
        since: when it began to take them, by the monotonic clock.
        heard: when it said something last.
        states: by model and version, state and error, as it said last.
        metrics: what it counted, as it said last.
        ports: where it listens beside the shared sockets.
    """

    index: int
    process: Process
    channel: Channel
    live: bool = False
    since: float = 0.0
    heard: float = field(default_factory=time.monotonic)
    states: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    metrics: str = ""
    ports: dict[str, int | None] | None = None

    def kill(self) -> None:
        """Ends the process at once."""
        if self.process.returncode is None:
            self.process.kill()


class Pool:
    """A number of worker processes.

    Args:
        count: how many.
        descriptors: what they inherit.
        start_message: the first message to a process, by its place.
        on_message: told what a worker says.
        on_left: told that a worker is gone, once for each.
        tell: told ``worker_started``, ``worker_ended`` and ``crash_loop``.

    Attributes:
        members: the processes that there are.
        restarts: how many processes were started in place of another.
        given_up: set when starting them is in vain.
    """

    def __init__(
        self,
        count: int,
        descriptors: Sequence[int],
        start_message: Callable[[int], Message],
        on_message: Callable[[Member, Message], None],
        on_left: Callable[[Member], None],
        tell: Event,
    ) -> None:
        self.members: list[Member] = []
        self.restarts = 0
        self.given_up = asyncio.Event()
        self._count = count
        self._descriptors = descriptors
        self._start_message = start_message
        self._on_message = on_message
        self._on_left = on_left
        self._tell = tell
        self._failed = 0
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None

    @property
    def live(self) -> list[Member]:
        """The workers that take requests."""
        return [member for member in self.members if member.live]

    def start(self) -> None:
        """Starts the processes; returns at once."""
        self._tasks = [asyncio.ensure_future(self._keep(index)) for index in range(self._count)]
        self._watch = asyncio.ensure_future(self._look_for_stuck())

    def broadcast(self, message: Message) -> None:
        """Sends a message to every worker that takes requests."""
        for member in self.live:
            member.channel.send(message)

    async def stop(self, seconds: float) -> None:
        """Ends all processes: in order, and by force after a time."""
        self._stopping = True
        for member in self.members:
            member.channel.send({"do": "drain", "force": False})
        _, pending = await asyncio.wait(self._tasks, timeout=seconds) if self._tasks else (set(), set())
        for member in self.members:
            member.kill()
        if pending:
            await asyncio.wait(pending)
        if self._watch is not None:
            self._watch.cancel()

    def hurry(self) -> None:
        """Ends a stop that waits for requests in flight."""
        for member in self.members:
            member.channel.send({"do": "drain", "force": True})

    async def _keep(self, index: int) -> None:
        """One place: always one process, until the end."""
        while not self._stopping:
            try:
                member = await self._spawn(index)
            except OSError as error:  # no memory, no process, no file descriptor left
                self._tell("worker_failed", {"worker": index, "error": str(error)})
                await asyncio.sleep(_LONGEST_PAUSE)
                continue
            status = await member.process.wait()
            self._left(member)
            if self._ending():
                return
            pause = self._pause_after(member)
            lived = round(time.monotonic() - member.since, 3) if member.since else 0.0
            how = {"signal": signal.Signals(-status).name} if status < 0 else {"status": status}
            facts = {"worker": index, "pid": member.process.pid, **how, "answered_seconds": lived}
            self._tell("worker_ended", {**facts, "restart_in_seconds": pause})
            if self._failed > START_LIMIT and not any(self._settled(m) for m in self.live):
                self._tell("crash_loop", {"failed_starts": self._failed})
                self.given_up.set()
                return
            await asyncio.sleep(pause)
            self.restarts += 1

    def _ending(self) -> bool:
        return self._stopping

    def _settled(self, member: Member) -> bool:
        return member.since > 0 and time.monotonic() - member.since >= _SETTLED_SECONDS

    def _pause_after(self, member: Member) -> float:
        self._failed = 0 if self._settled(member) else self._failed + 1
        return min(_LONGEST_PAUSE, 0.1 * 2.0**self._failed) if self._failed else 0.0

    async def _spawn(self, index: int) -> Member:
        """A new interpreter, nothing of this process' memory: only the sockets and its end of the line."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "trueline.serving.worker", str(theirs.fileno())),
                stdin=DEVNULL,
                pass_fds=[theirs.fileno(), *self._descriptors],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        member = Member(index, process, Channel(ours))
        member.channel.on_message = lambda message: self._heard(member, message)
        member.channel.on_closed = lambda: self._left(member)
        self.members.append(member)
        member.channel.start()
        member.channel.send(self._start_message(index))
        if self._stopping:
            member.kill()
        self._tell("worker_started", {"worker": index, "pid": process.pid})
        return member

    def _heard(self, member: Member, message: Message) -> None:
        member.heard = time.monotonic()
        self._on_message(member, message)

    def _left(self, member: Member) -> None:
        if member in self.members:
            self.members.remove(member)
            member.live = False
            member.channel.close()
            self._on_left(member)

    async def _look_for_stuck(self) -> None:
        """Ends workers that say nothing for long: each of them speaks every few seconds."""
        while True:
            await asyncio.sleep(5.0)
            for member in self.live:
                if time.monotonic() - member.heard > _STUCK_SECONDS:
                    self._tell("worker_stuck", {"worker": member.index, "pid": member.process.pid})
                    member.kill()
