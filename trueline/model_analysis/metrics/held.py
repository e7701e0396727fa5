"""The state of metrics that are functions of all rows of a slice: the rows themselves, up to a cap.

This is for functions that are no sums, such as most of scikit-learn's. Memory grows with the slice, so there is a cap
that fails loudly. With groups of rows the function is called once more for each variant of the groups.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.metrics.record import Options, Undefined
from trueline.model_analysis.rows import Floats, Ints, Rows

__all__ = ["DEFAULT", "MAX_ROWS", "HeldRows", "SliceFunction", "as_json", "given"]

MAX_ROWS = 1_000_000
"""Rows of one slice that a metric may hold unless its option ``max_rows`` says otherwise."""

_ILL_DEFINED = ".*(ill-defined|well-defined|not defined|undefined|No positive|No negative)"
"""How functions warn that the number they give is none."""


class _Default:
    """Stands for the default of somebody else's function."""

    def __repr__(self) -> str:
        return "the function's own"


DEFAULT = _Default()
SliceFunction: TypeAlias = Callable[[Floats, Floats, Floats, Options], Any]
"""Labels ``[n]`` or ``[n, C]``, predictions of the same form, weights ``[n]``, options, to a number or a structure."""


def given(options: Options, known: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given a value."""
    return {name: options[name] for name in known if options.get(name, DEFAULT) is not DEFAULT}


class HeldRows:
    """All rows of one slice and one model that have a weight.

    Args:
        name: the metric, for messages.
        function: what is called with the rows.
        options: its options; ``max_rows`` is the cap.
        several: whether a row may be of several classes: labels are given as ``[n, C]``, else as numbers.
    """

    def __init__(self, name: str, function: SliceFunction, options: Options, several: bool = False) -> None:
        self._name, self._function, self._options, self._several = name, function, options, several
        self._parts: list[tuple[npt.NDArray[Any], ...]] = []
        self._count = 0

    def update(self, rows: Rows) -> None:
        """Takes in rows; those without weight are left out."""
        counted = rows.weight > 0
        label = rows.one_hot if self._several else rows.label
        group: Ints = np.zeros(len(rows), dtype=np.int64) if rows.group is None else rows.group
        self._add(tuple(np.asarray(a)[counted] for a in (label, rows.prediction, rows.weight, group)))

    def _add(self, part: tuple[npt.NDArray[Any], ...]) -> None:
        self._count += len(part[2])
        limit = int(self._options["max_rows"])
        if self._count > limit:
            raise DataError(
                f"metric {self._name!r} holds all rows of a slice in memory, and a slice has more than {limit}",
                hint="raise its option max_rows, evaluate a sample, or write it as a Metric record of sums.",
            )
        if len(part[2]):
            self._parts.append(part)

    def merge(self, other: HeldRows) -> None:
        """Takes in the rows that follow."""
        for part in other._parts:
            self._add(part)

    def state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """The rows."""
        names = ("label", "prediction", "weight", "group")
        return {}, dict(zip(names, self._joined(), strict=True)) if self._parts else {}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes back what `state` gave."""
        if arrays:
            self._add(tuple(arrays[name] for name in ("label", "prediction", "weight", "group")))

    def _joined(self) -> tuple[npt.NDArray[Any], ...]:
        if len(self._parts) > 1:
            self._parts = [tuple(np.concatenate(column) for column in zip(*self._parts, strict=True))]
        return self._parts[0]

    def finish(self) -> Any:
        """The function's value, or why it has none."""
        if not self._parts:
            return Undefined("no row has a weight")
        label, prediction, weight, _ = self._joined()
        return self._value(label, prediction, weight)

    def variants(self, multiplicity: Floats) -> Floats:
        """The function's value with each group of rows taken so many times ``[X]``; NaN where it has none."""
        found = np.full(multiplicity.shape[1], np.nan)
        if not self._parts:
            return found
        label, prediction, weight, group = self._joined()
        for x in range(len(found)):
            taken = np.repeat(np.arange(len(weight)), multiplicity[group, x].astype(np.int64))
            value = self._value(label[taken], prediction[taken], weight[taken]) if len(taken) else None
            if isinstance(value, (int, float)):
                found[x] = value
        return found

    def _value(self, label: Floats, prediction: Floats, weight: Floats) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.filterwarnings(
                    "error", message=".*(ill-defined|well-defined|not defined|undefined|No positive|No negative).*"
                )
                found = as_json(self._function(label, prediction, weight, self._options))
        except Exception as error:
            return Undefined(f"{self._name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        if isinstance(found, bool) or found is None:
            return Undefined(f"{self._name} gives {found}, not a number")
        if isinstance(found, (int, float)) and not math.isfinite(found):
            return Undefined(f"{self._name} gives {found} here")
        return found


def as_json(value: Any) -> Any:
    """A metric's value as JSON: numpy's scalars and arrays, tuples and mappings."""
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    return value
