"""What a server serves: models, where their versions lie, which of them are kept, and what labels point at.

The words are TensorFlow Serving's (``model_config_list``). A configuration is checked as a whole: all problems at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from trueline._core.errors import ConfigError
from trueline.serving.traffic import Shadow, Traffic

__all__ = [
    "AllVersions",
    "BatchSettings",
    "Latest",
    "ModelConfig",
    "RequestLogging",
    "ServerConfig",
    "Shadow",
    "Specific",
    "Traffic",
    "VersionPolicy",
]

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
class BatchSettings:
    """How requests to one model are put together.

    Attributes:
        max_batch_rows: rows of one run at most, unless a single request has more; 1 puts nothing together.
        max_queue_rows: rows that may wait; beyond it requests are refused.
        timeout_micros: microseconds that an idle model waits for more rows before it runs fewer than `max_batch_rows`.
        allowed_batch_sizes: growing numbers of rows; a run has exactly one of them: it is filled up with copies of its
            first row, and one of more rows than the last is cut into pieces. None: any number of rows.
        split_large: whether a request of more rows than `max_batch_rows` is cut into pieces too; else it runs whole.
    """

    max_batch_rows: int = 512
    max_queue_rows: int = 32_768
    timeout_micros: int = 0
    allowed_batch_sizes: tuple[int, ...] = ()
    split_large: bool = False

    def problems(self) -> list[str]:
        """What is wrong with the settings."""
        found = []
        for name, least in (("max_batch_rows", 1), ("max_queue_rows", 1), ("timeout_micros", 0)):
            if getattr(self, name) < least:
                found.append(f"{name}: expected {least} or more, got {getattr(self, name)}")
        sizes = self.allowed_batch_sizes
        if any(b <= a for a, b in pairwise((0, *sizes))):
            found.append(f"allowed_batch_sizes: expected growing numbers of 1 or more, got {list(sizes)}")
        elif sizes and sizes[-1] != self.max_batch_rows:
            found.append(
                f"allowed_batch_sizes: expected the last to equal the largest batch, {self.max_batch_rows}, "
                f"got {list(sizes)}"
            )
        return found


@dataclass(frozen=True)
class RequestLogging:
    """Which of a model's requests are logged, TensorFlow Serving's ``logging_config``.

    Attributes:
        sampling_rate: the share of requests, from 0 to 1.
        filename_prefix: where to, or "" for the server's own place.
    """

    sampling_rate: float
    filename_prefix: str = ""

    def problems(self) -> list[str]:
        """What is wrong with the settings."""
        good = 0 <= self.sampling_rate <= 1  # a NaN is not
        return [] if good else [f"sampling_rate: expected a number from 0 to 1, got {self.sampling_rate}"]


@dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
        name: its name in addresses.
        base: the folder or the URL of an object store whose integer-named children are versions, or what a source of
            another kind goes by, such as ``pipeline:churn``.
        policy: which versions are served.
        labels: version number by label, such as ``{"stable": 3, "canary": 4}``.
        resource_preserving: unload the old version before the new one is loaded: half the memory, and a gap in which
            no version answers; by default the new one is loaded first.
        traffic: how requests that name no version are shared out among versions, or None.
    """

    name: str
    base: str
    policy: VersionPolicy = Latest()
    labels: Mapping[str, int] = field(default_factory=dict)
    resource_preserving: bool = False
    batching: BatchSettings | None = None
    logging: RequestLogging | None = None
    traffic: Traffic | None = None

    def problems(self) -> list[str]:
        """What is wrong, each with the model's name."""
        return [f"model {self.name!r}: {problem}" for _, problem in self.checked()]

    def checked(self) -> list[tuple[str, str]]:
        """What is wrong, each with the field that it is about."""
        found = []
        if not self.name or set(self.name) & set("/:"):
            found.append(("name", f"model name {self.name!r}: expected text without '/' and ':'"))
        if not self.base:
            found.append(("base", "expected a base path"))
        for field_name in ("policy", "batching", "logging"):
            part = getattr(self, field_name)
            found += [(field_name, problem) for problem in (part.problems() if part is not None else ())]
        if self.traffic is not None:
            found += [("traffic", problem) for problem in self.traffic.problems(self.labels)]
        for label, number in self.labels.items():
            if not label or set(label) & set("/:"):
                found.append(("labels", f"label {label!r}: expected text without '/' and ':'"))
            if not 0 <= number <= LARGEST_VERSION:
                found.append(("labels", f"label {label!r}: expected a version from 0 to 2^63-1, got {number}"))
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

    @cached_property
    def by_name(self) -> dict[str, ModelConfig]:
        """The models by name."""
        return {model.name: model for model in self.models}
