"""When to stop: a value that has not become better for a while. No framework is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from trueline._core.errors import ConfigError

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Says when a value has stopped becoming better.

    ``if stopping(loss): break``; ``stopping.improved`` says whether this value was the best so far, which is when a
    model is worth keeping. NaN is never better.

    Args:
        patience: how many values in a row may be no better before it says stop.
        min_delta: by how much a value must be better than the best one to count.
        mode: ``min``: smaller is better, as for a loss; ``max``: larger is.

    Attributes:
        best: the best value; None before the first.
        best_step: when it was; counted from 0 where no step is said.
        improved: whether the last value was the best.

    Raises:
        ConfigError: numbers that cannot be, or another mode.
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0, mode: Literal["min", "max"] = "min") -> None:
        problems = []
        if patience < 1:
            problems.append(f"patience={patience}: give at least one")
        if not min_delta >= 0 or math.isinf(min_delta):
            problems.append(f"min_delta={min_delta}: give a number of at least zero")
        if mode not in ("min", "max"):
            problems.append(f"mode={mode!r}: give min or max")
        if problems:
            raise ConfigError("this early stopping cannot be", problems=problems)
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best: float | None = None
        self.best_step: int | None = None
        self.improved = False
        self._seen = self._worse = 0

    def __call__(self, value: float, step: int | None = None) -> bool:
        """Takes in a value; True: stop."""
        value = float(value)
        better = value - self.min_delta > (self.best if self.best is not None else -math.inf)
        if self.mode == "min":
            better = value + self.min_delta < (self.best if self.best is not None else math.inf)
        self.improved = better
        if better:
            self.best, self.best_step, self._worse = value, self._seen if step is None else step, 0
        else:
            self._worse += 1
        self._seen += 1
        return self._worse >= self.patience

    def state(self) -> dict[str, Any]:
        """What it has seen, as JSON, for a checkpoint."""
        return {"best": self.best, "best_step": self.best_step, "seen": self._seen, "worse": self._worse}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken."""
        self.best, self.best_step = state["best"], state["best_step"]
        self._seen, self._worse = int(state["seen"]), int(state["worse"])
