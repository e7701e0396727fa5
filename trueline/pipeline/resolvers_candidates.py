"""What a resolver chooses among: artifacts with their span, version and properties, read in one way everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trueline.metadata.records import Artifact

__all__ = ["Candidate", "number_of", "property_of", "span_of", "value_of"]

_VALUE = "__value__"
_LIVES_TWICE = ("span", "version")


@dataclass(frozen=True)
class Candidate:
    """An artifact that a resolver may choose.

    Attributes:
        artifact: as it is stored.
        run_id: the run that put it out, or None where nobody noted one.
        span, version: whole numbers, or None where the artifact has none.
    """

    artifact: Artifact
    run_id: str | None = None
    span: int | None = None
    version: int = 0

    @classmethod
    def of(cls, artifact: Artifact, run_id: str | None = None) -> Candidate:
        """The candidate with its span and version read from the properties."""
        return cls(artifact, run_id, span_of(artifact), number_of(artifact, "version") or 0)


def span_of(artifact: Artifact) -> int | None:
    """The artifact's span, None where it has none."""
    return number_of(artifact, "span")


def number_of(artifact: Artifact, name: str) -> int | None:
    """A property as a whole number; text of digits counts, as other programs keep spans so."""
    value = property_of(artifact, name)
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.removeprefix("-").isdigit() else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def property_of(artifact: Artifact, name: str) -> Any:
    """A property by name, declared or custom; None where there is none.

    A declared one goes first, but for span and version: TFX keeps the true span as a custom property beside a
    declared one that stays 0.
    """
    declared, custom = artifact.properties.get(name), artifact.custom_properties.get(name)
    order = (custom, declared) if name in _LIVES_TWICE else (declared, custom)
    return value_of(next((value for value in order if value is not None), None))


def value_of(value: Any) -> Any:
    """A stored value as it was given: lists and objects are wrapped in the store."""
    return value[_VALUE] if isinstance(value, dict) and set(value) == {_VALUE} else value
