"""`Suggest`: the trial that a function of a search space draws from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trueline._core.errors import ConfigError
from trueline.training.tuning.ranges import Categorical, Float, Int, Range, range_problems

__all__ = ["Suggest"]


class Suggest:
    """What ``def space(trial)`` is given: each call draws one parameter.

    Args:
        number: which trial it is, from 0.
        draw: draws a value of a range for a name.

    Attributes:
        params: what was drawn, by name.
        ranges: from what it was drawn.
    """

    def __init__(self, number: int, draw: Callable[[str, Range], Any]) -> None:
        self.number = number
        self.params: dict[str, Any] = {}
        self.ranges: dict[str, Range] = {}
        self._draw = draw

    def suggest(self, name: str, range_: Range) -> Any:
        """A value of a range; asked again under the same name, the same value.

        Raises:
            ConfigError: a range that holds nothing, or another range under a name that is taken.
        """
        if name in self.ranges:
            if self.ranges[name] != range_:
                raise ConfigError(
                    f"parameter {name!r} is drawn twice from different ranges: {self.ranges[name]} and {range_}"
                )
            return self.params[name]
        problems = range_problems(range_)
        if problems:
            raise ConfigError("the search space cannot be searched",
                              problems=[f"parameter {name!r} {problem}" for problem in problems])  # fmt: skip
        self.ranges[name] = range_
        self.params[name] = self._draw(name, range_)
        return self.params[name]

    def suggest_float(
        self, name: str, low: float, high: float, *, log: bool = False, step: float | None = None
    ) -> float:
        """A real number, see `Float`."""
        return float(self.suggest(name, Float(low, high, log, step)))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False, step: int = 1) -> int:
        """A whole number, see `Int`."""
        return int(self.suggest(name, Int(low, high, log, step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of several values, see `Categorical`."""
        return self.suggest(name, Categorical(tuple(choices)))
