"""What a server serves: models, where their versions lie, which of them are kept, and what labels point at.

The words are TensorFlow Serving's (``model_config_list``). A configuration is checked as a whole: all problems at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trueline._core.errors import ConfigError

__all__ = ["AllVersions", "Latest", "ModelConfig", "ServerConfig", "Specific", "VersionPolicy"]

LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True)
class Latest:
    """The versions with the largest numbers.

    Attributes:
        num_versions: how many.
    """

    num_versions: int = 1

    def wanted(self, available: Sequence[int]) -> list[int]:
        """Those of `available` that are to be served, the largest first."""
        return sorted(available, reverse=True)[: self.num_versions]

    def problems(self) -> list[str]:
        """What is wrong with the policy itself."""
        return [] if self.num_versions > 0 else [f"num_versions: expected 1 or more, got {self.num_versions}"]


@dataclass(frozen=True)
class AllVersions:
    """Every version that is there."""

    def wanted(self, available: Sequence[int]) -> list[int]:
        """Those of `available` that are to be served, the largest first."""
        return sorted(available, reverse=True)

    def problems(self) -> list[str]:
        """What is wrong with the policy itself."""
        return []


@dataclass(frozen=True)
class Specific:
    """Named versions.

    Attributes:
        versions: their numbers.
    """

    versions: tuple[int, ...]

    def wanted(self, available: Sequence[int]) -> list[int]:
        """Those of `available` that are to be served, the largest first."""
        return sorted(set(available) & set(self.versions), reverse=True)

    def problems(self) -> list[str]:
        """What is wrong with the policy itself."""
        wrong = [v for v in self.versions if not 0 <= v <= LARGEST_VERSION]
        found = [f"version {v}: expected a whole number from 0 to 2^63-1" for v in wrong]
        return found if self.versions else ["specific: expected at least one version"]


VersionPolicy = Latest | AllVersions | Specific


@dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
        name: its name in addresses.
        base: the folder (or URL of an object store) whose integer-named children are versions.
        policy: which versions are served.
        labels: version number by label, such as ``{"stable": 3, "canary": 4}``.
        resource_preserving: unload the old version before the new one is loaded: half the memory, and a gap in which
            no version answers; by default the new one is loaded first.
    """

    name: str
    base: str
    policy: VersionPolicy = Latest()
    labels: Mapping[str, int] = field(default_factory=dict)
    resource_preserving: bool = False

    def problems(self) -> list[str]:
        """What is wrong, each with the model's name."""
        found = []
        if not self.name or set(self.name) & set("/:"):
            found.append(f"model name {self.name!r}: expected text without '/' and ':'")
        if not self.base:
            found.append(f"model {self.name!r}: expected a base path")
        found += [f"model {self.name!r}: {problem}" for problem in self.policy.problems()]
        for label, number in self.labels.items():
            if not label or set(label) & set("/:"):
                found.append(f"model {self.name!r}: label {label!r}: expected text without '/' and ':'")
            if not 0 <= number <= LARGEST_VERSION:
                found.append(f"model {self.name!r}: label {label!r}: expected a version from 0 to 2^63-1, got {number}")
        return found


@dataclass(frozen=True)
class ServerConfig:
    """All models of a server.

    Raises:
        ConfigError: no model, two of one name, wrong names, bases, policies or labels; all problems at once.
    """

    models: tuple[ModelConfig, ...]

    def __post_init__(self) -> None:
        problems = [problem for model in self.models for problem in model.problems()]
        names = [model.name for model in self.models]
        problems += [f"two models are named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
        if not self.models:
            problems.append("expected at least one model")
        if problems:
            raise ConfigError("the models to serve are wrong", problems=problems)

    @classmethod
    def of(cls, bases: Mapping[str, str], policy: VersionPolicy = Latest()) -> ServerConfig:
        """Models given as base directory by name, all with one policy."""
        return cls(tuple(ModelConfig(name, base, policy) for name, base in bases.items()))

    @property
    def by_name(self) -> dict[str, ModelConfig]:
        """The models by name."""
        return {model.name: model for model in self.models}
