"""Links between nodes without a time of their own, under ML Metadata's names."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Association", "Attribution", "ParentContext"]


@dataclass(frozen=True, order=True)
class Attribution:
    """An artifact lies in a context; ids of both."""

    context_id: int
    artifact_id: int


@dataclass(frozen=True, order=True)
class Association:
    """An execution lies in a context; ids of both."""

    context_id: int
    execution_id: int


@dataclass(frozen=True, order=True)
class ParentContext:
    """A context lies below another; ids of both."""

    child_id: int
    parent_id: int
