"""Models and their versions, from where they lie to the routing table: new versions beside old ones, or not at all.

A version that fails to load changes nothing: the older ones go on answering, and the failure stays visible. The same
holds for a configuration (`ModelManager.apply`): it is in force as a whole, by one assignment, or nothing of it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from trueline._core.errors import did_you_mean
from trueline.serving.change import Change, Plan
from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.errors import Code, RequestError
from trueline.serving.loader import Loader, ObserveBatch
from trueline.serving.model_versions import ModelVersions
from trueline.serving.options import ServerOptions
from trueline.serving.sources import Plugs, Source, source_of
from trueline.serving.surroundings import BeforePublish, Event, Surroundings, told
from trueline.serving.versions import EMPTY_TABLE, State, Table, Version

__all__ = ["ModelManager"]

_LOG = logging.getLogger("trueline.serving")
_GONE_KEPT = 100


class ModelManager:
    """All models of a server.

    Args:
        config: the models.
        options: the server's settings.
        on_event: told what happens: ``available``, ``load_failed``, ``unloaded``, ``scan_failed``, ``no_version``
            (nothing answers for a model, and why), ``version_missing`` (a version that is served by number is not
            there), ``configured`` and ``configuration_failed``.
        observe_batch: gives, for model and version, what is told of each run.
        plugs: further kinds of sources.

    Attributes:
        config: what is in force.
        table: what every request reads; replaced as a whole.
        tracked: by model every version that is known of, those of models that are gone too.
        before_publish: awaited with model and version when a version is loaded and warmed up, before the first request
            can reach it; what it raises fails the load. None by default. Several processes meet here.
        before_commit: awaited when a new configuration is ready to be in force; what it raises refuses it.
    """

    def __init__(
        self,
        config: ServerConfig,
        options: ServerOptions,
        on_event: Event = lambda name, facts: None,
        observe_batch: ObserveBatch = lambda model, version: lambda *run: None,
        plugs: Plugs = MappingProxyType({}),
    ) -> None:
        self.config = config
        self.table: Table = EMPTY_TABLE
        self._options = options
        self._on_event = on_event
        self._plugs = plugs
        self._loader = Loader(options, observe_batch)
        self._around = Surroundings(options, self._loader, on_event, self._publish)
        self._models = {m.name: ModelVersions(m, self._source(m), self._around) for m in config.models}
        self.tracked: dict[str, dict[int, Version]] = {n: m.tracked for n, m in self._models.items()}
        self._watchers: dict[ModelVersions, asyncio.Task[None]] = {}
        self._old: list[ModelVersions] = []
        self._begun: set[str] = set()
        self._applying = asyncio.Lock()
        self._applies: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.before_commit: Callable[[], Awaitable[None]] | None = None

    @property
    def before_publish(self) -> BeforePublish | None:
        """See the class."""
        return self._around.before_publish

    @before_publish.setter
    def before_publish(self, hook: BeforePublish | None) -> None:
        self._around.before_publish = hook

    def _source(self, model: ModelConfig) -> Source:
        return source_of(model.base, self._plugs)

    @property
    def reported(self) -> Mapping[str, Mapping[int, Version]]:
        """What GetModelStatus tells: by model the versions that are known of."""
        return self.tracked

    @property
    def scan_errors(self) -> Mapping[str, str]:
        """By model, why the last look at its source failed."""
        return {name: model.error for name, model in self._models.items() if model.error}

    @property
    def ready(self) -> bool:
        """Whether every model has an available version, and at first all that its traffic is split among."""
        return all(self._is_ready(name) for name in self.config.by_name)

    def _is_ready(self, name: str) -> bool:
        """The newest version is loaded first: alone it must not get what belongs to the others."""
        routes = self.table.get(name)
        if routes is None or routes.default is None:
            return False
        if name not in self._begun:
            missing = routes.router.missing if routes.router is not None else ()
            coming = (self.tracked[name][n].state for n in missing if n in self.tracked[name])
            if any(state in (State.START, State.LOADING) for state in coming):
                return False
            self._begun.add(name)
        return True

    def silence(self, name: str) -> str:
        """Why a model has no version that answers; "" when it has one, or is not looked for yet."""
        model = self._models.get(name)
        return model.silent if model is not None else ""

    # Start, look, stop

    def start(self) -> None:
        """Begins to watch; returns at once. Call it on the event loop."""
        for model in self._models.values():
            self._watch(model, look_now=True)

    def _watch(self, model: ModelVersions, *, look_now: bool) -> None:
        if self._options.poll_seconds > 0 or (look_now and self._options.poll_seconds == 0):
            self._watchers[model] = asyncio.ensure_future(self._looks(model, look_now))

    async def _looks(self, model: ModelVersions, look_now: bool) -> None:
        while True:
            if look_now:
                try:
                    await model.refresh()
                except Exception as error:  # a look that fails is no reason to stop looking
                    _LOG.exception("looking for versions of %s failed", model.config.name)
                    model.scan_failed(told(error))
            look_now = True
            if not self._options.poll_seconds:
                return
            await asyncio.sleep(self._options.poll_seconds)

    async def refresh(self, name: str) -> None:
        """One look at a model's source: loads what is new, retires what is old.

        Raises:
            RequestError: NOT_FOUND, no such model.
        """
        if name not in self._models:
            raise RequestError(Code.NOT_FOUND, f"no model {name!r}", hint=did_you_mean(name, self._models))
        await self._models[name].refresh()

    async def stop(self) -> None:
        """Stops watching and drops every version after its last request."""
        self._stopped = True
        pending = [*self._watchers.values(), *self._applies]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self.table = EMPTY_TABLE
        for model in self._models.values():
            model.drain(model.mark_leaving(sorted(model.available)), silently=True)
        await asyncio.gather(*(model.gone() for model in [*self._models.values(), *self._old]))
        self._loader.close()

    def _publish(self, model: ModelVersions) -> None:
        if not self._stopped and self._models.get(model.config.name) is model:
            self.table = MappingProxyType({**self.table, model.config.name: model.routes()})

    # A new configuration

    async def apply(self, config: ServerConfig) -> None:
        """Puts a configuration in force as a whole: checks it, loads what is new, replaces the table by one assignment.

        A model that is new, or whose base or batching changed, must have an available version by then; labels must
        point at versions that are available by then (`allow_version_labels_for_unavailable_models` lets a label that
        is not in use point at one that comes later). Models that go are drained and freed after this returns. Until
        then everything answers as before, and after an error or a cancellation everything is as it was. Two calls at
        once run one after the other.

        Raises:
            ConfigError: a kind of source that is not known here.
            RequestError: UNKNOWN, a new model did not become available; FAILED_PRECONDITION, a label of a version that
                is not available; UNAVAILABLE, the server is stopping. All problems at once.
        """
        task = asyncio.current_task()
        assert task is not None
        self._applies.add(task)
        try:
            async with self._applying:
                await self._apply(config)
        except Exception as error:
            self._on_event("configuration_failed", {"error": told(error)})
            raise
        finally:
            self._applies.discard(task)
        self._on_event("configured", {"models": sorted(config.by_name)})

    async def _apply(self, config: ServerConfig) -> None:
        if self._stopped:
            raise RequestError(Code.UNAVAILABLE, "the server is stopping")
        plan = Plan.of(config, self._models, lambda model: ModelVersions(model, self._source(model), self._around))
        async with contextlib.AsyncExitStack() as locks:
            for old in plan.touched:
                await locks.enter_async_context(old.lock)
            change = Change(plan, self.table, self._options)
            try:
                await change.prepare(self._around.before_publish)
                if self.before_commit is not None:
                    await self.before_commit()
            except BaseException:
                await asyncio.shield(change.rollback())
                raise
            self._commit(config, plan, change)

    def _commit(self, config: ServerConfig, plan: Plan, change: Change) -> None:
        """No await in here: requests see the old state or the new one."""
        done = change.commit()
        self._models = {model.name: plan.models[model.name] for model in config.models}
        gone = [model.config.name for model in plan.leaving if model.config.name not in self._models]
        kept = [name for name in self.tracked if name not in self._models][-_GONE_KEPT:]
        past = {name: self.tracked[name] for name in [*kept, *gone]}
        self.tracked = {**past, **{name: model.tracked for name, model in self._models.items()}}
        self.config = config
        self.table = MappingProxyType(
            {**{n: r for n, r in self.table.items() if n in self._models}, **done.routes},
        )
        for model, versions in done.drained:
            model.drain(versions)
        self._old = [model for model in [*self._old, *plan.leaving] if model.leaving]
        for model in plan.leaving:
            if (watcher := self._watchers.pop(model, None)) is not None:
                watcher.cancel()
        for model in plan.fresh:
            self._watch(model, look_now=False)
        for facts in done.came:
            self._on_event("available", facts)
