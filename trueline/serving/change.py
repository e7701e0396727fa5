"""A change of configuration: what differs, what must be loaded first, whether it may be, and what it does to the table.

`Plan` compares, `Change.prepare` loads unseen and checks, `Change.commit` is one moment without an await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.errors import Code, RequestError
from trueline.serving.model_versions import ModelVersions
from trueline.serving.options import ServerOptions
from trueline.serving.surroundings import BeforePublish, told
from trueline.serving.versions import Routes, Table, Version

__all__ = ["Change", "Done", "Plan"]


@dataclass(frozen=True)
class Plan:
    """What a configuration changes.

    Attributes:
        models: by name what serves the model afterwards; the unchanged ones too.
        configs: the new configuration of every model that is new or changed.
        fresh: models that are new, or whose versions must be loaded anew.
        leaving: what serves now and will not.
    """

    models: Mapping[str, ModelVersions]
    configs: Mapping[str, ModelConfig]
    fresh: tuple[ModelVersions, ...]
    leaving: tuple[ModelVersions, ...]

    @classmethod
    def of(
        cls, config: ServerConfig, now: Mapping[str, ModelVersions], make: Callable[[ModelConfig], ModelVersions]
    ) -> Plan:
        """Compares a configuration with what there is now.

        Raises:
            ConfigError: `make` refuses a model.
        """
        models: dict[str, ModelVersions] = {}
        configs: dict[str, ModelConfig] = {}
        fresh = []
        for model in config.models:
            old = now.get(model.name)
            if old is not None and _same_versions(old.config, model):
                models[model.name] = old
                if old.config != model:
                    configs[model.name] = model
            else:
                models[model.name] = make(model)
                configs[model.name] = model
                fresh.append(models[model.name])
        leaving = tuple(old for name, old in now.items() if models.get(name) is not old)
        return cls(models, configs, tuple(fresh), leaving)

    @property
    def touched(self) -> list[ModelVersions]:
        """What serves now and is changed or leaves, in one order for all plans."""
        changed = [self.models[name] for name in self.configs if self.models[name] not in self.fresh]
        return sorted([*changed, *self.leaving], key=lambda model: model.config.name)


def _same_versions(old: ModelConfig, new: ModelConfig) -> bool:
    """Whether versions that are loaded for one configuration serve for the other."""
    return replace(old, policy=new.policy, labels=new.labels, logging=new.logging, traffic=new.traffic,
                   resource_preserving=new.resource_preserving) == new  # fmt: skip


@dataclass
class Done:
    """What a committed change leaves to do.

    Attributes:
        routes: the routes of the models that changed.
        drained: the versions that leave.
        came: the facts of versions that are available now.
    """

    routes: dict[str, Routes] = field(default_factory=dict)
    drained: list[tuple[ModelVersions, list[Version]]] = field(default_factory=list)
    came: list[Mapping[str, Any]] = field(default_factory=list)


class Change:
    """One plan being carried out.

    Args:
        plan: what changes; its `touched` models are locked by the caller.
        table: the routes now.
        options: the server's settings.
    """

    def __init__(self, plan: Plan, table: Table, options: ServerOptions) -> None:
        self._plan = plan
        self._table = table
        self._options = options
        self._labels: dict[str, dict[str, int]] = {}

    async def prepare(self, before_publish: BeforePublish | None) -> None:
        """Loads what is new, unseen by requests, and checks labels.

        Raises:
            RequestError: with all problems.
        """
        plan = self._plan
        async with asyncio.TaskGroup() as group:
            tasks = {n: group.create_task(plan.models[n].stage(config)) for n, config in plan.configs.items()}
        silent = {n: t.result() for n, t in tasks.items() if t.result() and plan.models[n] in plan.fresh}
        if silent:
            problems = [f"model {name!r}: {why}" for name, why in silent.items()]
            message = f"{len(silent)} of the models did not become available; nothing was changed"
            raise RequestError(Code.UNKNOWN, message, problems=problems)
        self._check_labels()
        if before_publish is not None:
            await self._ask(before_publish)

    async def _ask(self, before_publish: BeforePublish) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for name in self._plan.configs:
                    for number in self._plan.models[name].staged:
                        group.create_task(_awaited(before_publish, name, number))
        except ExceptionGroup as errors:
            problems = list(dict.fromkeys(told(error) for error in errors.exceptions))
            message = "versions that are loaded may not be made available; nothing was changed"
            raise RequestError(Code.UNKNOWN, message, problems=problems) from errors

    def _check_labels(self) -> None:
        problems = []
        for name, config in self._plan.configs.items():
            after = self._plan.models[name].served_after()
            in_use = self._table[name].labels if name in self._table else {}
            self._labels[name] = {label: n for label, n in config.labels.items() if n in after}
            for label, number in config.labels.items():
                later = self._options.allow_version_labels_for_unavailable_models and label not in in_use
                if number not in after and not later:
                    there = ", ".join(map(str, sorted(after))) or "none"
                    problems.append(
                        f"model {name!r}: label {label!r} cannot be given to version {number}, which is not available "
                        f"(available: {there})"
                    )
        if problems:
            raise RequestError(
                Code.FAILED_PRECONDITION,
                "labels may only be given to available versions; nothing was changed",
                problems=problems,
                hint="load the version first; allow_version_labels_for_unavailable_models lets new labels wait.",
            )

    def commit(self) -> Done:
        """Puts the plan in force, without an await; the caller replaces the table by `routes`."""
        done = Done()
        for old in self._plan.leaving:
            done.drained.append((old, old.mark_leaving(sorted(old.available))))
        for name in self._plan.configs:
            model = self._plan.models[name]
            leaving, came = model.commit(self._labels[name])
            done.drained.append((model, leaving))
            done.came += came
            done.routes[name] = model.routes()
        return done

    async def rollback(self) -> None:
        """Everything as it was before `prepare`."""
        for name in self._plan.configs:
            await self._plan.models[name].rollback()


async def _awaited(hook: BeforePublish, name: str, number: int) -> None:
    await hook(name, number)
