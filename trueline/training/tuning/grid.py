"""The points of a grid: every combination of a space's values, conditions kept."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

from trueline._core.errors import ConfigError
from trueline.training.tuning.ranges import Categorical, Float, Int, ListOf, Range, last_value
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.space import Space
from trueline.training.tuning.suggest import Suggest

__all__ = ["GRID_LIMIT", "Point", "grid_points", "grid_problems", "values_of"]

GRID_LIMIT = 10_000
"""Above so many points a grid is a mistake."""

Point = dict[str, Any]
"""Draws by name."""


def values_of(range_: Range) -> list[Any]:
    """The values that a grid takes of a range, in order, each once."""
    if isinstance(range_, Categorical):
        return list(range_.choices)
    if range_.points is not None:
        return _spread(range_, range_.points)
    step, last = range_.step, last_value(range_)
    assert step is not None, "grid_problems has asked for points"
    count = round((last - range_.low) / step) + 1
    return [min(range_.low + i * step, last) for i in range(count)]


def _spread(range_: Float | Int, points: int) -> list[Any]:
    """So many values from end to end, put on the range's steps where it has some."""
    last = last_value(range_)
    low, high = (math.log(range_.low), math.log(last)) if range_.log else (range_.low, last)
    shares = [i / (points - 1) if points > 1 else 0.5 for i in range(points)]
    places = [low + (high - low) * share for share in shares]
    values = [min(max(math.exp(p) if range_.log else p, range_.low), last) for p in places]
    if range_.step is not None:
        values = [min(range_.low + round((v - range_.low) / range_.step) * range_.step, last) for v in values]
    return list(dict.fromkeys(values))


def grid_problems(space: Any) -> list[str]:
    """What stands against walking a space as a grid, each one sentence."""
    if not isinstance(space, Space):
        return ["a grid needs a Space: a function of the trial decides as it draws, and cannot be enumerated"]
    found = []
    for name, value in space.ranges.items():
        item = value.item if isinstance(value, ListOf) else value
        if isinstance(item, Float) and item.step is None and item.points is None:
            found.append(f"a grid takes single values, and {name!r} is continuous: give it points=5, or a step")
    if not found and sum(1 for _ in islice(_walk(space), GRID_LIMIT + 1)) > GRID_LIMIT:
        found.append(f"the grid has more than {GRID_LIMIT:,} points: take fewer values, or the sampler 'random'")
    return found


def grid_points(space: Space, settings: SearchSettings) -> list[Point]:
    """The points in order; where `trials` is less than there are, a sample of them by the seed, in order.

    Raises:
        ConfigError: a space that is no grid.
    """
    problems = grid_problems(space)
    if problems:
        raise ConfigError("the search space cannot be walked as a grid", problems=problems)
    points = list(_walk(space))
    if settings.trials is None or settings.trials >= len(points):
        return points
    chosen = random.Random(settings.seed).sample(range(len(points)), settings.trials)  # noqa: S311
    return [points[i] for i in sorted(chosen)]


def _walk(space: Space) -> Iterator[Point]:
    """All points: each is found by drawing along a path of choices, the last choice turning fastest."""
    path: list[int] = []
    known: dict[str, list[Any]] = {}
    while True:
        sizes: list[int] = []

        def draw(name: str, range_: Range, sizes: list[int] = sizes) -> Any:
            values = known[name] if name in known else known.setdefault(name, values_of(range_))
            place = len(sizes)
            sizes.append(len(values))
            if place == len(path):
                path.append(0)
            return values[path[place]]

        trial = Suggest(0, draw)
        space.draw(trial)
        yield dict(trial.params)
        del path[len(sizes) :]
        while path and path[-1] + 1 >= sizes[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1
