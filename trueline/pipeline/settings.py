"""How a node is carried out: retries, time-out, resources, environment, when it may start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from trueline._core.errors import did_you_mean
from trueline.pipeline.placeholders import Placeholder

__all__ = ["Isolation", "NodeSettings", "Resources", "Trigger", "check_settings"]

Isolation = Literal["thread", "process", "main"]
Trigger = Literal["all_success", "all_done", "any_success", "any_failed"]


@dataclass(frozen=True)
class Resources:
    """What a node asks for. On this machine `cpu` counts against the cores; all of it is told to a cluster.

    Args:
        cpu: cores.
        memory: bytes, or text with a unit such as ``4Gi``.
        gpu: devices.
    """

    cpu: float = 1.0
    memory: str | int | None = None
    gpu: int = 0


@dataclass(frozen=True)
class NodeSettings:
    """Settings of one node.

    Attributes:
        retries: how often a failed attempt is repeated. A closed gate and a wrong configuration are never repeated.
        backoff: seconds before the first repetition; each further one waits `backoff_factor` times as long, at most
            `backoff_max`.
        timeout: seconds that one attempt may take; the node then has a process of its own, which is ended.
        resources: what it asks for.
        environment: environment variables of the node's own process; values may be `Secret`.
        trigger: ``all_success``: all nodes before it succeeded (an omitted one does not stand in the way);
            ``all_done``: all have ended, however; ``any_success``: at least one succeeded; ``any_failed``: at least
            one failed.
        isolation: ``thread``, ``process`` (of its own) or ``main`` (the thread that runs the pipeline); the run's by
            default.
        cache: whether an unchanged node may come from the cache; the pipeline's setting by default.
    """

    retries: int = 0
    backoff: float = 1.0
    backoff_factor: float = 2.0
    backoff_max: float = 300.0
    timeout: float | None = None
    resources: Resources = field(default_factory=Resources)
    environment: Mapping[str, Any] = field(default_factory=dict)
    trigger: Trigger = "all_success"
    isolation: Isolation | None = None
    cache: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that plans stay readable."""
        plain = NodeSettings()
        return {
            name: asdict(value) if isinstance(value, Resources) else value
            for name, value in vars(self).items()
            if value != getattr(plain, name)
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NodeSettings:
        """The settings that `to_json` described."""
        values = dict(data)
        if "resources" in values:
            values["resources"] = Resources(**values["resources"])
        return cls(**values)

    def wait_before(self, attempt: int) -> float:
        """Seconds before the attempt of that number (2 is the first repetition)."""
        return min(self.backoff * self.backoff_factor ** max(attempt - 2, 0), self.backoff_max)

    @property
    def own_process(self) -> bool:
        """Whether the node needs a process of its own: only that can be ended, or have an environment."""
        return self.timeout is not None or bool(self.environment)


def check_settings(settings: NodeSettings, note: Callable[[str], None]) -> None:
    """Notes every setting that cannot be."""
    numbers = (("retries", 0), ("backoff", 0), ("backoff_factor", 1), ("backoff_max", 0))
    for name, least in numbers:
        value = getattr(settings, name)
        kinds = int if name == "retries" else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value) or value < least:
            note(f"has {name}={value!r}; a {'whole ' if name == 'retries' else ''}number from {least} on is needed")
    if settings.timeout is not None and not (isinstance(settings.timeout, int | float) and settings.timeout > 0):
        note(f"has timeout={settings.timeout!r}; seconds above 0 are needed")
    for name, allowed in (("trigger", get_args(Trigger)), ("isolation", (None, *get_args(Isolation)))):
        value = getattr(settings, name)
        if value not in allowed:
            note(f"has {name}={value!r}. {did_you_mean(str(value), [a for a in allowed if a])}")
    if settings.own_process and settings.isolation in ("thread", "main"):
        note("with a time-out or an environment needs a process of its own: leave isolation out, or say 'process'")
    for name, value in settings.environment.items():
        if not isinstance(value, str | Placeholder):
            note(f"has the environment variable {name}={value!r}; text or Secret(...) is needed")
    if settings.resources.cpu <= 0 or settings.resources.gpu < 0:
        note(f"asks for {settings.resources}, which no machine has")
