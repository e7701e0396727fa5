"""Statistics of the user's own: an accumulator of the engine, in the same pass as all others.

`finish` gives one of

* a partial ``DatasetFeatureStatistics``: features by path, with whatever is known of them;
* a dict: feature (column name, or tuple of steps for a field of a struct) -> dict of numbers, texts, histograms or
  other protos by name, which become the feature's custom statistics.

The parts of all accumulators are merged by path, as protos merge: scalars set later win, lists are joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ConfigError
from trueline.engine.base import AccumulatorSpec

__all__ = ["Generator", "generator_of"]


@dataclass(frozen=True)
class Generator:
    """An accumulator for `StatsOptions.generators`.

    Attributes:
        name: ``package.module:factory``, see `trueline.engine.AccumulatorSpec`.
        params: JSON values.
        columns: the columns that it reads; None for all that the pass looks at.
    """

    name: str
    params: Mapping[str, Any]
    columns: tuple[str, ...] | None = None

    def spec(self) -> AccumulatorSpec[Any]:
        """The accumulator as data."""
        return AccumulatorSpec(self.name, self.params)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `generator_of` is its inverse."""
        columns = None if self.columns is None else list(self.columns)
        return {"name": self.name, "params": dict(self.params), "columns": columns}


def generator_of(given: Any) -> Generator:
    """A generator from an `AccumulatorSpec`, an object with ``spec()`` (and perhaps ``columns``), or its JSON.

    Raises:
        ConfigError: for anything else.
    """
    if isinstance(given, Mapping) and given.keys() <= {"name", "params", "columns"} and "name" in given:
        spec, columns = AccumulatorSpec[Any](given["name"], dict(given.get("params") or {})), given.get("columns")
    elif isinstance(given, AccumulatorSpec):
        spec, columns = given, None
    elif callable(getattr(given, "spec", None)):
        spec, columns = given.spec(), getattr(given, "columns", None)
    else:
        raise ConfigError(
            f"{given!r} is no accumulator",
            hint="give an AccumulatorSpec, or an object whose spec() gives one; upstream's generators do not run here.",
        )
    if not isinstance(spec, AccumulatorSpec):
        raise ConfigError(f"spec() of {given!r} gives a {type(spec).__name__}, no AccumulatorSpec")
    if not isinstance(spec.name, str) or ":" not in spec.name:
        raise ConfigError(f"{spec.name!r} names no accumulator", hint="write package.module:factory.")
    if isinstance(columns, str) or not (columns is None or isinstance(columns, Sequence)):
        raise ConfigError(f"columns of {given!r} is {columns!r}, it must be a list of column names")
    spec.to_json()
    return Generator(spec.name, spec.params, None if columns is None else tuple(columns))
