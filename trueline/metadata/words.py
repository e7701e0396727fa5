"""Names of properties that the registry and the garbage collection go by, and who is at work."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

from trueline.metadata.records import Artifact

__all__ = [
    "CHAMPION",
    "CUSTOM",
    "EXTERNAL",
    "FINGERPRINT",
    "GATE",
    "SAMPLE",
    "current_user",
    "fingerprint_of",
    "is_external",
    "is_sampled",
    "unwrapped",
]

CUSTOM = True
"""``is_custom_property`` of a row, as every database takes it: a number here, a boolean there."""
FINGERPRINT = "__fingerprint__"
GATE = "__gate__"
EXTERNAL = "is_external"
SAMPLE = "sample"
CHAMPION = "champion"
"""The alias of the release that is in production."""
_VALUE = "__value__"


def fingerprint_of(artifact: Artifact) -> str | None:
    """The fingerprint that the artifact was published with; None for one of another program."""
    found = artifact.custom_properties.get(FINGERPRINT)
    return found if isinstance(found, str) else None


def is_external(artifact: Artifact) -> bool:
    """Whether an `Importer` brought it in: its files are the user's own."""
    return artifact.custom_properties.get(EXTERNAL) in (1, True)


def is_sampled(artifact: Artifact) -> bool:
    """Whether a sampled run made it."""
    return bool(artifact.custom_properties.get(SAMPLE))


def unwrapped(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Custom properties as an executor set them: lists come out of the struct that holds them."""
    return {
        name: value[_VALUE] if isinstance(value, Mapping) and set(value) == {_VALUE} else value
        for name, value in properties.items()
    }


def current_user() -> str:
    """The name of the user at work, for the record; ``unknown`` where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return os.environ.get("USER") or "unknown"
