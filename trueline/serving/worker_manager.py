"""The models of one worker: it looks for nothing by itself, and shows nothing new before all workers can.

The supervisor tells what a model's source has (`Told`). A version that is loaded stops at the gate until the supervisor
opens it for all workers in one moment; so does a configuration. Whoever asks this worker to look again, or for a new
configuration, is answered by the supervisor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueline._core.errors import ServingError
from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.errors import Code, RequestError
from trueline.serving.loader import ObserveBatch
from trueline.serving.manager import ModelManager
from trueline.serving.model_versions import ModelVersions
from trueline.serving.options import ServerOptions
from trueline.serving.scan import Candidate
from trueline.serving.sources import Plugs, Source
from trueline.serving.surroundings import Event
from trueline.serving.versions import State, Version
from trueline.serving.worker_control import Message, Told, config_to_json

__all__ = ["WorkerManager"]

_ALWAYS = 2**31
Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class _ToldSource:
    """What the supervisor said last of one model."""

    key: tuple[str, str]
    told: Mapping[tuple[str, str], Told]

    def scan(self) -> Mapping[int, Candidate]:
        """See `Source`."""
        entry = self.told.get(self.key, Told())
        if entry.error:
            raise ServingError(entry.error)
        return entry.candidates


class WorkerManager(ModelManager):
    """A `ModelManager` that follows a supervisor.

    Args:
        send: takes a message for the supervisor.
        ask: sends the supervisor a question and gives its answer.
        config: the models.
        options: the server's settings.
        on_event: told what happens.
        observe_batch: gives, for model and version, what is told of each run.
        plugs: of no use here: the supervisor looks for versions.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        ask: Ask,
        config: ServerConfig,
        options: ServerOptions,
        on_event: Event,
        observe_batch: ObserveBatch,
        plugs: Plugs,
    ) -> None:
        self._told: dict[tuple[str, str], Told] = {}
        self._send = send
        self._ask = ask
        self._rounds: dict[str, int] = {}
        self._gates: dict[int, asyncio.Future[None]] = {}
        self._view: dict[str, dict[int, Version]] = {}
        # Which failures are tried again is the supervisor's decision, for all workers alike.
        own = replace(options, retry_seconds=0.0, max_load_retries=_ALWAYS)
        super().__init__(config, own, on_event, observe_batch, plugs)
        self.before_publish = self._gate
        self.before_commit = self._gate_config
        self._configuring: int | None = None

    def _source(self, model: ModelConfig) -> Source:
        return _ToldSource((model.name, model.base), self._told)

    def start(self) -> None:
        """Nothing: the supervisor says when to look."""

    def _watch(self, model: ModelVersions, *, look_now: bool) -> None:
        return

    # For whoever asks this worker

    @property
    def reported(self) -> Mapping[str, Mapping[int, Version]]:
        """See `ModelManager`; the same in all workers."""
        return {**self.tracked, **self._view}

    async def refresh(self, name: str) -> None:
        """See `ModelManager`; all workers do it."""
        await self._ask("refresh", model=name)

    async def apply(self, config: ServerConfig) -> None:
        """See `ModelManager`; all workers do it, or none."""
        await self._ask("apply", config=config_to_json(config))

    # For the supervisor

    def show(self, view: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
        """Takes over what is reported: by model and version, state and error."""
        self._view = {
            model: {int(number): _version(int(number), *said) for number, said in versions.items()}
            for model, versions in view.items()
        }

    def states(self) -> dict[str, dict[int, tuple[str, str]]]:
        """What is known here: by model and version, state and error."""
        known = {name: self.tracked[name] for name in self.config.by_name if name in self.tracked}
        return {name: {n: (str(v.state), v.error) for n, v in tracked.items()} for name, tracked in known.items()}

    async def look(self, name: str, told: Told, number: int | None) -> None:
        """One look at what the supervisor saw.

        Args:
            name: the model.
            told: what its source has.
            number: the round whose gate a new version waits at; None lets it answer at once.
        """
        model = self.config.by_name.get(name)
        if model is None:
            return
        self._told[name, model.base] = told
        if number is not None:
            self._rounds[name] = number
        try:
            await super().refresh(name)
        finally:
            self._rounds.pop(name, None)

    async def configure(self, config: ServerConfig, told: Mapping[str, Told], number: int) -> None:
        """A configuration that waits at its gate.

        Raises:
            RequestError: as `ModelManager.apply`.
        """
        self._told.update({(name, config.by_name[name].base): entry for name, entry in told.items()})
        self._configuring = number
        try:
            await super().apply(config)
        finally:
            self._configuring = None

    def open_gate(self, number: int) -> None:
        """Lets through what waits in a round."""
        gate = self._gates.pop(number, None)
        if gate is not None and not gate.done():
            gate.set_result(None)

    def refuse(self, number: int, reason: str) -> None:
        """Turns away what waits in a round."""
        gate = self._gates.pop(number, None)
        if gate is not None and not gate.done():
            gate.set_exception(RequestError(Code.ABORTED, reason))

    async def _gate(self, name: str, version: int) -> None:
        number = self._rounds.get(name)
        if number is not None:
            await self._wait_at(number, {"say": "loaded", "round": number, "model": name, "version": version})

    async def _gate_config(self) -> None:
        number = self._configuring
        assert number is not None
        await self._wait_at(number, {"say": "prepared", "round": number})

    async def _wait_at(self, number: int, message: Message) -> None:
        gate = self._gates[number] = asyncio.get_running_loop().create_future()
        self._send(message)
        await gate


def _version(number: int, state: str, error: str) -> Version:
    made = Version(number, "", "")
    made.state, made.error = State(state), error
    return made
