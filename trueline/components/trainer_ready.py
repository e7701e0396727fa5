"""Trainers that need no run_fn: one classmethod a kind of model."""

from __future__ import annotations

__all__ = ["ReadyTrainers"]


class ReadyTrainers:
    """What `Trainer` inherits from it: a classmethod for every ready run_fn."""
