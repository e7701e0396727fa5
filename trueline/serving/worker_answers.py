"""What is asked of a server of several processes as a whole, whichever worker it was asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from trueline._core.errors import TruelineError
from trueline.serving.reload import ConfigFile
from trueline.serving.surroundings import Event
from trueline.serving.worker_control import Message, config_of, error_to_json
from trueline.serving.worker_metrics import MetricsText
from trueline.serving.worker_models import SharedModels
from trueline.serving.worker_pool import Member, Pool

__all__ = ["Answers"]

_REPLY_SECONDS = 2.0
_RELOAD_SECONDS = 30.0
_DAEMON_METRICS = """\
# HELP trueline_workers Worker processes that take requests.
# TYPE trueline_workers gauge
trueline_workers {live}
# HELP trueline_worker_restarts_total Worker processes that were started in place of another.
# TYPE trueline_worker_restarts_total counter
trueline_worker_restarts_total {restarts}
"""


class Answers:
    """Answers workers, by asking all of them where that is what it takes.

    Args:
        pool: the workers.
        models: the models that they share.
        file: the file of models that is followed, or None.
        tell: told ``reloaded`` and ``reload_failed``.
    """

    def __init__(self, pool: Pool, models: SharedModels, file: ConfigFile | None, tell: Event) -> None:
        self._pool = pool
        self._models = models
        self._file = file
        self._tell = tell
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._gone = MetricsText()

    def left(self, member: Member) -> None:
        """What a worker counted stays counted."""
        self._gone.add(member.metrics, gauges=False)

    async def answer(self, member: Member, message: Message) -> None:
        """Answers one question of a worker."""
        answers: Mapping[str, Callable[[Message], Awaitable[Any]]] = {
            "metrics": self._metrics,
            "refresh": lambda m: self._models.refresh(m["model"]),
            "apply": lambda m: self._models.apply(config_of(m["config"])),
            "reload": lambda m: self.reload(),
            "log_level": self._log_level,
        }
        said: Message = {"do": "answer", "id": message["id"]}
        try:
            said["value"] = await answers[message["what"]](message)
        except TruelineError as error:
            said["error"] = error_to_json(error)
        member.channel.send(said)

    async def _log_level(self, message: Message) -> None:
        self._pool.broadcast({"do": "log_level", "level": message["level"]})

    async def _ask_all(self, what: str, seconds: float) -> list[Any]:
        """What the workers answer, without those that do not answer in time."""
        questions = []
        for member in self._pool.live:
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

    def reply(self, member: Member, message: Message) -> None:
        """What a worker says to a question of everybody."""
        if message.get("metrics"):
            member.metrics = message["value"]
        future = self._replies.get(message["id"])
        if future is not None and not future.done():
            future.set_result(message["value"])

    async def _metrics(self, message: Message) -> str:
        """What all processes count, those that are gone too."""
        await self._ask_all("metrics", _REPLY_SECONDS)
        total = MetricsText()
        total.add(_DAEMON_METRICS.format(live=len(self._pool.live), restarts=self._pool.restarts))
        for member in self._pool.members:
            total.add(member.metrics)
        total.add(self._gone.text())
        return total.text()

    # Reading anew

    async def reload(self) -> list[str]:
        """Certificates and keys in every worker, then the models; what went wrong."""
        problems = list(dict.fromkeys(p for told in await self._ask_all("reload", _RELOAD_SECONDS) for p in told))
        try:
            if self._file is not None:
                await self._file.reload()
            else:
                await asyncio.gather(*(self._models.refresh(name) for name in self._models.config.by_name))
        except (TruelineError, OSError) as error:
            problems.append(f"models: {error}")
        self._tell("reloaded" if not problems else "reload_failed", {"problems": problems})
        return problems
