"""Where a pushed version goes beyond its folder: services that serve it, registries that list it.

A target is a record of settings with three steps: `problems` (what is wrong with them, all at once), `check` (asks the
service, before anything is pushed, whether it would take the version) and `push`. Credentials come from the
environment alone and are no part of settings, artifacts or errors. What a target made is named after the version, so
that a push which failed halfway goes on where it stopped when it is run again.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Protocol

from trueline._core.errors import ArtifactError, ConfigError, TruelineError, did_you_mean

__all__ = ["TARGETS", "PushTarget", "Version", "push_to_target", "ready_target", "target_of", "target_params"]

TARGETS: Mapping[str, str] = {
    "kserve": "trueline.components.push_kserve:KServe",
    "vertex": "trueline.components.push_vertex:VertexEndpoint",
    "sagemaker": "trueline.components.push_sagemaker:SageMakerEndpoint",
    "mlflow": "trueline.components.push_mlflow:MlflowRegistry",
}
"""Where each kind of target lives; it is imported when it is used."""


@dataclass(frozen=True)
class Version:
    """A version that stands at the push destination.

    Attributes:
        uri: its folder.
        number: its number.
        fingerprint: of the model.
        done: what the target did so far, a sentence each; told when a later step fails.
    """

    uri: str
    number: int
    fingerprint: str
    done: list[str] = field(default_factory=list, compare=False)


class PushTarget(Protocol):
    """A service or registry."""

    KIND: ClassVar[str]

    def problems(self, destination: str) -> list[str]:
        """What is wrong with the settings, given where versions are pushed."""

    def check(self, environment: Mapping[str, str]) -> None:
        """Asks the service whether it would take a version.

        Raises:
            ConfigError: variables that are missing or wrong, all at once.
            ArtifactError: the service refuses or cannot be reached.
        """

    def push(self, version: Version, environment: Mapping[str, str]) -> dict[str, Any]:
        """Serves or lists the version; facts for the artifact.

        Raises:
            ArtifactError: the service refused.
        """


def target_params(target: PushTarget, destination: str) -> dict[str, Any]:
    """A target as parameters of a node.

    Raises:
        ConfigError: all that is wrong with it.
    """
    problems = target.problems(destination)
    if problems:
        raise ConfigError(f"the target {target.KIND!r} of the Pusher is wrong", problems=problems)
    return {"kind": target.KIND, **asdict(target)}  # type: ignore[call-overload]


def target_of(params: Mapping[str, Any]) -> PushTarget:
    """The target that parameters describe.

    Raises:
        ConfigError: a kind or setting that does not exist.
    """
    given = dict(params)
    kind = str(given.pop("kind", ""))
    if kind not in TARGETS:
        raise ConfigError(f"there is no push target {kind!r}", hint=did_you_mean(kind, TARGETS))
    module, _, name = TARGETS[kind].partition(":")
    cls = getattr(importlib.import_module(module), name)
    known = {f.name for f in fields(cls)}
    strange = [f"{n!r}: {did_you_mean(n, known)}" for n in given if n not in known]
    if strange:
        raise ConfigError(f"the push target {kind!r} has no such settings", problems=strange)
    made: PushTarget = cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in given.items()})
    return made


def ready_target(params: Mapping[str, Any], destination: str) -> PushTarget:
    """The target, after it said that it would take a version.

    Raises:
        ConfigError: settings or variables that are wrong.
        ArtifactError: the service refuses or cannot be reached.
    """
    target = target_of(params)
    target_params(target, destination)
    try:
        target.check(os.environ)
    except ConfigError:
        raise
    except TruelineError as error:
        raise ArtifactError(f"nothing was pushed: {error}") from None
    return target


def push_to_target(target: PushTarget, version: Version) -> dict[str, Any]:
    """Serves or lists a version that stands at the destination.

    Raises:
        ArtifactError: what failed, and what was done before it.
    """
    version.done.append(f"version {version.number} stands at {version.uri}")
    try:
        facts = target.push(version, os.environ)
    except TruelineError as error:
        raise ArtifactError(
            f"the push to {target.KIND} is not complete: {error}",
            problems=[f"done: {step}" for step in version.done],
            hint="run it again: what is done is found and not done twice.",
        ) from None
    return {"kind": target.KIND, **facts}
