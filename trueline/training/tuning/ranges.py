"""What one hyperparameter may be: a number in a range, one of several values, or a list of such."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean

__all__ = [
    "Categorical",
    "Float",
    "Int",
    "ListOf",
    "Range",
    "is_number",
    "range_from_json",
    "range_problems",
    "range_to_json",
]

When = Mapping[str, Any]
"""Of a conditional parameter: by name of an earlier parameter the value, or a tuple of the values, that it needs."""


@dataclass(frozen=True)
class Float:
    """A real number between `low` and `high`, both included.

    Attributes:
        low, high: the ends.
        log: draw evenly on the logarithm; both ends are above zero then.
        step: only ``low + k * step``; not together with `log`.
        points: how many values a grid takes, evenly from end to end (on the logarithm with `log`); only a grid asks.
        when: the parameter exists only where earlier ones have these values.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None
    when: When | None = None


@dataclass(frozen=True)
class Int:
    """A whole number between `low` and `high`, both included; attributes as of `Float`."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    points: int | None = None
    when: When | None = None


@dataclass(frozen=True)
class Categorical:
    """One of several JSON values, between which there is no order; `when` as of `Float`."""

    choices: Sequence[Any]
    when: When | None = None


@dataclass(frozen=True)
class ListOf:
    """A list of `least` to `most` values of one range, such as the widths of a network's layers; `when` as of `Float`.

    Its length is the parameter ``name.length``, its values are ``name.0``, ``name.1`` and so on.
    """

    item: Float | Int | Categorical
    least: int
    most: int
    when: When | None = None


Range = Float | Int | Categorical
_KINDS: dict[str, type[Any]] = {"float": Float, "int": Int, "categorical": Categorical, "list": ListOf}
_NAMES = {cls: kind for kind, cls in _KINDS.items()}


def range_to_json(value: Range | ListOf) -> dict[str, Any]:
    """A JSON object; `range_from_json` is its inverse."""
    data: dict[str, Any] = {"kind": _NAMES[type(value)]}
    for name, found in vars(value).items():
        if found is None:
            continue
        if isinstance(found, Float | Int | Categorical):
            found = range_to_json(found)
        elif isinstance(found, Mapping):
            found = {key: list(v) if isinstance(v, tuple | list) else v for key, v in found.items()}
        data[name] = list(found) if isinstance(found, tuple) else found
    return data


def range_from_json(data: Mapping[str, Any]) -> Any:
    """The range that `range_to_json` described; without ``kind`` the keys tell it, and whole ends make an `Int`.

    Raises:
        ConfigError: keys that no range has.
    """
    given = dict(data)
    kind = str(given.pop("kind", None) or _guess(given))
    cls = _KINDS.get(kind)
    if cls is None:
        raise ConfigError(f"there is no range of kind {kind!r}", hint=did_you_mean(kind, _KINDS))
    fields = list(cls.__dataclass_fields__)
    for name in given:
        if name not in fields:
            raise ConfigError(f"a range of kind {kind!r} has no {name!r}", hint=did_you_mean(name, fields))
    needed = [name for name in fields[: 3 if cls is ListOf else 1 if cls is Categorical else 2] if name not in given]
    if needed:
        raise ConfigError(f"a range of kind {kind!r} needs {' and '.join(needed)}")
    if isinstance(given.get("item"), Mapping):
        given["item"] = range_from_json(given["item"])
    if isinstance(given.get("when"), Mapping):
        given["when"] = {k: tuple(v) if isinstance(v, list) else v for k, v in given["when"].items()}
    if isinstance(given.get("choices"), list):
        given["choices"] = tuple(given["choices"])
    return cls(**given)


def _guess(given: Mapping[str, Any]) -> str:
    if "choices" in given:
        return "categorical"
    if "item" in given:
        return "list"
    whole = all(isinstance(given.get(key, 0), int) for key in ("low", "high", "step"))
    return "int" if whole and not isinstance(given.get("low"), bool) else "float"


def last_value(value: Float | Int) -> Any:
    """The greatest value of a range: with a step, the last that lies on one, by the numbers' decimal digits."""
    if value.step is None:
        return value.high
    low, high, step = (Decimal(str(v)) for v in (value.low, value.high, value.step))
    found = low + (high - low) // step * step
    return int(found) if isinstance(value, Int) else float(found)


def range_problems(value: Any) -> list[str]:
    """What is wrong with a range, each one half-sentence that follows its name."""
    if isinstance(value, Float | Int):
        return _number_problems(value)
    if isinstance(value, Categorical):
        return _choice_problems(value.choices)
    if isinstance(value, ListOf):
        return _list_problems(value)
    return [f"is {value!r}: give Float, Int, Categorical or ListOf"]


def is_number(value: object, whole: bool) -> bool:
    """Whether it is a finite number (no bool) of at most 64 bits, an integer if `whole`."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return abs(value) < 1 << 63 if isinstance(value, int) else math.isfinite(value)


def _number_problems(value: Float | Int) -> list[str]:
    whole = isinstance(value, Int)
    what = "a whole number" if whole else "a finite number"
    bad = [f"has {end} {getattr(value, end)!r}: give {what}" for end in ("low", "high")
           if not is_number(getattr(value, end), whole)]  # fmt: skip
    if bad:
        return bad
    found = []
    if value.low > value.high:
        found.append(f"has low {value.low} above high {value.high}")
    if value.log and value.low <= 0:
        found.append(f"is drawn on the logarithm, and begins at {value.low}: give a low above 0")
    default = 1 if whole else None
    if value.step != default:
        if value.step is None or not is_number(value.step, whole) or value.step <= 0:
            found.append(f"has step {value.step!r}: give {what} above 0")
        if value.log:
            found.append("has a step and is drawn on the logarithm: one of the two")
    if value.points is not None and (not is_number(value.points, True) or value.points < 1):
        found.append(f"has points {value.points!r}: give a whole number of at least 1")
    return found


def _choice_problems(choices: Any) -> list[str]:
    if isinstance(choices, str) or not isinstance(choices, Sequence):
        return [f"has choices {choices!r}: give a tuple of values"]
    if not choices:
        return ["has no choice"]
    texts = []
    for choice in choices:
        try:
            texts.append(json.dumps(choice, allow_nan=False, sort_keys=True))
        except (TypeError, ValueError):
            return [f"has the choice {choice!r}, which is no JSON value"]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    return [f"has the choice {text} twice" for text in twice]


def _list_problems(value: ListOf) -> list[str]:
    found = []
    item: Any = value.item
    if not isinstance(item, Float | Int | Categorical):
        found.append(f"is a list of {value.item!r}: give Float, Int or Categorical")
    else:
        found += [f"has items of which each {problem}" for problem in range_problems(value.item)]
        if value.item.when is not None:
            found.append("has items with a condition: give it to the list")
    if not is_number(value.least, True) or not is_number(value.most, True) or not 0 <= value.least <= value.most:
        found.append(f"has {value.least!r} to {value.most!r} values: give whole numbers, the lesser first")
    return found
