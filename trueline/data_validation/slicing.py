"""Slices: which rows of a batch belong to which part of the data.

Three kinds of slicer, each JSON, so that workers can rebuild it: by the values of features, by an expression, by a
function of the user's. A row may be in several slices, in each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from trueline._core.errors import ConfigError
from trueline.data_validation.slicing_config import slicing_features

if TYPE_CHECKING:
    from trueline.data_validation.options import StatsOptions

__all__ = [
    "DEFAULT_SLICE_KEY",
    "ExpressionSlicer",
    "FeatureSlicer",
    "FunctionSlicer",
    "Slicer",
    "all_slicers",
    "expression_slicer",
    "get_feature_value_slicer",
    "slicer_from_json",
    "slicer_of",
]

DEFAULT_SLICE_KEY = "All Examples"
"""The slice of all rows; it is always there where there are slices."""


@dataclass(frozen=True)
class FeatureSlicer:
    """A slice for every combination of values of features, or of the values named.

    The key is ``feature_value`` for each feature, sorted by feature, joined by ``_``. A row that misses one of the
    features is in no slice; a row with several values is in one slice for each distinct combination.

    Attributes:
        features: feature -> the values wanted, None for all; sorted by feature.
    """

    features: tuple[tuple[str, tuple[str | int, ...] | None], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(name for name, _ in self.features)

    def describe(self) -> str:
        """For messages."""
        return "slices by " + " and ".join(repr(name) for name in self.columns)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `slicer_from_json` is its inverse."""
        return {"features": {name: None if values is None else list(values) for name, values in self.features}}


@dataclass(frozen=True)
class ExpressionSlicer:
    """The rows for which an expression is true; see `trueline._core.expr`.

    Attributes:
        name: the slice's key.
        expression: its text.
    """

    name: str
    expression: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        from trueline._core.expr import parse

        return parse(self.expression).columns

    def describe(self) -> str:
        """For messages."""
        return f"slice {self.name!r}"

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `slicer_from_json` is its inverse."""
        return {"name": self.name, "expression": self.expression}


@dataclass(frozen=True)
class FunctionSlicer:
    """A function of the user's: from a record batch to pairs (key, record batch of the same columns).

    Attributes:
        function: ``package.module:function``.
    """

    function: str

    @property
    def columns(self) -> None:
        """It may read any column."""
        return

    def describe(self) -> str:
        """For messages."""
        return f"slice function {self.function}"

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `slicer_from_json` is its inverse."""
        return {"function": self.function}


Slicer: TypeAlias = FeatureSlicer | ExpressionSlicer | FunctionSlicer


def get_feature_value_slicer(features: Mapping[str, Iterable[str | bytes | int] | None]) -> FeatureSlicer:
    """A slicer for `StatsOptions.slice_functions`: rows by the values of features.

    Args:
        features: feature -> None for every value, or the values wanted: text, UTF-8 bytes or integers.

    Raises:
        ConfigError: naming each feature whose values are of another kind, and for no feature at all.
    """
    problems: list[str] = []
    found: dict[str, tuple[str | int, ...] | None] = {}
    for name, values in features.items():
        if values is None:
            found[name] = None
        elif isinstance(values, str | bytes) or not isinstance(values, Iterable):
            problems.append(f"{name!r}: {values!r} must be None or a list of values")
        else:
            found[name] = tuple(_wanted(name, value, problems) for value in values)
    if not features:
        problems.append("no feature is given")
    if problems:
        raise ConfigError("these features cannot be sliced by", problems=problems)
    return FeatureSlicer(tuple(sorted(found.items())))


def _wanted(name: str, value: Any, problems: list[str]) -> str | int:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            problems.append(f"{name!r}: {value!r} is no UTF-8 text")
            return ""
    if isinstance(value, str | int):
        return value
    problems.append(f"{name!r}: {value!r} is a {type(value).__name__}, give text, bytes or an integer")
    return ""


def expression_slicer(given: Any) -> ExpressionSlicer:
    """A slicer from an expression's text, which is its name too, or a pair (name, text).

    Raises:
        ConfigError: for anything else, and for the name of the slice of all rows.
        ExprError: where the text does not parse.
    """
    from trueline._core.expr import parse

    pair = (given, given) if isinstance(given, str) else given
    if not (isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(x, str) and x for x in pair)):
        raise ConfigError(f"{given!r} is no slice", hint="give an expression, or a pair (name, expression).")
    if pair[0] == DEFAULT_SLICE_KEY:
        raise ConfigError(f"{DEFAULT_SLICE_KEY!r} is the name of the slice of all rows")
    parse(pair[1])
    return ExpressionSlicer(pair[0], pair[1])


def slicer_of(given: Any) -> FeatureSlicer | FunctionSlicer:
    """A slicer from what `StatsOptions.slice_functions` takes: a function, its name, or a feature slicer.

    Raises:
        ConfigError: for a function that workers could not import, and for anything else.
    """
    if isinstance(given, FeatureSlicer | FunctionSlicer):
        return given
    if isinstance(given, str):
        if ":" not in given:
            raise ConfigError(f"{given!r} names no slice function", hint="write package.module:function.")
        return FunctionSlicer(given)
    if isinstance(given, Mapping):
        return get_feature_value_slicer(given)
    if isinstance(given, FunctionType):
        if given.__qualname__ != given.__name__ or given.__name__ == "<lambda>":
            raise ConfigError(
                f"{given.__qualname__!r} of {given.__module__} cannot be imported by workers",
                hint="write it as a def at the top level of a module, or use slices=['fare > 20'].",
            )
        return FunctionSlicer(f"{given.__module__}:{given.__name__}")
    raise ConfigError(
        f"{given!r} is no slice function",
        hint="give a top-level function, its package.module:name, or get_feature_value_slicer({...}).",
    )


_FROM_JSON: dict[frozenset[str], Callable[[Any], Slicer]] = {
    frozenset({"features"}): lambda data: get_feature_value_slicer(data["features"]),
    frozenset({"name", "expression"}): lambda data: expression_slicer((data["name"], data["expression"])),
    frozenset({"function"}): lambda data: slicer_of(str(data["function"])),
}


def slicer_from_json(data: Mapping[str, Any]) -> Slicer:
    """The slicer that `to_json` described.

    Raises:
        ConfigError: where it is none.
    """
    make = _FROM_JSON.get(frozenset(data))
    if make is None:
        raise ConfigError(f"{dict(data)!r} describes no slicer")
    return make(data)


def all_slicers(options: StatsOptions) -> tuple[Slicer, ...]:
    """The slicers that options ask for, each once."""
    found: list[Slicer] = [slicer_of(given) for given in options.slice_functions or ()]
    if options.slicing_config is not None:
        found += [get_feature_value_slicer(features) for features in slicing_features(options.slicing_config)]
    found += [expression_slicer(given) for given in options.slices]
    return tuple(dict.fromkeys(found))
