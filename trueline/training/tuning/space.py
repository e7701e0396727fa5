"""`Space`: the hyperparameters that a search may set, and what each may be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.training.tuning.ranges import (
    Categorical,
    Int,
    ListOf,
    Range,
    range_from_json,
    range_problems,
    range_to_json,
)
from trueline.training.tuning.suggest import Suggest

__all__ = ["Space", "SpaceLike", "checked_space", "draw_from", "is_conditional"]


class Space:
    """A search space: parameters by name, in order.

    >>> space = Space(rate=Float(1e-4, 1e-1, log=True), depth=Int(2, 8), booster=Categorical(("gbtree", "dart")))
    >>> list(space.ranges)
    ['rate', 'depth', 'booster']

    Args:
        ranges: what each parameter may be.
    """

    def __init__(self, **ranges: Range | ListOf) -> None:
        self._pairs: tuple[tuple[str, Any], ...] = tuple(ranges.items())

    @classmethod
    def of(cls, ranges: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Space:
        """A space from a dict, or from pairs, where a name may be any text.

        A value is a range, a list of choices, or a dict such as ``{"low": 1e-4, "high": 0.1, "log": True}``; whole
        ends make an `Int`.
        """
        made = cls()
        pairs = ranges.items() if isinstance(ranges, Mapping) else ranges
        made._pairs = tuple((str(name), _as_range(value)) for name, value in pairs)
        return made

    @property
    def ranges(self) -> dict[str, Any]:
        """The ranges by name."""
        return dict(self._pairs)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters."""
        return tuple(name for name, _ in self._pairs)

    def problems(self) -> list[str]:
        """All that is wrong with it, each one sentence."""
        found = [] if self._pairs else ["the search space is empty: there is nothing to search"]
        seen: dict[str, Any] = {}
        for name, value in self._pairs:
            if name in seen:
                found.append(f"parameter {name!r} is there twice")
            if "." in name or not name:
                found.append(f"parameter {name!r}: a name is not empty, and dots belong to the items of lists")
            found += [f"parameter {name!r} {problem}" for problem in range_problems(value)]
            found += _condition_problems(name, getattr(value, "when", None), seen)
            seen[name] = value
        return found

    def check(self) -> Space:
        """Itself.

        Raises:
            ConfigError: with all problems.
        """
        problems = self.problems()
        if problems:
            raise ConfigError("the search space cannot be searched", problems=problems)
        return self

    def draw(self, trial: Suggest) -> dict[str, Any]:
        """Hyperparameters of one trial; a parameter whose condition does not hold is absent."""
        drawn: dict[str, Any] = {}
        for name, value in self._pairs:
            if not _holds(value.when, drawn):
                continue
            if isinstance(value, ListOf):
                length = trial.suggest(f"{name}.length", Int(value.least, value.most))
                drawn[name] = [trial.suggest(f"{name}.{i}", value.item) for i in range(length)]
            else:
                drawn[name] = trial.suggest(name, value)
        return drawn

    def to_json(self) -> list[dict[str, Any]]:
        """JSON; `from_json` is its inverse."""
        return [{"name": name, **range_to_json(value)} for name, value in self._pairs]

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]]) -> Space:
        """The space that `to_json` described."""
        return cls.of([(d["name"], range_from_json({k: v for k, v in d.items() if k != "name"})) for d in data])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # choices may be lists

    def __repr__(self) -> str:
        return f"Space({', '.join(f'{name}={value!r}' for name, value in self._pairs)})"


SpaceLike = Space | Mapping[str, Any] | Callable[..., Any]


def _as_range(value: Any) -> Any:
    if isinstance(value, Mapping):
        return range_from_json(value)
    return Categorical(tuple(value)) if isinstance(value, list | tuple) else value


def _holds(when: Mapping[str, Any] | None, drawn: Mapping[str, Any]) -> bool:
    return all(name in drawn and drawn[name] in _values(wanted) for name, wanted in (when or {}).items())


def _values(wanted: Any) -> tuple[Any, ...]:
    return tuple(wanted) if isinstance(wanted, tuple | list) else (wanted,)


def _condition_problems(name: str, when: Any, seen: Mapping[str, Any]) -> list[str]:
    if when is None:
        return []
    if not isinstance(when, Mapping):
        return [f"parameter {name!r} has the condition {when!r}: give a dict of name and value"]
    found = []
    for other, wanted in when.items():
        if other not in seen:
            found.append(f"parameter {name!r} depends on {other!r}, which stands not before it. "
                         f"{did_you_mean(str(other), seen)}")  # fmt: skip
        elif isinstance(seen[other], Categorical) and not _choice_problem_free(seen[other], wanted):
            found.append(f"parameter {name!r} needs {other} = {wanted!r}, which is none of {seen[other].choices!r}")
    return found


def _choice_problem_free(range_: Categorical, wanted: Any) -> bool:
    return all(value in tuple(range_.choices) for value in _values(wanted))


def is_conditional(space: Any) -> bool:
    """Whether it is a function of a trial, which decides as it draws; one without arguments gives a `Space`."""
    if isinstance(space, Space | Mapping) or not callable(space):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
               for p in inspect.signature(space).parameters.values())  # fmt: skip


def checked_space(space: Any, fixed: Mapping[str, Any] | None = None) -> Space | Callable[[Suggest], Any]:
    """The space itself, ready to draw from: a checked `Space`, or a function of a trial.

    Args:
        space: a `Space`, a dict of ranges, a function without arguments that returns one of the two, or a function of
            one argument, the trial, that returns the hyperparameters.
        fixed: hyperparameters that are given beside it, whose names it may not use.

    Raises:
        ConfigError: with all problems.
    """
    if is_conditional(space):
        return space  # type: ignore[no-any-return]
    found = space() if callable(space) else space
    if isinstance(found, Mapping):
        found = Space.of(found)
    if not isinstance(found, Space):
        raise ConfigError(f"the search space is a {type(found).__name__}", hint="give a Space, or a dict of ranges.")
    twice = [f"parameter {name!r} is both searched and fixed: drop it from hyperparameters, or from the space"
             for name in found.names if name in (fixed or {})]  # fmt: skip
    problems = found.problems() + twice
    if problems:
        raise ConfigError("the search space cannot be searched", problems=problems)
    return found


def draw_from(space: Space | Callable[[Suggest], Any], trial: Suggest, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of one trial, without the fixed ones.

    Raises:
        ConfigError: a function that returned no dict of JSON values, drew nothing, or set what is fixed.
    """
    if isinstance(space, Space):
        return space.draw(trial)
    name = getattr(space, "__name__", "the search space")
    drawn = space(trial)
    if not isinstance(drawn, Mapping):
        raise ConfigError(f"{name} returned {drawn!r}", hint="return a dict of hyperparameters.")
    problems = [f"{key!r} is both searched and fixed" for key in drawn if key in fixed]
    if not trial.ranges:
        problems.append("it drew nothing: call trial.suggest_float, suggest_int or suggest_categorical")
    problems += [f"the key {key!r} is no text" for key in drawn if not isinstance(key, str)]
    if problems:
        raise ConfigError(f"{name} cannot be searched", problems=problems)
    return dict(drawn)
