"""What wrong and right answers cost, and what a threshold must keep: the user's own terms, checked all at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.config_json import decode, encode
from trueline.model_analysis.decision.rates import RATES

__all__ = [
    "Constraint",
    "Cost",
    "CostMatrix",
    "constraint_problems",
    "cost_problems",
    "cost_to_json",
    "matrix_of",
    "parse_constraints",
    "parse_cost",
]


@dataclass(frozen=True)
class Cost:
    """What each of the four outcomes of a two-class decision costs, in any unit; a benefit is a negative cost.

    Attributes:
        false_positive: the second class is said and the first is true.
        false_negative: the first class is said and the second is true.
        true_positive, true_negative: what being right costs.
        unit: of all of them, for sentences: ``"EUR"``.
    """

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0
    unit: str = ""

    def __str__(self) -> str:
        parts = [("false positive", self.false_positive), ("false negative", self.false_negative)]
        parts += [
            (n, v) for n, v in (("true positive", self.true_positive), ("true negative", self.true_negative)) if v
        ]
        return ", ".join(f"{name} {value:g}{' ' + self.unit if self.unit else ''}" for name, value in parts)


@dataclass(frozen=True)
class CostMatrix:
    """What it costs to say one class where another is true.

    Attributes:
        costs: true class -> predicted class -> cost, classes as text; what is not named costs 0 on the diagonal and
            1 elsewhere. Or ``[C][C]`` numbers in the order of the model's classes, a row for each true class.
        unit: of all of them, for sentences.
    """

    costs: Any
    unit: str = ""

    def __str__(self) -> str:
        return f"a cost matrix{' in ' + self.unit if self.unit else ''}"


@dataclass(frozen=True)
class Constraint:
    """A bound that the threshold must keep on the rows it is chosen on.

    Attributes:
        metric: ``recall``, ``precision``, ``false_positive_rate``, ``specificity``, ``predicted_positive_rate`` (share
            of all rows: 50 of 1000 is 0.05) or ``accuracy``.
        at_least, at_most: the bounds, inclusive; one or both.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        bounds = [("at least", self.at_least), ("at most", self.at_most)]
        return f"{self.metric} " + " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def parse_cost(data: Any) -> Cost | CostMatrix:
    """A cost from itself, from ``{"false_positive": 1, "false_negative": 5}`` or ``{"costs": ...}``, checked.

    Raises:
        ConfigError: with every problem of it.
    """
    if isinstance(data, Cost | CostMatrix):
        cost = data
    elif isinstance(data, Mapping):
        cost = decode(CostMatrix, data) if "costs" in data else decode(Cost, data)
    else:
        raise ConfigError(
            f"a {type(data).__name__} is no cost", hint='give {"false_positive": 1, "false_negative": 5}, or a Cost.'
        )
    if problems := cost_problems(cost):
        raise ConfigError("the cost cannot decide", problems=problems)
    return cost


def cost_to_json(cost: Cost | CostMatrix) -> dict[str, Any]:
    """A JSON object; `parse_cost` is its inverse."""
    made: dict[str, Any] = encode(cost)
    return made


def cost_problems(cost: Cost | CostMatrix) -> list[str]:
    """What is wrong with a cost, without a model in view."""
    if isinstance(cost, CostMatrix):
        return _matrix_problems(cost)
    named = {n: getattr(cost, n) for n in ("false_positive", "false_negative", "true_positive", "true_negative")}
    problems = [f"{name} is {value!r}; write a finite number" for name, value in named.items() if not _finite(value)]
    if problems:
        return problems
    for wrong, right in (("false_positive", "true_negative"), ("false_negative", "true_positive")):
        if not named[wrong] > named[right]:
            problems.append(
                f"{wrong} costs {named[wrong]:g} and {right} {named[right]:g}: "
                "being wrong must cost more than being right"
            )
    return problems


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _matrix_problems(cost: CostMatrix) -> list[str]:
    if isinstance(cost.costs, Mapping):
        rows = cost.costs.items()
        bad = [str(k) for k, row in rows if not isinstance(row, Mapping) or not all(map(_finite, row.values()))]
        return [f"costs of true class {name!r} are no finite numbers by predicted class" for name in bad]
    if not isinstance(cost.costs, Sequence) or isinstance(cost.costs, str):
        return [f"costs is a {type(cost.costs).__name__}; write numbers by true and predicted class"]
    rows_ = [list(row) if isinstance(row, Sequence) and not isinstance(row, str) else None for row in cost.costs]
    if any(row is None or len(row) != len(rows_) or not all(map(_finite, row)) for row in rows_):
        return [f"costs is no square of finite numbers: {len(rows_)} rows"]
    return []


