"""Filters over nodes as a small tree: both languages (ML Metadata's text and Python's syntax) are read into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trueline._core.errors import MetadataError

__all__ = ["MAX_DEPTH", "MAX_TEXT", "Call", "Filter", "Literal", "Name", "Node", "names_in"]

MAX_TEXT = 200_000
MAX_DEPTH = 50
_SHOWN = 80


@dataclass(frozen=True)
class Literal:
    """A constant; None is SQL's NULL."""

    value: bool | int | float | str | None
    at: int


@dataclass(frozen=True)
class Name:
    """A path as written: ``("state",)``, ``("contexts_a", "name")``, ``("properties", "p", "int_value")``.

    The Python form knows ``("properties", "p")`` too, a property whose type is not said.
    """

    parts: tuple[str, ...]
    at: int


@dataclass(frozen=True)
class Call:
    """An operator or a function with its arguments; ``and`` and ``or`` take any number of them."""

    op: str
    args: tuple[Node, ...]
    at: int


Node = Literal | Name | Call


@dataclass(frozen=True)
class Filter:
    """A parsed filter.

    Attributes:
        text: what the user wrote.
        root: its tree; None lets every node through.
        python: whether it is in Python's syntax. There a node without a property or a state has an unknown one and may
            still match by something else; in ML Metadata's text such a node never matches.
    """

    text: str
    root: Node | None
    python: bool = False

    def error(self, at: int, problem: str, hint: str | None = None) -> MetadataError:
        """The refusal of what stands at an offset, with the place as it is counted by people."""
        shown = self.text if len(self.text) <= _SHOWN else self.text[: _SHOWN - 3] + "..."
        return MetadataError(
            f"{problem} (at character {at + 1})", where=f"filter {shown!r}", hint=hint, code="INVALID_ARGUMENT"
        )


def names_in(node: Node) -> Iterator[Name]:
    """All names below a node, from left to right."""
    if isinstance(node, Name):
        yield node
    elif isinstance(node, Call):
        for arg in node.args:
            yield from names_in(arg)
