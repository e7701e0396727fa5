"""Feature paths: how a column, or a field inside struct columns, is named and written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["FeaturePath"]

_QUOTED = frozenset(".()'")


@dataclass(frozen=True, order=True)
class FeaturePath:
    """The steps from the row to a feature: one step for a plain column, more for fields of structs.

    `str()` writes it as tensorflow-metadata's `SERIALIZED_PATH`: steps joined by dots; a step that is empty or
    holds one of ``. ( ) '`` stands in single quotes with inner quotes doubled, unless it is parenthesised whole.
    Steps may be given as any sequence; a text alone is one step.
    """

    steps: tuple[str, ...]

    def __post_init__(self) -> None:
        steps: Any = self.steps
        if type(steps) is not tuple:
            object.__setattr__(self, "steps", (steps,) if isinstance(steps, str) else tuple(steps))

    @classmethod
    def of(cls, path: FeaturePath | str | Sequence[str]) -> FeaturePath:
        """A path from itself, a column name, or a sequence of steps."""
        if isinstance(path, FeaturePath):
            return path
        return cls((path,)) if isinstance(path, str) else cls(tuple(path))

    @classmethod
    def from_proto(cls, path: Any) -> FeaturePath:
        """A path from a tensorflow-metadata `Path`."""
        return cls(tuple(path.step))

    @property
    def parent(self) -> FeaturePath:
        """The path without its last step."""
        return FeaturePath(self.steps[:-1])

    @property
    def name(self) -> str:
        """The last step."""
        return self.steps[-1]

    def child(self, step: str) -> FeaturePath:
        """The path of a field inside this feature."""
        return FeaturePath((*self.steps, step))

    def starts_with(self, other: FeaturePath) -> bool:
        """Whether `other` is this path or one of its ancestors."""
        return self.steps[: len(other.steps)] == other.steps

    def __str__(self) -> str:
        return ".".join(_serialize(step) for step in self.steps)


def _serialize(step: str) -> str:
    if step and (not _QUOTED.intersection(step) or _is_parenthesised(step)):
        return step
    return "'" + step.replace("'", "''") + "'"


def _is_parenthesised(step: str) -> bool:
    inner = step[1:-1]
    return len(step) > 2 and step[0] == "(" and step[-1] == ")" and not set("()'").intersection(inner)