def matrix_of(cost: Cost | CostMatrix, classes: Sequence[Any]) -> tuple[tuple[float, ...], ...]:
    """``[C, C]`` costs of true class by predicted class, in the order of `classes`.

    Raises:
        ConfigError: a two-class cost for more classes, names that are no classes, a matrix of another size; all
            problems at once.
    """
    if isinstance(cost, Cost):
        if len(classes) != 2:
            raise ConfigError(
                f"false positives and negatives are of two classes, and there are {len(classes)}",
                hint='give the cost of each pair: {"costs": {"<true class>": {"<predicted class>": 5}}}.',
            )
        return ((cost.true_negative, cost.false_positive), (cost.false_negative, cost.true_positive))
    if not isinstance(cost.costs, Mapping):
        if len(cost.costs) != len(classes):
            raise ConfigError(f"the cost matrix has {len(cost.costs)} rows, the model {len(classes)} classes")
        made = [[float(v) for v in row] for row in cost.costs]
    else:
        made = _named(cost.costs, classes)
    wrong = [
        f"saying {classes[j]!r} for {classes[i]!r} costs {made[i][j]:g}, the truth {made[i][i]:g}"
        for i in range(len(made))
        for j in range(len(made))
        if made[i][j] < made[i][i]
    ]
    if wrong:
        raise ConfigError("being wrong must not cost less than being right", problems=wrong)
    return tuple(tuple(row) for row in made)


def _named(costs: Mapping[str, Mapping[str, float]], classes: Sequence[Any]) -> list[list[float]]:
    places = {
        text: i for i, c in enumerate(classes) for text in {str(c), str(c).lower() if c in (True, False) else str(c)}
    }
    made = [[float(i != j) for j in range(len(classes))] for i in range(len(classes))]
    names = [*costs, *(name for row in costs.values() for name in row)]
    problems = [
        f"{name!r} is no class. {did_you_mean(str(name), list(map(str, classes)))}"
        for name in dict.fromkeys(map(str, names))
        if name not in places
    ]
    if problems:
        raise ConfigError("the cost matrix names other classes than the model has", problems=problems)
    for true, row in costs.items():
        for said, value in row.items():
            made[places[str(true)]][places[str(said)]] = float(value)
    return made


def parse_constraints(data: Sequence[Any] | None) -> tuple[Constraint, ...]:
    """Constraints from themselves or from ``{"metric": "recall", "at_least": 0.9}``, checked.

    Raises:
        ConfigError: with every problem of all of them.
    """
    if isinstance(data, Mapping | str | Constraint):
        data = [data]
    problems: list[str] = []
    made: list[Constraint] = []
    for given in data or ():
        try:
            made.append(given if isinstance(given, Constraint) else decode(Constraint, given))
        except ConfigError as error:
            problems += error.problems or [error.message]
    problems += constraint_problems(made)
    if problems:
        raise ConfigError("the constraints do not hold together", problems=problems)
    return tuple(made)


def constraint_problems(constraints: Sequence[Constraint]) -> list[str]:
    """What is wrong with them."""
    problems = []
    for c in constraints:
        if c.metric not in RATES:
            problems.append(f"there is no constraint on {c.metric!r}. {did_you_mean(str(c.metric), RATES)}")
        bounds = [b for b in (c.at_least, c.at_most) if b is not None]
        if not bounds:
            problems.append(f"the constraint on {c.metric} has no bound: give at_least or at_most")
        problems += [f"{c.metric}: bound {b!r} is none of 0..1" for b in bounds if not (_finite(b) and 0 <= b <= 1)]
        if c.at_least is not None and c.at_most is not None and c.at_least > c.at_most:
            problems.append(f"{c.metric} cannot be at least {c.at_least:g} and at most {c.at_most:g}")
    return problems
